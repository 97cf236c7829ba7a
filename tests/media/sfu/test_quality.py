import pytest

from media.sfu.quality import BitrateCap, level


@pytest.mark.parametrize(
    ("loss", "round_trip", "silent", "expected"),
    [
        (0.0, None, 0.1, 4),
        (0.02, 0.2, 0.1, 4),
        (0.03, 0.05, 0.1, 3),
        (0.0, 0.3, 0.1, 3),
        (0.1, 0.1, 0.1, 2),
        (0.0, 0.7, 0.1, 2),
        (0.2, 0.05, 0.1, 1),
        (0.0, 2.0, 0.1, 1),
        (0.0, 0.01, 5.0, 1),
    ],
)
def test_levels(loss: float, round_trip: float | None, silent: float, expected: int) -> None:
    assert level(loss, round_trip, silent) == expected


def test_the_cap_rises_to_its_height_on_a_clean_path() -> None:
    cap = BitrateCap(2_500_000)
    values = [cap.update(0.0, None, 500_000) for _ in range(40)]
    assert values == sorted(values)
    assert values[-1] == 2_500_000


def test_the_cap_falls_with_loss_but_never_below_the_floor() -> None:
    cap = BitrateCap(2_500_000)
    assert cap.update(0.2, None, 800_000) < 800_000
    for _ in range(100):
        cap.update(0.5, None, 100_000)
    assert cap.update(0.5, None, 100_000) == BitrateCap.LOWEST


def test_a_lack_of_room_counts_when_it_lasts_and_recovers() -> None:
    cap = BitrateCap(2_500_000)
    assert cap.update(0.0, 1.5, 200_000) > 800_000  # A still picture: no congestion.
    assert cap.update(0.0, 0.5, 800_000) >= 800_000  # Once may be noise.
    assert cap.update(0.0, 0.5, 800_000) == 400_000
    assert cap.update(0.0, 1.1, 400_000) > 400_000


def test_a_small_flow_is_made_smaller_by_loss_only() -> None:
    cap = BitrateCap(2_500_000)
    for _ in range(5):
        cap.update(0.0, 0.8, 200_000)
    assert cap.bitrate == BitrateCap.PATIENT
    assert cap.update(0.3, 0.8, 200_000) < BitrateCap.PATIENT
