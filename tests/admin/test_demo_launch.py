"""How the demo begins: what it finds in its folder decides what it does first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.demo.launch import UNFINISHED, Demo, DemoProblem
from core.config import Config


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(Config(_env_file=None, demo=True, data_dir=tmp_path / "var"))
    yield demo
    demo.postgres.remove()


def has_database(demo: Demo) -> None:
    demo.postgres.data.mkdir(parents=True)
    (demo.postgres.data / "PG_VERSION").write_text("18")


def test_half_a_demo_hospital_is_removed_before_the_first_start_is_tried_again(demo: Demo) -> None:
    demo.make_ready()
    assert (demo.config.data_dir / UNFINISHED).exists()
    keys = demo.config.keys.read_bytes()
    has_database(demo)
    demo.make_ready()
    assert not demo.postgres.exists
    assert demo.config.keys.read_bytes() != keys, "nothing of the half hospital can be opened"
    assert not demo.finished


def test_a_whole_demo_hospital_stays_as_it_is(demo: Demo) -> None:
    demo.make_ready()
    has_database(demo)
    (demo.config.data_dir / UNFINISHED).unlink()
    keys = demo.config.keys.read_bytes()
    demo.make_ready()
    assert demo.postgres.exists
    assert demo.config.keys.read_bytes() == keys
    assert demo.finished


def test_a_database_whose_keys_are_gone_is_told_of_and_left_alone(demo: Demo) -> None:
    has_database(demo)
    with pytest.raises(DemoProblem, match="make clean-data"):
        demo.make_ready()
    assert demo.postgres.exists
    assert not demo.config.keys.exists()
