"""The verbs of administrators: applications with their policies and secrets. None commits."""

import secrets
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from clinical.signature.applications import access, registry
from clinical.signature.applications.errors import CertificateNeeded
from clinical.signature.applications.models import Application
from clinical.signature.applications.states import Proof
from clinical.signature.certificates import access as certificates
from clinical.signature.certificates import keeping
from clinical.signature.certificates.errors import CertificateInUse
from clinical.signature.certificates.models import StoredCertificate
from core import audit
from core.errors import FieldProblem, InvalidRequest
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from clinical.signature.applications.admin_schemas import ApplicationPolicy

SECRET_BYTES = 32


async def create(
    uow: UnitOfWork, hospital_id: UUID, policy: "ApplicationPolicy", caller: Caller | None = None
) -> tuple[Application, str | None]:
    """Register an application; the secret is returned this once. Raises InvalidRequest."""
    row = Application(
        id=new_id(),
        hospital_id=hospital_id,
        code=f"app_{secrets.token_hex(8)}",
        secret=None,
        created_at=uow.now,
        created_by=caller.user_id if caller else None,
        secret_at=None,
    )
    await _apply(uow, row, policy)
    secret = _give_secret(row, uow) if row.proof is Proof.SECRET else None
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(
        uow,
        caller,
        "signature_application.create",
        "signature_application",
        row.id,
        detail={"code": row.code, **_told(row)},
        hospital_id=hospital_id,
    )
    return row, secret


async def change(
    uow: UnitOfWork, caller: Caller, row: Application, policy: "ApplicationPolicy"
) -> str | None:
    """Change a policy, in force at once in every process. Returns a secret that became needed."""
    before = _told(row)
    await _apply(uow, row, policy)
    secret = None
    if row.proof is Proof.CERTIFICATE:
        row.secret, row.secret_at = None, None
    elif row.secret is None:
        secret = _give_secret(row, uow)
    await audit.record(
        uow,
        caller,
        "signature_application.change",
        "signature_application",
        row.id,
        detail={"code": row.code, "before": before, "after": _told(row)},
    )
    registry.announce_after(uow)
    return secret


async def new_secret(uow: UnitOfWork, caller: Caller, row: Application) -> str:
    """A new secret; the old one ends at once. Raises InvalidRequest without a need for one."""
    if row.proof is not Proof.SECRET:
        raise InvalidRequest("该业务系统以证书证明身份，没有密钥")
    secret = _give_secret(row, uow)
    await audit.record(uow, caller, "signature_application.secret", "signature_application", row.id)
    registry.announce_after(uow)
    return secret


def _give_secret(row: Application, uow: UnitOfWork) -> str:
    row.secret, row.secret_at = secrets.token_urlsafe(SECRET_BYTES), uow.now
    return row.secret


async def _apply(uow: UnitOfWork, row: Application, policy: "ApplicationPolicy") -> None:
    await _check(uow, row.hospital_id, policy)
    row.name, row.enabled, row.proof = policy.name, policy.enabled, policy.proof
    row.certificate_id = policy.certificate_id if policy.proof is Proof.CERTIFICATE else None
    row.server_key_id = policy.server_key_id
    row.anchors = None if policy.anchors is None else [str(each) for each in policy.anchors]
    row.revoking, row.hard = policy.revoking, policy.hard
    row.operations = [each.value for each in policy.operations]
    row.formats = [each.value for each in policy.formats]
    row.addresses = list(policy.addresses)
    row.per_minute, row.changed_at = policy.per_minute, uow.now


async def _check(uow: UnitOfWork, hospital_id: UUID, policy: "ApplicationPolicy") -> None:
    """Everything that a policy names belongs to the hospital and is what it is named as."""
    if policy.proof is Proof.CERTIFICATE and policy.certificate_id is None:
        raise CertificateNeeded()
    if policy.certificate_id is not None:
        found = await certificates.by_ids(uow.session, hospital_id, [policy.certificate_id])
        if not found or found[0].is_authority:
            raise _wrong("certificate_id", "请选择证书库中的业务系统证书")
    if policy.anchors is not None:
        anchors = await certificates.by_ids(uow.session, hospital_id, policy.anchors)
        if len(anchors) != len(policy.anchors) or not all(row.trusted for row in anchors):
            raise _wrong("anchors", "请从信任的根证书中选择")
    if policy.server_key_id is not None:
        known = await access.server_key_of(uow.session, hospital_id, policy.server_key_id)
        if known is None:
            raise _wrong("server_key_id", "请选择本院的服务器证书")


def _wrong(field: str, text: str) -> InvalidRequest:
    return InvalidRequest(fields=[FieldProblem(field, text)])


def _told(row: Application) -> dict[str, object]:
    """What the audit keeps of a policy; never the secret."""
    names = ("name", "enabled", "operations", "formats", "addresses", "per_minute", "anchors")
    return {
        **{name: getattr(row, name) for name in names},
        "proof": row.proof.value,
        "revoking": row.revoking.value,
        "hard": row.hard,
        "server_key": str(row.server_key_id) if row.server_key_id else None,
    }


@keeping.holds
async def _refuse_removal(uow: UnitOfWork, row: StoredCertificate) -> None:
    """A certificate that an application proves itself with or believes stays in the store."""
    used = await uow.session.scalar(
        select(Application.name)
        .where(
            Application.hospital_id == row.hospital_id,
            (Application.certificate_id == row.id) | Application.anchors.contains([str(row.id)]),
        )
        .limit(1)
    )
    if used is not None:
        raise CertificateInUse(f"业务系统「{used}」正在使用这张证书")
