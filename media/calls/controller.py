"""The hand on the media workers: opens calls there, passes offers on, moves calls when one dies.

Every process that serves calls has a controller, attached to all workers; all of them hear every
event. What must happen once is claimed in the database (an offer by its version, a move by the
call's generation), so that it does not matter which of them is quicker or alive.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.crypto.container import FolderKey, KeyringFileKeys
from core.runtime import Runtime
from media.calls import access, call, observers, service
from media.calls.access import StoredCall
from media.calls.collector import Collector
from media.calls.errors import AnswerIsBad, AnswerIsStale, MediaIsBusy, MediaUnavailable
from media.calls.models import CallObserverRow, CallParticipantRow, CallRow
from media.calls.rules import CallState, EndReason, Place
from media.control import MediaWorkers, Offer, WorkerLink, control_tls
from media.errors import (
    BadAnswer,
    CallUnknown,
    MediaError,
    PeerUnknown,
    RecordingUnavailable,
    StaleAnswer,
    WorkerFull,
    WorkerUnavailable,
)
from media.recording.sealing import Seal
from media.turn import ice_servers

log = structlog.get_logger(__name__)

#: How long a worker may be away before its calls go to another one.
GRACE_SECONDS = 1.5
#: How long the first call waits for any worker to be connected.
CONNECT_SECONDS = 3.0
#: How long devices take to turn to a call's new worker before the old one lets go.
SWITCH_SECONDS = 1.5
#: A call that was assigned just now is still being opened by whoever assigned it.
OPENING = timedelta(seconds=3)

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
        secret = runtime.config.media_secret
        self._workers = MediaWorkers(
            runtime.config.workers,
            secret.get_secret_value() if secret else "",
            self._on_event,
            self._on_up,
            self._on_lost,
            control_tls(runtime.config),
        )
        self._mine: dict[str, tuple[UUID, str, list[UUID]]] = {}
        self._quality = Collector(runtime)
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._any_up = asyncio.Event()
        self._away_since: dict[str, float] = {}

    @classmethod
    async def of(cls, runtime: Runtime) -> Self:
        """The controller of this process, made and started on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        controller: Self = found
        if not controller._started:
            controller._started = True
            now = time.monotonic()
            controller._away_since = {link.url: now for link in controller.links}
            await controller._workers.start()
        return controller

    async def aclose(self) -> None:
        """Let go of the workers; their calls go on."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._workers.close()

    @property
    def links(self) -> list[WorkerLink]:
        """The connections to the workers, for monitoring."""
        return self._workers.links

    async def choose(self) -> str:
        """The address of the least loaded worker. Raises MediaUnavailable, MediaIsBusy."""
        try:
            return self._workers.choose().url
        except WorkerFull as error:
            raise MediaIsBusy(retry_after=20) from error
        except WorkerUnavailable:
            pass
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._any_up.wait()
            return self._workers.choose().url
        except (TimeoutError, WorkerUnavailable, WorkerFull) as error:
            raise MediaUnavailable(retry_after=3) from error

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
            link = await self._reach(stored.row.worker)
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
            link = await self._reach(stored.row.worker)
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
            link = await self._reach(stored.row.worker)
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
            link = await self._reach(stored.row.worker)
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
            link = await self._reach(stored.row.worker)
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
            link = await self._reach(stored.row.worker)
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
                link = await self._reach(stored.row.worker)
                await link.remove_peer(str(call_id), peer, "left")
            except MediaError as error:
                log.info("observer_not_removed", call=str(call_id), error=str(error))

    async def close(self, row: CallRow) -> None:
        """Close a call on its worker; its recording is sealed. A worker that is away is left
        alone: when it comes back, `reconcile` closes what is over.
        """
        try:
            link = await self._reach(row.worker)
            await link.close_call(str(row.id), row.end_reason or "ended")
        except MediaError as error:
            log.info("call_not_closed", call=str(row.id), error=str(error))

    async def stop_recording(self, row: CallRow) -> None:
        """Have a call's worker stop recording and seal what it has. Raises MediaError: the
        reaction is tried again until the worker has heard it.
        """
        try:
            link = await self._reach(row.worker)
            await link.stop_recording(str(row.id), "consent_withdrawn")
        except CallUnknown:
            log.info("call_not_on_worker", call=str(row.id))

    # ---- keeping calls alive -----------------------------------------------------------------

    async def reconcile(self) -> None:
        """Compare every worker with the database and put right what differs."""
        for link in self._workers.links:
            if link.alive:
                await self._settle(link)

    async def _settle(self, link: WorkerLink) -> None:
        try:
            open_calls = {str(each["call"]) for each in await link.list_calls()}
        except MediaError:
            return
        async with self._runtime.unit_of_work() as uow:
            live = {str(row.id): row for row in await access.live_calls(uow)}
            now = uow.now
        for name in open_calls:
            row = live.get(name)
            if row is None or row.worker != link.url:
                await self._close_stray(link, name, row)
        for name, row in live.items():
            if now - row.assigned_at < OPENING:
                continue
            lost_here = row.worker == link.url and name not in open_calls
            if lost_here or self.away_for(row.worker) >= GRACE_SECONDS:
                await self._move(row, link)

    async def _close_stray(self, link: WorkerLink, name: str, row: CallRow | None) -> None:
        """A call that is over, or has moved on, still runs on a worker."""
        if row is None and not await self._is_over(name):
            return
        try:
            await link.close_call(name, "moved" if row is not None else "ended")
        except MediaError as error:
            log.info("stray_call_not_closed", call=name, error=str(error))

    async def _is_over(self, name: str) -> bool:
        """Whether a call is known and ended: a worker may serve more than this installation."""
        try:
            call_id = UUID(name)
        except ValueError:
            return False
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        return stored is not None and stored.row.state == CallState.ENDED

    async def _move(self, row: CallRow, link: WorkerLink) -> None:
        """Open a call on a worker anew, with fresh sessions for everybody in it."""
        async with self._runtime.unit_of_work() as uow:
            stored = await service.move(uow, row.id, row.generation, link.url)
            watching = await observers.fresh_sessions(uow, row.id) if stored is not None else []
        if stored is None:
            return
        log.warning("call_moved", call=str(row.id), to=link.url)
        for person in stored.people:
            if person.place == Place.JOINED:
                await self._offer(stored, person, link)
        for observer in watching:
            await self._offer_observer(stored.row, observer, link)

    async def _rescue(self, link: WorkerLink) -> None:
        """After a worker's loss: its calls go to others, if it is not back at once."""
        await asyncio.sleep(GRACE_SECONDS)
        if link.alive:
            return
        async with self._runtime.unit_of_work() as uow:
            rows = [row for row in await access.live_calls(uow) if row.worker == link.url]
        for row in rows:
            try:
                await self._move(row, self._workers.choose())
            except (WorkerUnavailable, WorkerFull):
                # The next worker that comes up takes them; the job ends them after its patience.
                log.error("call_without_worker", call=str(row.id))

    async def _empty(self, link: WorkerLink) -> None:
        """A worker is about to stop: its calls go to others while it still carries them."""
        async with self._runtime.unit_of_work() as uow:
            rows = [row for row in await access.live_calls(uow) if row.worker == link.url]
        for row in rows:
            try:
                await self._move(row, self._workers.choose())
            except (WorkerUnavailable, WorkerFull):
                log.warning("call_stays_on_draining_worker", call=str(row.id))
        await asyncio.sleep(SWITCH_SECONDS)
        await self._settle(link)

    def away_for(self, url: str) -> float:
        """Seconds since this process lost a worker: 0 while it is connected, infinite for an
        address that is configured no longer.
        """
        link = self._workers.by_url(url)
        if link is None:
            return math.inf
        return 0.0 if link.alive else time.monotonic() - self._away_since[url]

    # ---- offers ------------------------------------------------------------------------------

    async def _connect(self, call_id: UUID, user_id: UUID) -> None:
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        person = stored.of(user_id) if stored is not None else None
        if stored is None or person is None or person.place != Place.JOINED:
            return
        try:
            link = await self._reach(stored.row.worker)
        except WorkerUnavailable:
            link = self._workers.choose()
            await self._move(stored.row, link)
            return
        await self._offer(stored, person, link)

    async def _connect_observer(self, call_id: UUID, user_id: UUID) -> None:
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
            observer = await observers.by_user(uow, call_id, user_id)
        if stored is not None and observer is not None:
            link = await self._reach(stored.row.worker)
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
        self._mine[observer.session] = (row.id, str(observer.user_id), [])
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
        people = _told_of(stored, person)
        self._mine[person.session] = (row.id, str(person.user_id), people)
        await self._pass_on(row.id, person.session, offer, new_path=True)

    async def _pass_on(
        self, call_id: UUID, session: str, offer: Offer, *, new_path: bool = False
    ) -> None:
        """Send an offer to its device; one that makes it look for a path names the TURN servers."""
        async with self._runtime.unit_of_work() as uow:
            to = await service.claim_offer(
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

    async def _on_up(self, link: WorkerLink) -> None:
        self._any_up.set()
        await self._settle(link)

    async def _on_lost(self, link: WorkerLink) -> None:
        if not any(each.alive for each in self._workers.links):
            self._any_up.clear()
        self._away_since[link.url] = time.monotonic()
        self._spawn(self._rescue(link))

    async def _on_event(self, link: WorkerLink, event: dict[str, Any]) -> None:
        name = str(event.get("event"))
        match name:
            case "offer":
                offer = Offer(event["version"], event["sdp"])
                await self._pass_on(UUID(event["call"]), event["session"], offer)
            case "peer.connected" | "peer.gone":
                await self._on_peer(event, connected=name == "peer.connected")
            case "worker.draining":
                self._spawn(self._empty(link))
            case "call.speaker":
                await self._on_speaker(event)
            case "peer.paused":
                await self._on_paused(event)
            case "peer.quality":
                await self._on_quality(event)
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

    async def _on_peer(self, event: dict[str, Any], *, connected: bool) -> None:
        call_id, session = UUID(event["call"]), event["session"]
        if not connected:
            self._mine.pop(session, None)
            await self._quality.gone(session)
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
            people = stored.people if stored is not None else []
            person = next((each for each in people if each.session == session), None)
            if person is None:
                if not connected:
                    await observers.gone(uow, session)
                return
            user_id = person.user_id
            if connected:
                await service.change(uow, call_id, lambda it: call.found(it, user_id))
            else:
                await service.change(uow, call_id, lambda it: call.lost(it, user_id, uow.now))

    async def _on_quality(self, event: dict[str, Any]) -> None:
        """Shown by the process that connected the peer; a hint that nobody misses."""
        for session, (call_id, user_id, people) in tuple(self._mine.items()):
            if str(call_id) != event["call"] or not event["peer"].startswith(f"{user_id}:"):
                continue
            if session != event.get("session", session):
                continue
            shown = {
                "call": event["call"],
                "user": user_id,
                "level": event["level"],
                "rtt_ms": event.get("rtt_ms"),
                "loss": event.get("loss"),
            }
            for each in people:
                await self._runtime.realtime.to_user(each, "call:quality", shown)
            await self._quality.heard(session, call_id, UUID(user_id), event)
            return

    async def _on_speaker(self, event: dict[str, Any]) -> None:
        """Told to the people whom this process connected, each by the process that did."""
        payload = {"call": event["call"], "user": event["user"]}
        for call_id, user_id, _ in tuple(self._mine.values()):
            if str(call_id) == event["call"]:
                await self._runtime.realtime.to_user(UUID(user_id), "call:speaker", payload)

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Tell a viewer whose pictures pause because its network bears no more; sound goes on."""
        mine = self._mine.get(event["session"])
        if mine is None:
            return
        call_id, user_id, _ = mine
        self._quality.paused(event["session"], bool(event["streams"]))
        device = event["peer"].partition(":")[2]
        paused = [stream[2:] for stream in event["streams"] if stream.startswith("u_")]
        screen = any(stream.startswith("s_") for stream in event["streams"])
        payload = {"call": str(call_id), "device": device, "paused": paused, "screen": screen}
        await self._runtime.realtime.to_user(UUID(user_id), "call:network", payload)

    # ---- helpers -----------------------------------------------------------------------------

    async def _reach(self, url: str) -> WorkerLink:
        """The link to a worker; one that was lost just now, or is still being connected after
        this process began, is waited for. Raises WorkerUnavailable.
        """
        link = self._workers.by_url(url)
        patience = CONNECT_SECONDS - self.away_for(url)
        if link is None or (not link.alive and patience <= 0):
            raise WorkerUnavailable(f"{url} is not connected")
        if not link.alive:
            try:
                async with asyncio.timeout(patience):
                    await link.wait_up()
            except TimeoutError as error:
                raise WorkerUnavailable(f"{url} is not connected") from error
        return link

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
