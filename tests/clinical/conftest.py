"""Fixtures of the clinical tests."""

import pytest

from core.runtime import Runtime
from tests.clinical.story import Story
from tests.support.cast import Cast
from tests.support.http import Client


@pytest.fixture
async def story(runtime: Runtime, client: Client, cast: Cast) -> Story:
    """The hospital of the cast, its outside systems faked."""
    return Story(runtime, client, cast)
