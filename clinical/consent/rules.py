"""Decisions about consent and people's rights: pure, `now` or `today` passed in.

Sources: Personal Information Protection Law (PIPL) Art. 13 to 17 (informed, voluntary, can be taken
back), 28 to 31 (sensitive data, under 14 by the guardian), 44 to 50 (rights); Rules on Supervision
(2022) and the Cybersecurity Law for how long records are kept. Hospitals confirm the numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from clinical.consent import errors
from clinical.consent.states import Act, Kind, RequestState, Right
from core.personal_data import RETENTION as RETENTION
from core.personal_data import keep_until as keep_until
from core.personal_data import may_go as may_go

CHILD_BELOW = 14


# --- which consent stands ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Version:
    """A published version: from when it holds, whether older consents end, after how long."""

    effective_at: datetime
    material: bool
    grace: timedelta = timedelta(0)


def in_force(versions: Iterable[Version], now: datetime) -> Version | None:
    """The newest version that already holds."""
    begun = [each for each in versions if each.effective_at <= now]
    return max(begun, key=lambda each: each.effective_at, default=None)


def stands(
    act: Act | None, given_version: datetime, versions: Iterable[Version], now: datetime
) -> bool:
    """Whether what somebody last did about a text still counts as consent.

    `given_version` is when the version that was agreed to took effect. A later version that changed
    something material ends older consents when its grace is over; a small change ends nothing.
    """
    if act is not Act.GIVEN:
        return False
    return not any(
        each.material
        and each.effective_at > given_version
        and each.effective_at + each.grace <= now
        for each in versions
    )


def check_purposes(
    offered: Sequence[Mapping[str, object]], ticked: Mapping[str, bool]
) -> dict[str, bool]:
    """Each purpose with the person's own answer; nothing is ticked for anybody (PIPL Art. 14).

    Raises PurposeMissing for a purpose without which the service cannot be given.
    """
    answers = {str(each["code"]): ticked.get(str(each["code"]), False) for each in offered}
    missing = [str(p["code"]) for p in offered if p["required"] and not answers[str(p["code"])]]
    if missing:
        raise errors.PurposeMissing(details={"purposes": missing})
    return answers


# --- children ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GuardianFacts:
    """What is known of a child's guardian and of the account holder who answers."""

    guardian_number: str | None
    guardian_verified: bool
    holder_number: str | None
    holder_verified: bool


def is_child(birth: date, today: date) -> bool:
    """Whether somebody is under fourteen, whose data only a guardian can agree to (Art. 31)."""
    age = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    return age < CHILD_BELOW


def is_the_guardian(facts: GuardianFacts) -> bool:
    """The account holder proved to be the very person who is entered as verified guardian."""
    return (
        facts.guardian_verified
        and facts.holder_verified
        and facts.guardian_number is not None
        and facts.guardian_number == facts.holder_number
    )


def may_answer(kind: Kind, *, child: bool, facts: GuardianFacts | None) -> None:
    """Who may answer a text for a patient: for under-14s the identified guardian alone.

    Raises GuardianOnly, NotAChildsConsent.
    """
    if child and (facts is None or not is_the_guardian(facts)):
        raise errors.GuardianOnly()
    if kind is Kind.GUARDIAN and not child:
        raise errors.NotAChildsConsent()


def needed_for_treatment(*, child: bool) -> tuple[Kind, ...]:
    """What must stand before a consultation, besides its own notice and the recording choice."""
    own = Kind.GUARDIAN if child else Kind.SENSITIVE
    return (Kind.USER_AGREEMENT, Kind.PRIVACY, own)


# --- taking back ---------------------------------------------------------------------------------

CONSEQUENCES: dict[Kind, tuple[str, ...]] = {
    Kind.RECORDING: (
        "撤回后，今后的视频通话不再录制；按医院规定，可能只能图文沟通或到院就诊。",
        "正在录制的通话会立即停止录制或结束，通话各方都会收到提示。",
        "撤回以前已经录制的内容，仍按规定保存不少于3年，不能提前删除。",
    ),
    Kind.SENSITIVE: (
        "撤回后，不能再为该就诊人发起新的问诊，也不能进行实名认证。",
        "进行中的问诊不受影响；已有的病历按规定保存不少于15年。",
        "重新同意后可以继续使用。",
    ),
    Kind.GUARDIAN: (
        "撤回后，不能再为该儿童发起新的问诊。",
        "进行中的问诊不受影响；已有的病历按规定保存不少于15年。",
    ),
    Kind.USER_AGREEMENT: (
        "撤回用户协议等于不再使用本平台，将进入注销账号流程。",
        "冷静期内可以随时反悔；冷静期后账号关闭，不能再登录。",
        "法律要求保存的诊疗记录在保存期内会限制使用，期满后删除。",
    ),
    Kind.PRIVACY: (
        "撤回隐私政策的同意等于不再使用本平台，将进入注销账号流程。",
        "冷静期内可以随时反悔；冷静期后账号关闭，不能再登录。",
        "法律要求保存的诊疗记录在保存期内会限制使用，期满后删除。",
    ),
    Kind.HOME_NURSING: ("撤回后，不再为您安排上门护理；已完成的服务不受影响。",),
    Kind.LONG_TERM: ("撤回后，不再开具长期处方；已开具的处方不受影响。",),
    Kind.SELF_ORDER: ("撤回后，再次自助开单前需要重新同意；已提交的订单不受影响。",),
}
#: Taking these back ends the contract: the account is closed.
CLOSES_ACCOUNT = frozenset({Kind.USER_AGREEMENT, Kind.PRIVACY})


def consequences(kind: Kind) -> tuple[str, ...]:
    """What follows from taking a consent back, named before. Raises WithdrawnByNotice."""
    if kind not in CONSEQUENCES:
        raise errors.WithdrawnByNotice()
    return CONSEQUENCES[kind]


# --- answering in time ---------------------------------------------------------------------------


def working_days_after(day: date, count: int) -> date:
    """The day that comes `count` working days (Monday to Friday) after a day."""
    while count > 0:
        day += timedelta(days=1)
        if day.weekday() < 5:
            count -= 1
    return day


def urgency(due: date, today: date, warn_days: int) -> str:
    """`overdue`, `near` (fewer than `warn_days` working days left) or `normal`."""
    if today > due:
        return "overdue"
    return "near" if working_days_after(today, warn_days) >= due else "normal"


def decide(state: RequestState, *, checked: bool, reason: str, refusing: bool) -> None:
    """An answer needs an open request, a checked identity and, when it is a no, a reason (Art. 50).

    Raises RequestClosed, IdentityUnchecked, ReasonRequired.
    """
    if state not in (RequestState.SUBMITTED, RequestState.IN_PROGRESS):
        raise errors.RequestClosed()
    if not checked:
        raise errors.IdentityUnchecked()
    if refusing and not reason.strip():
        raise errors.ReasonRequired()


#: Answered by the machine at once; everything else waits for an officer.
SELF_SERVICE = frozenset({Right.ACCESS, Right.COPY, Right.CLOSING})
