"""One demo for all journeys, and the browsers of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.demo import Demo, running_demo
from tests.support.screens import Browsers, browsers


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The whole demo: web with relay and jobs, media worker, simulators, PostgreSQL."""
    with running_demo(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture
async def screens(demo: Demo, request: pytest.FixtureRequest) -> AsyncIterator[Browsers]:
    """Browsers for one journey; when it fails, what everybody saw remains in ``var/screens``."""
    async with browsers(demo.url) as opened:
        yield opened
        if request.node.stash.get(FAILED, False):
            await opened.last_pictures(request.node.name)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
