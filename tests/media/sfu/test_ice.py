import pytest
from aioice import stun
from hypothesis import example, given
from hypothesis import strategies as st

from media.sfu import ice
from media.sfu.ice import Check, Path, Verdict

PASSWORDS = {"ours": "secretsecretsecretsecret"}
SOURCE = ("192.0.2.7", 40000)
HOME, AWAY, THIRD = ("192.0.2.7", 1), ("198.51.100.9", 2), ("203.0.113.1", 3)


def request(
    username: str | None = "ours:theirs",
    password: str | None = PASSWORDS["ours"],
    method: stun.Method = stun.Method.BINDING,
    kind: stun.Class = stun.Class.REQUEST,
    **attributes: object,
) -> bytes:
    message = stun.Message(method, kind)
    if username is not None:
        message.attributes["USERNAME"] = username
    for name, value in attributes.items():
        message.attributes[name.replace("_", "-")] = value
    if password is not None:
        message.add_message_integrity(password.encode())
    return bytes(message)


def judge(data: bytes) -> Check:
    return ice.answer_check(data, SOURCE, PASSWORDS.get)


def test_a_valid_check_is_answered_with_the_source_address() -> None:
    data = request(PRIORITY=1, ICE_CONTROLLING=5)
    check = judge(data)
    assert (check.verdict, check.ufrag, check.nominated) == (Verdict.CHECKED, "ours", False)
    assert check.response is not None
    response = stun.parse_message(check.response)
    assert response.message_class is stun.Class.RESPONSE
    assert response.transaction_id == data[8:20]
    assert response.attributes["XOR-MAPPED-ADDRESS"] == SOURCE
    assert response.check_message_integrity(PASSWORDS["ours"].encode())


def test_a_nominating_check_says_so() -> None:
    assert judge(request(ICE_CONTROLLING=5, USE_CANDIDATE=None)).nominated


def test_a_controlled_client_is_told_to_change_its_role() -> None:
    check = judge(request(ICE_CONTROLLED=5))
    assert check.verdict is Verdict.ROLE_CONFLICT
    assert check.response is not None
    assert stun.parse_message(check.response).error_code == 487


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (request(password="another password, longer"), Verdict.WRONG_INTEGRITY),
        (request(password=None), Verdict.WRONG_INTEGRITY),
        (request(username="strange:theirs"), Verdict.UNKNOWN_USER),
        (request(username=None), Verdict.UNKNOWN_USER),
        (request(username=""), Verdict.UNKNOWN_USER),
        (request(kind=stun.Class.INDICATION), Verdict.IGNORED),
        (request(kind=stun.Class.RESPONSE), Verdict.IGNORED),
        (request(method=stun.Method.ALLOCATE), Verdict.IGNORED),
        (request()[:-3], Verdict.MALFORMED),
        (request() + b"\0", Verdict.MALFORMED),
        (request()[:20], Verdict.MALFORMED),
        (b"", Verdict.MALFORMED),
        (b"\0" * 2000, Verdict.MALFORMED),
    ],
    ids=[
        "wrong password",
        "no integrity",
        "strange user",
        "no user",
        "empty user",
        "indication",
        "response",
        "allocate",
        "cut",
        "one byte more",
        "header alone",
        "nothing",
        "zeros",
    ],
)
def test_anything_else_gets_no_answer(data: bytes, verdict: Verdict) -> None:
    assert judge(data) == Check(verdict)


@given(st.binary(max_size=120))
@example(bytes.fromhex("0001000c2112a442000000000000000000000000000600040000"))
def test_no_datagram_makes_the_agent_raise(data: bytes) -> None:
    judge(data)
    ice.is_stun(data)


@given(st.binary(max_size=80), st.sampled_from([b"\0\1", b"\1\1", b"\0\3"]))
def test_no_attributes_make_the_agent_raise(body: bytes, kind: bytes) -> None:
    head = kind + len(body).to_bytes(2, "big") + stun.COOKIE.to_bytes(4, "big") + b"t" * 12
    judge(head + body)


@given(st.data())
def test_no_damaged_check_passes(data: st.DataObject) -> None:
    whole = bytearray(request(ICE_CONTROLLING=5))
    at = data.draw(st.integers(0, len(whole) - 9))  # The last 8 bytes are the fingerprint.
    whole[at] ^= data.draw(st.integers(1, 255))
    assert judge(bytes(whole)).verdict is not Verdict.CHECKED


def test_the_first_checked_address_is_used_until_another_is_nominated() -> None:
    path = Path()
    path.checked(HOME, False, 0.0)
    path.checked(AWAY, False, 0.1)
    assert path.selected == HOME
    path.checked(AWAY, True, 0.2)
    assert path.selected == AWAY


def test_a_second_interface_that_only_keeps_alive_is_not_followed() -> None:
    path = Path()
    path.checked(HOME, True, 0.0)
    for tick in range(1, 50):
        path.heard(HOME, tick * 1.0)
        path.checked(AWAY, False, tick * 1.0)
    assert path.selected == HOME


def test_a_rebound_nat_is_followed_once_the_old_address_is_silent() -> None:
    path = Path()
    path.checked(HOME, True, 0.0)
    path.heard(HOME, 10.0)
    path.checked(AWAY, False, 11.0)
    assert path.selected == HOME
    path.checked(AWAY, False, 12.6)
    assert path.selected == AWAY


def test_media_from_a_checked_address_moves_us_sooner() -> None:
    path = Path()
    path.checked(HOME, True, 0.0)
    path.heard(HOME, 10.0)
    path.checked(AWAY, False, 10.1)
    assert not path.heard(AWAY, 10.15)  # The last packets of the old way may still come.
    assert path.heard(AWAY, 10.25)
    assert path.selected == AWAY


def test_old_addresses_are_forgotten_but_never_the_one_in_use() -> None:
    path = Path()
    path.checked(HOME, True, 0.0)
    forgotten = []
    for port in range(100, 120):
        forgotten += path.checked(("192.0.2.7", port), False, 1.0)
    assert HOME in path.addresses
    assert len(path.addresses) == Path.MAX_ADDRESSES
    assert forgotten == [("192.0.2.7", port) for port in range(100, 113)]


def test_credentials_are_long_enough_and_never_the_same() -> None:
    made = {ice.new_credentials() for _ in range(50)}
    assert len({credentials.ufrag for credentials in made}) == 50
    assert all(len(item.ufrag) >= 4 and len(item.password) >= 22 for item in made)


def test_credentials_that_were_never_used_are_forgotten_by_the_next_restart() -> None:
    identity = ice.Identity()
    first = identity.current
    assert identity.used(first.ufrag) == ()
    assert identity.restart() == ()
    unused = identity.current
    assert identity.restart() == (unused.ufrag,)
    assert identity.ufrags == (identity.current.ufrag, first.ufrag)
    assert identity.password_of(first.ufrag) == first.password
    assert identity.used(first.ufrag) == ()
    assert identity.used(identity.current.ufrag) == (first.ufrag,)
    assert identity.password_of(first.ufrag) is None
