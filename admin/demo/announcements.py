"""What the demo hospital tells its people: news, notices, work that lies ahead."""

from datetime import datetime, time, timedelta
from typing import Any

from admin.demo.accounts import ADMINISTRATOR, DOCTOR
from admin.demo.dice import ZONE
from admin.demo.people import Town
from clinical.notifications.announcements.models import (
    Announcement,
    AnnouncementRead,
    AnnouncementVersion,
)
from clinical.notifications.announcements.service import content_of
from clinical.notifications.announcements.states import Kind, State
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime

CLINICIANS = [Role.DOCTOR, Role.NURSE, Role.PHARMACIST]
#: Kind, title, text, for whom, days since it appeared, and what else there is to say.
TOLD: tuple[tuple[Kind, str, str, list[Role], int, dict[str, Any]], ...] = (
    (
        Kind.INTERNAL,
        "关于规范互联网复诊病历书写的通知",
        "## 要求\n复诊结论应写明依据的既往就诊和检查。\n\n- 诊断与既往一致时注明“同前”\n"
        "- 调整用药须写明理由\n- 结束前核对过敏史\n\n## 执行\n自下周一起，质控按月抽查。",
        CLINICIANS,
        2,
        {"confirm": True, "pinned": True},
    ),
    (
        Kind.INTERNAL,
        "本周六凌晨系统维护安排",
        "本周六 1:00 至 3:00 进行数据库维护，期间不能登录。\n请提前结束进行中的问诊。",
        [*CLINICIANS, Role.ADMINISTRATOR, Role.SUPERVISOR, Role.CUSTOMER_SERVICE],
        1,
        {},
    ),
    (
        Kind.NEWS,
        "我院互联网医院月问诊量突破一千人次",
        "上月共完成在线问诊一千余人次，平均接诊等待时间缩短至十二分钟。\n\n感谢各科室的辛勤工作。",
        [Role.PATIENT, *CLINICIANS],
        6,
        {},
    ),
    (
        Kind.PUBLIC,
        "冬季呼吸道疾病就诊提示",
        "## 什么情况可以在线复诊\n- 已确诊的慢性呼吸道疾病续方\n- 症状平稳、需要调整用药\n\n"
        "## 什么情况请到医院\n高热不退、胸痛或呼吸困难时，请立即前往急诊或拨打 120。",
        [Role.PATIENT, *CLINICIANS],
        4,
        {},
    ),
    (
        Kind.ACADEMIC,
        "心血管慢病管理学术沙龙",
        "邀请各科医生参加，现场讨论三例病例。",
        [Role.DOCTOR],
        3,
        {"days": 5, "place": "门诊楼五层报告厅"},
    ),
)


async def announce(runtime: Runtime, town: Town) -> None:
    """Announcements of the last week; the first doctor has read the oldest."""
    async with runtime.unit_of_work() as uow:
        for kind, title, text, roles, days, more in TOLD:
            at = uow.now - timedelta(days=days)
            row = Announcement(
                id=new_id(),
                hospital_id=town.hospital_id,
                kind=kind,
                title=title,
                text=text,
                cover_id=None,
                file_ids=[],
                roles=sorted(role.value for role in roles),
                department_ids=[],
                people=[],
                pinned=more.get("pinned", False),
                confirm=more.get("confirm", False),
                starts_at=_afternoon(uow.now, more["days"]) if "days" in more else None,
                ends_at=None,
                place=more.get("place", ""),
                remind_minutes=None,
                state=State.PUBLISHED,
                published_at=at,
                until=None,
                announced_at=at,
                reminded_at=None,
                version=1,
                created_at=at,
                created_by=town.figures[ADMINISTRATOR.login],
                changed_at=at,
            )
            uow.session.add(row)
            await uow.session.flush()
            uow.session.add(
                AnnouncementVersion(
                    announcement_id=row.id,
                    version=1,
                    content=content_of(row),
                    changed_by=row.created_by,
                    changed_at=at,
                )
            )
            if days > 3:
                uow.session.add(
                    AnnouncementRead(
                        announcement_id=row.id,
                        user_id=town.figures[DOCTOR.login],
                        version=1,
                        read_at=at + timedelta(hours=5),
                        confirmed_at=None,
                    )
                )


def _afternoon(now: datetime, days: int) -> datetime:
    day = (now + timedelta(days=days)).astimezone(ZONE).date()
    return datetime.combine(day, time(14, 30), ZONE)
