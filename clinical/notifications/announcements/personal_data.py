"""What announcements hold about a person: which he has read and confirmed."""

from sqlalchemy import ColumnElement, delete, select

from clinical.notifications.announcements.models import Announcement, AnnouncementRead
from core.personal_data import Erased, Holding, RecordClass, Section, Subject, counted, register
from core.uow import UnitOfWork

TITLE = "公告阅读记录"
#: Lines in one copy.
MOST = 5000


def _of(subject: Subject) -> tuple[ColumnElement[bool], ...]:
    here = select(Announcement.id).where(Announcement.hospital_id == subject.hospital_id)
    return (
        AnnouncementRead.user_id == subject.user_id,
        AnnouncementRead.announcement_id.in_(here),
    )


class AnnouncementData:
    """Marks of reading go with the account; announcements themselves speak of nobody."""

    name = "announcements"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many marks there are."""
        return [
            await counted(
                uow,
                TITLE,
                RecordClass.FREE,
                (AnnouncementRead.read_at, AnnouncementRead.read_at),
                *_of(subject),
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """What was read when, and when it was confirmed."""
        rows = await uow.session.execute(
            select(Announcement.title, AnnouncementRead)
            .join(Announcement, Announcement.id == AnnouncementRead.announcement_id)
            .where(*_of(subject))
            .order_by(AnnouncementRead.read_at)
            .limit(MOST)
        )
        return [
            Section(
                title=TITLE,
                fields=(("title", "公告"), ("read_at", "阅读时间"), ("confirmed_at", "确认时间")),
                records=[
                    {"title": title, "read_at": mark.read_at, "confirmed_at": mark.confirmed_at}
                    for title, mark in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """With the account the marks go."""
        if not subject.closing or subject.held:
            return []
        gone = await uow.session.execute(
            delete(AnnouncementRead)
            .where(*_of(subject))
            .returning(AnnouncementRead.announcement_id)
        )
        return [Erased(title=TITLE, erased=len(gone.all()))]


register(AnnouncementData())
