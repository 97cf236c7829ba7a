"""Clinicians' profiles: filled in by themselves, reviewed by an administrator, then in force.

A preset account becomes active with its first approved profile. What patients read (expertise and
introduction) follows the approved profile of a doctor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, ValidationInfo, field_validator
from sqlalchemy import Select, select, tuple_

from clinical.cursors import Moment
from clinical.people.models import Clinician
from clinical.people.policies import CERTIFICATE, PROFILE
from clinical.people.profile_models import (
    CertificateKind,
    ProfileSubmission,
    ReviewState,
    StaffCertificate,
    StaffProfile,
)
from clinical.people.states import MedicationField
from core import audit
from core.access import READ, condition, find_grant, require
from core.errors import Conflict, FieldProblem, NotFound
from core.files import service as files
from core.files.access import register_viewer
from core.files.models import File, Purpose
from core.identity.caller import Caller
from core.identity.models import RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import Category, declare

declare("profile_decided", Category.WORK, "资料审核结果", staff=True)
declare("profile_submitted", Category.WORK, "待审核资料", staff=True)

SCOPE = "certificate"
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Month = Annotated[str, StringConstraints(pattern=r"^(19|20)\d{2}-(0[1-9]|1[0-2])$")]


class AlreadyDecided(Conflict):
    """Somebody else was quicker."""

    code = "already_decided"
    title = "这份材料已经审核过了"


class OwnReview(Conflict):
    """Nobody reviews what he or she handed in."""

    code = "own_review"
    title = "不能审核自己提交的材料"


class ReasonMissing(Conflict):
    """Whoever is refused is told why."""

    code = "reason_missing"
    title = "请写明不通过的原因"


class NotActive(Conflict):
    """A preset account whose profile nobody approved yet."""

    code = "account_not_active"
    title = "账号尚未激活，请先完善执业资料并通过审核"


class Period(BaseModel):
    """One stage of education or work; `until` is empty for the present one."""

    place: Line
    role: Line = Field(description="Degree and subject, or post.")
    since: Month
    until: Month | None = None

    @field_validator("until")
    @classmethod
    def _in_order(cls, until: str | None, info: ValidationInfo) -> str | None:
        if until is not None and until < info.data.get("since", ""):
            raise ValueError("结束时间早于开始时间")
        return until


class ProfileContent(BaseModel):
    """What a clinician fills in."""

    sex: Literal["male", "female"]
    practice_start: date = Field(description="Since when the person works in the profession.")
    contact_phone: Annotated[str, StringConstraints(pattern=r"^[0-9+\-() ]{5,20}$")] | None = None
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    expertise: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""
    introduction: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    medication_fields: list[MedicationField] = Field(default_factory=list, max_length=10)
    education: list[Period] = Field(default_factory=list, max_length=10)
    work: list[Period] = Field(default_factory=list, max_length=20)


class CertificateForm(BaseModel):
    """One certificate and the upload that shows it."""

    kind: CertificateKind
    name: Line
    number: Line
    issued_on: date
    valid_until: date | None = None
    file_id: UUID

    @field_validator("valid_until")
    @classmethod
    def _in_order(cls, until: date | None, info: ValidationInfo) -> date | None:
        if until is not None and until <= info.data.get("issued_on", date.min):
            raise ValueError("有效期须晚于发证日期")
        return until


# --- The clinician --------------------------------------------------------------------------------


async def profile_of(uow: UnitOfWork, hospital_id: UUID, user_id: UUID) -> StaffProfile | None:
    """The profile in force, or None before the account is active."""
    return await uow.session.scalar(
        select(StaffProfile).where(
            StaffProfile.hospital_id == hospital_id, StaffProfile.user_id == user_id
        )
    )


async def require_active(uow: UnitOfWork, caller: Caller) -> None:
    """Raise NotActive for a clinician whose preset account was not activated yet."""
    if await profile_of(uow, caller.hospital_id, caller.user_id) is None:
        raise NotActive()


async def newest_submission(uow: UnitOfWork, caller: Caller) -> ProfileSubmission | None:
    """What the caller handed in last."""
    return await uow.session.scalar(
        select(ProfileSubmission)
        .where(
            ProfileSubmission.hospital_id == caller.hospital_id,
            ProfileSubmission.user_id == caller.user_id,
        )
        .order_by(ProfileSubmission.submitted_at.desc(), ProfileSubmission.id.desc())
        .limit(1)
    )


async def hand_in(uow: UnitOfWork, caller: Caller, content: ProfileContent) -> ProfileSubmission:
    """Hand a profile in; an earlier one that is still open is withdrawn. Raises NotPermitted."""
    await require(uow, caller, PROFILE, "submit")
    if content.practice_start > uow.now.date():
        raise Conflict(fields=[FieldProblem("practice_start", "从业时间不能晚于今天")])
    await _lock(uow, caller.user_id)
    former = await newest_submission(uow, caller)
    if former is not None and former.state is ReviewState.SUBMITTED:
        former.state, former.decided_at = ReviewState.WITHDRAWN, uow.now
        await uow.session.flush()
    handed = ProfileSubmission(
        id=new_id(),
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        content=content.model_dump(mode="json"),
        state=ReviewState.SUBMITTED,
        submitted_at=uow.now,
    )
    uow.session.add(handed)
    await uow.session.flush()
    await audit.record(uow, caller, "profile.submit", "profile_submission", handed.id)
    await _tell_reviewers(uow, caller, f"{caller.name}提交了执业资料", handed.id)
    return handed


async def add_certificate(
    uow: UnitOfWork, caller: Caller, form: CertificateForm
) -> StaffCertificate:
    """Hand a certificate in with its picture.

    Raises NotPermitted, FileNotAttachable, FileTypeNotAllowed.
    """
    await require(uow, caller, CERTIFICATE, "submit")
    if form.issued_on > uow.now.date():
        raise Conflict(fields=[FieldProblem("issued_on", "发证日期不能晚于今天")])
    certificate = StaffCertificate(
        id=new_id(),
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        state=ReviewState.SUBMITTED,
        submitted_at=uow.now,
        **form.model_dump(),
    )
    await files.attach(
        uow, [form.file_id], SCOPE, certificate.id, caller, purposes=[Purpose.CERTIFICATE]
    )
    uow.session.add(certificate)
    await uow.session.flush()
    await audit.record(uow, caller, "certificate.submit", "staff_certificate", certificate.id)
    await _tell_reviewers(uow, caller, f"{caller.name}提交了{form.name}", certificate.id)
    return certificate


async def withdraw_certificate(uow: UnitOfWork, caller: Caller, certificate_id: UUID) -> None:
    """Take a certificate back that nobody has reviewed.

    Raises NotPermitted, NotFound, AlreadyDecided.
    """
    mine = await condition(uow, caller, CERTIFICATE, "submit")
    certificate = await uow.session.scalar(
        select(StaffCertificate)
        .where(mine, StaffCertificate.id == certificate_id)
        .with_for_update()
    )
    if certificate is None:
        raise NotFound()
    if certificate.state is not ReviewState.SUBMITTED:
        raise AlreadyDecided()
    certificate.state, certificate.decided_at = ReviewState.WITHDRAWN, uow.now


async def own_certificates(uow: UnitOfWork, caller: Caller) -> Sequence[StaffCertificate]:
    """The caller's certificates, the newest first, without those taken back."""
    rows = await uow.session.scalars(
        _certificates(caller)
        .where(StaffCertificate.state != ReviewState.WITHDRAWN)
        .order_by(StaffCertificate.submitted_at.desc(), StaffCertificate.id)
    )
    return rows.all()


