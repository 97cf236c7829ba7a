"""Whatever the policies say: never more than was given, never another hospital, never unmasked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from clinical.consultation.access import CONSULTATION
from clinical.consultation.models import Consultation
from clinical.consultation.states import State
from core.access import Policy, Scope, find_grant
from core.access.book import Book, BookCache
from core.access.models import EVERYWHERE
from core.access.registry import declared
from core.identity.roles import Role
from core.runtime import Runtime
from core.uow import UnitOfWork
from tests.clinical.story import Story
from tests.core.access.conftest import Desk, cell
from tests.support.cast import Cast, Person


class FixedBook(BookCache):
    """A cache that holds a book of the test's own."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self.book = book

    async def read(self, uow: UnitOfWork) -> Book:
        return self.book


STAFF = (Role.DOCTOR, Role.NURSE, Role.PHARMACIST, Role.SUPERVISOR, Role.ADMINISTRATOR)
POLICIES = st.builds(
    Policy,
    scope=st.sampled_from(list(Scope)),
    filters=st.frozensets(st.sampled_from(["ended", "no_red_flag", "unknown"]), max_size=2),
    hidden=st.frozensets(st.sampled_from([*CONSULTATION.fields, "unknown"]), max_size=3),
    masked=st.frozensets(st.sampled_from([*CONSULTATION.fields, "unknown"]), max_size=3),
)
BOOKS = st.dictionaries(
    st.tuples(st.sampled_from(["here", "there", "group"]), st.sampled_from((*STAFF, Role.PATIENT))),
    POLICIES,
    max_size=8,
)


async def _three(story: Story) -> list[Consultation]:
    """One that waits here, one that ended here, and one at the other hospital."""
    cast = story.cast
    await story.ended()
    await story.waiting()
    async with story.runtime.unit_of_work() as uow:
        rows = list(await uow.session.scalars(select(Consultation)))
        source = rows[0]
        columns = {
            column.key: getattr(source, column.key)
            for column in Consultation.__mapper__.column_attrs
            if column.key not in ("id", "hospital_id", "order_id", "room_id", "number")
            and not column.key.startswith("integrity")
        }
        foreign = Consultation(
            **{
                **columns,
                "hospital_id": cast.other_hospital_id,
                "number": "FOREIGN",
                "doctor_id": cast.doctor.user_id,
                "room_id": UUID(int=7),
            }
        )
        uow.session.add(foreign)
    return [*rows, foreign]


def _allowed(policy: Policy, person: Person, row: Consultation, cast: Cast) -> bool:
    """What a policy gives, written down a second time without SQL."""
    caller = person.caller
    if row.hospital_id != caller.hospital_id:
        return False
    if policy.filters - {"ended", "no_red_flag"}:
        return False
    if "ended" in policy.filters and row.state is not State.ENDED:
        return False
    if "no_red_flag" in policy.filters and row.red_flag:
        return False
    match policy.scope:
        case Scope.HOSPITAL:
            return row.state is not State.DRAFT
        case Scope.PATIENTS:
            return row.doctor_id == caller.user_id and row.room_id is not None
        case Scope.DEPARTMENT:
            return row.department_id in caller.department_ids and row.room_id is not None
        case Scope.OWN:
            return row.payer_id == caller.user_id
        case Scope.ROOMS:
            # Nobody was asked in: of the staff only the treating doctor is in the room.
            return row.doctor_id == caller.user_id and row.room_id is not None
        case _:
            return False


@pytest.mark.requirement("S3-018")
async def test_for_random_policies_nobody_gets_more_rows_than_they_give_and_hospitals_never_cross(
    story: Story, cast: Cast, runtime: Runtime
) -> None:
    rows = await _three(story)
    places = {"here": cast.hospital_id, "there": cast.other_hospital_id, "group": EVERYWHERE}
    people = [cast.of(role) for role in (*STAFF, Role.PATIENT)]
    people += [cast.foreign_doctor, cast.foreign_administrator, cast.foreign_supervisor]

    async def check(stored: dict[tuple[str, Role], Policy]) -> None:
        book = Book(
            cells={
                (places[place], role, EVERYWHERE, "consultation", "read"): policy
                for (place, role), policy in stored.items()
            }
        )
        runtime.ports[BookCache] = FixedBook(book)
        async with runtime.unit_of_work() as uow:
            for person in people:
                caller = person.caller
                allowed = await find_grant(uow, caller, CONSULTATION)
                found = set(
                    await uow.session.scalars(select(Consultation.id).where(allowed.condition))
                )
                home = "here" if caller.hospital_id == cast.hospital_id else "there"
                policy = stored.get((home, caller.role)) or stored.get(("group", caller.role))
                policy = policy or CONSULTATION.default(caller.role, "read")
                most = {row.id for row in rows if _allowed(policy, person, row, cast)}
                if caller.role is Role.PATIENT:
                    own = {
                        row.id
                        for row in rows
                        if row.payer_id == caller.user_id and row.hospital_id == caller.hospital_id
                    }
                    assert found == own, "a patient sees the own, all of it, and nothing else"
                    assert not allowed.hidden
                    assert not allowed.masked
                else:
                    assert found <= most
                    if policy.scope in CONSULTATION.scopes_for(caller.role, "read"):
                        assert found == (
                            most if not policy.filters - {"ended", "no_red_flag"} else set()
                        )

    loop_check = check

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        database=None,
    )
    @given(BOOKS)
    def run(stored: dict[tuple[str, Role], Policy]) -> None:
        examples.append(stored)

    examples: list[dict[tuple[str, Role], Policy]] = []
    run()
    for stored in examples:
        await loop_check(stored)


