"""Names and numbers of calls. No I/O."""

from datetime import timedelta
from enum import StrEnum

from core.identity.roles import Role
from realtime.rules import RoomKind


class CallMedia(StrEnum):
    VIDEO = "video"
    VOICE = "voice"


class CallState(StrEnum):
    RINGING = "ringing"
    ACTIVE = "active"
    ENDED = "ended"


class Place(StrEnum):
    """Where a participant stands."""

    RINGING = "ringing"
    JOINED = "joined"
    DECLINED = "declined"
    LEFT = "left"
    REMOVED = "removed"


class Moderation(StrEnum):
    """What a moderator does to somebody else; in a lecture its teacher alone."""

    MUTE = "mute"
    REMOVE = "remove"
    STOP_SCREEN = "stop_screen"
    INVITE = "invite"
    DISMISS = "dismiss"
    LOWER_HAND = "lower_hand"


class EndReason(StrEnum):
    """Why a call ended. Every ending has one of these names."""

    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    HUNG_UP = "hung_up"
    ROOM_CLOSED = "room_closed"
    RECORDING_REFUSED = "recording_refused"
    ABANDONED = "abandoned"
    WORKER_LOST = "worker_lost"
    RECORDING_FAILED = "recording_failed"


#: Who may start a call, and end it for everybody; a pharmacist where he leads the room.
STARTERS: frozenset[Role] = frozenset({Role.DOCTOR, Role.PHARMACIST})
#: Who rings and takes part.
TALKERS: frozenset[Role] = STARTERS | {Role.PATIENT, Role.NURSE}

#: Who may listen to a call unseen, as far as the policies allow it.
OBSERVERS: frozenset[Role] = frozenset({Role.SUPERVISOR})

#: Rooms without a patient: their calls are not recorded, and need nobody's consent.
AMONG_COLLEAGUES: frozenset[RoomKind] = frozenset({RoomKind.COLLEAGUE, RoomKind.GROUP})

#: So many people talk in one call at most; in a lecture so many are on the stage.
MOST_PEOPLE = 16

#: A call whose worker cannot be replaced for this long is over.
WORKER_PATIENCE = timedelta(minutes=2)

_ENDINGS: dict[EndReason, str] = {
    EndReason.NO_ANSWER: "对方无人接听",
    EndReason.DECLINED: "对方已拒绝",
    EndReason.CANCELLED: "已取消",
    EndReason.RECORDING_REFUSED: "未接通，患者不同意录制",
}


def started_text(name: str, media: CallMedia, *, lecture: bool = False) -> str:
    """The line in the room when a call begins."""
    if lecture:
        return f"{name}开始了{_kind(media)}讲座，可进入观看"
    return f"{name}发起了{_kind(media)}通话"


def missed_text(name: str, media: CallMedia) -> str:
    """The item in the message centre of somebody who was rung in vain."""
    return f"{name}邀请您{_kind(media)}通话，您未接听"


def ended_text(
    media: CallMedia, reason: EndReason, seconds: int | None, *, lecture: bool = False
) -> str:
    """The line in the room when a call is over; `seconds` of talk, None when nobody answered."""
    if seconds is None:
        return f"{_kind(media)}通话{_ENDINGS.get(reason, '未接通')}"
    minutes, rest = divmod(seconds, 60)
    length = f"{minutes}分{rest}秒" if minutes else f"{rest}秒"
    return f"{_kind(media)}{'讲座' if lecture else '通话'}已结束，时长{length}"


def _kind(media: CallMedia) -> str:
    return "视频" if media is CallMedia.VIDEO else "语音"
