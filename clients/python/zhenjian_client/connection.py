"""A connection that comes back: with growing pauses after a loss, and never before the time that
the server names. The token is renewed before it ends; an expired one is refreshed first.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp

from zhenjian_client.errors import ApiError, ClientError, ConnectionLost, Refused, RequestFailed
from zhenjian_client.renewal import pause_before_renewal
from zhenjian_client.socket import Socket

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
#: Seconds in which an acknowledgement has to come.
ACK_TIMEOUT = 10.0
#: After these only a new login helps.
FINAL = frozenset(
    {
        "session_revoked",
        "session_idle",
        "session_over",
        "unauthenticated",
        "second_factor_required",
        "password_change_required",
    }
)

Refresh = Callable[[], Awaitable[str]]


class Connection:
    """See the module. `heard(name, payload)` takes what arrives. `resume` is waited for after each
    return, and tried again with the connection when it raises `ConnectionLost` or `RequestFailed`.
    `changed(state)` hears of `state`, `ended(error)` of a failure that is for good: only a new
    login helps then, and every call raises it.
    """

    def __init__(
        self,
        url: str,
        token: str,
        device: str,
        *,
        refresh: Refresh | None,
        ack_timeout: float,
        heard: Callable[[str, Any], None],
        resume: Callable[[], Awaitable[None]],
        changed: Callable[[str], None],
        ended: Callable[[ClientError], None],
    ) -> None:
        self.url, self.token, self.device = url, token, device
        self.connects = 0
        self.state = "idle"
        self.failure: ClientError | None = None
        self.socket: Socket | None = None
        self._refresh = refresh
        self._ack_timeout = ack_timeout
        self._heard, self._resume = heard, resume
        self._changed, self._ended = changed, ended
        self._online = asyncio.Event()
        self._awake = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect for the first time; raises `Refused` or `ConnectionLost`. Later losses heal."""
        self._set_state("connecting")
        try:
            await self._open()
        except Refused as refusal:
            if refusal.code != "token_expired":
                raise
            await self._refresh_token()
            await self._open()
        self._keep(self._keep_connected())

    def start(self) -> None:
        """Connect in the background, as often as it takes; `state` says how it goes."""
        self._set_state("connecting")
        self._keep(self._connect_and_keep())

    async def close(self) -> None:
        """End the line for good; the server is told."""
        tasks = [task for task in (self._keeping, self._renewing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.socket is not None:
            await self.socket.close()
        self._set_state("idle")

    async def drop(self) -> None:
        """Lose the line without a word; it comes back by itself."""
        if self.socket is not None:
            self._online.clear()
            await self.socket.abort()

    def wake(self) -> None:
        """Try to connect now."""
        self._awake.set()

    async def wait_online(self) -> None:
        """Wait for the line; raises what it ended with."""
        await self._online.wait()
        if self.failure is not None:
            raise self.failure

    async def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send an event once, as soon as there is a line, and return its answer; raises
        `RequestFailed` or `ConnectionLost`. A token that turns out to be expired is renewed first.
        """
        await self.wait_online()
        try:
            return await self.ask(event, payload)
        except RequestFailed as failed:
            if failed.code != "token_expired" or self._refresh is None:
                raise
        await self._refresh_token()
        await self.ask("session:renew", {"token": self.token})
        return await self.ask(event, payload)

    async def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send an event on the line that there is, and return its answer."""
        if self.socket is None:
            raise ConnectionLost("Not connected.")
        return await self.socket.call(event, payload, self._ack_timeout)

    async def renew(self, token: str) -> dict[str, Any]:
        """Give the living connection a newer token."""
        self.token = token
        answer = await self.call("session:renew", {"token": token})
        self._plan_renewal()
        return answer

    # ---- losses ------------------------------------------------------------------------------

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        self._keeping = asyncio.create_task(work)

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._changed(state)

    async def _open(self) -> None:
        socket = Socket(self.url, {"token": self.token, "device": self.device}, self._heard)
        await socket.connect()
        self.socket = socket
        self.connects += 1
        self._online.set()
        self._set_state("online")
        self._plan_renewal()

    async def _connect_and_keep(self) -> None:
        try:
            await self._reopen()
        except ClientError as error:
            self._give_up(error)
            return
        await self._keep_connected()

    async def _keep_connected(self) -> None:
        while True:
            assert self.socket is not None
            await self.socket.closed.wait()
            self._online.clear()
            self._set_state("reconnecting")
            try:
                await self._after_loss(self.socket.reason or "lost")
                await self._reopen()
            except ClientError as error:
                self._give_up(error)
                return

    async def _after_loss(self, reason: str) -> None:
        if reason == "token_expired":
            await self._try_to_refresh()
        elif reason in FINAL:
            raise Refused(reason)

    async def _reopen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            least = 0.0
            try:
                await self._open()
                await self._resume()
                return
            except Refused as refusal:
                if refusal.code in FINAL:
                    raise
                if refusal.code == "token_expired":
                    await self._try_to_refresh()
                least = float(refusal.data.get("retry_after", 0))
            except RequestFailed as failed:
                least = failed.retry_after or 0.0
            except ConnectionLost:
                pass
            await self._let_go()
            # Those who were told the same time do not come back in the same moment.
            await self._sleep(max(pause * random.uniform(0.5, 1), least * random.uniform(1, 1.25)))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _let_go(self) -> None:
        """No connection stays behind when the next one is made."""
        self._online.clear()
        if self.socket is not None:
            await self.socket.close()
        if self.state == "online":
            self._set_state("reconnecting")

    async def _sleep(self, seconds: float) -> None:
        self._awake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()

    def _give_up(self, error: ClientError) -> None:
        self.failure = error
        self._online.set()
        self._ended(error)
        self._set_state("refused")

    # ---- the token ---------------------------------------------------------------------------

    async def _refresh_token(self) -> None:
        """Raises `Refused` when the session is over, `ConnectionLost` when nobody could say."""
        if self._refresh is None:
            raise Refused("token_expired")
        try:
            self.token = await self._refresh()
        except ApiError as error:
            if error.status in (401, 403):
                raise Refused(error.code or "unauthenticated", error.problem) from error
            raise ConnectionLost(str(error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ConnectionLost(f"The token was not refreshed: {error!r}") from error

    async def _try_to_refresh(self) -> None:
        with contextlib.suppress(ConnectionLost):
            await self._refresh_token()

    def _plan_renewal(self) -> None:
        if self._renewing is not None and self._renewing is not asyncio.current_task():
            self._renewing.cancel()
        self._renewing = None
        pause = pause_before_renewal(self.token) if self._refresh is not None else None
        if pause is not None:
            self._renewing = asyncio.create_task(self._renew_later(pause))

    async def _renew_later(self, pause: float) -> None:
        await asyncio.sleep(pause)
        # A courtesy: without it the server ends the connection, and the token is refreshed then.
        with contextlib.suppress(ClientError):
            await self._refresh_token()
            await self.renew(self.token)
