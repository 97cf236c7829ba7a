"""A Socket.IO user for Locust who stays in a room and checks what the server promises.

It speaks through python-socketio's own client, as any application of an integrator would.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from typing import Any, ClassVar

import gevent
import gevent.event
import socketio
from locust import User
from locust.exception import StopUser
from socketio.exceptions import SocketIOError

from loadtests.scenarios.people import Person
from loadtests.scenarios.stage import Stage
from zhenjian_client import RoomLog

#: Seconds in which an answer has to come; a doubt that lasts longer is asked again.
ANSWER_SECONDS = 10.0
PAGE = 200
RETRYABLE = frozenset({"overloaded", "rate_limited", "service_unavailable"})


class Lost(Exception):
    """The connection broke before the answer came."""


class RoomUser(User):
    """Takes the next person of the stage. `self.room` is his room; `say` returns once stored."""

    abstract = True
    stage: ClassVar[Stage]
    wants: ClassVar[str] = "member"

    def on_start(self) -> None:
        person = self.stage.take(self.wants)
        if person is None:
            # More users than people: the bound of this run.
            raise gevent.GreenletExit
        self.person: Person = person
        self.name = person.name
        self.room = person.room
        self.log = RoomLog()
        self.online = False
        self.count = 0
        self._sio: socketio.Client | None = None
        self._refusal: dict[str, Any] = {}
        self._behind = False
        self._last_event = 0
        self.stage.devices.append(self)

    # ---- verbs of the scenarios --------------------------------------------------------------

    def arrive(self) -> None:
        """Connect and open the room where it was left, as often as it takes."""
        began, pause = time.perf_counter(), 0.2
        while not self.online:
            try:
                self._connect()
                self._join()
            except (Lost, SocketIOError) as problem:
                self._end()
                least = float(self._refusal.get("retry_after", 0))
                if self._refusal.get("code") not in (*RETRYABLE, None):
                    self._report("arrive", began, problem)
                    raise StopUser from problem
                gevent.sleep(max(least, pause) * random.uniform(1, 1.25))
                pause = min(pause * 2, 5)
        self._report("arrive", began)

    def depart(self) -> None:
        """Leave the room and hang up."""
        if self.online:
            with contextlib.suppress(Lost, SocketIOError):
                self.ask("room:leave", {"room": self.room})
        self._end()

    def cut(self) -> None:
        """Lose the line without a word."""
        if self._sio is not None and self._sio.eio.ws is not None:
            with contextlib.suppress(OSError):
                self._sio.eio.ws.shutdown()

    def say(self) -> int:
        """Say something and wait until it is stored; after a loss again, under the same id.

        Returns its number in the room.
        """
        key = f"{self.stage.judge.run}:{self.name}:{self.count}"
        self.count += 1
        payload = {
            "room": self.room,
            "client_id": str(uuid.uuid4()),
            "kind": "text",
            "body": {"text": key},
            "reply_to": None,
        }
        self.stage.judge.history.send(self.name, self.room, key)
        self.stage.said[key] = time.perf_counter()
        while True:
            self.arrive()
            try:
                answer = self.ask("message:send", payload)
            except Lost:
                continue
            seq = answer["seq"] - self.base
            self.stage.judge.history.acknowledge(key, seq, duplicate=answer["duplicate"])
            return int(answer["seq"])

    def read(self) -> None:
        """Mark as read what is here."""
        with contextlib.suppress(Lost):
            marks = self.ask("receipt:read", {"room": self.room, "seq": self.log.last})
            mark = marks["read_seq"]
            self.stage.judge.history.mark(self.name, self.person.user, self.room, mark)

    def hear(self, after: int, seconds: float) -> None:
        """Wait until something stands behind this number, at most so long."""
        end = time.monotonic() + seconds
        while self.log.last <= after and time.monotonic() < end:
            gevent.sleep(0.05)

    def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """One event and its answer; raises Lost. A busy server is asked again when it says."""
        while True:
            began = time.perf_counter()
            answer = self._call(event, payload)
            if answer.get("ok"):
                self._report(event, began)
                return answer
            error = answer.get("error") or {}
            if error.get("code") not in RETRYABLE:
                self._report(event, began, RuntimeError(error.get("code")))
                raise StopUser
            gevent.sleep(float((error.get("details") or {}).get("retry_after", 1)))

    # ---- the end -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Once nobody says anything any more: take in everything, and tell the judge."""
        if not self.room:
            self._end()
            return
        self.arrive()
        self._fill()
        judge = self.stage.judge
        for message in self.log.messages:
            seq = message["seq"] - self.base
            judge.history.receive(self.name, self.room, seq, message["body"].get("text", ""))
        if self.room not in judge.stored:
            judge.stored[self.room] = []
            after = self.base
            while page := self._page(after):
                after = page[-1]["seq"]
                judge.stored[self.room] += [(m["seq"] - self.base, _key(m)) for m in page]
        self._end()

    # ---- the connection ----------------------------------------------------------------------

    @property
    def base(self) -> int:
        return self.stage.judge.bases[self.room]

    def _connect(self) -> None:
        self._end()
        self._refusal = {}
        self._last_event = 0
        sio = socketio.Client(reconnection=False, handle_sigint=False)
        sio.on("message", self._on_message)
        sio.on("resync", self._on_resync)
        sio.on("connect_error", self._on_refused)
        sio.on("disconnect", lambda *_: self._on_lost(sio))
        self.listen(sio)
        self._sio = sio
        auth = {"token": self.person.token, "device": self.name}
        sio.connect(self.host, auth=auth, transports=["websocket"], wait_timeout=ANSWER_SECONDS)

    def listen(self, sio: socketio.Client) -> None:
        """For scenarios that hear more than messages."""

    def _join(self) -> None:
        if not self.room:
            self.online = True
            return
        known = self.room in self.stage.judge.bases
        after = max(self.log.last, self.base) if known else None
        answer = self.ask("room:join", {"room": self.room, "after": after})
        base = self.stage.judge.base(self.room, answer["room"]["seq"])
        self.log.begin_at(base)
        for message in answer["messages"]:
            self._take(message)
        self.online = True
        if answer["resync"] or self.log.last < answer["room"]["seq"]:
            self._fill()

    def _call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        sio = self._sio
        if sio is None or not sio.connected:
            self.online = False
            raise Lost(event)
        box: gevent.event.AsyncResult[dict[str, Any]] = gevent.event.AsyncResult()
        self._waiting = box
        try:
            sio.emit(event, payload, callback=box.set)
            return box.get(timeout=ANSWER_SECONDS) or {}
        except (SocketIOError, gevent.Timeout, OSError) as problem:
            self.online = False
            raise Lost(event) from problem

    def _fill(self) -> None:
        while page := self._page(self.log.last):
            for message in page:
                self._take(message)

    def _page(self, after: int) -> list[dict[str, Any]]:
        while True:
            try:
                asked = {"room": self.room, "after": after, "limit": PAGE}
                messages: list[dict[str, Any]] = self.ask("message:fetch", asked)["messages"]
            except Lost:
                self.arrive()
            else:
                return messages

    def _take(self, message: dict[str, Any]) -> None:
        self.log.add(message)

    def _on_message(self, message: dict[str, Any]) -> None:
        if message["room"] != self.room or self.room not in self.stage.judge.bases:
            return
        seq = message["seq"]
        if seq <= self._last_event:
            text = f"{self.name} heard {seq} after {self._last_event} in {self.room}"
            self.stage.judge.note("repeated", text)
        elif (began := self.stage.said.get(_key(message) or "")) is not None:
            self._report("delivered", began)
        self._last_event = max(self._last_event, seq)
        self._take(message)
        if self.log.has_gap and not self._behind:
            self._behind = True
            gevent.spawn_later(0.2, self._catch_up)

    def _on_resync(self, _: object) -> None:
        gevent.spawn(self._catch_up)

    def _catch_up(self) -> None:
        self._behind = False
        if self.log.has_gap and self.online:
            self.stage.judge.healed["gaps fetched"] += 1
            with contextlib.suppress(Lost, StopUser):
                asked = {"room": self.room, "after": self.log.last, "limit": PAGE}
                for message in self.ask("message:fetch", asked)["messages"]:
                    self._take(message)

    def _on_refused(self, data: Any) -> None:
        self._refusal = (data or {}).get("data") or {} if isinstance(data, dict) else {}

    def _on_lost(self, sio: socketio.Client) -> None:
        if self._sio is sio:
            self.online = False
            self.stage.judge.healed["lines lost"] += 1
            waiting = getattr(self, "_waiting", None)
            if waiting is not None and not waiting.ready():
                waiting.set_exception(SocketIOError("The line is lost."))

    def _end(self) -> None:
        sio, self._sio, self.online = self._sio, None, False
        if sio is not None:
            with contextlib.suppress(SocketIOError, OSError):
                sio.disconnect()

    def _report(self, name: str, began: float, problem: BaseException | None = None) -> None:
        self.environment.events.request.fire(
            request_type="Socket.IO",
            name=name,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=problem,
            context={},
        )


def _key(message: dict[str, Any]) -> str | None:
    return message["body"].get("text") if message["kind"] == "text" else None
