"""One demo for all journeys, and the browsers of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.demo import Demo, running_demo
from tests.support.screens import Browsers, browsers


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The whole demo: web, worker, media worker, simulators, PostgreSQL."""
    with running_demo(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture
async def screens(demo: Demo) -> AsyncIterator[Browsers]:
    async with browsers(demo.url) as opened:
        yield opened
