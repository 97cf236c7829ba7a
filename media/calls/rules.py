"""Names and numbers of calls. No I/O."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

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
    """What a moderator (`moderators`) does to somebody else."""

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
#: What a supervisor does in somebody else's call; its stage and its end are not his.
INTERVENTIONS: frozenset[Moderation] = frozenset(
    {Moderation.MUTE, Moderation.STOP_SCREEN, Moderation.REMOVE}
)
#: Who can be a moderator.
MODERATORS: frozenset[Role] = TALKERS - {Role.PATIENT}

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


def moderators(
    kind: RoomKind, lead_id: UUID | None, started_by: UUID, *, lecture: bool
) -> frozenset[UUID]:
    """Who silences others in a call, puts them out of it and ends it for everybody.

    Of a lecture its teacher; among colleagues whoever started the call, and whoever leads the
    group; where there is a patient, who leads the room: a colleague who was asked in cannot put
    the patient out, not even of a call that he started himself.
    """
    if lecture:
        return frozenset({started_by})
    if kind in AMONG_COLLEAGUES:
        return frozenset({started_by, lead_id or started_by})
    return frozenset({lead_id or started_by})


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
