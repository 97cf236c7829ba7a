"""The notices of the house: each module declares what it tells people, with typed parameters.

A notice has a code (the `type` of an inbox item), a category that people can switch off, and what
may leave the house about it: the inbox is behind a login, while a text message or a subscription
message lies open on a table. So what may leave is narrow by construction: a fixed sentence and
parameters of kinds that hold no free text. A parameter of free text, or of data class sensitive,
is for the inbox alone.

Source: rule "Outside channels" (PIPL): only that something waits, and a link behind the login.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.data_classes import DataClass

if TYPE_CHECKING:
    from core.uow import UnitOfWork


class Category(StrEnum):
    """What people switch on and off. Statutory ones stay on."""

    CONSULTATION = "consultation"
    CHAT = "chat"
    PAYMENT = "payment"
    RATING = "rating"
    HOSPITAL = "hospital"
    SIGNING = "signing"
    WORK = "work"
    RIGHTS = "rights"
    SECURITY = "security"
    CRITICAL = "critical"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _LABELS[self]

    @property
    def statutory(self) -> bool:
        """Whether nobody can switch it off: what the law or safety makes us tell."""
        return self in _STATUTORY


_LABELS: dict[Category, str] = {
    Category.CONSULTATION: "问诊进度",
    Category.CHAT: "诊间消息",
    Category.PAYMENT: "费用与退款",
    Category.RATING: "评价",
    Category.HOSPITAL: "医院消息",
    Category.SIGNING: "文书签名",
    Category.WORK: "工作事项",
    Category.RIGHTS: "个人信息权利",
    Category.SECURITY: "账号与安全",
    Category.CRITICAL: "危急值",
}
_STATUTORY = frozenset({Category.RIGHTS, Category.SECURITY, Category.CRITICAL})


class Channel(StrEnum):
    """A way to people. The inbox is always used, the others when nobody is connected."""

    IN_APP = "in_app"
    WECHAT_MINI = "wechat_mini"
    WECHAT_SERVICE = "wechat_service"
    SMS = "sms"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _CHANNELS[self]


_CHANNELS: dict[Channel, str] = {
    Channel.IN_APP: "站内消息",
    Channel.WECHAT_MINI: "微信订阅消息",
    Channel.WECHAT_SERVICE: "微信服务号",
    Channel.SMS: "短信",
}
#: The order in which outside channels are tried; a text message costs money, so it comes last.
WECHAT: tuple[Channel, ...] = (Channel.WECHAT_MINI, Channel.WECHAT_SERVICE)
WECHAT_THEN_SMS: tuple[Channel, ...] = (*WECHAT, Channel.SMS)


class Kind(StrEnum):
    """What a parameter holds. Only TEXT is free, and so it never leaves the house."""

    NUMBER = "number"
    MONEY = "money"
    MOMENT = "moment"
    WORD = "word"
    TEXT = "text"


@dataclass(frozen=True)
class Parameter:
    """One parameter. MONEY is integer fen, MOMENT an aware time, WORD a key of `words`."""

    name: str
    label: str
    kind: Kind
    data: DataClass = DataClass.INTERNAL
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        """Whether it is for the inbox alone."""
        return self.kind is Kind.TEXT or self.data is DataClass.SENSITIVE

    def check(self, value: Any) -> Any:
        """The value, JSON-ready. Raises ValueError when it is of another kind."""
        match self.kind:
            case Kind.NUMBER | Kind.MONEY:
                if isinstance(value, bool) or not isinstance(value, int):
                    raise ValueError(f"{self.name} is a whole number.")
            case Kind.MOMENT:
                moment = datetime.fromisoformat(value) if isinstance(value, str) else value
                if not isinstance(moment, datetime) or moment.tzinfo is None:
                    raise ValueError(f"{self.name} is a time with its zone.")
                return moment.isoformat()
            case Kind.WORD:
                if value not in self.words:
                    raise ValueError(f"{self.name} is one of {', '.join(self.words)}.")
            case Kind.TEXT:
                if not isinstance(value, str) or len(value) > 1000:
                    raise ValueError(f"{self.name} is a text of at most 1000 characters.")
        return value


class SensitiveOutside(ValueError):
    """A sentence that leaves the house takes a parameter which must not."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A declared notice.

    `outside` is the sentence that may leave the house, with `{name}` for parameters; None keeps it
    in the inbox. `urgent` passes quiet hours, `everywhere` also goes out to those who are
    connected, `open_to_applications` lets third parties send it.
    """

    code: str
    category: Category
    title: str
    staff: bool
    outside: str | None = None
    channels: tuple[Channel, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    urgent: bool = False
    everywhere: bool = False
    open_to_applications: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of this name."""
        return next((each for each in self.parameters if each.name == name), None)

    @property
    def may_leave(self) -> frozenset[str]:
        """The names of the parameters that a sentence outside may take."""
        return frozenset(each.name for each in self.parameters if not each.inside)

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the declared kinds, JSON-ready. Raises ValueError naming what is wrong."""
        unknown = values.keys() - {each.name for each in self.parameters}
        if unknown:
            raise ValueError(f"{self.code} knows no parameter {', '.join(sorted(unknown))}.")
        known = {each.name: each for each in self.parameters}
        return {name: known[name].check(value) for name, value in values.items()}


_declared: dict[str, Notice] = {}
#: Where `{name}` stands in a sentence.
STANDARD = frozenset({"hospital", "link", "time"})


def declare(
    code: str,
    category: Category,
    title: str,
    *,
    staff: bool = False,
    outside: str | None = None,
    channels: Iterable[Channel] = (),
    parameters: Iterable[Parameter] = (),
    urgent: bool = False,
    everywhere: bool = False,
    open_to_applications: bool = False,
) -> Notice:
    """Declare a notice, at import of the module that sends it.

    Raises SensitiveOutside when its sentence takes a parameter that must stay inside.
    """
    notice = Notice(
        code=code,
        category=category,
        title=title,
        staff=staff,
        outside=outside,
        channels=tuple(channels) if outside is not None else (),
        parameters=tuple(parameters),
        urgent=urgent,
        everywhere=everywhere,
        open_to_applications=open_to_applications,
    )
    if outside is not None:
        check_outside(notice, outside)
    if _declared.setdefault(code, notice) != notice:
        raise ValueError(f"The notice '{code}' is declared twice.")
    return notice


def check_outside(notice: Notice, pattern: str) -> None:
    """Raise SensitiveOutside unless every parameter of a sentence may leave the house."""
    stay = names_in(pattern) - notice.may_leave - STANDARD
    if stay:
        raise SensitiveOutside(f"{', '.join(sorted(stay))} must not leave the house.")


def names_in(pattern: str) -> set[str]:
    """The names between braces. Raises ValueError for a brace without its partner."""
    names, rest = set(), pattern
    while rest:
        before, opened, after = rest.partition("{")
        if "}" in before or (opened and "}" not in after):
            raise ValueError("A brace stands alone.")
        if not opened:
            break
        name, _, rest = after.partition("}")
        if not name.isidentifier():
            raise ValueError(f"'{name}' is no name of a parameter.")
        names.add(name)
    return names


def notice_of(code: str) -> Notice:
    """The declared notice. Raises KeyError for a code that nobody declared."""
    return _declared[code]


def find(code: str) -> Notice | None:
    """The declared notice, or None."""
    return _declared.get(code)


def declared() -> list[Notice]:
    """Every notice, in the order of the categories."""
    order = list(Category)
    return sorted(_declared.values(), key=lambda each: (order.index(each.category), each.code))


def codes_of(category: Category) -> list[str]:
    """The codes of a category."""
    return sorted(code for code, each in _declared.items() if each.category is category)


# --- what somebody above the rooms adds -----------------------------------------------------------


@dataclass(frozen=True)
class Wording:
    """How a notice reads at a hospital (None: as its sender says it), and whom it must not disturb.

    `silent` are people who have switched the category off: the item is stored and not announced.
    """

    title: str | None = None
    text: str | None = None
    silent: frozenset[UUID] = frozenset()


Composer = Callable[["UnitOfWork", UUID, Notice, list[UUID], Mapping[str, Any]], Awaitable[Wording]]
_composers: list[Composer] = []


def compose_with(composer: Composer) -> Composer:
    """Let a module above the rooms put notices into the hospital's words; the last one wins."""
    _composers[:] = [composer]
    return composer


async def wording(
    uow: "UnitOfWork",
    hospital_id: UUID,
    notice: Notice,
    user_ids: list[UUID],
    values: Mapping[str, Any],
) -> Wording:
    """The hospital's words for a notice."""
    if not _composers or not user_ids:
        return Wording()
    return await _composers[0](uow, hospital_id, notice, user_ids, values)