NAME = "林小满"


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _every_view(story: Story, who: Person, consultation: dict[str, Any]) -> dict[str, str]:
    """Everything through which staff could read about the patient of a consultation."""
    paths = [
        "/consultations",
        f"/consultations/{consultation['id']}",
        f"/consultations?q={NAME}",
        "/consultations/export.csv",
        f"/consultations/{consultation['id']}/history",
        f"/rooms/{consultation['room_id']}",
        f"/rooms/{consultation['room_id']}/messages",
        f"/rooms/{consultation['room_id']}/call",
        f"/rooms/{consultation['room_id']}/recordings",
        "/rooms/mine",
        "/inbox",
    ]
    found = {}
    for path in paths:
        answer = await story.ask(who, "GET", path)
        if answer.status == 200:
            found[path] = answer.body.decode()
    return found


@pytest.mark.parametrize("how", ["masked", "hidden"])
async def test_a_name_that_is_withheld_is_in_no_view_of_the_consultation(
    story: Story, cast: Cast, desk: Desk, how: str
) -> None:
    active = await story.active()
    for who in (cast.supervisor, cast.doctor, cast.administrator):
        before = await _every_view(story, who, active)
        assert any(NAME in text for text in before.values()), who.caller.role
        await desk.change(
            cell(who.caller.role, "patient.read", "hospital", **{how: ["name"]}),
        )
        after = await _every_view(story, who, active)
        assert after.keys() == before.keys()
        assert {path for path, text in after.items() if NAME in text} == set()
        listed = await story.get(who, "/consultations")
        assert listed["items"][0]["patient"]["name"] == ("林*满" if how == "masked" else "")
        assert "patient.name" in listed["items"][0]["withheld"]
        assert (await story.get(who, f"/consultations?q={NAME}"))["items"] == []
    own = await _every_view(story, cast.patient, active)
    assert NAME in own[f"/consultations/{active['id']}"]


async def test_hidden_fields_are_empty_in_list_and_detail_alike(
    story: Story, cast: Cast, desk: Desk
) -> None:
    ended = await story.ended()
    hidden = sorted(CONSULTATION.fields)
    await desk.policy(Role.SUPERVISOR, "consultation.read", "hospital", hidden=hidden)
    shown = [
        (await story.get(cast.supervisor, "/consultations"))["items"][0],
        await story.get(cast.supervisor, f"/consultations/{ended['id']}"),
    ]
    for view in shown:
        assert view["description"] == ""
        assert view["closing_note"] is None
        assert view["patient"]["name"] == ""
        assert view["patient"]["id_number_masked"] is None
        assert view["withheld"] == hidden
    text = _text(shown)
    for secret in ("咳嗽三天", "急性支气管炎", "示范市", NAME):
        assert secret not in text


async def test_every_declared_field_of_a_consultation_can_be_withheld(
    story: Story, cast: Cast, runtime: Runtime, desk: Desk
) -> None:
    await story.active()
    maskable = [path for path, field in CONSULTATION.fields.items() if field.mask]
    await desk.policy(Role.SUPERVISOR, "consultation.read", "hospital", masked=maskable)
    (view,) = (await story.get(cast.supervisor, "/consultations"))["items"]
    assert view["patient"]["address"] == "示范市春风路****"[:6] + "****"


async def test_a_policy_that_the_code_no_longer_knows_reaches_nothing(
    runtime: Runtime, cast: Cast
) -> None:
    book = Book(
        cells={
            (cast.hospital_id, Role.SUPERVISOR, EVERYWHERE, "consultation", "read"): Policy(
                Scope.HOSPITAL, frozenset({"gone"})
            )
        }
    )
    runtime.ports[BookCache] = FixedBook(book)
    async with runtime.unit_of_work() as uow:
        assert not await find_grant(uow, cast.supervisor.caller, CONSULTATION)
        assert await find_grant(uow, cast.administrator.caller, CONSULTATION)


def test_every_resource_says_what_holds_by_default_and_floors_are_within_it() -> None:
    for resource in declared():
        for (role, action), policy in resource.defaults.items():
            assert resource.problems(role, action, policy) == [], f"{resource.key}.{action} {role}"
        for role, action in resource.floors:
            assert role in resource.actions[action].roles


async def test_a_caller_of_another_hospital_with_the_same_ids_gets_nothing(
    story: Story, cast: Cast, runtime: Runtime
) -> None:
    await story.active()
    moved = replace(cast.doctor.caller, hospital_id=cast.other_hospital_id)
    async with runtime.unit_of_work() as uow:
        allowed = await find_grant(uow, moved, CONSULTATION)
        assert (
            await uow.session.scalars(select(Consultation.id).where(allowed.condition))
        ).all() == []
