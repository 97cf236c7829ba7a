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
    LeadMayNotLeave,
    MessageKindNotAllowed,
    NotForThisRoom,
    RecallTooLate,
    RoomFull,
    RoomIsClosed,
    RoomNotActive,
)
from realtime.events import ParticipantJoined, Person, RoomEvent, RoomOpened
from realtime.room import Activate, AddMember, Close, HandOver, Recall, RemoveMember, Room
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
NURSE = Person(user_id=uuid.UUID(int=4), role=Role.NURSE, name="何清")
AGENT = Person(user_id=uuid.UUID(int=5), role=Role.CUSTOMER_SERVICE, name="客小暖")
STRANGER = uuid.UUID(int=9)


def opening(
    state: RoomState = RoomState.WAITING, kind: RoomKind = RoomKind.CONSULTATION
) -> RoomOpened:
    return room.open_room(
        uuid.UUID(int=100),
        uuid.UUID(int=200),
        kind,
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
    (RoomState.CLOSED, HandOver(EXPERT, DOCTOR.user_id), RoomIsClosed),
    (RoomState.ACTIVE, HandOver(DOCTOR, DOCTOR.user_id), None),
    (RoomState.ACTIVE, HandOver(AGENT, DOCTOR.user_id), NotForThisRoom),
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
    assert any(reason in rules.closings(kind, state) for kind in RoomKind for state in RoomState)
    assert entries.CLOSE_TEXTS[reason]


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.PHARMACIST, Role.NURSE])
def test_whoever_did_not_come_is_called_what_he_is(role: Role) -> None:
    [closed] = room.decide(room.opened(opening()), Close(CloseReason.DECLINED, None), NOW)
    assert entries.entry_of(closed, {}, role)["text"] == f"{role.label}未能接诊，问诊已取消"


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


CLINICIANS = {Role.DOCTOR, Role.NURSE, Role.PHARMACIST}
STAFF = CLINICIANS | {Role.CUSTOMER_SERVICE}
#: Who talks in an active room of each kind, and who may send cards there.
TALKERS = {
    RoomKind.CONSULTATION: STAFF | {Role.PATIENT},
    RoomKind.COLLEAGUE: STAFF,
    RoomKind.GROUP: STAFF,
    RoomKind.SERVICE: STAFF | {Role.PATIENT},
    RoomKind.WORD: CLINICIANS | {Role.SUPERVISOR},
}
CARD_SENDERS = {
    RoomKind.CONSULTATION: CLINICIANS | {Role.PATIENT},
    RoomKind.COLLEAGUE: STAFF,
    RoomKind.GROUP: STAFF,
    RoomKind.SERVICE: set[Role](),
    RoomKind.WORD: set[Role](),
}


@pytest.mark.parametrize("where", list(RoomKind))
@pytest.mark.parametrize("state", list(RoomState))
def test_who_may_send_what_in_each_kind_of_room(where: RoomKind, state: RoomState) -> None:
    for role in Role:
        for kind in MessageKind:
            talks = state is RoomState.ACTIVE and role in TALKERS[where]
            if (where, state) == (RoomKind.SERVICE, RoomState.WAITING):
                talks = role in CLINICIANS | {Role.PATIENT}
            allowed = talks and kind is not MessageKind.SYSTEM
            if kind is MessageKind.CARD:
                allowed = allowed and role in CARD_SENDERS[where]
            assert (kind in rules.sendable(where, state, role)) is allowed, (role, kind)


def test_nobody_asks_in_a_supervisor_an_administrator_or_a_patient() -> None:
    outside = {Role.SUPERVISOR, Role.ADMINISTRATOR, Role.PATIENT, Role.OPERATOR}
    for company in rules.COMPANY.values():
        assert not outside & (company.invited | company.next_lead)


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
    st.builds(HandOver, to=people, by=st.none()),
    st.builds(recall_of, target=st.integers(1, 5), recalled=st.booleans()),
    st.just("message"),
)


@given(
    st.lists(commands, max_size=30),
    st.sampled_from([RoomState.WAITING, RoomState.ACTIVE]),
    st.sampled_from(list(RoomKind)),
)
def test_the_log_alone_rebuilds_the_room(
    script: list[object], start: RoomState, kind: RoomKind
) -> None:
    """Applying events equals fetching state: what a client replays is what the server has."""
    first = opening(start, kind)
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


def test_a_hand_over_brings_the_one_and_takes_the_other_out() -> None:
    current = in_state(RoomState.ACTIVE)
    assert current.lead_id == DOCTOR.user_id
    events = room.decide(current, HandOver(EXPERT, DOCTOR.user_id), NOW)
    assert [(event.name, event.seq) for event in events] == [
        ("room.participant_joined", 3),
        ("room.handed_over", 4),
        ("room.participant_left", 5),
    ]
    after = step(current, HandOver(EXPERT, DOCTOR.user_id))
    assert after.lead_id == EXPERT.user_id
    assert after.member(DOCTOR.user_id) is None
    assert [each.person for each in after.present] == [PATIENT, EXPERT]
    text = entries.entry_of(events[1], {DOCTOR.user_id: DOCTOR.name})["text"]
    assert text == "本次问诊由陈安和医生转交沈若水医生继续接诊"


