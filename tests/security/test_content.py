"""Web content that is not as it was built is named and told to the officers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from core.alarms.models import Alarm
from core.defence.content import (
    LIST,
    ContentListError,
    ContentWatch,
    differences,
    problems,
    read_list,
    write_list,
)
from core.runtime import Runtime
from tests.support.cast import Cast


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Two small clients as a build leaves them, with their list."""
    for name, content in (
        ("console/dist/index.html", "<title>诊间</title>"),
        ("console/dist/assets/app.js", "start()"),
        ("console/dist/.ready", ""),
        ("mobile/dist/build/h5/index.html", "<title>诊间</title>"),
        ("home/index.html", "<title>诊间</title>"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert write_list(tmp_path) == 4
    return tmp_path


def known(root: Path) -> dict[str, str]:
    found = read_list(root)
    assert found is not None
    return found


@pytest.mark.requirement("S0-N-017")
def test_a_changed_a_planted_and_a_missing_file_are_named(built: Path) -> None:
    assert problems(built) == []
    (built / "console/dist/assets/app.js").write_text("steal()")
    (built / "console/dist/assets/more.js").write_text("steal()")
    (built / "home/index.html").unlink()
    wrong = ["console/dist/assets/app.js", "console/dist/assets/more.js", "home/index.html"]
    assert differences(known(built), built) == wrong
    assert problems(built) == [f"{path} is not as it was built." for path in wrong]


def test_without_a_list_nothing_is_compared_and_a_damaged_one_is_said(built: Path) -> None:
    (built / LIST).write_text('{"format": "other"}')
    with pytest.raises(ContentListError, match="make clients"):
        read_list(built)
    assert len(problems(built)) == 1
    (built / LIST).unlink()
    assert read_list(built) is None
    assert problems(built) == []


async def alarms(runtime: Runtime, cast: Cast) -> list[tuple[str, str]]:
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(Alarm).where(Alarm.hospital_id == cast.hospital_id).order_by(Alarm.id)
        )
        return [(row.text, row.state) for row in rows]


@pytest.mark.requirement("S0-N-017")
async def test_the_officers_are_told_once_and_again_only_when_it_was_mended(
    runtime: Runtime, cast: Cast, built: Path
) -> None:
    watch = ContentWatch(runtime, built, lambda: "web-1")
    page = built / "console/dist/index.html"
    before = page.read_text()
    page.write_text(before + "<script src=//elsewhere></script>")
    # Whoever changes the list too is found out by the process that read it before.
    write_list(built)
    for _ in range(2):
        await watch.look()
    ((text, state),) = await alarms(runtime, cast)
    assert "服务器 web-1 上有 1 个网页文件与构建时不一致：console/dist/index.html" in text
    assert state == "open"
    # Another machine, where all is well, does not clear it.
    await ContentWatch(runtime, built, lambda: "web-2").look()
    assert [state for _, state in await alarms(runtime, cast)] == ["open"]
    page.write_text(before)
    await watch.look()
    assert [state for _, state in await alarms(runtime, cast)] == ["resolved"]


async def test_the_watch_ends_with_its_process(runtime: Runtime, cast: Cast, built: Path) -> None:
    (built / "console/dist/index.html").write_text("x")
    stop = asyncio.Event()
    watching = asyncio.create_task(ContentWatch(runtime, built).run(stop))
    async with asyncio.timeout(10):
        while not await alarms(runtime, cast):
            await asyncio.sleep(0.01)
        stop.set()
        await watching
