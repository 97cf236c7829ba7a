"""Sealing with the hospital's own certificate: consents, recordings, whatever lies finished.

A task without a person is the intent; sealing reads the document, signs and stores in one
transaction, because nothing outside is called. The timestamp follows in `timestamping`.
"""

from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from clinical.signature import access, authority, documents, enrolment, rules
from clinical.signature.formats.requests import certificate_request
from clinical.signature.models import Signer, SigningKey, SigningTask
from clinical.signature.settings import CREDIT_CODE
from clinical.signature.signing import make_cms
from clinical.signature.states import KeyState, TaskState
from core import settings
from core.crypto.signing import Algorithm, dump, generate
from core.errors import ProblemError
from core.identity.models import Hospital
from core.ids import new_id
from core.runtime import Runtime
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

BATCH = 200
_LIVING = (KeyState.ACTIVE, KeyState.REQUESTED)


async def seal_waiting(runtime: Runtime, document_id: UUID | None = None) -> int:
    """Seal what waits, or what waits of one document; returns how many seals were set.

    One transaction each, so that one document that cannot be sealed holds up no other. A hospital
    whose certificate has not come yet is passed over: its tasks wait.
    """
    async with runtime.unit_of_work() as uow:
        query = select(SigningTask.id).where(
            SigningTask.state == TaskState.OPEN,
            SigningTask.user_id.is_(None),
            SigningTask.not_before <= uow.now,
        )
        if document_id is not None:
            query = query.where(SigningTask.document_id == document_id)
        waiting = list(
            await uow.session.scalars(query.order_by(SigningTask.created_at).limit(BATCH))
        )
    sealed = 0
    for task_id in waiting:
        try:
            async with runtime.unit_of_work() as uow:
                sealed += await _seal(uow, task_id)
        except (ProblemError, SQLAlchemyError, ValueError) as error:
            log.error("seal_failed", task=str(task_id), error=repr(error))
            await _rest(runtime, task_id, repr(error))
    return sealed


async def _seal(uow: UnitOfWork, task_id: UUID) -> bool:
    task = await uow.session.scalar(
        select(SigningTask)
        .where(SigningTask.id == task_id, SigningTask.state == TaskState.OPEN)
        .with_for_update(skip_locked=True)
    )
    if task is None:
        return False
    signer = await access.seal_of(uow.session, task.hospital_id)
    key = await access.active_key(uow.session, signer) if signer else None
    if signer is None or key is None:
        return False
    draft = await documents.read(uow, task.document_type, task.document_id)
    if draft is None or not draft.content.ready:
        task.state, task.finished_at, task.last_error = TaskState.SUPERSEDED, uow.now, "not there"
        return False
    hospital = await uow.session.get_one(Hospital, task.hospital_id)
    await documents.store(
        uow,
        task=task,
        draft=draft,
        signer=signer,
        signer_name=hospital.name,
        key=key,
        cms=make_cms(uow, draft, seal_key(key), key),
        caller=None,
    )
    return True


def seal_key(key: SigningKey) -> bytes:
    """The hospital's private key, which lies under the installation's keys alone."""
    if key.sealed is None:
        raise ValueError("The private key of the seal is gone.")
    return key.sealed


async def enrol_hospitals(runtime: Runtime) -> None:
    """Make a key pair for every hospital that has no seal and ask for its certificate."""
    async with runtime.unit_of_work() as uow:
        sealed = (
            select(Signer.hospital_id)
            .join(SigningKey, SigningKey.signer_id == Signer.id)
            .where(Signer.user_id.is_(None), SigningKey.state.in_(_LIVING))
        )
        without = list(
            await uow.session.execute(
                select(Hospital.id, Hospital.name).where(
                    Hospital.enabled, Hospital.id.not_in(sealed)
                )
            )
        )
    for hospital_id, name in without:
        # Without it the CA knows no organisation; the setting's text says so.
        if await settings.current(runtime, CREDIT_CODE, hospital_id=hospital_id):
            await _enrol(runtime, hospital_id, name)


async def _enrol(runtime: Runtime, hospital_id: UUID, name: str) -> None:
    private_key = generate(Algorithm.SM2)
    async with runtime.unit_of_work() as uow:
        signer = await enrolment.signer_for(uow, hospital_id, None)
        key = await access.key_of(uow.session, signer)
        if key is not None and key.state in _LIVING:
            return
        request = await enrolment.new_key(
            uow,
            signer,
            key_id=new_id(),
            public_key=private_key.public_der,
            csr=certificate_request(private_key, name, organisation=name),
            sealed=dump(private_key),
            salt=None,
        )
    await authority.process(runtime, request.id)


async def _rest(runtime: Runtime, task_id: UUID, error: str) -> None:
    async with runtime.unit_of_work() as uow:
        task = await uow.session.get_one(SigningTask, task_id, with_for_update=True)
        task.attempts += 1
        task.last_error = error[:2000]
        task.not_before = uow.now + rules.retry_after(task.attempts)
