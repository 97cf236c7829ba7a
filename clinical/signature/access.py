"""Who may see what of signing: every query made for a person, and what siblings may ask.

A clinician sees the own signer, keys and tasks. A signature shows to whoever may see the document
under it, which the document's owner decides (`core.documents`). Who sees and keeps the signers of a
hospital is the engine's to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.signature.models import (
    DocumentSignature,
    SignatureImage,
    Signer,
    SigningKey,
    SigningTask,
)
from clinical.signature.states import KeyState, TaskState
from core.access import READ, Action, Scope, allow, condition, declare
from core.documents import DocumentType, document_type
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import CLINICAL_ROLES, Role
from core.tickets import issue_ticket
from core.uow import UnitOfWork, unit_of

#: Who signs, and who may look after those who sign.
SIGNERS: tuple[Role, ...] = tuple(sorted(CLINICAL_ROLES))
KEEPERS: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.SUPERVISOR)

SIGNER = declare(
    "signer",
    "签名人员",
    area="签名",
    here=Signer.hospital_id,
    actions={
        READ: Action("查看签名人员与用量", KEEPERS),
        "manage": Action("暂停、恢复与注销签名", (Role.ADMINISTRATOR,)),
    },
    scopes={Scope.HOSPITAL: None},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "manage"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ),
    ],
)


async def own_signer(session: AsyncSession, caller: Caller, *, lock: bool = False) -> Signer | None:
    """The caller as a signer at the hospital; None before anything was set up."""
    return await _one(session, _signer(caller.hospital_id, caller.user_id), lock)


async def seal_of(session: AsyncSession, hospital_id: UUID, *, lock: bool = False) -> Signer | None:
    """The hospital itself as a signer."""
    return await _one(session, _signer(hospital_id, None), lock)


def _signer(hospital_id: UUID, user_id: UUID | None) -> Select[Signer]:
    whose = Signer.user_id.is_(None) if user_id is None else Signer.user_id == user_id
    return select(Signer).where(Signer.hospital_id == hospital_id, whose)


async def _one(session: AsyncSession, query: Select[Signer], lock: bool) -> Signer | None:
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(query)


async def signer_of_hospital(
    session: AsyncSession, caller: Caller, signer_id: UUID, *, lock: bool = False
) -> Signer:
    """A signer whom the caller looks after. Raises NotPermitted, NotFound."""
    allowed = await condition(unit_of(session), caller, SIGNER, "manage")
    found = await _one(
        session,
        select(Signer).where(Signer.id == signer_id, allowed, Signer.user_id.is_not(None)),
        lock,
    )
    if found is None:
        raise NotFound()
    return found


async def signers_of_hospital(
    session: AsyncSession, caller: Caller
) -> list[tuple[Signer, User, SigningKey | None]]:
    """Everybody who has begun to sign at the caller's hospital, by name, with the newest key.

    Raises NotPermitted.
    """
    rows = await session.execute(
        select(Signer, User)
        .join(User, User.id == Signer.user_id)
        .where(await condition(unit_of(session), caller, SIGNER))
        .order_by(User.name, Signer.id)
    )
    pairs = [(signer, user) for signer, user in rows]
    keys = await newest_keys(session, [signer.id for signer, _ in pairs])
    return [(signer, user, keys.get(signer.id)) for signer, user in pairs]


async def newest_keys(session: AsyncSession, signer_ids: Sequence[UUID]) -> dict[UUID, SigningKey]:
    """The key that counts for each signer: the one in force, else the newest."""
    rows = await session.scalars(
        select(SigningKey)
        .where(SigningKey.signer_id.in_(signer_ids))
        .order_by(SigningKey.created_at, SigningKey.id)
    )
    found: dict[UUID, SigningKey] = {}
    for key in rows:
        known = found.get(key.signer_id)
        if known is None or known.state is not KeyState.ACTIVE:
            found[key.signer_id] = key
    return found


async def key_of(session: AsyncSession, signer: Signer | None) -> SigningKey | None:
    """The key that counts for one signer."""
    return (await newest_keys(session, [signer.id])).get(signer.id) if signer else None


async def active_key(session: AsyncSession, signer: Signer) -> SigningKey | None:
    """The key of a signer whose certificate was issued and not taken back."""
    return await session.scalar(
        select(SigningKey).where(
            SigningKey.signer_id == signer.id, SigningKey.state == KeyState.ACTIVE
        )
    )


async def images_of(session: AsyncSession, signer: Signer) -> list[SignatureImage]:
    """Every handwritten signature of a signer, the newest first."""
    rows = await session.scalars(
        select(SignatureImage)
        .where(SignatureImage.signer_id == signer.id)
        .order_by(SignatureImage.version.desc())
    )
    return list(rows)


async def open_tasks(session: AsyncSession, caller: Caller) -> list[SigningTask]:
    """What the caller still has to sign here, the oldest first."""
    rows = await session.scalars(
        select(SigningTask)
        .where(
            SigningTask.hospital_id == caller.hospital_id,
            SigningTask.user_id == caller.user_id,
            SigningTask.state == TaskState.OPEN,
        )
        .order_by(SigningTask.created_at, SigningTask.id)
    )
    return list(rows)


async def visible_document(
    uow: UnitOfWork, caller: Caller, kind: str, document_id: UUID
) -> DocumentType:
    """The kind of a document that the caller may see, as its owner says. Raises NotFound."""
    found = document_type(kind)
    if found is None or not await found.may_see(uow, caller, document_id):
        raise NotFound()
    return found


async def visible_signature(
    uow: UnitOfWork, caller: Caller, signature_id: UUID
) -> DocumentSignature:
    """A signature under a document that the caller may see. Raises NotFound."""
    row = await uow.session.scalar(
        select(DocumentSignature).where(
            DocumentSignature.id == signature_id,
            DocumentSignature.hospital_id == caller.hospital_id,
        )
    )
    if row is None:
        raise NotFound()
    await visible_document(uow, caller, row.document_type, row.document_id)
    return row


async def signatures_of(
    session: AsyncSession, kind: str, document_ids: Sequence[UUID]
) -> list[DocumentSignature]:
    """The signatures under documents that the asker has access to, the newest first."""
    rows = await session.scalars(
        select(DocumentSignature)
        .where(
            DocumentSignature.document_type == kind,
            DocumentSignature.document_id.in_(document_ids),
        )
        .order_by(DocumentSignature.version.desc(), DocumentSignature.signed_at.desc())
    )
    return list(rows)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a signed document shows: who, when, under which number to look it up.

    `image_url` is the handwriting, for the asking session and a few minutes; None for a seal.
    `current` is False when a later version of the document waits for its signature.
    """

    signature_id: UUID
    signer_name: str
    signed_at: datetime
    version: int
    image_url: str | None
    timestamped: bool
    current: bool


