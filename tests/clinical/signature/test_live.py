"""What a second window, and the other side, hear the moment something is signed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core.outbox import Relay
from tests.clinical.signature.desk import Desk
from tests.clinical.story import Story


@pytest.fixture
def heard(story: Story, monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, str]]:
    """Whom the sockets told with which code."""
    said: list[tuple[UUID, str]] = []

    async def to_user(user_id: UUID, event: str, payload: Any, **_: Any) -> None:
        if event == "notice":
            said.append((user_id, payload["code"]))

    monkeypatch.setattr(story.runtime.realtime, "to_user", to_user)
    return said


async def test_signing_on_one_device_is_heard_on_the_others_and_by_the_patient(
    story: Story, doctor: Desk, relay: Relay, heard: list[tuple[UUID, str]]
) -> None:
    mine, patient = doctor.person.user_id, story.cast.patient.user_id
    await doctor.prove()
    await doctor.write_by_hand()
    assert (mine, "signing_changed") in heard
    heard.clear()
    (await doctor.set_pin()).expect(200)
    assert heard == [(mine, "signing_changed")]
    consultation = await story.ended()
    await relay.drain()
    heard.clear()
    await doctor.sign(consultation["id"])
    assert set(heard) == {
        (mine, "signing_changed"),
        (mine, "consultation_changed"),
        (patient, "consultation_changed"),
    }
    heard.clear()
    # The timestamp comes a little later and is heard too.
    await relay.drain()
    assert heard == [(mine, "signing_changed")]


async def test_what_is_refused_is_heard_by_nobody(
    story: Story, doctor: Desk, heard: list[tuple[UUID, str]]
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    shown = await doctor.look(consultation["id"])
    heard.clear()
    assert (await doctor.confirm(shown, "9999")).code == "signing_pin_wrong"
    assert heard == []
