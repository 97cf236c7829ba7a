"""What the officers' open pages hear the moment something changes: a hint to load again.

A hint that gets lost harms nothing; what must not get lost stands in the inbox.
"""

from uuid import UUID

from core.alarms.access import officers_of
from core.uow import UnitOfWork


async def texts_changed(uow: UnitOfWork, hospital_id: UUID) -> None:
    """Versions of texts, or what waits for a second person."""
    await _tell(uow, hospital_id, "consent_texts_changed", "协议与告知书有变化")


async def queue_changed(uow: UnitOfWork, hospital_id: UUID) -> None:
    """The queue of requests."""
    await _tell(uow, hospital_id, "rights_queue_changed", "个人信息请求有变化")


async def _tell(uow: UnitOfWork, hospital_id: UUID, code: str, text: str) -> None:
    officers = await officers_of(uow, hospital_id)

    async def tell() -> None:
        payload = {"code": code, "text": text}
        for user_id in officers:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(tell)
