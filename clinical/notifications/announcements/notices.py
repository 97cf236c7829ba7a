"""The notices of announcements, and who hears of what in the inbox."""

from clinical.notifications.announcements.access import staff_of
from clinical.notifications.announcements.models import Announcement
from clinical.notifications.announcements.states import Kind
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import WECHAT, WECHAT_THEN_SMS, Category, Parameter, declare
from realtime.notices import Kind as Value

STARTS_AT = Parameter("starts_at", "开始时间", Value.MOMENT)

declare(
    "announcement",
    Category.WORK,
    "院内通知",
    staff=True,
    outside="您有一条新的院内通知，请登录查看",
    channels=WECHAT,
)
declare(
    "work_announced",
    Category.WORK,
    "工作安排",
    staff=True,
    outside="您有一项新的工作安排，{starts_at}开始，请登录查看",
    channels=WECHAT,
    parameters=[STARTS_AT],
)
declare(
    "work_due",
    Category.WORK,
    "工作安排提醒",
    staff=True,
    outside="您的一项工作安排将于{starts_at}开始，请登录查看",
    channels=WECHAT_THEN_SMS,
    parameters=[STARTS_AT],
)
declare(
    "work_changed",
    Category.WORK,
    "工作安排变动",
    staff=True,
    outside="您的一项工作安排有变动，请登录查看",
    channels=WECHAT_THEN_SMS,
)


async def tell_new(uow: UnitOfWork, row: Announcement) -> None:
    """Staff hear of notices and of work in the inbox; news waits on the home page."""
    if row.kind.is_work:
        title = f"{row.kind.label}：{row.title}"
        await _tell(uow, row, "work_announced", title, f"地点：{row.place}", starts=True)
    elif row.kind is Kind.INTERNAL:
        text = "请阅读并确认" if row.confirm else "点击查看"
        await _tell(uow, row, "announcement", row.title, text)


async def tell_due(uow: UnitOfWork, row: Announcement) -> None:
    """Remind of what begins soon."""
    title = f"即将开始：{row.title}"
    await _tell(uow, row, "work_due", title, f"{row.kind.label}，地点：{row.place}", starts=True)


async def tell_changed(uow: UnitOfWork, row: Announcement, title: str) -> None:
    """Who was told of an appointment hears that it moved or falls out."""
    await _tell(uow, row, "work_changed", title, row.title)


async def _tell(
    uow: UnitOfWork, row: Announcement, code: str, title: str, text: str, *, starts: bool = False
) -> None:
    people = list(await uow.session.scalars(staff_of(row)))
    await inbox.notify(
        uow,
        people,
        hospital_id=row.hospital_id,
        type=code,
        title=title,
        text=text,
        ref=("announcement", row.id),
        parameters={"starts_at": row.starts_at} if starts else {},
    )
