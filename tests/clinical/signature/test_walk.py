"""From the first handwriting to a signed closing note that everybody can check."""

from __future__ import annotations

import pytest

from core.outbox import Relay
from tests.clinical.signature.desk import PIN, Desk, answers
from tests.clinical.story import Story
from tests.support.cast import Cast


@pytest.mark.requirement("S0-C-005", "S0-C-026", "S1-106", "S1-132", "S4-032")
async def test_a_doctor_signs_the_closing_note(
    story: Story, doctor: Desk, relay: Relay, cast: Cast
) -> None:
    assert (await doctor.me())["standing"] == "no_image"
    await doctor.enrol()
    consultation = await story.ended()
    [task] = await doctor.tasks()
    assert (task["document_type"], task["document_id"]) == ("closing_note", consultation["id"])
    mark = await doctor.sign(consultation["id"])
    assert (mark["current"], mark["signer_name"]) == (True, "陈安和")
    assert await doctor.tasks() == []
    await relay.drain()
    for reader in (cast.doctor, cast.patient, cast.supervisor):
        shown = await story.get(reader, f"/consultations/{consultation['id']}")
        seen = shown["closing_note"]["signature"]
        assert seen["signature_id"] == mark["signature_id"]
        assert seen["timestamped"] is True
        image = await doctor.client.get(f"/{seen['image_url']}")
        assert (image.status, image.headers["content-type"]) == (200, "image/png")
        verification = await doctor.verify(mark["signature_id"], reader)
        found = answers(verification)
        assert set(found.values()) == {"yes"}, verification["findings"]
        assert (verification["verdict"], verification["changes"]) == ("valid", [])
        assert len(verification["chain"]) == 3
    assert PIN not in str(verification)
