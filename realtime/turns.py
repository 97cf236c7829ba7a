"""What is done for many connections in one turn of the event loop, with one call of the loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Turns(Generic[_T]):
    """Does something for whatever is added, in the next turn of the running loop: for `at_once` of
    them, and for the others in the turns after it.
    """

    def __init__(self, do: Callable[[_T], None], at_once: int) -> None:
        self._do = do
        self._at_once = at_once
        self._waiting: deque[_T] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, what: _T) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Nothing waits, or what waits belongs to a loop that has ended.
            self._waiting.clear()
            self._loop = loop
            loop.call_soon(self._some)
        self._waiting.append(what)

    def _some(self) -> None:
        waiting, do = self._waiting, self._do
        try:
            for _ in range(min(self._at_once, len(waiting))):
                do(waiting.popleft())
        finally:
            # One that fails keeps nobody else from his turn.
            if waiting:
                asyncio.get_running_loop().call_soon(self._some)
            else:
                self._loop = None
