"""The hand on the media workers: opens calls there, passes offers on, moves calls when one dies.

Every process that serves calls has a controller, attached to all workers; all of them hear every
event. What must happen once is claimed in the database (an offer by its version, a move by the
call's generation), so that it does not matter which of them is quicker or alive.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.crypto.container import FolderKey, KeyringFileKeys
from core.runtime import Runtime
from media.calls import access, call, observers, service, sessions
from media.calls.access import StoredCall
from media.calls.errors import AnswerIsBad, AnswerIsStale, MediaUnavailable
from media.calls.models import CallObserverRow, CallParticipantRow, CallRow
from media.calls.news import News
from media.calls.placing import Placing
from media.calls.rules import EndReason, Place
from media.control import Offer, WorkerLink
from media.errors import (
    BadAnswer,
    CallUnknown,
    MediaError,
    PeerUnknown,
    RecordingUnavailable,
    StaleAnswer,
    WorkerUnavailable,
)
from media.recording.sealing import Seal
from media.turn import ice_servers

log = structlog.get_logger(__name__)

EventListener = Callable[[Runtime, dict[str, Any]], Awaitable[None]]
_listeners: dict[str, list[EventListener]] = {}


def on_worker_event(name: str, listener: EventListener) -> None:
    """Hear an event of the workers (`recording.sealed`); called at import. Several processes hear
    each event, and it may get lost: the listener must be idempotent and not the only way.
    """
    known = _listeners.setdefault(name, [])
    if listener not in known:
        known.append(listener)


class Controller:
    """The controller of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._placing = Placing(runtime, self._on_event, self._offer_all, self._spawn)
        self._news = News(runtime)
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False

    @classmethod
    async def of(cls, runtime: Runtime) -> Self:
        """The controller of this process, made and started on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        controller: Self = found
        if not controller._started:
            controller._started = True
            await controller._placing.start()
        return controller

    async def aclose(self) -> None:
        """Let go of the workers; their calls go on."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._placing.workers.close()

    @property
    def links(self) -> list[WorkerLink]:
        """The connections to the workers, for monitoring."""
        return self._placing.workers.links

    async def choose(self) -> str:
        """The address of the least loaded worker. Raises MediaUnavailable, MediaIsBusy."""
        return await self._placing.choose()

    async def reconcile(self) -> None:
        """Compare every worker with the database and put right what differs."""
        await self._placing.reconcile()

    def away_for(self, url: str) -> float:
        """Seconds since this process lost a worker: 0 while it is connected, infinite for an
        address that is configured no longer.
        """
        return self._placing.away_for(url)

    # ---- what the messages of clients lead to ------------------------------------------------

    def connect(self, call_id: UUID, user_id: UUID) -> None:
        """Send a participant the offer of his current session, soon: after the acknowledgement."""
        self._spawn(self._connect(call_id, user_id))

    def observe(self, call_id: UUID, user_id: UUID) -> None:
        """Send an observer the offer of his hidden connection, soon."""
        self._spawn(self._connect_observer(call_id, user_id))

    async def restart(self, call_id: UUID, user_id: UUID, device: str) -> bool:
        """Send a device the offer of an ICE restart of its session, which goes on; False when its
        worker has no such session any more.
        """
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.session is None:
            return False
        if person.place != Place.JOINED or person.device != device:
            return False
        try:
            link = await self._placing.reach(stored.row.worker)
            offer = await link.restart_peer(str(call_id), peer_name(person), person.session)
        except MediaError as error:
            log.info("ice_not_restarted", call=str(call_id), error=str(error))
            return False
        await self._pass_on(call_id, person.session, offer, new_path=True)
        return True

    async def answer(
        self, call_id: UUID, user_id: UUID, session: str, version: int, sdp: str
    ) -> None:
        """Pass an answer on. Raises AnswerIsStale, AnswerIsBad, MediaUnavailable."""
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
            observer = await observers.by_user(uow, call_id, user_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None:
            raise AnswerIsStale
        if observer is not None and observer.session == session:
            peer = observers.peer_of(observer)
        elif person is not None and person.session == session:
            peer = peer_name(person)
        else:
            raise AnswerIsStale
        try:
            link = await self._placing.reach(stored.row.worker)
            await link.answer(str(call_id), peer, session, version, sdp)
        except (StaleAnswer, PeerUnknown, CallUnknown) as error:
            raise AnswerIsStale from error
        except BadAnswer as error:
            raise AnswerIsBad from error
        except MediaError as error:
            raise MediaUnavailable(retry_after=2) from error

    async def show_media(self, call_id: UUID, user_id: UUID) -> None:
        """Tell the worker who is muted; a worker that is away learns it with the next session."""
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.place != Place.JOINED:
            return
        try:
            link = await self._placing.reach(stored.row.worker)
            await link.set_media(
                str(call_id), peer_name(person), audio=person.audio, video=person.video
            )
        except MediaError as error:
            log.info("media_state_not_told", call=str(call_id), error=str(error))

    async def show_screen(self, call_id: UUID, user_id: UUID) -> None:
        """Tell the worker whether a participant shares his screen; offers with its line follow. A
        worker that is away learns it with the next session.
        """
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.place != Place.JOINED:
            return
        try:
            link = await self._placing.reach(stored.row.worker)
            await link.set_screen(str(call_id), peer_name(person), on=person.screen)
        except MediaError as error:
            log.info("screen_not_told", call=str(call_id), error=str(error))

    async def show_view(
        self, call_id: UUID, user_id: UUID, lines: dict[UUID, int], screen: int | None
    ) -> None:
        """Tell the worker how large a participant shows the others; a hint that nobody misses."""
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.place != Place.JOINED:
            return
        heights = {f"u_{shown}": height for shown, height in lines.items()}
        if screen is not None:
            heights |= {f"s_{each.user_id}": screen for each in stored.people if each.screen}
        try:
            link = await self._placing.reach(stored.row.worker)
            await link.set_view(str(call_id), peer_name(person), heights)
        except MediaError as error:
            log.info("view_not_told", call=str(call_id), error=str(error))

    async def remove(self, call_id: UUID, user_id: UUID) -> None:
        """Take a participant who has left off the worker."""
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.device is None:
            return
        try:
            link = await self._placing.reach(stored.row.worker)
            await link.remove_peer(str(call_id), peer_name(person), "left", person.session)
        except MediaError as error:
            log.info("peer_not_removed", call=str(call_id), error=str(error))

    async def let_go(self, call_id: UUID, peers: list[str]) -> None:
        """Take observers who have left off the worker."""
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        if stored is None:
            return
        for peer in peers:
            try:
                link = await self._placing.reach(stored.row.worker)
                await link.remove_peer(str(call_id), peer, "left")
            except MediaError as error:
                log.info("observer_not_removed", call=str(call_id), error=str(error))

    async def close(self, row: CallRow) -> None:
        """Close a call on its worker; its recording is sealed. A worker that is away is left
        alone: when it comes back, `reconcile` closes what is over.
        """
        try:
            link = await self._placing.reach(row.worker)
            await link.close_call(str(row.id), row.end_reason or "ended")
        except MediaError as error:
            log.info("call_not_closed", call=str(row.id), error=str(error))

    async def stop_recording(self, row: CallRow) -> None:
        """Have a call's worker stop recording and seal what it has. Raises MediaError: the
        reaction is tried again until the worker has heard it.
        """
        try:
            link = await self._placing.reach(row.worker)
            await link.stop_recording(str(row.id), "consent_withdrawn")
        except CallUnknown:
            log.info("call_not_on_worker", call=str(row.id))

    # ---- offers ------------------------------------------------------------------------------

    async def _connect(self, call_id: UUID, user_id: UUID) -> None:
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.place != Place.JOINED:
            return
        try:
            link = await self._placing.reach(stored.row.worker)
        except WorkerUnavailable:
            link = self._placing.workers.choose()
            await self._placing.move(stored.row, link)
            return
        await self._offer(stored, person, link)

    async def _offer_all(
        self, stored: StoredCall, watching: Sequence[CallObserverRow], link: WorkerLink
    ) -> None:
        for person in stored.people:
            if person.place == Place.JOINED:
                await self._offer(stored, person, link)
        for observer in watching:
            await self._offer_observer(stored.row, observer, link)

    async def _connect_observer(self, call_id: UUID, user_id: UUID) -> None:
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
            observer = await observers.by_user(uow, call_id, user_id)
        if stored is not None and observer is not None:
            link = await self._placing.reach(stored.row.worker)
            await self._offer_observer(stored.row, observer, link)

    async def _offer_observer(
        self, row: CallRow, observer: CallObserverRow, link: WorkerLink
    ) -> None:
        peer = observers.peer_of(observer)
        offer = await link.add_peer(
            str(row.id),
            peer=peer,
            session=observer.session,
            user=peer,
            publish=False,
            hidden=True,
        )
        self._news.offered(observer.session, row.id, observer.user_id, [])
        await self._pass_on(row.id, observer.session, offer, new_path=True)

    async def _offer(
        self, stored: StoredCall, person: CallParticipantRow, link: WorkerLink
    ) -> None:
        row = stored.row
        if person.session is None:
            return
        # Recording begins with the answer: nobody is recorded while it only rings.
        record = row.record and row.answered_at is not None
        seal = self._seal(row) if record else None
        try:
            await link.open_call(str(row.id), str(row.room_id), record=record, seal=seal)
        except RecordingUnavailable as error:
            log.error("call_not_recorded", call=str(row.id), error=str(error))
            await end_by_itself(self._runtime, row.id, EndReason.RECORDING_FAILED)
            return
        peer = peer_name(person)
        offer = await link.add_peer(
            str(row.id),
            peer=peer,
            session=person.session,
            user=str(person.user_id),
            audio=person.audio,
            video=person.video,
            screen=person.screen,
            publish=person.on_stage,
        )
        self._news.offered(person.session, row.id, person.user_id, _told_of(stored, person))
        await self._pass_on(row.id, person.session, offer, new_path=True)

    async def _pass_on(
        self, call_id: UUID, session: str, offer: Offer, *, new_path: bool = False
    ) -> None:
        """Send an offer to its device; one that makes it look for a path names the TURN servers."""
        async with self._runtime.unit_of_work() as uow:
            to = await sessions.claim_offer(
                uow, call_id, session, offer.version
            ) or await observers.claim_offer(uow, session, offer.version)
        if to is not None:
            payload: dict[str, Any] = {
                "call": str(call_id),
                "session": session,
                "version": offer.version,
                "sdp": offer.sdp,
            }
            if new_path:
                now = self._runtime.clock.now()
                payload["ice_servers"] = ice_servers(self._runtime.config, to.user_id, now)
            await self._runtime.realtime.to_user(to.user_id, "call:offer", payload, to.device)

    # ---- what workers tell -------------------------------------------------------------------

    async def _on_event(self, link: WorkerLink, event: dict[str, Any]) -> None:
        name = str(event.get("event"))
        match name:
            case "offer":
                offer = Offer(event["version"], event["sdp"])
                await self._pass_on(UUID(event["call"]), event["session"], offer)
            case "peer.connected" | "peer.gone":
                await self._news.peer(event, connected=name == "peer.connected")
            case "worker.draining":
                self._spawn(self._placing.empty(link))
            case "call.speaker":
                await self._news.speaker(event)
            case "peer.paused":
                await self._news.paused(event)
            case "peer.quality":
                await self._news.quality(event)
            case "recording.keyless":
                await self._give_key(link, UUID(event["call"]))
        for listener in _listeners.get(name, ()):
            await listener(self._runtime, event)

    def _seal(self, row: CallRow) -> Seal:
        """The key with which the worker stores the recording of this call."""
        keys = KeyringFileKeys(self._runtime.keyring)
        return Seal.of(FolderKey.of(f"recordings/{row.id}", row.hospital_id, keys))

    async def _give_key(self, link: WorkerLink, call_id: UUID) -> None:
        """For takes that were begun by a worker which knew no keys."""
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        if stored is not None:
            await link.give_key(str(call_id), self._seal(stored.row))

    # ---- helpers -----------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (MediaError, SQLAlchemyError, OSError) as error:
            # The client asks for a fresh session until it has one.
            log.warning("call_step_failed", error=repr(error))


def _told_of(stored: StoredCall, person: CallParticipantRow) -> list[UUID]:
    """Who hears how good a participant's connection is: everybody, in a lecture the stage, and of a
    listener nobody else: that would be the square of many people.
    """
    if not stored.row.lecture:
        return [each.user_id for each in stored.people]
    staged = [each.user_id for each in stored.people if each.on_stage] if person.on_stage else []
    return [*{*staged, person.user_id}]


def peer_name(person: CallParticipantRow) -> str:
    """The peer's name on the worker: the user and his device, in harmless characters."""
    device = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in person.device or ""
    )
    return f"{person.user_id}:{device[:80]}"


async def end_by_itself(runtime: Runtime, call_id: UUID, reason: EndReason) -> None:
    """End a call that can go on no longer: its worker stayed away and no other could take it over,
    or nobody can record what has to be recorded.
    """
    async with runtime.unit_of_work() as uow:
        await service.change(uow, call_id, lambda it: call.end(it, reason, uow.now))
