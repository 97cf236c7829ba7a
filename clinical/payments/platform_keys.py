"""The platform's public keys: those at hand, and those fetched when a signature names another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from clinical.payments import wechat
from core.outside import OutsideRefused, OutsideUnavailable, Reply

LONGEST_AGE = timedelta(hours=12)
PAUSE = timedelta(seconds=30)


class PlatformKeys:
    """Keys by serial. `ask` is one signed `GET /v3/certificates`."""

    def __init__(
        self,
        known: Mapping[str, rsa.RSAPublicKey],
        api_v3_key: bytes,
        now: Callable[[], datetime],
        ask: Callable[[], Awaitable[Reply]],
    ) -> None:
        self._keys = dict(known)
        self._api_v3_key = api_v3_key
        self._now = now
        self._ask = ask
        self._fetched_at = now()
        self._asked_at: datetime | None = None
        self._failure: OutsideUnavailable | OutsideRefused | None = None
        self._fetching = asyncio.Lock()

    async def get(self, serial: str) -> rsa.RSAPublicKey:
        """The key that a signature names; an unknown or old certificate is fetched.

        Raises ProtocolError for a serial that the platform does not have, OutsideUnavailable or
        OutsideRefused when that could not be found out.
        """
        if serial.startswith(wechat.PUBLIC_KEY_PREFIX):
            serial = wechat.PUBLIC_KEY_PREFIX
        elif self._lacks(serial):
            async with self._fetching:
                if self._lacks(serial):
                    await self._fetch()
        key = self._keys.get(serial)
        if key is None:
            if self._failure is not None:
                raise self._failure
            raise wechat.ProtocolError("The platform's serial number is unknown.")
        return key

    def _lacks(self, serial: str) -> bool:
        return serial not in self._keys or self._now() - self._fetched_at > LONGEST_AGE

    async def _fetch(self) -> None:
        """Fetch at most every half minute, whoever asks: callers may be forgers.

        A failure is kept for those who lack a key; the keys at hand stay good.
        """
        now = self._now()
        if self._asked_at is not None and now - self._asked_at < PAUSE:
            return
        self._asked_at = now
        try:
            reply = await self._ask()
        except (OutsideUnavailable, OutsideRefused) as error:
            self._failure = error
            return
        keys = wechat.open_certificates(reply.body, self._api_v3_key)
        self._check_list(reply, {**keys, **self._keys})
        self._keys.update(keys)
        self._fetched_at, self._failure = now, None

    def _check_list(self, reply: Reply, keys: Mapping[str, rsa.RSAPublicKey]) -> None:
        vouched = wechat.SignatureHeaders.of(reply.headers)
        vouched.check_time(self._now())
        by_public_key = vouched.serial.startswith(wechat.PUBLIC_KEY_PREFIX)
        key = keys.get(wechat.PUBLIC_KEY_PREFIX if by_public_key else vouched.serial)
        if key is None:
            raise wechat.ProtocolError("The list of certificates is not signed by the platform.")
        wechat.check_signature(key, vouched, reply.body)
