"""Who hears of what: inbox items that stay, and a hint to the lists that show a consultation."""

from uuid import UUID

from clinical.consultation.models import Consultation
from clinical.consultation.states import STATE_TEXT
from core.uow import UnitOfWork
from realtime import inbox


async def tell(
    uow: UnitOfWork, row: Consultation, user_id: UUID, kind: str, title: str, text: str
) -> None:
    """Put an item about the consultation into somebody's inbox. No health data in its text."""
    await inbox.notify(
        uow,
        [user_id],
        hospital_id=row.hospital_id,
        type=kind,
        title=title,
        text=text,
        ref=("consultation", row.id),
    )


def refresh_lists(uow: UnitOfWork, row: Consultation, *others: UUID) -> None:
    """After the commit, hint to both sides, and to `others`, that a list which shows this
    consultation is stale.
    """
    people = {row.payer_id, *others}
    if row.room_id is not None:
        people.add(row.doctor_id)
    payload = {
        "code": "consultation_changed",
        "text": STATE_TEXT[row.state],
        "ref": {"type": "consultation", "id": str(row.id)},
        "state": row.state.value,
    }

    hospital_id = row.hospital_id

    async def hint() -> None:
        for user_id in people:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)
