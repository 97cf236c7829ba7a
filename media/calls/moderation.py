"""What moderators do to others in a call, and supervisors who intervene in one.

Who moderates is `rules.moderators`. Like the verbs of `service`, these never commit.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from core import audit
from core.errors import Forbidden
from core.identity.caller import Caller
from core.uow import UnitOfWork
from media.calls import access, call, stage, telling
from media.calls.call import Call
from media.calls.models import CallRow
from media.calls.rules import INTERVENTIONS, MODERATORS, CallState, EndReason, Moderation
from media.calls.schemas import CallView
from media.calls.service import Change, take_step
from realtime import access as rooms
from realtime.veil import shown as veiled


async def end(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallView:
    """End it for everybody. Raises Forbidden, NotFound."""
    now = uow.now
    room_id = await access.room_of(uow, caller, call_id)
    over = _by_moderator(caller, lambda it: call.end(it, EndReason.HUNG_UP, now))
    return await take_step(uow, room_id, call_id, over, caller.user_id)


async def moderate(
    uow: UnitOfWork, caller: Caller, call_id: UUID, user_id: UUID, action: Moderation
) -> CallView:
    """Do something to somebody else.

    Raises Forbidden, NotFound, NotInCall, NoLecture, CallIsFull, CallIsOver.
    """
    if user_id == caller.user_id:
        raise Forbidden
    room_id = await access.room_of(uow, caller, call_id)
    step = _by_moderator(caller, _step(action, user_id, uow.now))
    shown = await take_step(uow, room_id, call_id, step, caller.user_id)
    _tell(uow, call_id, user_id, action)
    return shown


async def intervene(
    uow: UnitOfWork, caller: Caller, call_id: UUID, user_id: UUID, action: Moderation
) -> CallView:
    """What a supervisor does to somebody in a call of others; the audit keeps it.

    Raises Forbidden, NotPermitted, NotFound, NotInCall, CallIsOver.
    """
    if action not in INTERVENTIONS:
        raise Forbidden
    room = await access.room_to_intervene(uow, caller, call_id)
    shown = await take_step(uow, room.id, call_id, _step(action, user_id, uow.now))
    _tell(uow, call_id, user_id, action)
    patient_id = await audit.patient_of(uow, room.ref_type, room.ref_id)
    detail = {"action": action.value, "user": str(user_id)}
    await audit.record(uow, caller, "call.intervene", "call", call_id, patient_id, detail=detail)
    return veiled(await rooms.veil_for(uow, caller), shown)


async def retell(uow: UnitOfWork, room_id: UUID) -> None:
    """Tell who is in the call under way in a room how it stands: somebody else moderates it."""
    call_id = await uow.session.scalar(
        select(CallRow.id).where(CallRow.room_id == room_id, CallRow.state != CallState.ENDED)
    )
    found = await access.stored(uow, call_id) if call_id is not None else None
    if found is not None:
        telling.tell_state(uow, found, telling.concerned(found.call, found.call), [])


def _by_moderator(caller: Caller, step: Change) -> Change:
    """The step, if the caller moderates the call by the time it is taken."""

    def checked(it: Call) -> Call:
        if caller.role not in MODERATORS or caller.user_id not in it.moderators:
            raise Forbidden
        return step(it)

    return checked


def _step(action: Moderation, user_id: UUID, now: datetime) -> Change:
    steps: dict[Moderation, Change] = {
        Moderation.MUTE: lambda it: call.mute(it, user_id),
        Moderation.STOP_SCREEN: lambda it: call.stop_screen(it, user_id),
        Moderation.INVITE: lambda it: stage.invite(it, user_id),
        Moderation.DISMISS: lambda it: stage.dismiss(it, user_id),
        Moderation.LOWER_HAND: lambda it: stage.raise_hand(it, user_id, now, up=False),
        Moderation.REMOVE: lambda it: call.remove(it, user_id, now),
    }
    return steps[action]


def _tell(uow: UnitOfWork, call_id: UUID, user_id: UUID, action: Moderation) -> None:
    if action is Moderation.MUTE:
        telling.tell_muted(uow, call_id, user_id)
