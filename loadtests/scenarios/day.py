"""Consultation day: a patient arrives, waits, both talk, both leave; and again."""

from __future__ import annotations

import random

import gevent
from locust import between, task

from loadtests.scenarios.room_user import RoomUser
from loadtests.scenarios.stage import open_stage

STAGE = open_stage()


class ConsultationDay(RoomUser):
    """Every other user is a patient, his neighbour the doctor."""

    stage = STAGE
    wait_time = between(0.5, 3)

    @task
    def consultation(self) -> None:
        before = self.log.last
        self.arrive()
        # The doctor waits for the patient's word, the patient for the answer; neither for ever.
        self.hear(self.say() if self.person.role == "patient" else before, 15)
        for _ in range(random.randint(3, 8)):
            self.say()
            gevent.sleep(random.uniform(0.2, 1.5))
        self.read()
        self.depart()
