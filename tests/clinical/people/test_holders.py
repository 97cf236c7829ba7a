"""Bound users, as staff find them and unbind them by hand."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from clinical.people.jobs import index_visit_cards
from clinical.people.models import Patient
from core.identity.roles import Role
from tests.clinical.story import Story, id_number


async def find(story: Story, text: str, keeper: Any = None, **query: Any) -> list[dict[str, Any]]:
    answer = await story.client.get(
        "/account-holders",
        token=(keeper or story.cast.administrator).token,
        query={"q": text, **query},
    )
    found: list[dict[str, Any]] = answer.expect(200)["items"]
    return found


@pytest.mark.requirement("S0-A-112", "S0-A-169", "S0-O-024", "S3-034")
async def test_a_bound_user_is_found_by_nickname_card_identity_number_and_telephone(
    story: Story,
) -> None:
    await story.add_patient()
    user = str(story.cast.patient.user_id)
    number = id_number(date(1985, 3, 14), male=False)
    for text in ("小满", "C000001", number, story.cast.patient.phone):
        assert [each["user_id"] for each in await find(story, text)] == [user], text
    assert await find(story, "C00000") == []
    shown = (await find(story, "C000001"))[0]
    assert shown["persons"] == 1
    assert number not in str(shown)
    assert story.cast.patient.phone not in str(shown)


@pytest.mark.requirement("S0-A-112", "S0-A-169", "S0-O-024")
async def test_a_person_is_unbound_by_hand_with_a_reason_and_the_records_stay(
    story: Story,
) -> None:
    await story.add_patient()
    keeper, user = story.cast.administrator, story.cast.patient.user_id
    detail = (await story.client.get(f"/account-holders/{user}", token=keeper.token)).expect(200)
    bound = detail["bound"][0]
    assert bound["name"] == "林*满"
    path = f"/account-holders/{user}/relations/{bound['relation_id']}/unbind"
    short = await story.client.post(path, token=keeper.token, json={"reason": "错"})
    assert short.json["fields"][0]["field"] == "reason"
    for _ in range(2):
        answer = await story.client.post(path, token=keeper.token, json={"reason": "绑定了他人"})
        answer.expect(204)
    after = (await story.client.get(f"/account-holders/{user}", token=keeper.token)).expect(200)
    assert after["persons"] == 0
    assert after["bound"][0]["unbound_at"] is not None
    mine = await story.client.get("/patients", token=story.cast.patient.token)
    assert mine.expect(200) == []


async def test_another_hospital_sees_neither_the_user_nor_the_person(story: Story) -> None:
    await story.add_patient()
    cast = story.cast
    assert await find(story, "C000001", cast.foreign_administrator) == []
    path = f"/account-holders/{cast.patient.user_id}"
    answer = await story.client.get(path, token=cast.foreign_administrator.token)
    assert answer.status == 404
    assert len(await find(story, "C000001", cast.operator)) == 1
    elsewhere = await find(story, "C000001", cast.operator, hospital_id=cast.other_hospital_id)
    assert elsewhere == []


async def test_pages_show_everybody_once(story: Story) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        answer = await story.client.get(
            "/account-holders",
            token=story.cast.operator.token,
            query={"limit": 1, **({"cursor": cursor} if cursor else {})},
        )
        page = answer.expect(200)
        seen += [each["user_id"] for each in page["items"]]
        cursor = page["next"] or ""
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR, Role.NURSE, Role.SUPERVISOR])
async def test_others_do_not_look_people_up(story: Story, role: Role) -> None:
    answer = await story.client.get("/account-holders", token=story.cast.of(role).token)
    assert answer.status == 403


async def test_cards_stored_before_the_index_are_indexed_by_the_job(story: Story) -> None:
    await story.add_patient()
    async with story.runtime.unit_of_work() as uow:
        await uow.session.execute(update(Patient).values(card_number_index=None))
    assert await find(story, "C000001") == []
    await index_visit_cards(story.runtime)
    assert len(await find(story, "C000001")) == 1


def test_the_job_runs_daily() -> None:
    from clinical.people.jobs import JOBS

    assert [job.every for job in JOBS] == [timedelta(days=1)]
