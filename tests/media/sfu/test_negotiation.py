import pytest

from media.errors import StaleAnswer
from media.sfu.counters import Counters
from media.sfu.negotiation import Negotiation
from media.sfu.sdp import AnswerLine
from media.sfu.subscription import Subscription
from media.sfu.track import Track


def pair(user: str) -> tuple[Subscription, Subscription]:
    def subscription(kind: str) -> Subscription:
        track = Track(
            "audio" if kind == "audio" else "video",
            user,
            lambda _: None,
            lambda _: None,
            Counters(),
            1,
        )
        return Subscription(track, lambda _: None, lambda _: None, user)

    return subscription("audio"), subscription("video")


def answered(negotiation: Negotiation) -> list[str]:
    """Answer the outstanding offer; the users whose tracks it accepted."""
    lines = tuple(AnswerLine("x", rejected=False, mid=mid) for mid in negotiation.mids)
    return [subscription.track.user for subscription, _ in negotiation.finish(lines)]


def layout(negotiation: Negotiation) -> list[tuple[str, str, str]]:
    return [(line.mid, line.direction, line.stream) for line in negotiation.lines()]


def test_the_layout_begins_with_the_lines_that_the_client_publishes_into() -> None:
    assert layout(Negotiation(publish=True)) == [("0", "recvonly", ""), ("1", "recvonly", "")]
    assert layout(Negotiation(publish=False)) == [("0", "inactive", ""), ("1", "inactive", "")]


def test_others_get_pairs_and_keep_their_place() -> None:
    negotiation = Negotiation(publish=True)
    for user in ("anna", "bert"):
        negotiation.place(user, *pair(user))
    negotiation.begin()
    answered(negotiation)
    assert len(negotiation.vacate("anna")) == 2
    assert layout(negotiation)[2:] == [
        ("2", "inactive", ""),
        ("3", "inactive", ""),
        ("4", "sendonly", "u_bert"),
        ("5", "sendonly", "u_bert"),
    ]


def test_versions_rise_and_a_change_waits_for_the_answer() -> None:
    negotiation = Negotiation(publish=True)
    assert negotiation.begin() == 1
    assert not negotiation.due
    negotiation.place("anna", *pair("anna"))
    negotiation.place("bert", *pair("bert"))
    assert not negotiation.due
    assert answered(negotiation) == []
    assert negotiation.due
    assert negotiation.begin() == 2
    assert answered(negotiation) == ["anna", "anna", "bert", "bert"]
    assert not negotiation.due


@pytest.mark.parametrize("version", [0, 1, 3])
def test_only_the_outstanding_version_may_be_answered(version: int) -> None:
    negotiation = Negotiation(publish=True)
    negotiation.begin()
    answered(negotiation)
    negotiation.begin()
    with pytest.raises(StaleAnswer):
        negotiation.check(version)
    negotiation.check(2)
    answered(negotiation)
    with pytest.raises(StaleAnswer):
        negotiation.check(2)


def test_a_line_passes_to_another_user_only_after_the_client_saw_it_inactive() -> None:
    negotiation = Negotiation(publish=True)
    negotiation.place("anna", *pair("anna"))
    negotiation.begin()
    answered(negotiation)
    negotiation.vacate("anna")
    negotiation.place("bert", *pair("bert"))
    assert [stream for _, _, stream in layout(negotiation)[2:]] == ["", "", "u_bert", "u_bert"]
    negotiation.begin()
    answered(negotiation)
    negotiation.place("carl", *pair("carl"))
    assert [stream for _, _, stream in layout(negotiation)[2::2]] == ["u_carl", "u_bert"]


def test_a_user_who_comes_back_gets_the_same_line_at_once() -> None:
    negotiation = Negotiation(publish=True)
    negotiation.place("anna", *pair("anna"))
    negotiation.begin()
    answered(negotiation)
    negotiation.vacate("anna")
    negotiation.place("anna", *pair("anna"))
    assert [mid for mid, _, stream in layout(negotiation) if stream == "u_anna"] == ["2", "3"]
    assert len(layout(negotiation)) == 4


def test_someone_who_left_while_the_offer_was_outstanding_is_still_answered_for() -> None:
    negotiation = Negotiation(publish=True)
    negotiation.place("anna", *pair("anna"))
    negotiation.begin()
    negotiation.vacate("anna")
    assert answered(negotiation) == ["anna", "anna"]
    assert negotiation.due
    negotiation.place("bert", *pair("bert"))
    assert [mid for mid, _, stream in layout(negotiation) if stream] == ["4", "5"]


def test_screens_come_up_behind_the_lines_that_are_there_and_keep_their_place() -> None:
    negotiation = Negotiation(publish=True)
    negotiation.place("anna", *pair("anna"))
    negotiation.begin()
    answered(negotiation)
    negotiation.share(on=True)
    negotiation.place_screen("anna", pair("anna")[1])
    negotiation.place("bert", *pair("bert"))
    assert [mid for mid, _, _ in layout(negotiation)][2:] == [
        "2",
        "3",
        "screen",
        "screen-1",
        "4",
        "5",
    ]
    negotiation.begin()
    assert answered(negotiation).count("anna") == 3
    negotiation.share(on=False)
    assert len(negotiation.vacate("anna")) == 3
    assert layout(negotiation)[2:6] == [
        ("2", "inactive", ""),
        ("3", "inactive", ""),
        ("screen", "inactive", ""),
        ("screen-1", "inactive", ""),
    ]


def test_a_screen_line_passes_to_another_user_only_after_the_client_saw_it_inactive() -> None:
    negotiation = Negotiation(publish=True)
    negotiation.place_screen("anna", pair("anna")[1])
    negotiation.begin()
    answered(negotiation)
    negotiation.vacate_screen("anna")
    negotiation.place_screen("bert", pair("bert")[1])
    assert [mid for mid, _, _ in layout(negotiation)][2:] == ["screen-1", "screen-2"]
    negotiation.begin()
    answered(negotiation)
    negotiation.place_screen("carl", pair("carl")[1])
    assert layout(negotiation)[2] == ("screen-1", "sendonly", "u_carl")
