"""Clinicians' profiles and certificates: filled in, handed in, reviewed, in force."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from clinical.people import profiles
from clinical.people.profiles import NotActive
from core.identity.roles import Role
from core.runtime import Runtime
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response

PROFILE: dict[str, Any] = {
    "sex": "female",
    "practice_start": "2012-07-01",
    "contact_phone": "0571-8888 0000",
    "email": "heqing@hospital.example",
    "expertise": "伤口护理、压疮护理",
    "introduction": "从事临床护理十四年。",
    "medication_fields": [],
    "education": [
        {"place": "示范护理学院", "role": "本科 护理学", "since": "2008-09", "until": "2012-06"}
    ],
    "work": [{"place": "仁和示范医院", "role": "主管护师", "since": "2012-07", "until": None}],
}


class Reviews:
    """The two sides of a review."""

    def __init__(self, client: Client, cast: Cast) -> None:
        self.client, self.cast = client, cast

    async def own(self, person: Person) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get("/me/profile", token=person.token)).expect(
            200
        )
        return found

    async def hand_in(self, person: Person, **changed: Any) -> Response:
        return await self.client.post(
            "/me/profile/submissions", token=person.token, json={**PROFILE, **changed}
        )

    async def waiting(self, reviewer: Person | None = None) -> list[dict[str, Any]]:
        token = (reviewer or self.cast.administrator).token
        answer = await self.client.get("/profile-submissions", token=token)
        found: list[dict[str, Any]] = answer.expect(200)["items"]
        return found

    async def decide(self, path: str, approved: bool, reason: str = "") -> Response:
        return await self.client.post(
            f"{path}/decision",
            token=self.cast.administrator.token,
            json={"approved": approved, "reason": reason},
        )

    async def certificate(self, person: Person, **changed: Any) -> Response:
        form = {
            "kind": "practising_licence",
            "name": "护士执业证书",
            "number": "201233010012345",
            "issued_on": "2012-07-01",
            "valid_until": "2032-06-30",
            "file_id": await self.picture(person),
        }
        return await self.client.post(
            "/me/certificates", token=person.token, json={**form, **changed}
        )

    async def picture(self, person: Person) -> str:
        content = BytesIO()
        Image.new("RGB", (64, 40), "white").save(content, "JPEG")
        boundary = "certificate-picture"
        parts = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\ncertificate\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        answer = await self.client.request(
            "POST",
            "/files",
            token=person.token,
            body=parts + content.getvalue() + f"\r\n--{boundary}--\r\n".encode(),
            headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        )
        return str(answer.expect(201)["id"])


@pytest.fixture
def reviews(client: Client, cast: Cast) -> Reviews:
    return Reviews(client, cast)


@pytest.mark.requirement("S0-C-100")
async def test_a_preset_nurse_account_is_activated_by_a_reviewed_profile(
    reviews: Reviews, cast: Cast
) -> None:
    nurse = cast.nurse
    assert (await reviews.own(nurse))["active"] is False
    handed = (await reviews.hand_in(nurse)).expect(201)
    assert handed["active"] is False
    assert handed["pending"]["expertise"] == PROFILE["expertise"]
    line = (await reviews.waiting())[0]
    assert (line["name"], line["first"]) == (nurse.name, True)
    (await reviews.decide(f"/profile-submissions/{line['id']}", True)).expect(200)
    own = await reviews.own(nurse)
    assert own["active"] is True
    assert own["content"] == PROFILE
    assert own["pending"] is None
    inbox = (await reviews.client.get("/inbox", token=nurse.token)).expect(200)
    assert [each["text"] for each in inbox["items"]][-1] == "执业资料已通过审核"


async def test_other_modules_can_ask_for_an_active_account(runtime: Runtime, cast: Cast) -> None:
    async with runtime.unit_of_work() as uow:
        with pytest.raises(NotActive):
            await profiles.require_active(uow, cast.nurse.caller)


@pytest.mark.requirement("S1-130", "S2-036", "S4-035")
async def test_what_patients_read_of_a_doctor_follows_the_approved_profile(
    reviews: Reviews, cast: Cast
) -> None:
    (await reviews.hand_in(cast.doctor, expertise="高血压", introduction="新的介绍")).expect(201)
    public = f"/doctors/{cast.doctor.user_id}"
    before = (await reviews.client.get(public)).expect(200)
    assert before["introduction"] != "新的介绍"
    line = (await reviews.waiting())[0]
    (await reviews.decide(f"/profile-submissions/{line['id']}", True)).expect(200)
    after = (await reviews.client.get(public)).expect(200)
    assert (after["expertise"], after["introduction"]) == ("高血压", "新的介绍")
    assert PROFILE["contact_phone"] not in str(after)


async def test_what_is_sent_back_names_the_reason_and_stays_in_the_form(
    reviews: Reviews, cast: Cast
) -> None:
    (await reviews.hand_in(cast.nurse)).expect(201)
    path = f"/profile-submissions/{(await reviews.waiting())[0]['id']}"
    silent = await reviews.decide(path, False)
    assert silent.code == "reason_missing"
    (await reviews.decide(path, False, "请补充工作经历")).expect(200)
    own = await reviews.own(cast.nurse)
    assert own["rejected_reason"] == "请补充工作经历"
    assert own["pending"]["education"] == PROFILE["education"]
    assert own["pending_since"] is None
    assert (await reviews.decide(path, True)).code == "already_decided"


async def test_a_newer_profile_replaces_one_that_still_waits(reviews: Reviews, cast: Cast) -> None:
    (await reviews.hand_in(cast.nurse)).expect(201)
    (await reviews.hand_in(cast.nurse, expertise="造口护理")).expect(201)
    waiting = await reviews.waiting()
    assert len(waiting) == 1
    path = f"/profile-submissions/{waiting[0]['id']}"
    shown = await reviews.client.get(path, token=cast.administrator.token)
    assert shown.expect(200)["after"]["expertise"] == "造口护理"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sex": "unknown"}, "sex"),
        ({"practice_start": "2999-01-01"}, "practice_start"),
        ({"email": "no address"}, "email"),
        ({"contact_phone": "call me"}, "contact_phone"),
        ({"work": [{"place": "甲", "role": "乙", "since": "2020-13"}]}, "work.0.since"),
        (
            {"work": [{"place": "甲", "role": "乙", "since": "2020-05", "until": "2019-01"}]},
            "work.0.until",
        ),
    ],
)
async def test_a_wrong_profile_is_told_beside_the_field(
    reviews: Reviews, cast: Cast, change: dict[str, Any], field: str
) -> None:
    answer = await reviews.hand_in(cast.nurse, **change)
    assert [each["field"] for each in answer.json["fields"]] == [field]


@pytest.mark.requirement("S1-131")
async def test_a_certificate_is_uploaded_reviewed_and_shown_with_its_picture(
    reviews: Reviews, cast: Cast
) -> None:
    made = (await reviews.certificate(cast.nurse)).expect(201)
    assert made["state"] == "submitted"
    assert "201233010012345" not in str(made)
    listed = await reviews.client.get("/staff-certificates", token=cast.administrator.token)
    line = listed.expect(200)["items"][0]
    assert (line["owner"], line["name"]) == (cast.nurse.name, "护士执业证书")
    links = await reviews.client.post(
        "/files/links", token=cast.administrator.token, json={"ids": [line["file"]["id"]]}
    )
    assert line["file"]["id"] in links.expect(200)
    (await reviews.decide(f"/staff-certificates/{line['id']}", True)).expect(200)
    own = await reviews.own(cast.nurse)
    assert [each["state"] for each in own["certificates"]] == ["approved"]
    back = f"/me/certificates/{made['id']}"
    refused = await reviews.client.request("DELETE", back, token=cast.nurse.token)
    assert refused.code == "already_decided"


async def test_a_certificate_can_be_taken_back_before_its_review(
    reviews: Reviews, cast: Cast
) -> None:
    made = (await reviews.certificate(cast.nurse)).expect(201)
    path = f"/me/certificates/{made['id']}"
    foreign = await reviews.client.request("DELETE", path, token=cast.doctor.token)
    assert foreign.status == 404
    (await reviews.client.request("DELETE", path, token=cast.nurse.token)).expect(204)
    assert (await reviews.own(cast.nurse))["certificates"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"valid_until": "2012-06-01"}, "valid_until"),
        ({"issued_on": "2999-01-01", "valid_until": None}, "issued_on"),
        ({"number": " "}, "number"),
    ],
)
async def test_a_wrong_certificate_is_refused(
    reviews: Reviews, cast: Cast, change: dict[str, Any], field: str
) -> None:
    answer = await reviews.certificate(cast.nurse, **change)
    assert answer.status in (409, 422)
    assert field in [each["field"] for each in answer.json["fields"]]


async def test_somebody_elses_upload_is_no_proof(reviews: Reviews, cast: Cast) -> None:
    theirs = await reviews.picture(cast.doctor)
    answer = await reviews.certificate(cast.nurse, file_id=theirs)
    assert answer.code == "file_not_found"


async def test_nobody_reviews_himself_or_another_hospital(reviews: Reviews, cast: Cast) -> None:
    (await reviews.hand_in(cast.nurse)).expect(201)
    assert await reviews.waiting(cast.foreign_administrator) == []
    path = f"/profile-submissions/{(await reviews.waiting())[0]['id']}"
    foreign = await reviews.client.get(path, token=cast.foreign_administrator.token)
    assert foreign.status == 404


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR}))
async def test_only_administrators_review(client: Client, cast: Cast, role: Role) -> None:
    answer = await client.get("/profile-submissions", token=cast.of(role).token)
    assert answer.status == 403
