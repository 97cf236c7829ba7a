"""Two administrators at one desk: what one asks for, the other confirms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from core.identity.roles import Role
from core.identity.tokens import issue_access_token
from core.runtime import Runtime
from tests.clinical.story import Story
from tests.support.cast import Cast, Person, hire
from tests.support.http import Client, Response


@dataclass
class Desk:
    """The matrix with two administrators in front of it."""

    client: Client
    runtime: Runtime
    first: Person
    second: Person

    def renewed(self, who: Person) -> Person:
        """The same person with a fresh token, because some stories last longer than one."""
        token = issue_access_token(who.caller, self.runtime.clock.now(), self.runtime.keyring)
        return replace(who, token=token)

    async def ask(self, who: Person, method: str, path: str, body: Any = None) -> Response:
        return await self.client.request(method, path, token=who.token, json=body)

    async def get(self, who: Person, path: str) -> Any:
        return (await self.ask(who, "GET", path)).expect(200)

    async def propose(self, *items: dict[str, Any], who: Person | None = None) -> Response:
        body = {"reason": "收紧权限", "items": list(items)}
        return await self.ask(who or self.first, "POST", "/access/changes", body)

    async def change(self, *items: dict[str, Any]) -> dict[str, Any]:
        """Ask for it and have it confirmed."""
        asked = (await self.propose(*items)).expect(201)
        path = f"/access/changes/{asked['id']}/confirm"
        changed: dict[str, Any] = (
            await self.ask(self.second, "POST", path, {"note": "同意"})
        ).expect(200)
        return changed

    async def policy(
        self,
        role: Role,
        permission: str,
        scope: str = "none",
        role_id: UUID | str | None = None,
        **more: list[str],
    ) -> None:
        """Put one policy into force."""
        await self.change(cell(role, permission, scope, role_id, **more))


def cell(
    role: Role,
    permission: str,
    scope: str | None,
    role_id: UUID | str | None = None,
    **more: list[str],
) -> dict[str, Any]:
    """A wanted cell; scope None goes back to the standard."""
    resource, _, action = permission.partition(".")
    return {
        "role": role.value,
        "role_id": str(role_id) if role_id else None,
        "resource": resource,
        "action": action,
        "policy": {"scope": scope, **more} if scope else None,
    }


@pytest.fixture
async def desk(runtime: Runtime, client: Client, cast: Cast) -> Desk:
    second = await hire(runtime, cast.hospital_id, Role.ADMINISTRATOR, "管二成", serial=1)
    return Desk(client, runtime, cast.administrator, second)


@pytest.fixture
async def story(runtime: Runtime, client: Client, cast: Cast) -> Story:
    """The hospital of the cast, its outside systems faked."""
    return Story(runtime, client, cast)
