"""The load scenarios pass on a sound server, and fail, by name, on one that breaks its word."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.modules import Modules
from core.runtime import Runtime
from loadtests.load import environment, locust
from loadtests.load_people import seed
from loadtests.scenarios.bounds import (
    ELSEWHERE,
    MAX_SECONDS,
    MAX_USERS,
    NotAllowed,
    check_host,
    check_size,
)
from loadtests.scenarios.judge import Judge
from loadtests.scenarios.people import write
from tests.loadtests.lying_proxy import lying_proxy
from tests.support.demo import ROOT
from tests.support.nodes import Node, serving

USERS = 4
SECONDS = 4


@pytest.fixture
async def node(config: Config, modules: Modules, keyring: Keyring, clock: FakeClock):  # type: ignore[no-untyped-def]
    async with serving(config, modules, keyring, clock, limits={}) as found:
        yield found


async def played(scenario: str, url: str, people: Path) -> tuple[int | None, str]:
    """The exit code and the words of a short run without a page."""
    command = locust(scenario, USERS, SECONDS, url, ui=False)
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment(people),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, output.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "lie", "code", "word"),
    [
        ("storm", None, 0, "All guarantees were kept."),
        ("storm", "swallow", 1, "lost"),
        ("storm", "double", 1, "repeated"),
    ],
)
async def test_a_run_passes_on_a_sound_server_and_names_what_a_broken_one_breaks(
    scenario: str,
    lie: str | None,
    code: int,
    word: str,
    node: Node,
    runtime: Runtime,
    tmp_path: Path,
) -> None:
    people = tmp_path / "people.json"
    write(await seed(runtime, scenario, USERS), people)
    async with lying_proxy(node.url, lie) as url:
        ended, output = await played(scenario, url, people)
    assert ended == code, output
    assert word in output.split("acknowledged   ")[1], output


def test_a_run_stays_on_this_machine_unless_it_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ELSEWHERE, raising=False)
    for here in ("http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"):
        check_host(here)
    for there in ("https://hospital.example", "http://127.0.0.1.example", "http://10.0.0.1", ""):
        with pytest.raises(NotAllowed):
            check_host(there)
    monkeypatch.setenv(ELSEWHERE, "yes")
    check_host("https://hospital.example")


def test_a_run_is_bounded_in_users_and_time() -> None:
    check_size(MAX_USERS, MAX_SECONDS)
    for users, seconds in ((MAX_USERS + 1, 10), (0, 10), (10, MAX_SECONDS + 1), (10, 0)):
        with pytest.raises(NotAllowed):
            check_size(users, seconds)


async def test_people_are_made_in_a_demo_only(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "config", runtime.config.model_copy(update={"demo": False}))
    with pytest.raises(NotAllowed):
        await seed(runtime, "day", 2)


def test_a_run_in_which_nothing_was_acknowledged_shows_nothing() -> None:
    judge = Judge()
    assert [each.kind for each in judge.verdict()] == ["nothing"]
