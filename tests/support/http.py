"""An HTTP client that speaks to the application in this process, without a port."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Response:
    """A complete answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code, or nothing for a success."""
        return str(self.json.get("code", "")) if self.status >= 400 else ""

    def expect(self, status: int) -> Any:
        """The JSON of an answer that must have this status; otherwise the body is shown."""
        assert self.status == status, f"{self.status} {self.body.decode(errors='replace')[:800]}"
        return self.json if self.body else None


class Client:
    """Calls the API below ``/api/v1``; other paths are given whole, starting with ``//``."""

    def __init__(self, app: ASGIApp, address: str = "127.0.0.1") -> None:
        self._app = app
        self._address = address

    async def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Response:
        parts = urlsplit(path[1:] if path.startswith("//") else "/api/v1" + path)
        raw = orjson.dumps(json) if json is not None else (body or b"")
        given = {"host": "hospital.test", "content-length": str(len(raw))}
        if json is not None:
            given["content-type"] = "application/json"
        if token:
            given["authorization"] = f"Bearer {token}"
        if method == "POST":
            given["idempotency-key"] = key or uuid.uuid4().hex
        given.update({name.lower(): value for name, value in (headers or {}).items()})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "root_path": "",
            "query_string": "&".join(
                part for part in (parts.query, urlencode(query or {}, doseq=True)) if part
            ).encode(),
            "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in given.items()],
            "client": (self._address, 50000),
            "server": ("hospital.test", 80),
            "state": {},
        }
        return await self._call(scope, raw)

    async def _call(self, scope: dict[str, Any], raw: bytes) -> Response:
        sent = False
        done = asyncio.Event()
        start: Message = {}
        chunks: list[bytes] = []

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await done.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))
                if not message.get("more_body", False):
                    done.set()

        await self._app(scope, receive, send)
        headers = {n.decode().lower(): v.decode("latin-1") for n, v in start["headers"]}
        return Response(start["status"], headers, b"".join(chunks))

    async def get(self, path: str, **options: Any) -> Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Response:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Response:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Response:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Response:
        return await self.request("DELETE", path, **options)
