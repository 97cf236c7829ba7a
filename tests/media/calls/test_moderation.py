"""Who silences others in a call, puts them out and ends it: role by role, room by room."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from core.ids import new_id
from core.runtime import Runtime
from media.calls.rules import moderators
from realtime import service
from realtime.rules import RoomKind
from tests.realtime.conftest import OpenRoom, member
from tests.support.cast import Cast, Person
from tests.support.http import Client
from zhenjian_client import RoomClient
from zhenjian_client.errors import RequestFailed

Socket = Callable[[Person], Awaitable[RoomClient]]
LEAD, STARTER = new_id(), new_id()


@pytest.fixture
def socket(connect: Any) -> Socket:
    """The one socket of somebody: ``await socket(cast.nurse)``."""
    known: dict[UUID, RoomClient] = {}

    async def of(person: Person) -> RoomClient:
        if person.user_id not in known:
            known[person.user_id] = await connect(person, device="pc")
        return known[person.user_id]

    return of


@pytest.fixture
async def room(open_room: OpenRoom, cast: Cast) -> UUID:
    """A consultation that 陈安和 leads, with everybody who can be asked in."""
    return await open_room(
        cast.patient, cast.doctor, cast.other_doctor, cast.nurse, cast.pharmacist
    )


async def talking(socket: Socket, room: UUID, starter: Person, *others: Person) -> str:
    """A call in which all of these are."""
    client = await socket(starter)
    await client.join(str(room))
    begun = await client.call("call:start", {"room": str(room), "media": "video"})
    call: str = begun["call"]["id"]
    for each in others:
        await (await socket(each)).call("call:accept", {"call": call})
    return call


async def tried(client: RoomClient, call: str, whom: Person, action: str) -> str:
    """The code of the refusal, or how whoever it is about stands in the call afterwards."""
    body = {"call": call, "user": str(whom.user_id), "action": action}
    try:
        shown = (await client.call("call:moderate", body))["call"]
    except RequestFailed as refused:
        return refused.code
    return next(p["state"] for p in shown["participants"] if p["user_id"] == str(whom.user_id))


async def ended(client: RoomClient, call: str) -> str:
    try:
        return str((await client.call("call:end", {"call": call}))["call"]["end_reason"])
    except RequestFailed as refused:
        return refused.code


@pytest.mark.parametrize(
    ("kind", "lead_id", "lecture", "expected"),
    [
        (RoomKind.CONSULTATION, LEAD, False, {LEAD}),
        (RoomKind.CONSULTATION, None, False, {STARTER}),
        (RoomKind.SERVICE, LEAD, False, {LEAD}),
        (RoomKind.WORD, LEAD, False, {LEAD}),
        (RoomKind.GROUP, LEAD, False, {LEAD, STARTER}),
        (RoomKind.GROUP, None, False, {STARTER}),
        (RoomKind.COLLEAGUE, None, False, {STARTER}),
        (RoomKind.GROUP, LEAD, True, {STARTER}),
        (RoomKind.CONSULTATION, LEAD, True, {STARTER}),
    ],
)
def test_moderators_by_the_kind_of_room(
    kind: RoomKind, lead_id: UUID | None, lecture: bool, expected: set[UUID]
) -> None:
    assert moderators(kind, lead_id, STARTER, lecture=lecture) == expected


@pytest.mark.parametrize("starts", ["doctor", "other_doctor"])
async def test_of_those_in_a_consultation_only_who_leads_it_puts_the_patient_out(
    socket: Socket, cast: Cast, room: UUID, starts: str
) -> None:
    people = [cast.doctor, cast.other_doctor, cast.patient, cast.nurse, cast.pharmacist]
    starter: Person = getattr(cast, starts)
    call = await talking(socket, room, starter, *(each for each in people if each is not starter))
    for person in people:
        client = await socket(person)
        seen = await client.call("call:update", {"call": call, "action": "media", "audio": True})
        assert seen["call"]["moderators"] == [str(cast.doctor.user_id)]
        if person is cast.doctor:
            continue
        target = cast.doctor if person is cast.patient else cast.patient
        for action in ("mute", "stop_screen", "remove", "invite", "dismiss", "lower_hand"):
            assert await tried(client, call, target, action) == "forbidden", (person.name, action)
        assert await ended(client, call) == "forbidden", person.name
    lead = await socket(cast.doctor)
    assert await tried(lead, call, cast.patient, "mute") == "joined"
    assert await tried(lead, call, cast.patient, "remove") == "removed"
    assert await tried(lead, call, cast.doctor, "remove") == "forbidden", "nobody removes himself"
    assert await ended(lead, call) == "hung_up"


async def test_a_colleague_who_was_asked_in_leaves_and_takes_back_what_he_started(
    socket: Socket, cast: Cast, room: UUID
) -> None:
    call = await talking(socket, room, cast.other_doctor)
    client = await socket(cast.other_doctor)
    left = (await client.call("call:leave", {"call": call}))["call"]
    assert (left["state"], left["end_reason"]) == ("ended", "cancelled")


async def test_whoever_takes_over_a_consultation_moderates_its_call_from_then_on(
    socket: Socket, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    call = await talking(socket, room, cast.doctor, cast.nurse, cast.patient, cast.other_doctor)
    nurse = await socket(cast.nurse)
    assert await tried(nurse, call, cast.patient, "mute") == "forbidden"
    async with runtime.unit_of_work() as uow:
        await service.hand_over(uow, room, member(cast.nurse), cast.doctor.user_id)
    mine = [str(cast.nurse.user_id)]
    await nurse.wait_event("call:state", lambda it: it["moderators"] == mine)
    assert await tried(await socket(cast.other_doctor), call, cast.patient, "remove") == "forbidden"
    assert await tried(await socket(cast.doctor), call, cast.patient, "remove") == "forbidden"
    assert await tried(nurse, call, cast.patient, "remove") == "removed"
    assert await ended(nurse, call) == "hung_up"


async def test_in_a_group_its_lead_and_whoever_called_moderate_and_nobody_else(
    socket: Socket, cast: Cast, client: Client
) -> None:
    body = {
        "title": "会诊小组",
        "people": [
            {"user_id": str(each.user_id), "role": each.caller.role.value}
            for each in (cast.doctor, cast.other_doctor, cast.pharmacist)
        ],
    }
    made = (await client.post("/rooms/group", json=body, token=cast.nurse.token)).expect(201)
    people = (cast.nurse, cast.other_doctor, cast.pharmacist)
    call = await talking(socket, UUID(made["id"]), cast.doctor, *people)
    for person in (cast.other_doctor, cast.pharmacist):
        other = await socket(person)
        for action in ("mute", "remove"):
            assert await tried(other, call, cast.nurse, action) == "forbidden"
        assert await ended(other, call) == "forbidden"
    assert await tried(await socket(cast.nurse), call, cast.other_doctor, "remove") == "removed"
    assert await tried(await socket(cast.doctor), call, cast.pharmacist, "remove") == "removed"
    assert await ended(await socket(cast.doctor), call) == "hung_up"


async def test_a_supervisor_intervenes_in_a_call_and_that_is_on_record(
    socket: Socket, cast: Cast, room: UUID, client: Client
) -> None:
    call = await talking(socket, room, cast.doctor, cast.patient, cast.other_doctor)
    supervisor = await socket(cast.supervisor)
    for action in ("invite", "dismiss", "lower_hand"):
        assert await tried(supervisor, call, cast.other_doctor, action) == "forbidden"
    assert await ended(supervisor, call) == "forbidden"
    patient = await socket(cast.patient)
    assert await tried(supervisor, call, cast.patient, "mute") == "joined"
    await patient.wait_event("call:muted")
    assert await tried(supervisor, call, cast.other_doctor, "remove") == "removed"
    found = await client.get("/audit?action=call.intervene", token=cast.administrator.token)
    entries = found.expect(200)["items"]
    assert [each["user"]["id"] for each in entries] == [str(cast.supervisor.user_id)] * 2
    # The patient never learns that there is a supervisor.
    assert str(cast.supervisor.user_id) not in str(patient.events)


async def test_nobody_outside_a_call_does_anything_to_those_in_it(
    socket: Socket, cast: Cast, room: UUID
) -> None:
    call = await talking(socket, room, cast.doctor, cast.patient)
    outside: dict[Person, str] = {
        cast.administrator: "forbidden",
        cast.operator: "forbidden",
        cast.customer_service: "forbidden",
        # Asked in, yet not in the call.
        cast.nurse: "forbidden",
        cast.foreign_doctor: "not_found",
        cast.foreign_patient: "forbidden",
        cast.other_patient: "forbidden",
        cast.foreign_supervisor: "not_found",
    }
    for person, code in outside.items():
        assert await tried(await socket(person), call, cast.patient, "remove") == code, person.name


async def test_a_supervisor_has_no_say_in_a_call_among_colleagues(
    socket: Socket, cast: Cast, client: Client
) -> None:
    other = {"user_id": str(cast.other_doctor.user_id), "role": "doctor"}
    made = (await client.post("/rooms/colleague", json=other, token=cast.doctor.token)).expect(200)
    call = await talking(socket, UUID(made["id"]), cast.doctor, cast.other_doctor)
    supervisor = await socket(cast.supervisor)
    assert await tried(supervisor, call, cast.other_doctor, "remove") == "not_found"
