"""What rooms hold about a person: the conversations in rooms of the account."""

from sqlalchemy import select

from core.identity.roles import Role
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    counted,
    keep_until,
    register,
)
from core.uow import UnitOfWork
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.one_line import one_line

#: Lines of conversation in one copy.
MOST = 20_000


def _rooms(subject: Subject):  # type: ignore[no-untyped-def]
    """The rooms of the hospital in which the account was a patient."""
    return (
        select(RoomRow.id)
        .join(ParticipantRow, ParticipantRow.room_id == RoomRow.id)
        .where(
            RoomRow.hospital_id == subject.hospital_id,
            ParticipantRow.user_id == subject.user_id,
            ParticipantRow.role == Role.PATIENT.value,
        )
    )


class RoomData:
    """Messages and what happened in rooms."""

    name = "rooms"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many lines there are, kept three years from the last one."""
        return [
            await counted(
                uow,
                "图文沟通记录",
                RecordClass.COMMUNICATION,
                (MessageRow.at, MessageRow.at),
                MessageRow.room_id.in_(_rooms(subject)),
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Both sides of every conversation, without what was taken back."""
        rows = await uow.session.scalars(
            select(MessageRow)
            .where(MessageRow.room_id.in_(_rooms(subject)), MessageRow.recalled_at.is_(None))
            .order_by(MessageRow.at, MessageRow.room_id, MessageRow.seq)
            .limit(MOST)
        )
        return [
            Section(
                title="图文沟通记录",
                fields=(("at", "时间"), ("sender", "发送人"), ("text", "内容"), ("room", "诊间")),
                records=[
                    {
                        "at": row.at,
                        "sender": Role(row.sender_role).label if row.sender_role else "系统",
                        "text": one_line(row.kind, row.body),
                        "room": str(row.room_id),
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Nothing before its time: conversations belong to the record of treatment."""
        [held] = await self.holdings(uow, subject)
        if not held.count or held.newest is None:
            return []
        until = keep_until(RecordClass.COMMUNICATION, held.newest)
        why = "图文、音视频资料保存不少于3年"
        return [Erased(title=held.title, kept=held.count, until=until, why=why)]


register(RoomData())
