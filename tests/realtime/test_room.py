"""The room as a state machine: every state with every command, and what follows from it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Conflict, Forbidden, InvalidRequest, NotFound, ProblemError
from core.identity.roles import Role
from realtime import entries, room, rules
from realtime.errors import (
    AlreadyRecalled,
    MessageKindNotAllowed,
    RecallTooLate,
    RoomFull,
    RoomIsClosed,
    RoomNotActive,
)
from realtime.events import Person, RoomEvent, RoomOpened
from realtime.room import Activate, AddMember, Close, Recall, RemoveMember, Room
from realtime.rules import (
    CloseReason,
    JoinReason,
    LeaveReason,
    MessageKind,
    RoomKind,
    RoomState,
)

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
PATIENT = Person(user_id=uuid.UUID(int=1), role=Role.PATIENT, name="林小满")
DOCTOR = Person(user_id=uuid.UUID(int=2), role=Role.DOCTOR, name="陈安和")
EXPERT = Person(user_id=uuid.UUID(int=3), role=Role.DOCTOR, name="沈若水")
STRANGER = uuid.UUID(int=9)


def opening(state: RoomState = RoomState.WAITING) -> RoomOpened:
    return room.open_room(
        uuid.UUID(int=100),
        uuid.UUID(int=200),
        RoomKind.CONSULTATION,
        [PATIENT, DOCTOR],
        NOW,
        state=state,
    )


def in_state(state: RoomState, reason: CloseReason = CloseReason.COMPLETED) -> Room:
    current = room.opened(opening())
    if state is not RoomState.WAITING:
        current = step(current, Activate(DOCTOR.user_id))
    if state is RoomState.CLOSED:
        current = step(current, Close(reason, DOCTOR.user_id))
    return current


def step(current: Room, command: room.Command, now: datetime = NOW) -> Room:
    for event in room.decide(current, command, now):
        current = room.apply(current, event)
    return current


def recall_of(target: int = 2, **changes: object) -> Recall:
    values: dict[str, object] = {
        "target_seq": target,
        "by": PATIENT.user_id,
        "sender_id": PATIENT.user_id,
        "sent_at": NOW,
        "kind": MessageKind.TEXT,
        "recalled": False,
    }
    return Recall(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("start", [RoomState.WAITING, RoomState.ACTIVE])
def test_a_room_opens_with_its_first_event(start: RoomState) -> None:
    event = opening(start)
    current = room.opened(event)
    assert (event.seq, current.seq, current.state) == (1, 1, start)
    assert [each.person for each in current.present] == [PATIENT, DOCTOR]


@pytest.mark.parametrize(
    ("people", "state"),
    [
        ([], RoomState.WAITING),
        ([PATIENT, PATIENT], RoomState.WAITING),
        ([PATIENT, DOCTOR], RoomState.CLOSED),
    ],
)
def test_a_room_does_not_open_without_sense(people: list[Person], state: RoomState) -> None:
    with pytest.raises(InvalidRequest):
        room.open_room(STRANGER, STRANGER, RoomKind.CONSULTATION, people, NOW, state=state)


COMMANDS: list[tuple[RoomState, room.Command, str | type[ProblemError] | None]] = [
    # state, command, the event that follows, the refusal, or None for nothing to do
    (RoomState.WAITING, Activate(DOCTOR.user_id), "room.activated"),
    (RoomState.ACTIVE, Activate(DOCTOR.user_id), None),
    (RoomState.CLOSED, Activate(DOCTOR.user_id), RoomIsClosed),
    (RoomState.WAITING, Close(CloseReason.NOT_ACCEPTED, None), "room.closed"),
    (RoomState.WAITING, Close(CloseReason.COMPLETED, DOCTOR.user_id), Conflict),
    (RoomState.ACTIVE, Close(CloseReason.COMPLETED, DOCTOR.user_id), "room.closed"),
    (RoomState.ACTIVE, Close(CloseReason.NOT_ACCEPTED, None), Conflict),
    (RoomState.CLOSED, Close(CloseReason.COMPLETED, DOCTOR.user_id), None),
    (RoomState.CLOSED, Close(CloseReason.ENDED_BY_PATIENT, PATIENT.user_id), RoomIsClosed),
    (RoomState.WAITING, AddMember(EXPERT, JoinReason.INVITED), "room.participant_joined"),
    (RoomState.ACTIVE, AddMember(EXPERT, JoinReason.INVITED), "room.participant_joined"),
    (RoomState.ACTIVE, AddMember(DOCTOR, JoinReason.INVITED), None),
    (RoomState.CLOSED, AddMember(EXPERT, JoinReason.INVITED), RoomIsClosed),
    (RoomState.ACTIVE, RemoveMember(DOCTOR.user_id, LeaveReason.LEFT), "room.participant_left"),
    (RoomState.ACTIVE, RemoveMember(STRANGER, LeaveReason.REMOVED), None),
    (RoomState.CLOSED, RemoveMember(DOCTOR.user_id, LeaveReason.LEFT), RoomIsClosed),
    (RoomState.ACTIVE, recall_of(), "room.message_recalled"),
    (RoomState.ACTIVE, recall_of(recalled=True), AlreadyRecalled),
    (RoomState.ACTIVE, recall_of(sender_id=DOCTOR.user_id), Forbidden),
    (RoomState.ACTIVE, recall_of(kind=MessageKind.SYSTEM, sender_id=None), Forbidden),
    (RoomState.ACTIVE, recall_of(by=STRANGER, sender_id=STRANGER), NotFound),
    (RoomState.CLOSED, recall_of(), RoomIsClosed),
]


@pytest.mark.parametrize(("state", "command", "outcome"), COMMANDS)
def test_every_command_in_every_state(
    state: RoomState, command: room.Command, outcome: str | type[ProblemError] | None
) -> None:
    current = in_state(state)
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            room.decide(current, command, NOW)
        return
    events = room.decide(current, command, NOW)
    assert [event.name for event in events] == ([outcome] if outcome else [])
    assert [event.seq for event in events] == ([current.seq + 1] if outcome else [])


@pytest.mark.parametrize("reason", list(CloseReason))
def test_every_close_reason_has_a_state_to_end_and_a_text(reason: CloseReason) -> None:
    assert any(reason in reasons for reasons in rules.CLOSING.values())
    assert entries.CLOSE_TEXTS[reason]


def test_a_recall_is_open_for_two_minutes_to_the_last_moment() -> None:
    current = in_state(RoomState.ACTIVE)
    last = NOW + timedelta(minutes=2)
    assert room.decide(current, recall_of(), last)
    with pytest.raises(RecallTooLate):
        room.decide(current, recall_of(), last + timedelta(milliseconds=1))


def test_a_room_takes_no_more_than_its_members() -> None:
    current = in_state(RoomState.ACTIVE)
    for number in range(rules.MAX_MEMBERS - 2):
        extra = Person(user_id=uuid.UUID(int=1000 + number), role=Role.DOCTOR, name="")
        current = step(current, AddMember(extra, JoinReason.INVITED))
    with pytest.raises(RoomFull):
        room.decide(current, AddMember(EXPERT, JoinReason.INVITED), NOW)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("state", list(RoomState))
@pytest.mark.parametrize("kind", list(MessageKind))
def test_who_may_send_what_in_each_state(state: RoomState, role: Role, kind: MessageKind) -> None:
    talkers = {Role.PATIENT, Role.DOCTOR, Role.NURSE, Role.PHARMACIST, Role.CUSTOMER_SERVICE}
    allowed = (
        state is RoomState.ACTIVE
        and role in talkers
        and kind is not MessageKind.SYSTEM
        and not (role is Role.CUSTOMER_SERVICE and kind is MessageKind.CARD)
    )
    assert (kind in rules.sendable(RoomKind.CONSULTATION, state, role)) is allowed


@pytest.mark.parametrize(
    ("state", "sender", "role", "kind", "reply_to", "refusal"),
    [
        (RoomState.ACTIVE, PATIENT.user_id, Role.PATIENT, MessageKind.TEXT, None, None),
        (RoomState.ACTIVE, PATIENT.user_id, Role.PATIENT, MessageKind.TEXT, 1, None),
        (RoomState.ACTIVE, PATIENT.user_id, Role.PATIENT, MessageKind.TEXT, 99, InvalidRequest),
        (RoomState.ACTIVE, PATIENT.user_id, Role.DOCTOR, MessageKind.TEXT, None, NotFound),
        (RoomState.ACTIVE, STRANGER, Role.PATIENT, MessageKind.TEXT, None, NotFound),
        (
            RoomState.ACTIVE,
            PATIENT.user_id,
            Role.PATIENT,
            MessageKind.SYSTEM,
            None,
            MessageKindNotAllowed,
        ),
        (RoomState.WAITING, PATIENT.user_id, Role.PATIENT, MessageKind.TEXT, None, RoomNotActive),
        (RoomState.CLOSED, PATIENT.user_id, Role.PATIENT, MessageKind.TEXT, None, RoomIsClosed),
    ],
)
def test_a_message_is_checked_against_room_member_and_kind(
    state: RoomState,
    sender: uuid.UUID,
    role: Role,
    kind: MessageKind,
    reply_to: int | None,
    refusal: type[ProblemError] | None,
) -> None:
    current = in_state(state)
    if refusal is None:
        room.check_send(current, sender, role, kind, reply_to)
    else:
        with pytest.raises(refusal):
            room.check_send(current, sender, role, kind, reply_to)


def test_whoever_left_neither_sends_nor_recalls() -> None:
    current = step(in_state(RoomState.ACTIVE), RemoveMember(PATIENT.user_id, LeaveReason.REMOVED))
    with pytest.raises(NotFound):
        room.check_send(current, PATIENT.user_id, Role.PATIENT, MessageKind.TEXT, None)
    with pytest.raises(NotFound):
        room.decide(current, recall_of(), NOW)
    assert not room.may_send(current, PATIENT.user_id, Role.PATIENT)


def test_an_event_out_of_turn_is_refused() -> None:
    current = in_state(RoomState.WAITING)
    [event] = room.decide(current, Activate(None), NOW)
    with pytest.raises(ValueError, match="does not follow"):
        room.apply(room.apply(current, event), event)


people = st.sampled_from([PATIENT, DOCTOR, EXPERT])
commands = st.one_of(
    st.builds(Activate, by=st.just(DOCTOR.user_id)),
    st.builds(Close, reason=st.sampled_from(list(CloseReason)), by=st.none()),
    st.builds(AddMember, person=people, reason=st.sampled_from(list(JoinReason))),
    st.builds(
        RemoveMember,
        user_id=people.map(lambda person: person.user_id),
        reason=st.sampled_from(list(LeaveReason)),
    ),
    st.builds(recall_of, target=st.integers(1, 5), recalled=st.booleans()),
    st.just("message"),
)


@given(st.lists(commands, max_size=30), st.sampled_from([RoomState.WAITING, RoomState.ACTIVE]))
def test_the_log_alone_rebuilds_the_room(script: list[object], start: RoomState) -> None:
    """Applying events equals fetching state: what a client replays is what the server has."""
    first = opening(start)
    current = room.opened(first)
    log: list[tuple[int, dict[str, object] | None]] = [(1, entries.entry_of(first, {}))]
    for command in script:
        if command == "message":
            current = room.Room(**{**vars(current), "seq": current.seq + 1})
            log.append((current.seq, None))
            continue
        try:
            events: list[RoomEvent] = room.decide(current, command, NOW)  # type: ignore[arg-type]
        except ProblemError:
            continue
        for event in events:
            current = room.apply(current, event)
            log.append((event.seq, entries.entry_of(event, {PATIENT.user_id: "林小满"})))
    assert [seq for seq, _ in log] == list(range(1, current.seq + 1))
    assert entries.replay(current.id, current.hospital_id, log) == current


def test_a_log_with_a_hole_is_not_replayed() -> None:
    first = opening()
    log = [(1, entries.entry_of(first, {})), (3, None)]
    with pytest.raises(ValueError, match="hole"):
        entries.replay(first.aggregate_id, first.hospital_id, log)
    with pytest.raises(ValueError, match="begin"):
        entries.replay(first.aggregate_id, first.hospital_id, [(2, None)])
