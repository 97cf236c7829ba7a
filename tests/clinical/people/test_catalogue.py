"""The public catalogue of doctors, through the API."""

from datetime import date
from typing import Any
from urllib.parse import quote

import pytest

from clinical.people import service
from clinical.people.service import Profile
from core.identity.roles import Role
from core.identity.service import register
from core.runtime import Runtime
from tests.clinical.story import Story


async def enrol(story: Story, name: str, title: str = "主治医师", **more: Any) -> str:
    """Another doctor of the hospital; returns the user id."""
    runtime: Runtime = story.runtime
    async with runtime.unit_of_work() as uow:
        user = await register(uow, story.cast.hospital_id, Role.DOCTOR, login=name, name=name)
        profile: dict[str, Any] = {
            "user_id": user.id,
            "department_id": story.cast.department_id,
            "name": name,
            "title": title,
            "licence_number": "110000000000009",
            "licence_valid_until": date(2030, 1, 1),
            "practice_start": date(2012, 1, 1),
            "expertise": "高血压",
            "prices": {("revisit", "text"): 2000},
            **more,
        }
        await service.enrol_clinician(uow, story.cast.hospital_id, Profile(**profile))
    return str(user.id)


async def names(story: Story, query: str = "") -> list[str]:
    page = (await story.client.get(f"/doctors?{quote(query, safe='=&%')}")).expect(200)
    return [card["name"] for card in page["items"]]


async def test_doctors_are_found_by_name_department_expertise_and_initials(
    story: Story,
) -> None:
    await enrol(story, "欧阳知秋")
    assert await names(story, "q=欧阳") == ["欧阳知秋"]
    assert await names(story, "q=oyzq") == ["欧阳知秋"]
    assert await names(story, "q=ouyangzhi") == ["欧阳知秋"]
    assert await names(story, "q=高血压") == ["欧阳知秋"]
    assert set(await names(story, "q=内科")) == {"欧阳知秋", "陈安和"}
    assert await names(story, "q=%25") == []
    assert set(await names(story, f"department_id={story.cast.other_department_id}")) == {"沈若水"}
    assert "欧阳知秋" not in await names(story, "mode=video")
    assert await names(story, "title=主任医师") == ["陈安和"]


async def test_only_licensed_doctors_in_date_with_three_years_of_practice_are_listed(
    story: Story,
) -> None:
    await enrol(story, "过期", licence_valid_until=date(2026, 11, 19))
    fresh = await enrol(story, "新手", practice_start=date(2024, 1, 1))
    assert not {"过期", "新手"} & set(await names(story))
    assert (await story.client.get(f"/doctors/{fresh}")).code == "not_found"
    patient = await story.add_patient()
    body = {"patient_id": patient["id"], "doctor_id": fresh, "mode": "text"}
    refused = await story.ask(story.cast.patient, "POST", "/consultations", body)
    assert refused.code == "doctor_unavailable"


async def test_lists_are_sorted_and_paged_without_gaps(story: Story) -> None:
    for number in range(5):
        await enrol(story, f"医生{number}", prices={("revisit", "text"): 1000 * (number + 1)})
    seen: list[int] = []
    cursor = ""
    while True:
        page = (await story.client.get(f"/doctors?sort=price&limit=2&cursor={cursor}")).expect(200)
        seen += [min(s["price_fen"] for s in card["services"]) for card in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [1000, 2000, 3000, 3000, 3000, 4000, 5000]
    for sort in ("rating", "volume"):
        assert len(await names(story, f"sort={sort}&limit=100")) == 7


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJhIiwiYiJd"])
async def test_a_foreign_cursor_is_refused_by_name(story: Story, cursor: str) -> None:
    assert (await story.client.get(f"/doctors?cursor={cursor}")).code == "invalid"


async def test_a_doctors_page_shows_experience_prices_and_ratings(story: Story) -> None:
    consultation = await story.ended()
    doctor = story.cast.doctor.user_id
    rating = {"stars": 4, "tags": ["回复及时"], "comment": "讲得很清楚"}
    path = f"/consultations/{consultation['id']}/rating"
    (await story.ask(story.cast.patient, "POST", path, rating)).expect(201)
    page = (await story.client.get(f"/doctors/{doctor}")).expect(200)
    assert (page["rating_average"], page["rating_count"]) == (4.0, 1)
    assert page["consultation_count"] == 1
    assert page["practice_years"] == 16
    assert page["licence_number_masked"].count("*") >= 8
    assert page["favourite"] is None
    shown = (await story.client.get(f"/doctors/{doctor}/ratings")).expect(200)["items"]
    assert shown[0]["patient_name_masked"] == "林*满"
    assert shown[0]["comment"] == "讲得很清楚"


@pytest.mark.requirement("S1-049")
async def test_a_patient_follows_a_doctor_and_finds_him_again(story: Story) -> None:
    patient, doctor = story.cast.patient, story.cast.doctor.user_id
    for _ in range(2):
        assert (await story.ask(patient, "PUT", f"/doctors/{doctor}/favourite")).status == 204
    assert [d["id"] for d in await story.get(patient, "/favourites/doctors")] == [str(doctor)]
    shown = await story.get(patient, f"/doctors/{doctor}")
    assert shown["favourite"] is True
    assert await story.get(story.cast.other_patient, "/favourites/doctors") == []
    assert (await story.ask(patient, "DELETE", f"/doctors/{doctor}/favourite")).status == 204
    assert await story.get(patient, "/favourites/doctors") == []


async def test_a_patient_of_one_hospital_does_not_find_doctors_of_another(story: Story) -> None:
    foreign = story.cast.foreign_doctor.user_id
    assert (await story.ask(story.cast.patient, "GET", f"/doctors/{foreign}")).code == "not_found"
    answer = await story.ask(story.cast.patient, "PUT", f"/doctors/{foreign}/favourite")
    assert answer.code == "not_found"
    there = await story.client.get(f"/doctors?hospital={story.cast.other_hospital_id}")
    assert [card["name"] for card in there.expect(200)["items"]] == ["外乙"]


async def test_the_home_page_names_the_hospital_and_warns_of_emergencies(story: Story) -> None:
    home = (await story.client.get("/home")).expect(200)
    assert home["hospital"]["name"] == "仁和示范医院"
    assert "120" in home["notices"][0]["text"]
    assert {s["code"] for s in home["services"]} >= {"text", "video", "refill"}