def test_a_full_room_is_handed_over_because_a_place_becomes_free() -> None:
    current = in_state(RoomState.ACTIVE)
    for number in range(rules.MAX_MEMBERS - 2):
        extra = Person(user_id=uuid.UUID(int=1000 + number), role=Role.DOCTOR, name="")
        current = step(current, AddMember(extra, JoinReason.INVITED))
    after = step(current, HandOver(EXPERT, DOCTOR.user_id))
    assert len(after.present) == rules.MAX_MEMBERS


def test_whoever_comes_back_after_leaving_is_said_to_return() -> None:
    current = step(in_state(RoomState.ACTIVE), AddMember(EXPERT, JoinReason.INVITED))
    current = step(current, RemoveMember(EXPERT.user_id, LeaveReason.LEFT))
    [event] = room.decide(current, AddMember(EXPERT, JoinReason.INVITED), NOW)
    assert isinstance(event, ParticipantJoined)
    assert event.reason == JoinReason.RETURNED


def consultation_with_expert() -> Room:
    return step(in_state(RoomState.ACTIVE), AddMember(EXPERT, JoinReason.INVITED))


def test_only_the_treating_doctor_asks_colleagues_into_a_consultation() -> None:
    current = consultation_with_expert()
    room.check_invite(current, DOCTOR.user_id, Role.PHARMACIST)
    for person in (PATIENT, EXPERT):
        with pytest.raises(Forbidden):
            room.check_invite(current, person.user_id, Role.DOCTOR)
    with pytest.raises(NotFound):
        room.check_invite(current, STRANGER, Role.DOCTOR)
    for role in set(Role) - STAFF:
        with pytest.raises(NotForThisRoom):
            room.check_invite(current, DOCTOR.user_id, role)
    with pytest.raises(RoomNotActive):
        room.check_invite(in_state(RoomState.WAITING), DOCTOR.user_id, Role.DOCTOR)


def test_only_the_treating_doctor_takes_out_and_never_the_patient() -> None:
    current = consultation_with_expert()
    room.check_remove(current, DOCTOR.user_id, EXPERT.user_id)
    for user_id in (PATIENT.user_id, DOCTOR.user_id):
        with pytest.raises(NotForThisRoom):
            room.check_remove(current, DOCTOR.user_id, user_id)
    for by in (PATIENT.user_id, EXPERT.user_id):
        with pytest.raises(Forbidden):
            room.check_remove(current, by, EXPERT.user_id)


def test_a_guest_leaves_but_neither_the_doctor_nor_the_patient() -> None:
    current = consultation_with_expert()
    room.check_leave(current, EXPERT.user_id)
    with pytest.raises(LeadMayNotLeave):
        room.check_leave(current, DOCTOR.user_id)
    with pytest.raises(NotForThisRoom):
        room.check_leave(current, PATIENT.user_id)


def test_every_member_of_a_group_asks_in_and_its_lead_stays_after_handing_over() -> None:
    staff = [DOCTOR, EXPERT]
    first = room.open_room(
        STRANGER,
        STRANGER,
        RoomKind.GROUP,
        staff,
        NOW,
        state=RoomState.ACTIVE,
        lead_id=DOCTOR.user_id,
    )
    current = room.opened(first)
    room.check_invite(current, EXPERT.user_id, Role.NURSE)
    with pytest.raises(Forbidden):
        room.check_hand_over(current, EXPERT.user_id)
    after = step(current, HandOver(EXPERT, DOCTOR.user_id))
    assert after.lead_id == EXPERT.user_id
    assert [each.person for each in after.present] == staff


def test_the_room_of_two_colleagues_and_a_private_word_take_nobody_else() -> None:
    for kind in (RoomKind.COLLEAGUE, RoomKind.WORD):
        first = room.open_room(
            STRANGER,
            STRANGER,
            kind,
            [DOCTOR, EXPERT],
            NOW,
            state=RoomState.ACTIVE,
            lead_id=DOCTOR.user_id,
        )
        current = room.opened(first)
        with pytest.raises(NotForThisRoom):
            room.check_invite(current, DOCTOR.user_id, Role.DOCTOR)
        with pytest.raises(NotForThisRoom):
            room.check_leave(current, EXPERT.user_id)


def test_the_agent_who_takes_a_talk_leads_it() -> None:
    first = room.open_room(STRANGER, STRANGER, RoomKind.SERVICE, [PATIENT], NOW)
    current = step(room.opened(first), AddMember(AGENT, JoinReason.TAKEN))
    current = step(current, Activate(AGENT.user_id))
    assert current.lead_id == AGENT.user_id


def test_a_log_from_before_leads_were_written_is_led_by_its_doctor() -> None:
    first = opening()
    old = {key: value for key, value in entries.entry_of(first, {}).items() if key != "lead"}
    rebuilt = entries.replay(first.aggregate_id, first.hospital_id, [(1, old)])
    assert rebuilt.lead_id == DOCTOR.user_id


def test_a_log_with_a_hole_is_not_replayed() -> None:
    first = opening()
    log = [(1, entries.entry_of(first, {})), (3, None)]
    with pytest.raises(ValueError, match="hole"):
        entries.replay(first.aggregate_id, first.hospital_id, log)
    with pytest.raises(ValueError, match="begin"):
        entries.replay(first.aggregate_id, first.hospital_id, [(2, None)])
