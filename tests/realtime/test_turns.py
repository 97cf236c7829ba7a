"""What is done for many in the next turn of the event loop."""

import asyncio

from realtime.turns import Turns


async def test_what_is_added_in_one_turn_is_done_in_the_next_in_its_order() -> None:
    done: list[int] = []
    turns = Turns(done.append, 100)
    for number in range(5):
        turns.add(number)
    assert done == []
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 3, 4]


async def test_many_are_spread_over_turns() -> None:
    done: list[int] = []
    turns = Turns(done.append, 2)
    for number in range(5):
        turns.add(number)
    seen = []
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append(len(done))
    assert seen == [2, 4, 5]
    turns.add(5)
    await asyncio.sleep(0)
    assert done[-1] == 5


async def test_one_that_fails_keeps_nobody_else_from_his_turn() -> None:
    done: list[int] = []
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(context.get("exception"))
    )

    def do(number: int) -> None:
        if number == 1:
            raise OSError("refused")
        done.append(number)

    turns = Turns(do, 100)
    for number in range(4):
        turns.add(number)
    for _ in range(3):
        await asyncio.sleep(0)
    assert done == [0, 2, 3]
    assert [type(each) for each in failures] == [OSError]


def test_what_a_loop_left_behind_keeps_nobody_in_the_next() -> None:
    done: list[str] = []
    turns = Turns(done.append, 1)

    async def add(names: str) -> None:
        for name in names:
            turns.add(name)

    for names in ("abc", "d"):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(add(names))
        loop.close()
    assert done == ["a", "d"]
