"""Rooms for the tests: a node that serves them, clients of the cast, a room to talk in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.identity.roles import Role
from core.ids import new_id
from core.modules import Modules
from core.runtime import Runtime
from realtime import service
from realtime.rules import RoomState
from realtime.service import NewMember
from tests.support.cast import Cast, Person
from tests.support.nodes import Node, serving
from zhenjian_client import RoomClient

Connect = Callable[..., Awaitable[RoomClient]]
OpenRoom = Callable[..., Awaitable[UUID]]
StartNode = Callable[..., Awaitable[Node]]


@pytest.fixture
async def start_node(
    config: Config, modules: Modules, keyring: Keyring, clock: FakeClock
) -> AsyncIterator[StartNode]:
    """Start a further node on the test's database: ``await start_node()``."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**options: Any) -> Node:
            options.setdefault("offline_delay", 0.2)
            # The tests say far more than people do; limits have a test of their own.
            options.setdefault("limits", {})
            return await stack.enter_async_context(
                serving(config, modules, keyring, clock, **options)
            )

        yield start


@pytest.fixture
async def node(start_node: StartNode) -> Node:
    return await start_node()


@pytest.fixture
async def connect(node: Node) -> AsyncIterator[Connect]:
    """Connect somebody: ``await connect(cast.patient, device="phone", to=other_node)``."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_client(
            person: Person, *, device: str = "phone", to: Node | None = None, **options: Any
        ) -> RoomClient:
            client = RoomClient((to or node).url, person.token, device=device, **options)
            return await stack.enter_async_context(client)

        yield open_client


@pytest.fixture
def open_room(runtime: Runtime, cast: Cast) -> OpenRoom:
    """Open a room of patient and doctor, active unless told otherwise."""

    async def open_one(*people: Person, state: RoomState = RoomState.ACTIVE) -> UUID:
        members = people or (cast.patient, cast.doctor)
        async with runtime.unit_of_work() as uow:
            return await service.open_room(
                uow,
                hospital_id=members[0].caller.hospital_id,
                title="复诊 · 陈安和",
                members=[NewMember(each.user_id, each.caller.role) for each in members],
                ref_type="consultation",
                ref_id=new_id(),
                state=state,
            )

    return open_one


@pytest.fixture
async def room(open_room: OpenRoom) -> UUID:
    """An active room of the patient and the doctor."""
    return await open_room()


def member(person: Person, role: Role | None = None) -> NewMember:
    return NewMember(person.user_id, role or person.caller.role)
