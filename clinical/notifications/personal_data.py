"""What notifications hold about a person: preferences, and the log of what was pushed."""

from sqlalchemy import delete, select

from clinical.notifications.models import NoticePreference, Push
from clinical.notifications.states import STATE_TEXT
from core.personal_data import Erased, Holding, RecordClass, Section, Subject, counted, register
from core.uow import UnitOfWork
from realtime import notices

TITLE = "消息推送记录"
#: Lines in one copy.
MOST = 5000


class NotificationData:
    """Pushes say that something waited, never what; they go with the account."""

    name = "notifications"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many pushes the log holds."""
        return [
            await counted(
                uow,
                TITLE,
                RecordClass.FREE,
                (Push.created_at, Push.created_at),
                Push.user_id == subject.user_id,
                Push.hospital_id == subject.hospital_id,
                note="发送时间与渠道，不含内容",
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every push: of what, when, how it ended."""
        rows = await uow.session.scalars(
            select(Push)
            .where(Push.user_id == subject.user_id, Push.hospital_id == subject.hospital_id)
            .order_by(Push.created_at, Push.id)
            .limit(MOST)
        )
        return [
            Section(
                title=TITLE,
                fields=(("at", "时间"), ("what", "事项"), ("how", "渠道"), ("state", "结果")),
                records=[
                    {
                        "at": row.created_at,
                        "what": notice.title if (notice := notices.find(row.code)) else row.code,
                        "how": row.channel.label if row.channel else "",
                        "state": STATE_TEXT[row.state],
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """With the account everything goes."""
        if not subject.closing or subject.held:
            return []
        mine = (
            Push.user_id == subject.user_id,
            Push.hospital_id == subject.hospital_id,
        )
        gone = (await uow.session.execute(delete(Push).where(*mine).returning(Push.id))).all()
        await uow.session.execute(
            delete(NoticePreference).where(
                NoticePreference.user_id == subject.user_id,
                NoticePreference.hospital_id == subject.hospital_id,
            )
        )
        return [Erased(title=TITLE, erased=len(gone))]


register(NotificationData())
