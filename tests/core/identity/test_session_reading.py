"""Sessions are read for many at once, and each caller gets what is his."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.identity import session_reading
from core.identity.session_cache import LiveSession, SessionCache
from core.identity.session_reading import SessionReader
from core.runtime import Runtime
from tests.support.cast import Cast


async def test_many_who_ask_at_once_get_what_each_alone_gets(
    runtime: Runtime, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = [
        each.caller
        for each in (cast.patient, cast.doctor, cast.other_doctor, cast.nurse, cast.foreign_doctor)
    ]
    alone = [await SessionReader.of(runtime).read(each) for each in callers]
    together, sizes = session_reading.read_sessions, []

    async def counting(uow: Any, claims: Any) -> list[LiveSession]:
        sizes.append(len(claims))
        return await together(uow, claims)

    monkeypatch.setattr(session_reading, "read_sessions", counting)
    asked = [SessionReader.of(runtime).read(each) for each in callers * 4]
    assert await asyncio.gather(*asked) == alone * 4
    assert max(sizes) > 5
    assert sum(sizes) == len(callers) * 4


async def test_a_reading_that_fails_is_told_to_all_who_wait_and_the_next_one_works(
    runtime: Runtime, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(uow: Any, claims: Any) -> list[LiveSession]:
        raise OSError("The database is gone.")

    reader = SessionReader.of(runtime)
    with monkeypatch.context() as patched:
        patched.setattr(session_reading, "read_sessions", broken)
        outcomes = await asyncio.gather(
            *(reader.read(cast.doctor.caller) for _ in range(10)), return_exceptions=True
        )
    assert [type(each) for each in outcomes] == [OSError] * 10
    key = (cast.doctor.caller.session_id, cast.doctor.caller.hospital_id, cast.doctor.caller.role)
    assert SessionCache.of(runtime).get(key) is None
    assert (await reader.read(cast.doctor.caller)).user_id == cast.doctor.user_id
