"""Routes of clinicians' profiles and of their review."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from clinical.cursors import cut, read_moment
from clinical.people import profiles
from clinical.people.policies import CLINICIANS, REVIEWERS
from clinical.people.profile_models import CertificateKind, ReviewState, StaffCertificate
from clinical.people.profiles import CertificateForm, ProfileContent
from core.files import service as files
from core.files.schemas import FileRef
from core.http import Context, Page, Routes
from core.masking import mask_id_number

routes = Routes(tag="profiles", title="执业资料")
LIMIT = 100


class CertificateView(BaseModel):
    """A certificate; its number is masked for everybody, the picture shows it."""

    id: UUID
    kind: CertificateKind
    name: str
    number_masked: str
    issued_on: date
    valid_until: date | None
    file: FileRef | None
    state: ReviewState
    submitted_at: datetime
    reason: str | None


class OwnProfile(BaseModel):
    """`active` is false for a preset account before its first approval."""

    active: bool
    content: ProfileContent | None
    pending: ProfileContent | None
    pending_since: datetime | None
    rejected_reason: str | None
    certificates: list[CertificateView]


class SubmissionLine(BaseModel):
    id: UUID
    user_id: UUID
    name: str
    first: bool
    state: ReviewState
    submitted_at: datetime
    decided_at: datetime | None


class SubmissionView(SubmissionLine):
    """What was handed in beside what is in force."""

    before: ProfileContent | None
    after: ProfileContent
    reason: str | None


class CertificateLine(CertificateView):
    user_id: UUID
    owner: str


class Decision(BaseModel):
    approved: bool
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


@routes.get("/me/profile", roles=CLINICIANS, summary="The own profile, pending changes and proofs")
async def own(ctx: Context) -> OwnProfile:
    return await _own(ctx)


async def _own(ctx: Context) -> OwnProfile:
    profile = await profiles.profile_of(ctx.uow, ctx.caller.hospital_id, ctx.caller.user_id)
    newest = await profiles.newest_submission(ctx.uow, ctx.caller)
    open_one = newest if newest and newest.state is ReviewState.SUBMITTED else None
    refused = newest if newest and newest.state is ReviewState.REJECTED else None
    # What was sent back stays in the form, so that nobody types it twice.
    pending = open_one or refused
    return OwnProfile(
        active=profile is not None,
        content=ProfileContent.model_validate(profile.content) if profile else None,
        pending=ProfileContent.model_validate(pending.content) if pending else None,
        pending_since=open_one.submitted_at if open_one else None,
        rejected_reason=refused.reason if refused else None,
        certificates=[
            await _certificate(ctx, each)
            for each in await profiles.own_certificates(ctx.uow, ctx.caller)
        ],
    )


@routes.post(
    "/me/profile/submissions",
    roles=CLINICIANS,
    status=201,
    idempotent=True,
    summary="Hand the profile in for review",
)
async def hand_in(ctx: Context, body: ProfileContent) -> OwnProfile:
    await profiles.hand_in(ctx.uow, ctx.caller, body)
    return await _own(ctx)


@routes.post(
    "/me/certificates", roles=CLINICIANS, status=201, idempotent=True, summary="Hand a proof in"
)
async def add_certificate(ctx: Context, body: CertificateForm) -> CertificateView:
    return await _certificate(ctx, await profiles.add_certificate(ctx.uow, ctx.caller, body))


@routes.delete("/me/certificates/{certificate_id}", roles=CLINICIANS, summary="Take a proof back")
async def withdraw_certificate(ctx: Context, certificate_id: UUID) -> None:
    await profiles.withdraw_certificate(ctx.uow, ctx.caller, certificate_id)


@routes.get("/profile-submissions", roles=REVIEWERS, summary="Profiles handed in")
async def list_submissions(
    ctx: Context,
    state: ReviewState = ReviewState.SUBMITTED,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[SubmissionLine]:
    size = max(1, min(limit, LIMIT))
    rows = await profiles.submissions(ctx.uow, ctx.caller, state, read_moment(cursor), size + 1)
    page, following = cut(rows, size, lambda row: (row[0].submitted_at, row[0].id))
    items = []
    for handed, user in page:
        profile = await profiles.profile_of(ctx.uow, handed.hospital_id, handed.user_id)
        items.append(
            SubmissionLine(
                id=handed.id,
                user_id=user.id,
                name=user.name,
                first=profile is None,
                state=handed.state,
                submitted_at=handed.submitted_at,
                decided_at=handed.decided_at,
            )
        )
    return Page(items=items, next=following)


@routes.get("/profile-submissions/{submission_id}", roles=REVIEWERS, summary="One profile")
async def show_submission(ctx: Context, submission_id: UUID) -> SubmissionView:
    return await _submission(ctx, submission_id)


@routes.post(
    "/profile-submissions/{submission_id}/decision", roles=REVIEWERS, summary="Approve or send back"
)
async def decide_profile(ctx: Context, submission_id: UUID, body: Decision) -> SubmissionView:
    await profiles.decide_profile(
        ctx.uow, ctx.caller, submission_id, approved=body.approved, reason=body.reason
    )
    return await _submission(ctx, submission_id)


@routes.get("/staff-certificates", roles=REVIEWERS, summary="Proofs handed in")
async def list_certificates(
    ctx: Context,
    state: ReviewState = ReviewState.SUBMITTED,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[CertificateLine]:
    size = max(1, min(limit, LIMIT))
    rows = await profiles.certificates(ctx.uow, ctx.caller, state, read_moment(cursor), size + 1)
    page, following = cut(rows, size, lambda row: (row[0].submitted_at, row[0].id))
    items = [
        CertificateLine(
            **(await _certificate(ctx, certificate)).model_dump(),
            user_id=user.id,
            owner=user.name,
        )
        for certificate, user in page
    ]
    return Page(items=items, next=following)


@routes.post(
    "/staff-certificates/{certificate_id}/decision", roles=REVIEWERS, summary="Accept or send back"
)
async def decide_certificate(ctx: Context, certificate_id: UUID, body: Decision) -> CertificateView:
    return await _certificate(
        ctx,
        await profiles.decide_certificate(
            ctx.uow, ctx.caller, certificate_id, approved=body.approved, reason=body.reason
        ),
    )


async def _certificate(ctx: Context, row: StaffCertificate) -> CertificateView:
    found = await files.file_refs(ctx.uow, [row.file_id])
    return CertificateView(
        id=row.id,
        kind=row.kind,
        name=row.name,
        number_masked=mask_id_number(row.number),
        issued_on=row.issued_on,
        valid_until=row.valid_until,
        file=found[0] if found else None,
        state=row.state,
        submitted_at=row.submitted_at,
        reason=row.reason,
    )


async def _submission(ctx: Context, submission_id: UUID) -> SubmissionView:
    handed = await profiles.submission(ctx.uow, ctx.caller, submission_id)
    profile = await profiles.profile_of(ctx.uow, handed.hospital_id, handed.user_id)
    name = await profiles.name_of(ctx.uow, handed.user_id)
    return SubmissionView(
        id=handed.id,
        user_id=handed.user_id,
        name=name,
        first=profile is None,
        state=handed.state,
        submitted_at=handed.submitted_at,
        decided_at=handed.decided_at,
        before=ProfileContent.model_validate(profile.content) if profile else None,
        after=ProfileContent.model_validate(handed.content),
        reason=handed.reason,
    )
