"""The real-name registry behind HTTP with HMAC-signed JSON requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import orjson

from core.identity.gateway import (
    IdentityCheckResult,
    IdentityCheckUnavailable,
    IdentityVerdict,
)
from core.outside import OutsideClient, OutsideError, signed_json

PATH = "/realname/v1/check"
SYSTEM = "real_name"


class HttpIdentityCheck:
    """`IdentityCheck` on the registry's `POST /realname/v1/check`. Asking twice is harmless."""

    def __init__(
        self,
        base_url: str,
        key_id: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        timeout: float = 6.0,
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout, attempts=2)
        self._key_id = key_id
        self._secret = secret
        self._now = now

    async def aclose(self) -> None:
        await self._http.aclose()

    async def check(self, name: str, id_number: str) -> IdentityCheckResult:
        """Ask whether the name belongs to the number.

        A number that the registry does not know counts as a mismatch. Raises
        IdentityCheckUnavailable when there is no answer that can be used.
        """
        body = orjson.dumps({"name": name, "id_number": id_number})
        timestamp = int(self._now().timestamp())
        headers = signed_json(
            "X-Realname", self._key_id, self._secret, "POST", PATH, body, timestamp
        )
        try:
            reply = await self._http.call_repeatedly("POST", PATH, headers=headers, body=body)
            answer = reply.json(SYSTEM)
        except OutsideError as error:
            raise IdentityCheckUnavailable(str(error)) from error
        result, reference = answer.get("result"), answer.get("reference")
        if reply.status != 200 or not isinstance(reference, str):
            raise IdentityCheckUnavailable(f"{SYSTEM}: status {reply.status}")
        if result == "match":
            return IdentityCheckResult(verdict=IdentityVerdict.MATCH, reference=reference)
        if result in ("mismatch", "no_record"):
            return IdentityCheckResult(verdict=IdentityVerdict.MISMATCH, reference=reference)
        raise IdentityCheckUnavailable(f"{SYSTEM}: result {result!r}")
