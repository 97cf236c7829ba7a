"""The HTTP API in as many words as a bot needs: log in, refresh, call anything."""

import uuid
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp

from zhenjian_client.errors import ApiError


class HttpClient:
    """Calls below `/api/v1` with the token of the last login."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.token = ""
        self.refresh_token = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Any:
        """Call one route and return its JSON; raises `ApiError`.

        A POST carries an idempotency key; give `key` to repeat one.
        """
        if self._session is None:
            raise RuntimeError("Use HttpClient with 'async with'.")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if method == "POST":
            headers["Idempotency-Key"] = key or uuid.uuid4().hex
        async with self._session.request(
            method, f"{self.url}/api/v1{path}", json=json, params=query, headers=headers
        ) as response:
            data = await response.json() if response.content_length != 0 else None
            if response.status >= 400:
                raise ApiError(response.status, data or {})
            return data

    async def get(self, path: str, **query: Any) -> Any:
        return await self.request("GET", path, query=query or None)

    async def post(self, path: str, json: Any = None, key: str | None = None) -> Any:
        return await self.request("POST", path, json=json, key=key)

    async def put(self, path: str, json: Any = None) -> Any:
        return await self.request("PUT", path, json=json)

    async def search(self, q: str = "", **narrow: Any) -> AsyncIterator[dict[str, Any]]:
        """Pages of messages of one's own rooms, until all is looked through.

        `narrow`: `room`, `kind`, `sender`, `since`, `until`. A page holds `items`, and how far the
        search has come: `looked` of `total`. Stop iterating to stop searching.
        """
        cursor: str | None = None
        while True:
            asked = {"q": q, **narrow, **({"cursor": cursor} if cursor else {})}
            page = await self.get("/rooms/search", **asked)
            yield page
            cursor = page["next"]
            if cursor is None:
                return

    async def login_password(self, login: str, password: str, device: str = "python") -> Any:
        """Log in by account name; keeps the tokens and returns the answer."""
        body = {"login": login, "password": password, "device": _device(device)}
        return self._keep(await self.post("/auth/login/password", body))

    async def login_sms(self, phone: str, code: str, device: str = "python") -> Any:
        """Log in by telephone number and the code that was sent to it."""
        body = {"phone": phone, "code": code, "device": _device(device)}
        return self._keep(await self.post("/auth/login/sms", body))

    async def refresh(self) -> str:
        """Rotate the tokens; returns the new access token. Fits `RoomClient(refresh=...)`."""
        self._keep(await self.post("/auth/refresh", {"refresh_token": self.refresh_token}))
        return self.token

    def _keep(self, tokens: Any) -> Any:
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        return tokens


def _device(device: str) -> dict[str, str]:
    return {"id": device, "name": device, "platform": "python"}
