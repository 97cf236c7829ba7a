"""The trial of a connection before a call: a peer alone on a worker, for half a minute.

It belongs to the login that asked: its name on the worker is made from the session, so that
nothing is stored, any web process passes the answer on, and nobody reaches somebody else's.
"""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid5

import structlog

from core.identity.caller import Caller
from core.ids import new_id
from core.runtime import Runtime
from media.calls.controller import Controller, on_worker_event
from media.calls.errors import AnswerIsBad, AnswerIsStale, MediaUnavailable
from media.calls.rules import CallMedia
from media.calls.schemas import CheckOffer
from media.control import WorkerLink
from media.errors import BadAnswer, CallUnknown, MediaError, PeerUnknown, StaleAnswer
from media.turn import ice_servers

log = structlog.get_logger(__name__)

#: A trial takes a few seconds; one that its page does not let go of ends after this.
LIFE_SECONDS = 30.0
_PEER = "check"


class Trials:
    """The trials that this process began, so that each of them ends."""

    def __init__(self) -> None:
        self._ends: dict[UUID, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, runtime: Runtime) -> "Trials":
        found: Trials | None = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls()
        return found

    def end_later(self, name: UUID, link: WorkerLink) -> None:
        """Close a trial after its life; a newer one of the same login starts the time anew."""
        if before := self._ends.pop(name, None):
            before.cancel()
        loop = asyncio.get_running_loop()
        self._ends[name] = loop.call_later(LIFE_SECONDS, self._end, name, link)

    def _end(self, name: UUID, link: WorkerLink) -> None:
        self._ends.pop(name, None)
        task = asyncio.get_running_loop().create_task(close(link, name))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def begin(runtime: Runtime, caller: Caller, media: CallMedia) -> CheckOffer:
    """Open a trial on the worker that would get the next call; its offer is to be answered.

    Raises MediaUnavailable, MediaIsBusy.
    """
    controller = await Controller.of(runtime)
    url = await controller.choose()
    link = next(each for each in controller.links if each.url == url)
    name, session = _name(caller), f"check-{new_id()}"
    try:
        await link.open_call(str(name), str(name), record=False)
        offer = await link.add_peer(
            str(name),
            peer=_PEER,
            session=session,
            user=str(caller.user_id),
            video=media is CallMedia.VIDEO,
        )
    except MediaError as error:
        raise MediaUnavailable(retry_after=2) from error
    Trials.of(runtime).end_later(name, link)
    servers = ice_servers(runtime.config, caller.user_id, runtime.clock.now())
    return CheckOffer(session=session, version=offer.version, sdp=offer.sdp, ice_servers=servers)


async def answer(runtime: Runtime, caller: Caller, session: str, version: int, sdp: str) -> None:
    """Pass the answer of the caller's own trial on. Raises AnswerIsStale, AnswerIsBad."""
    name = str(_name(caller))
    controller = await Controller.of(runtime)
    for link in controller.links:
        if not link.alive:
            continue
        try:
            await link.answer(name, _PEER, session, version, sdp)
        except (CallUnknown, PeerUnknown, StaleAnswer):
            continue
        except BadAnswer as error:
            raise AnswerIsBad from error
        except MediaError as error:
            raise MediaUnavailable(retry_after=2) from error
        return
    raise AnswerIsStale


async def _on_gone(runtime: Runtime, event: dict[str, Any]) -> None:
    """The page let go of its trial; one that was replaced by a newer one goes on."""
    if event["peer"] != _PEER:
        return
    controller = await Controller.of(runtime)
    for link in controller.links:
        if not link.alive:
            continue
        with suppress(MediaError):
            for each in await link.list_calls():
                if each["call"] == event["call"] and not each["peers"]:
                    await close(link, UUID(event["call"]))


async def close(link: WorkerLink, name: UUID) -> None:
    try:
        with suppress(CallUnknown):
            await link.close_call(str(name), "checked")
    except MediaError as error:
        # A peer that is heard no longer goes by itself.
        log.info("trial_not_closed", error=str(error))


def _name(caller: Caller) -> UUID:
    return uuid5(caller.session_id, "connection check")


on_worker_event("peer.gone", _on_gone)
