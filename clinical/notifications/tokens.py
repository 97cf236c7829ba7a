"""WeChat's access token: one for all processes, asked for by one of them at a time.

It lies in the database, encrypted; a process keeps what it read for as long as it is good. Who
wants a new one takes a short lease on the row, asks WeChat outside any transaction and stores the
answer; the others wait for it. A token that WeChat calls bad is renewed by force, once, however
many calls have met it.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from clinical.notifications.gateway import App, SendUnanswered, WechatMessages
from clinical.notifications.models import WechatToken

if TYPE_CHECKING:
    from core.runtime import Runtime

#: A token is renewed so long before it runs out.
EARLY = timedelta(minutes=5)
LEASE = timedelta(seconds=15)
WAIT_SECONDS = 0.2
PATIENCE_SECONDS = 12.0


class Tokens:
    """The tokens of one process."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._held: dict[str, WechatToken] = {}

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The one of this process, made on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        return found

    async def get(self, app: App, *, bad: str | None = None) -> str:
        """A good token; `bad` is one that WeChat has just refused.

        Raises SendRefused and SendUnanswered.
        """
        held = self._held.get(app.appid)
        if held is not None and held.token != bad and held.expires_at > self._runtime.clock.now():
            return held.token
        waited = 0.0
        while waited < PATIENCE_SECONDS:
            row, mine = await self._claim(app, bad)
            if row is not None:
                self._held[app.appid] = row
                return row.token
            if mine:
                return await self._renew(app, force=bad is not None)
            await asyncio.sleep(WAIT_SECONDS)
            waited += WAIT_SECONDS
        raise SendUnanswered("no access token came")

    async def _claim(self, app: App, bad: str | None) -> tuple[WechatToken | None, bool]:
        """The stored token if it is good; else whether the lease to ask for one is ours."""
        async with self._runtime.unit_of_work() as uow:
            await uow.session.execute(
                insert(WechatToken)
                .values(appid=app.appid, token="", expires_at=uow.now)
                .on_conflict_do_nothing()
            )
            row = await uow.session.scalar(
                select(WechatToken).where(WechatToken.appid == app.appid).with_for_update()
            )
            assert row is not None
            if row.expires_at > uow.now and row.token != bad:
                return row, False
            if row.refreshing_until is not None and row.refreshing_until > uow.now:
                return None, False
            row.refreshing_until = uow.now + LEASE
            return None, True

    async def _renew(self, app: App, *, force: bool) -> str:
        try:
            token, seconds = await self._runtime.port(WechatMessages).new_token(app, force=force)
        except BaseException:
            async with self._runtime.unit_of_work() as uow:
                failed = await uow.session.get_one(WechatToken, app.appid, with_for_update=True)
                failed.refreshing_until = None
            raise
        async with self._runtime.unit_of_work() as uow:
            row = await uow.session.get_one(WechatToken, app.appid, with_for_update=True)
            row.token, row.refreshing_until = token, None
            row.expires_at = uow.now + max(timedelta(seconds=seconds) - EARLY, EARLY)
        self._held[app.appid] = row
        return token
