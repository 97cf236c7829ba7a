"""Reconnect storm: everybody talks, and every few seconds every line breaks in the same moment."""

from __future__ import annotations

import gevent
from locust import between, events, task
from locust.env import Environment

from loadtests.scenarios.room_user import RoomUser
from loadtests.scenarios.stage import open_stage

STAGE = open_stage()
STORM_SECONDS = 8.0


class ReconnectStorm(RoomUser):
    stage = STAGE
    wait_time = between(0.2, 1)

    @task
    def talk(self) -> None:
        self.arrive()
        self.say()


def blow(environment: Environment, **_: object) -> None:
    def storms() -> None:
        runner = environment.runner
        assert runner is not None
        while True:
            gevent.sleep(STORM_SECONDS)
            if runner.state not in ("spawning", "running"):
                return
            for device in STAGE.devices:
                device.cut()

    gevent.spawn(storms)


events.test_start.add_listener(blow)
