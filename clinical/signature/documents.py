"""Documents that wait for a signature, and the signatures under them. None of the verbs commits."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from clinical.signature import access
from clinical.signature.errors import DocumentNotReady, NotTheSigner
from clinical.signature.events import DocumentSigned
from clinical.signature.models import DocumentSignature, Signer, SigningKey, SigningTask
from clinical.signature.states import TaskState
from core import audit
from core.documents import (
    Content,
    DocumentFinished,
    DocumentType,
    canonical,
    digest,
    document_type,
    snapshot,
)
from core.errors import NotFound
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork


@dataclass(frozen=True)
class Draft:
    """A document as it would be signed now."""

    kind: DocumentType
    document_id: UUID
    content: Content
    taken: dict[str, Any]
    digest: str

    @property
    def data(self) -> bytes:
        """The bytes that are signed."""
        return canonical(self.taken)


async def read(
    uow: UnitOfWork, kind: str, document_id: UUID, *, lock: bool = False
) -> Draft | None:
    """A document for the system; None when it is not there."""
    found = document_type(kind)
    content = await found.read(uow, document_id, lock=lock) if found else None
    if found is None or content is None:
        return None
    taken = snapshot(kind, document_id, content)
    return Draft(found, document_id, content, taken, digest(taken))


async def read_for(
    uow: UnitOfWork, caller: Caller, kind: str, document_id: UUID, *, lock: bool = False
) -> Draft:
    """A document that the caller may see. Raises NotFound."""
    await access.visible_document(uow, caller, kind, document_id)
    draft = await read(uow, kind, document_id, lock=lock)
    if draft is None or draft.content.hospital_id != caller.hospital_id:
        raise NotFound()
    return draft


def require_signer(caller: Caller, draft: Draft) -> None:
    """Raises NotTheSigner or DocumentNotReady when the caller cannot sign this now."""
    if draft.content.signer_id != caller.user_id:
        raise NotTheSigner()
    if not draft.content.ready:
        raise DocumentNotReady()


# --- tasks ---------------------------------------------------------------------------------------


async def document_finished(uow: UnitOfWork, event: DocumentFinished) -> SigningTask:
    """A version of a document lies ready; one that was not signed yet is overtaken by it."""
    kind, document_id = event.document_type, event.aggregate_id
    await _one_at_a_time(uow, document_id)
    last = await uow.session.scalar(
        select(func.max(SigningTask.version)).where(
            SigningTask.document_type == kind, SigningTask.document_id == document_id
        )
    )
    await uow.session.execute(
        update(SigningTask)
        .where(
            SigningTask.document_type == kind,
            SigningTask.document_id == document_id,
            SigningTask.state == TaskState.OPEN,
        )
        .values(state=TaskState.SUPERSEDED, finished_at=uow.now)
    )
    return await _add_task(
        uow, event.hospital_id, kind, document_id, (last or 0) + 1, event.signer_id
    )


async def task_for(uow: UnitOfWork, draft: Draft) -> SigningTask:
    """The newest task of a document; made for one that was finished before tasks were kept."""
    await _one_at_a_time(uow, draft.document_id)
    found = await uow.session.scalar(
        select(SigningTask)
        .where(
            SigningTask.document_type == draft.kind.name,
            SigningTask.document_id == draft.document_id,
        )
        .order_by(SigningTask.version.desc())
        .limit(1)
        .with_for_update()
    )
    return found or await _add_task(
        uow,
        draft.content.hospital_id,
        draft.kind.name,
        draft.document_id,
        1,
        draft.content.signer_id,
    )


async def _one_at_a_time(uow: UnitOfWork, document_id: UUID) -> None:
    number = int.from_bytes(document_id.bytes[-8:], "big", signed=True)
    await uow.session.execute(select(func.pg_advisory_xact_lock(number)))


async def _add_task(
    uow: UnitOfWork,
    hospital_id: UUID,
    kind: str,
    document_id: UUID,
    version: int,
    user_id: UUID | None,
) -> SigningTask:
    row = SigningTask(
        id=new_id(),
        hospital_id=hospital_id,
        document_type=kind,
        document_id=document_id,
        version=version,
        user_id=user_id,
        state=TaskState.OPEN,
        attempts=0,
        not_before=uow.now,
        created_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


# --- signatures ----------------------------------------------------------------------------------


async def store(
    uow: UnitOfWork,
    *,
    task: SigningTask,
    draft: Draft,
    signer: Signer,
    signer_name: str,
    key: SigningKey,
    cms: bytes,
    caller: Caller | None,
) -> DocumentSignature:
    """Keep a signature with what was signed, close its task and announce it.

    The unique key of version and signer makes a repeated signing of one version impossible.
    """
    row = DocumentSignature(
        id=new_id(),
        hospital_id=task.hospital_id,
        document_type=task.document_type,
        document_id=task.document_id,
        version=task.version,
        signer_id=signer.id,
        user_id=signer.user_id,
        patient_id=draft.content.patient_id,
        signer_name=signer_name,
        key_id=key.id,
        image_id=signer.image_id,
        content=draft.taken,
        digest=draft.digest,
        cms=cms,
        signed_at=uow.now,
        timestamp_attempts=0,
        timestamp_not_before=uow.now,
        device_session_id=caller.session_id if caller else None,
    )
    uow.session.add(row)
    task.state, task.finished_at = TaskState.DONE, uow.now
    await audit.record(
        uow,
        caller,
        "signature.sign" if signer.user_id else "signature.seal",
        task.document_type,
        task.document_id,
        draft.content.patient_id,
        detail={"signature": row.id, "version": row.version, "digest": row.digest},
        hospital_id=task.hospital_id,
    )
    await uow.session.flush()
    uow.record(
        DocumentSigned(
            hospital_id=row.hospital_id,
            aggregate_id=row.document_id,
            occurred_at=uow.now,
            document_type=row.document_type,
            document_id=row.document_id,
            signature_id=row.id,
            signer_id=row.user_id,
            digest=row.digest,
            version=row.version,
        )
    )
    return row


async def signature_on(
    uow: UnitOfWork, task: SigningTask, signer: Signer
) -> DocumentSignature | None:
    """The signer's signature under the task's version, if it was given already."""
    return await uow.session.scalar(
        select(DocumentSignature).where(
            DocumentSignature.document_type == task.document_type,
            DocumentSignature.document_id == task.document_id,
            DocumentSignature.version == task.version,
            DocumentSignature.signer_id == signer.id,
        )
    )
