"""A calling application: it signs its requests as its developers would, with its own hands."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any

from gmssl import sm3 as gmssl_sm3

from core.clock import FakeClock
from core.crypto.signing import SigningKey
from tests.support.http import Client, Response


def sm3(data: bytes) -> bytes:
    return bytes.fromhex(gmssl_sm3.sm3_hash(list(data)))


class _Sm3:
    """SM3 in the shape that `hmac` takes."""

    block_size, digest_size, name = 64, 32, "sm3"

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def update(self, data: bytes) -> None:
        self._data += data

    def copy(self) -> _Sm3:
        return _Sm3(self._data)

    def digest(self) -> bytes:
        return sm3(self._data)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Caller:
    """One application with its proof."""

    def __init__(
        self,
        client: Client,
        clock: FakeClock,
        code: str,
        *,
        secret: str | None = None,
        key: SigningKey | None = None,
    ) -> None:
        self._client, self._clock, self.code = client, clock, code
        self._secret, self._key = secret, key

    def prove(self, text: bytes) -> str:
        if self._key is not None:
            return encoded(self._key.sign(text))
        assert self._secret is not None
        made: Callable[..., Any] = hmac.new
        return str(made(self._secret.encode(), text, _Sm3).digest().hex())

    def headers(
        self, method: str, path: str, raw: bytes, *, nonce: str | None = None, late: float = 0
    ) -> dict[str, str]:
        at = str(int(self._clock.now().timestamp() - late))
        number = nonce or secrets.token_hex(12)
        lines = [method, f"/api/v1{path}", self.code, at, number, sm3(raw).hex()]
        return {
            "X-App-Id": self.code,
            "X-App-Timestamp": at,
            "X-App-Nonce": number,
            "X-App-Signature": self.prove("\n".join(lines).encode()),
        }

    async def post(self, path: str, content: dict[str, Any], **options: Any) -> Response:
        raw = json.dumps(content).encode()
        headers = self.headers("POST", path, raw, **options)
        headers["Content-Type"] = "application/json"
        return await self._client.post(path, body=raw, headers=headers)

    async def get(self, path: str) -> Response:
        return await self._client.get(path, headers=self.headers("GET", path, b""))

    async def sign(self, data: bytes, form: str = "raw", **fields: Any) -> dict[str, Any]:
        content = {"format": form, "data": encoded(data), **fields}
        answer: dict[str, Any] = (await self.post("/signature/sign", content)).expect(200)
        return answer