def _certificates(caller: Caller) -> Select[StaffCertificate]:
    return select(StaffCertificate).where(
        StaffCertificate.hospital_id == caller.hospital_id,
        StaffCertificate.user_id == caller.user_id,
    )


async def _lock(uow: UnitOfWork, user_id: UUID) -> None:
    """One at a time for one person, on whichever node."""
    await uow.session.execute(select(User.id).where(User.id == user_id).with_for_update())


# --- The reviewer ---------------------------------------------------------------------------------


async def submissions(
    uow: UnitOfWork, caller: Caller, state: ReviewState, after: Moment | None, limit: int
) -> list[tuple[ProfileSubmission, User]]:
    """Profiles of the hospital in one state, the newest first. Raises NotPermitted."""
    query = (
        select(ProfileSubmission, User)
        .join(User, User.id == ProfileSubmission.user_id)
        .where(await condition(uow, caller, PROFILE), ProfileSubmission.state == state)
    )
    if after is not None:
        query = query.where(tuple_(ProfileSubmission.submitted_at, ProfileSubmission.id) < after)
    rows = await uow.session.execute(
        query.order_by(ProfileSubmission.submitted_at.desc(), ProfileSubmission.id.desc()).limit(
            limit
        )
    )
    return [(handed, user) for handed, user in rows]


async def submission(
    uow: UnitOfWork, caller: Caller, submission_id: UUID, action: str = READ
) -> ProfileSubmission:
    """One profile that was handed in at the hospital. Raises NotPermitted, NotFound."""
    allowed = await condition(uow, caller, PROFILE, action)
    row = await uow.session.scalar(
        select(ProfileSubmission)
        .where(ProfileSubmission.id == submission_id, allowed)
        .with_for_update()
    )
    if row is None:
        raise NotFound()
    return row


async def name_of(uow: UnitOfWork, user_id: UUID) -> str:
    """What somebody is called."""
    return await uow.session.scalar(select(User.name).where(User.id == user_id)) or ""


async def decide_profile(
    uow: UnitOfWork, caller: Caller, submission_id: UUID, *, approved: bool, reason: str
) -> ProfileSubmission:
    """Put a profile in force or send it back; the first one activates the account.

    Raises NotPermitted, NotFound, AlreadyDecided, OwnReview, ReasonMissing.
    """
    handed = await submission(uow, caller, submission_id, "review")
    _decide(uow, caller, handed, approved=approved, reason=reason)
    if approved:
        await _put_in_force(uow, handed)
    await _tell_owner(uow, handed, "执业资料", approved=approved, ref="profile")
    await audit.record(
        uow, caller, "profile.approve" if approved else "profile.reject", "profile_submission",
        handed.id, detail={"user_id": str(handed.user_id), "reason": reason},
    )  # fmt: skip
    return handed


