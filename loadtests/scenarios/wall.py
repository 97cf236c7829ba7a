"""Supervisor wall: rooms talk while supervisors watch all of them at once."""

from __future__ import annotations

import time
from typing import Any

import gevent
import socketio
from locust import between, task

from loadtests.scenarios.room_user import RoomUser
from loadtests.scenarios.stage import open_stage

STAGE = open_stage()
#: Within this time a wall shows what the rooms have.
WALL_SECONDS = 20.0


class Talker(RoomUser):
    stage = STAGE
    weight = 4
    wait_time = between(0.3, 1.5)

    @task
    def talk(self) -> None:
        self.arrive()
        self.say()


class Supervisor(RoomUser):
    """Watches; his wall has to show each room's figure in the end."""

    stage = STAGE
    wants = "supervisor"
    wait_time = between(1, 2)

    def on_start(self) -> None:
        self.wall: dict[str, int] = {}
        super().on_start()

    @task
    def watch(self) -> None:
        if not self.online:
            self.arrive()
            self.ask("monitor:watch", {"on": True})

    def listen(self, sio: socketio.Client) -> None:
        sio.on("monitor:rooms", self._on_rooms)

    def settle(self) -> None:
        """The rooms have settled before: supervisors come last."""
        wanted = {
            room: self.stage.judge.bases[room] + len(entries)
            for room, entries in self.stage.judge.stored.items()
            if entries
        }
        end = time.monotonic() + WALL_SECONDS
        while self.online and time.monotonic() < end and not self._shows(wanted):
            gevent.sleep(0.1)
        if self.online and not self._shows(wanted):
            for room, seq in wanted.items():
                if (shown := self.wall.get(room)) != seq:
                    text = f"{self.name} sees {shown} for {seq} in {room}"
                    self.stage.judge.note("wall", text)
        super().settle()

    def _shows(self, wanted: dict[str, int]) -> bool:
        return all(self.wall.get(room) == seq for room, seq in wanted.items())

    def _on_rooms(self, change: dict[str, Any]) -> None:
        for room in change["rooms"]:
            self.wall[room["id"]] = room["seq"]