async def marks(
    uow: UnitOfWork, caller: Caller, kind: str, document_ids: Sequence[UUID]
) -> dict[UUID, Mark]:
    """The newest signature under each of some documents that the caller may see."""
    if not document_ids:
        return {}
    rows = await signatures_of(uow.session, kind, document_ids)
    waiting = set(
        await uow.session.scalars(
            select(SigningTask.document_id).where(
                SigningTask.document_type == kind,
                SigningTask.document_id.in_([row.document_id for row in rows]),
                SigningTask.state == TaskState.OPEN,
            )
        )
    )
    found: dict[UUID, Mark] = {}
    for row in rows:
        if row.document_id not in found:
            current = row.document_id not in waiting
            found[row.document_id] = _mark(uow, caller, row, current=current)
    return found


def _mark(uow: UnitOfWork, caller: Caller, row: DocumentSignature, *, current: bool) -> Mark:
    return Mark(
        signature_id=row.id,
        signer_name=row.signer_name,
        signed_at=row.signed_at,
        version=row.version,
        image_url=image_url(uow, caller, row),
        timestamped=row.timestamp_token is not None,
        current=current,
    )


def image_subject(signature_id: UUID) -> str:
    """What a ticket for the handwriting on a signature is about."""
    return f"signature-image:{signature_id}"


def image_url(uow: UnitOfWork, caller: Caller, row: DocumentSignature) -> str | None:
    """An address for the handwriting on a signature, for somebody who may see the document."""
    if row.image_id is None:
        return None
    ticket, _ = issue_ticket(uow.runtime.keyring, caller, image_subject(row.id), uow.now)
    return f"/api/v1/signing/signatures/{row.id}/image?ticket={ticket}"