async def certificates(
    uow: UnitOfWork, caller: Caller, state: ReviewState, after: Moment | None, limit: int
) -> list[tuple[StaffCertificate, User]]:
    """Certificates of the hospital in one state, the newest first. Raises NotPermitted."""
    query = (
        select(StaffCertificate, User)
        .join(User, User.id == StaffCertificate.user_id)
        .where(await condition(uow, caller, CERTIFICATE), StaffCertificate.state == state)
    )
    if after is not None:
        query = query.where(tuple_(StaffCertificate.submitted_at, StaffCertificate.id) < after)
    rows = await uow.session.execute(
        query.order_by(StaffCertificate.submitted_at.desc(), StaffCertificate.id.desc()).limit(
            limit
        )
    )
    return [(certificate, user) for certificate, user in rows]


async def decide_certificate(
    uow: UnitOfWork, caller: Caller, certificate_id: UUID, *, approved: bool, reason: str
) -> StaffCertificate:
    """Accept a certificate or send it back.

    Raises NotPermitted, NotFound, AlreadyDecided, OwnReview, ReasonMissing.
    """
    allowed = await condition(uow, caller, CERTIFICATE, "review")
    certificate = await uow.session.scalar(
        select(StaffCertificate)
        .where(StaffCertificate.id == certificate_id, allowed)
        .with_for_update()
    )
    if certificate is None:
        raise NotFound()
    _decide(uow, caller, certificate, approved=approved, reason=reason)
    await _tell_owner(uow, certificate, certificate.name, approved=approved, ref="profile")
    await audit.record(
        uow, caller, "certificate.approve" if approved else "certificate.reject",
        "staff_certificate", certificate.id,
        detail={"user_id": str(certificate.user_id), "reason": reason},
    )  # fmt: skip
    return certificate


def _decide(
    uow: UnitOfWork,
    caller: Caller,
    handed: ProfileSubmission | StaffCertificate,
    *,
    approved: bool,
    reason: str,
) -> None:
    if handed.user_id == caller.user_id:
        raise OwnReview()
    if handed.state is not ReviewState.SUBMITTED:
        raise AlreadyDecided()
    if not approved and not reason:
        raise ReasonMissing(fields=[FieldProblem("reason", "请写明不通过的原因")])
    handed.state = ReviewState.APPROVED if approved else ReviewState.REJECTED
    handed.decided_at, handed.decided_by = uow.now, caller.user_id
    handed.reason = reason or None


async def _put_in_force(uow: UnitOfWork, handed: ProfileSubmission) -> None:
    profile = await profile_of(uow, handed.hospital_id, handed.user_id)
    if profile is None:
        profile = StaffProfile(
            id=new_id(),
            hospital_id=handed.hospital_id,
            user_id=handed.user_id,
            activated_at=uow.now,
        )
        uow.session.add(profile)
    profile.content, profile.changed_at = handed.content, uow.now
    clinician = await uow.session.scalar(
        select(Clinician).where(
            Clinician.hospital_id == handed.hospital_id, Clinician.user_id == handed.user_id
        )
    )
    if clinician is not None:
        content = ProfileContent.model_validate(handed.content)
        clinician.expertise, clinician.introduction = content.expertise, content.introduction
        if clinician.profession is Role.PHARMACIST:
            clinician.medication_fields = [each.value for each in content.medication_fields]


async def _tell_owner(
    uow: UnitOfWork,
    handed: ProfileSubmission | StaffCertificate,
    what: str,
    *,
    approved: bool,
    ref: str,
) -> None:
    text = f"{what}已通过审核" if approved else f"{what}未通过审核：{handed.reason}"
    await inbox.notify(
        uow, [handed.user_id], hospital_id=handed.hospital_id, type="profile_decided",
        title="资料审核", text=text, ref=(ref, handed.id),
    )  # fmt: skip


async def _tell_reviewers(uow: UnitOfWork, caller: Caller, text: str, handed: UUID) -> None:
    reviewers = await uow.session.scalars(
        select(RoleAssignment.user_id).where(
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.role == Role.ADMINISTRATOR,
        )
    )
    others = [user_id for user_id in reviewers if user_id != caller.user_id]
    await inbox.notify(
        uow, others, hospital_id=caller.hospital_id, type="profile_submitted",
        title="待审核资料", text=text, ref=("profile_review", handed),
    )  # fmt: skip


async def _may_see_certificate(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """A certificate's picture shows to its owner and to whoever may read what was handed in."""
    for action in (READ, "submit"):
        allowed = await find_grant(uow, caller, CERTIFICATE, action)
        mine = select(StaffCertificate.id).where(
            StaffCertificate.id == file.scope_id, allowed.condition
        )
        if allowed and await uow.session.scalar(mine) is not None:
            return True
    return False


register_viewer(SCOPE, _may_see_certificate)
