"""What a process remembers as a whole: read once for all, ahead of its end, dropped by changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from core import remembered
from core.remembered import Remembered


class Numbers(Remembered[int]):
    """Its value is the number of the reading; a reading waits until it is let through."""

    channels = ("numbers.changed",)

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def _load(self, uow: Any) -> int:
        self.readings += 1
        number = self.readings
        await self.gate.wait()
        if self.broken:
            raise ConnectionResetError
        return number


class Watch:
    """The seconds that the cache goes by."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(remembered, "time", watch)
    return watch


@pytest.fixture
def runtime() -> Any:
    heard: dict[str, Any] = {}

    @asynccontextmanager
    async def unit_of_work() -> AsyncIterator[Any]:
        yield SimpleNamespace(session=SimpleNamespace(info={}))

    return SimpleNamespace(
        ports={},
        bus=SimpleNamespace(subscribe=heard.__setitem__, heard=heard),
        unit_of_work=unit_of_work,
    )


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_ask_while_it_is_read_share_one_reading(runtime: Any, watch: Watch) -> None:
    numbers = Numbers.of(runtime)
    numbers.gate.clear()
    asked = [asyncio.create_task(numbers.ask(runtime)) for _ in range(300)]
    await turns()
    numbers.gate.set()
    assert await asyncio.gather(*asked) == [1] * 300
    assert await numbers.ask(runtime) == 1


async def test_it_is_read_again_before_it_runs_out_and_serves_meanwhile(
    runtime: Any, watch: Watch
) -> None:
    numbers = Numbers.of(runtime)
    assert await numbers.ask(runtime) == 1
    await numbers.renew(runtime)
    assert numbers.readings == 1
    watch.seconds += remembered.RENEW_SECONDS + 1
    numbers.gate.clear()
    renewing = asyncio.create_task(numbers.renew(runtime))
    await turns()
    assert numbers.held() == 1
    numbers.gate.set()
    await renewing
    assert numbers.held() == 2


async def test_what_nobody_has_asked_for_is_not_renewed(runtime: Any, watch: Watch) -> None:
    numbers = Numbers.of(runtime)
    await numbers.renew(runtime)
    await numbers.ask(runtime)
    watch.seconds += remembered.RELOAD_SECONDS + 1
    await numbers.renew(runtime)
    assert numbers.readings == 1
    assert await numbers.ask(runtime) == 2


async def test_a_renewal_that_fails_leaves_it_its_time_and_no_more(
    runtime: Any, watch: Watch
) -> None:
    numbers = Numbers.of(runtime)
    await numbers.ask(runtime)
    numbers.broken = True
    watch.seconds += remembered.RENEW_SECONDS + 1
    await numbers.renew(runtime)
    assert numbers.held() == 1
    watch.seconds += remembered.RENEW_SECONDS
    assert numbers.held() is None
    with pytest.raises(ConnectionResetError):
        await numbers.ask(runtime)
    numbers.broken = False
    assert await numbers.ask(runtime) == 4


async def test_a_reading_that_a_change_overtook_is_neither_kept_nor_joined(
    runtime: Any, watch: Watch
) -> None:
    numbers = Numbers.of(runtime)
    numbers.gate.clear()
    before = asyncio.create_task(numbers.ask(runtime))
    await turns()
    await runtime.bus.heard["numbers.changed"]({})
    after = asyncio.create_task(numbers.ask(runtime))
    await turns()
    numbers.gate.set()
    assert (await before, await after) == (1, 2)
    assert numbers.held() == 2


async def test_who_gives_up_waiting_does_not_end_the_reading_of_the_others(
    runtime: Any, watch: Watch
) -> None:
    numbers = Numbers.of(runtime)
    numbers.gate.clear()
    impatient, patient = (asyncio.create_task(numbers.ask(runtime)) for _ in range(2))
    await turns()
    impatient.cancel()
    await turns()
    numbers.gate.set()
    assert await patient == 1
    assert impatient.cancelled()


async def test_a_transaction_reads_its_own_changes_and_nobody_keeps_them(
    runtime: Any, watch: Watch
) -> None:
    numbers = Numbers.of(runtime)
    await numbers.ask(runtime)
    async with runtime.unit_of_work() as uow:
        Numbers.changed(uow)
        assert await numbers.read(uow) == 2
    assert numbers.held() == 1
