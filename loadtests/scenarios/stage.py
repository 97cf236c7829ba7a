"""What the users of one run share: the people, the judge, the bounds, and the curtain."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from locust import events
from locust.env import Environment

from loadtests.scenarios.bounds import MAX_SECONDS, NotAllowed, check_host, check_size
from loadtests.scenarios.judge import Judge
from loadtests.scenarios.people import PEOPLE, SECONDS, Person, read


@dataclass
class Stage:
    """One run in one process."""

    everybody: tuple[Person, ...]
    people: list[Person] = field(default_factory=list)
    judge: Judge = field(default_factory=Judge)
    devices: list[Any] = field(default_factory=list)
    #: When each message was said, for the time until others have it.
    said: dict[str, float] = field(default_factory=dict)
    judged: bool = True

    def begin(self) -> None:
        """Everybody is free again; nothing of an earlier run on the same page is left."""
        self.people, self.judge, self.judged = list(self.everybody), Judge(), False
        self.devices.clear()
        self.said.clear()

    def take(self, part: str) -> Person | None:
        """The next person who can play this part."""
        for person in self.people:
            if person.part == part or (part == "member" and person.part == "speaker"):
                self.people.remove(person)
                return person
        return None


def open_stage() -> Stage:
    """Read the people of this run and let the curtain fall in order: called by each scenario."""
    stage = Stage(tuple(read(Path(os.environ[PEOPLE]))))

    def begin(environment: Environment, **_: object) -> None:
        runner = environment.runner
        assert runner is not None
        try:
            check_host(environment.host or "")
            check_size(runner.target_user_count or 1, 1)
        except NotAllowed as problem:
            # Listeners' errors are only logged: the run itself must not go on.
            print(problem, flush=True)
            environment.process_exit_code = 2
            gevent.spawn(runner.stop if environment.web_ui else runner.quit)
            return
        stage.begin()
        seconds = min(float(os.environ.get(SECONDS, MAX_SECONDS)), MAX_SECONDS)
        timers.append(gevent.spawn_later(seconds, runner.stop))

    timers: list[gevent.Greenlet[..., object]] = []
    judging = BoundedSemaphore()

    def stop(environment: Environment, **_: object) -> None:
        # Told by the clock and by Locust's own end at once: whoever comes second waits.
        with judging:
            if not stage.judged:
                stage.judged = True
                judge(environment)
                for timer in timers:
                    # The next run on the page has a time of its own.
                    if timer is not gevent.getcurrent():
                        timer.kill(block=False)
                timers.clear()

    def judge(environment: Environment) -> None:
        pool = Pool(20)
        # A supervisor's wall is compared with the rooms, so these come first.
        for at_home in (True, False):
            now = [device for device in stage.devices if bool(device.room) is at_home]
            pool.map(lambda device: device.settle(), now)
        found = stage.judge.verdict()
        print(stage.judge.tell(found), flush=True)
        for each in found:
            environment.events.request.fire(
                request_type="GUARANTEE",
                name=each.kind,
                response_time=0,
                response_length=0,
                exception=RuntimeError(each.text),
                context={},
            )
        if environment.process_exit_code is None:
            environment.process_exit_code = 1 if found else None

    events.test_start.add_listener(begin)
    events.test_stop.add_listener(stop)
    return stage
