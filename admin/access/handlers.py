"""Who is told about what happens to access: notices in the inboxes, with the change."""

from uuid import UUID

from admin.access.views import permission_title
from core.access.access import keepers_of, names
from core.access.events import (
    ChangeDecided,
    ChangeRequested,
    DelegationEnded,
    DelegationGiven,
    EmergencyReviewed,
    PermitAsked,
    PermitDecided,
)
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import WECHAT, Category, declare

for _code, _title in {
    "access_change": "权限变更",
    "delegation": "权限委托",
    "permit_asked": "权限申请",
    "permit_decided": "权限申请结果",
    "emergency_reviewed": "紧急调阅复核",
}.items():
    declare(
        _code,
        Category.WORK,
        _title,
        staff=True,
        outside="您有一项工作待查看，请登录处理",
        channels=WECHAT,
    )

_CHANGE = {"confirmed": "已确认生效", "refused": "未获确认"}
_PERMIT = {"granted": "已批准", "refused": "未获批准", "revoked": "已收回"}
_VERDICT = {"justified": "复核认为理由充分", "unjustified": "复核认为理由不充分，请联系监督人员"}


async def ask_for_a_second_person(uow: UnitOfWork, event: ChangeRequested) -> None:
    keepers = set(await keepers_of(uow, event.place)) - {event.by}
    who = (await names(uow, [event.by])).get(event.by, "")
    await inbox.notify(
        uow,
        keepers,
        hospital_id=event.hospital_id,
        type="access_change",
        title="权限变更待确认",
        text=f"{who}提交了权限变更，请核对后确认",
        ref=("access_change", event.aggregate_id),
    )


async def tell_who_asked(uow: UnitOfWork, event: ChangeDecided) -> None:
    await inbox.notify(
        uow,
        [event.requested_by],
        hospital_id=event.hospital_id,
        type="access_change",
        title=f"权限变更{_CHANGE[event.state]}",
        text="点击查看详情",
        ref=("access_change", event.aggregate_id),
    )


async def tell_the_receiver(uow: UnitOfWork, event: DelegationGiven) -> None:
    giver = (await names(uow, [event.giver_id])).get(event.giver_id, "")
    await _delegation(
        uow, event.hospital_id, event.receiver_id, event.aggregate_id, f"{giver}把权限委托给了您"
    )


async def tell_of_the_end(uow: UnitOfWork, event: DelegationEnded) -> None:
    """Whoever did not end it hears of it; in one order, for the locks of the inboxes."""
    for user_id in sorted({event.giver_id, event.receiver_id} - {event.by}):
        await _delegation(uow, event.hospital_id, user_id, event.aggregate_id, "权限委托已终止")


async def _delegation(
    uow: UnitOfWork, hospital_id: UUID, user_id: UUID, delegation_id: UUID, title: str
) -> None:
    await inbox.notify(
        uow,
        [user_id],
        hospital_id=hospital_id,
        type="delegation",
        title=title,
        text="可在“权限委托”中查看",
        ref=("delegation", delegation_id),
    )


async def ask_for_a_decision(uow: UnitOfWork, event: PermitAsked) -> None:
    keepers = set(await keepers_of(uow, event.hospital_id)) - {event.user_id}
    who = (await names(uow, [event.user_id])).get(event.user_id, "")
    await inbox.notify(
        uow,
        keepers,
        hospital_id=event.hospital_id,
        type="permit_asked",
        title="权限申请待审批",
        text=f"{who}申请“{permission_title(event.permission)}”",
        ref=("permit", event.aggregate_id),
    )


async def tell_the_applicant(uow: UnitOfWork, event: PermitDecided) -> None:
    await inbox.notify(
        uow,
        [event.user_id],
        hospital_id=event.hospital_id,
        type="permit_decided",
        title=f"权限申请{_PERMIT[event.state]}",
        text=f"“{permission_title(event.permission)}”{_PERMIT[event.state]}",
        ref=("permit", event.aggregate_id),
    )


async def tell_the_clinician(uow: UnitOfWork, event: EmergencyReviewed) -> None:
    await inbox.notify(
        uow,
        [event.user_id],
        hospital_id=event.hospital_id,
        type="emergency_reviewed",
        title="紧急调阅已复核",
        text=_VERDICT[event.verdict],
        ref=("emergency", event.aggregate_id),
    )


WITH_COMMIT = {
    ChangeRequested: [ask_for_a_second_person],
    ChangeDecided: [tell_who_asked],
    DelegationGiven: [tell_the_receiver],
    DelegationEnded: [tell_of_the_end],
    PermitAsked: [ask_for_a_decision],
    PermitDecided: [tell_the_applicant],
    EmergencyReviewed: [tell_the_clinician],
}
