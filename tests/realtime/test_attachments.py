"""What a message carries besides words: uploads of the sender, seen by whoever sees the message."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.identity.roles import Role
from core.runtime import Runtime
from realtime import attachments, service
from realtime.rules import LeaveReason
from realtime.schemas import CardBody
from tests.core.files.conftest import form, picture, sound, video
from tests.realtime.conftest import Connect, OpenRoom
from tests.support.cast import Cast, Person
from tests.support.http import Client
from zhenjian_client import RequestFailed


async def upload(
    client: Client,
    person: Person,
    purpose: str = "message",
    *,
    data: bytes = b"",
    name: str = "a.png",
) -> dict[str, object]:
    """Something, by default a small picture, uploaded by somebody."""
    body = form(data or picture("PNG", (64, 48)), name, purpose)
    headers = {"content-type": "multipart/form-data; boundary=zhenjian-test"}
    answer = await client.post("/files", token=person.token, body=body, headers=headers)
    found: dict[str, object] = answer.expect(201)
    return found


async def may_open(client: Client, person: Person, file_id: object) -> bool:
    answer = await client.post("/files/links", token=person.token, json={"ids": [file_id]})
    return str(file_id) in answer.expect(200)


async def test_a_picture_reaches_the_other_side_and_only_who_sees_the_room(
    connect: Connect, cast: Cast, room: UUID, client: Client
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))
    file = await upload(client, cast.patient)
    assert not await may_open(client, cast.doctor, file["id"])

    sent = await hers.send("image", {"file": file, "caption": "红疹"})
    await his.wait_for(lambda log: log.last == sent.seq)
    body = his.log.messages[-1]["body"]
    assert body["caption"] == "红疹"
    assert (body["file"]["id"], body["file"]["kind"]) == (file["id"], "image")
    assert (body["file"]["width"], body["file"]["height"]) == (64, 48)

    for person in (cast.patient, cast.doctor, cast.supervisor):
        assert await may_open(client, person, file["id"])
    for person in (cast.other_patient, cast.other_doctor, cast.nurse, cast.foreign_supervisor):
        assert not await may_open(client, person, file["id"])

    await hers.recall(sent.seq)
    for person in (cast.patient, cast.doctor, cast.supervisor):
        assert not await may_open(client, person, file["id"])


async def test_what_colleagues_send_each_other_opens_for_no_supervisor(
    connect: Connect, cast: Cast, client: Client
) -> None:
    other = {"user_id": str(cast.nurse.user_id), "role": "nurse"}
    made = await client.post("/rooms/colleague", token=cast.doctor.token, json=other)
    doctor = await connect(cast.doctor)
    his = await doctor.join(made.expect(200)["id"])
    file = await upload(client, cast.doctor)
    await his.send("image", {"file": file})
    assert await may_open(client, cast.nurse, file["id"])
    assert not await may_open(client, cast.supervisor, file["id"])


async def test_a_file_of_a_room_opens_for_its_people_and_the_supervisor_in_no_other_role(
    connect: Connect, cast: Cast, room: UUID, client: Client
) -> None:
    patient = await connect(cast.patient)
    hers = await patient.join(str(room))
    file = await upload(client, cast.patient)
    await hers.send("image", {"file": {"id": file["id"]}})
    may = {Role.PATIENT, Role.DOCTOR, Role.SUPERVISOR}
    for role, person in cast.everybody.items():
        assert await may_open(client, person, file["id"]) is (role in may), role
    for person in (
        cast.other_patient,
        cast.other_doctor,
        cast.foreign_patient,
        cast.foreign_doctor,
        cast.foreign_supervisor,
        cast.foreign_administrator,
    ):
        assert not await may_open(client, person, file["id"]), person.name
    for path in ("content", "thumbnail"):
        bare = await client.get(f"/files/{file['id']}/{path}", token=cast.patient.token)
        assert bare.status in (401, 403, 404, 422), "without a ticket nobody gets in"


async def test_a_file_of_somebody_else_or_of_another_kind_is_refused_and_harms_nobody(
    connect: Connect, cast: Cast, room: UUID, client: Client
) -> None:
    hers = await (await connect(cast.patient)).join(str(room))
    foreign = await upload(client, cast.doctor)
    avatar = await upload(client, cast.patient, "avatar")
    own = await upload(client, cast.patient)
    for kind, file, code in (
        ("image", foreign, "file_not_found"),
        ("image", avatar, "file_type_not_allowed"),
        ("voice", own, "file_type_not_allowed"),
    ):
        with pytest.raises(RequestFailed) as refused:
            await hers.send(kind, {"file": {"id": file["id"]}})
        assert refused.value.code == code
    sent = await hers.send("file", {"file": {"id": own["id"]}})
    assert sent.seq == 2
    with pytest.raises(RequestFailed, match="file_not_found"):
        await hers.send("image", {"file": {"id": own["id"]}})


async def test_whoever_left_the_room_no_longer_opens_its_files(
    connect: Connect, cast: Cast, open_room: OpenRoom, client: Client, runtime: Runtime
) -> None:
    room = await open_room(cast.patient, cast.doctor, cast.nurse)
    hers = await (await connect(cast.patient)).join(str(room))
    file = await upload(client, cast.patient)
    await hers.send("image", {"file": file})
    assert await may_open(client, cast.nurse, file["id"])
    async with runtime.unit_of_work() as uow:
        await service.remove_member(uow, room, cast.nurse.user_id, LeaveReason.LEFT)
    assert not await may_open(client, cast.nurse, file["id"])


async def test_every_attachment_arrives_with_what_its_screen_needs(
    connect: Connect, cast: Cast, open_room: OpenRoom, client: Client
) -> None:
    room = await open_room(cast.patient, cast.doctor, cast.nurse, cast.pharmacist)
    his = await (await connect(cast.doctor)).join(str(room))
    for person, kind, data, name in (
        (cast.patient, "voice", sound("webm", "libopus", 1.0), "voice.webm"),
        (cast.patient, "video", video("mov", "libx265"), "IMG_1.MOV"),
        (cast.patient, "file", b"%PDF-1.4\n%%EOF\n", "化验单.pdf"),
        (cast.nurse, "image", picture("PNG"), "伤口.png"),
        (cast.pharmacist, "voice", sound("amr", "libopencore_amrnb", 1.0), "voice.amr"),
    ):
        log = await (await connect(person, device=f"phone-{kind}")).join(str(room))
        sent = await log.send(kind, {"file": await upload(client, person, data=data, name=name)})
        await his.wait_for(lambda log, seq=sent.seq: log.last == seq)
    files = [message["body"]["file"] for message in his.log.messages[1:]]
    voices, film, image = [files[0], files[4]], files[1], files[3]
    for voice in voices:
        assert (voice["content_type"], len(voice["waveform"])) == ("audio/mpeg", 64)
        assert abs(voice["duration_ms"] - 1000) < 150
    assert (film["content_type"], film["has_thumbnail"]) == ("video/mp4", True)
    assert abs(film["duration_ms"] - 1200) < 100
    assert (files[2]["name"], files[2]["kind"]) == ("化验单.pdf", "file")
    assert (image["content_type"], image["width"], image["height"]) == ("image/jpeg", 320, 200)
    assert "/files/" not in str(files), "addresses are asked for, never sent about"


async def test_cards_come_from_registered_types_and_roles(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "_card_types", {})
    hers = await (await connect(cast.patient)).join(str(room))
    his = await (await connect(cast.doctor)).join(str(room))
    card = {"type": "referral", "ref": "17", "title": "转诊推荐"}
    with pytest.raises(RequestFailed, match="message_kind_not_allowed"):
        await his.send("card", card)
    attachments.register_card("referral", "转诊", [Role.DOCTOR])
    assert (await his.send("card", card)).seq == 2
    with pytest.raises(RequestFailed, match="message_kind_not_allowed"):
        await hers.send("card", card)

    async with runtime.unit_of_work() as uow:
        await service.card_message(
            uow, room, CardBody(type="rating", ref="1", title="请评价"), sender=None
        )
    await hers.wait_for(lambda log: log.last == 3)
    assert hers.log.messages[-1]["kind"] == "card"
    assert hers.log.messages[-1]["sender"] is None


async def test_stickers_and_places_are_messages_too(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    hers = await (await connect(cast.patient)).join(str(room))
    await hers.send("sticker", {"code": "smile"})
    bare = {"lat": 30.25, "lng": 120.16, "name": "仁和示范医院"}
    whole = bare | {"address": "西湖区文三路 1 号门诊楼 3 层"}
    await hers.send("location", bare)
    last = await hers.send("location", whole)
    await hers.wait_for(lambda log: log.last == last.seq)
    assert [m["body"] for m in hers.log.messages[1:]] == [{"code": "smile"}, bare, whole]
    for wrong in ({"lat": 91}, {"lng": -181}, {"lat": "nan"}, {"address": "路" * 201}):
        with pytest.raises(RequestFailed, match="invalid"):
            await hers.send("location", bare | wrong)
