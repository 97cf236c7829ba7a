"""Long lecture: one speaks, many listen for a long time, now and then somebody asks."""

from __future__ import annotations

import random

from locust import between, task

from loadtests.scenarios.room_user import RoomUser
from loadtests.scenarios.stage import open_stage

STAGE = open_stage()
#: One turn in so many is a listener's question.
QUESTIONS = 25


class LongLecture(RoomUser):
    stage = STAGE
    wait_time = between(0.3, 1)

    @task
    def attend(self) -> None:
        self.arrive()
        if self.person.part == "speaker" or random.randrange(QUESTIONS) == 0:
            self.say()
        elif random.randrange(QUESTIONS) == 0:
            self.read()
