"""Calls through the real coturn, with the configuration that is deployed and our credentials."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aioice import stun
from aioice.turn import create_turn_endpoint
from aiortc import RTCIceServer
from pydantic import ValidationError

from core.config import Config
from media.turn import ice_servers
from media.worker import Worker
from tests.media.sfu.clients import Client
from tests.media.sfu.conftest import controls, engine_settings, worker
from tests.media.sfu.support import CALL, Controls
from tests.support.coturn import Turn, running_turn

__all__ = ["controls", "engine_settings", "worker"]

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ANNA, BERT = uuid4(), uuid4()


@pytest.fixture
async def turn(tmp_path: Path) -> AsyncIterator[Turn]:
    folder = tmp_path / "turn"
    folder.mkdir()
    async with running_turn(folder) as found:
        yield found


def settings(**given: Any) -> Config:
    urls = "turn:turn.example:3478?transport=udp, turns:turn.example:443?transport=tcp"
    return Config(_env_file=None, demo=True, **{"media_turn_urls": urls} | given)


def test_credentials_end_by_themselves_and_name_nobody() -> None:
    config = settings(media_turn_secret="s", media_turn_seconds=600)
    [server] = ice_servers(config, ANNA, NOW)
    assert server["urls"][1] == "turns:turn.example:443?transport=tcp"
    ends, _, name = server["username"].partition(":")
    assert int(ends) == NOW.timestamp() + 600
    assert ANNA.hex not in name
    [later] = ice_servers(config, ANNA, NOW + timedelta(hours=1))
    [other] = ice_servers(config, BERT, NOW)
    assert later["username"].endswith(name)
    assert later["credential"] != server["credential"]
    assert not other["username"].endswith(name)


def test_without_a_server_there_are_no_credentials_and_a_server_needs_its_secret() -> None:
    assert ice_servers(Config(_env_file=None, demo=True, media_turn_secret="s"), ANNA, NOW) == []
    with pytest.raises(ValidationError, match="MEDIA_TURN_SECRET"):
        settings()
    for wrong in ("https://turn.example", "turn:", "turn:a b", "stun:turn.example"):
        with pytest.raises(ValidationError, match="turn:host"):
            settings(media_turn_urls=wrong, media_turn_secret="s")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_goes_through_the_relay(
    turn: Turn, controls: Controls, worker: Worker, transport: str
) -> None:
    username, credential = turn.credentials(ANNA)
    url = f"turn:127.0.0.1:{turn.port}?transport={transport}"
    anna = Client(controls, "anna", turn=RTCIceServer(url, username, credential))
    bert = Client(controls, "bert")

    async def follow(event: dict[str, Any]) -> None:
        await asyncio.gather(anna.follow(event), bert.follow(event))

    controls.on_event = follow
    try:
        await anna.join()
        await bert.join()
        await asyncio.gather(anna.receives(40, 20), bert.receives(40, 20))
        peers = worker.engine.calls[CALL].peers
        relayed, direct = (peers[each.peer].path.selected for each in (anna, bert))
        assert relayed is not None
        assert direct is not None
        assert relayed[1] in turn.relayed
        assert direct[1] not in turn.relayed
    finally:
        await anna.close()
        await bert.close()


async def allocation(turn: Turn, username: str, credential: str, **options: Any) -> Any:
    address = ("127.0.0.1", options.pop("port", turn.port))
    transport, _ = await create_turn_endpoint(
        asyncio.DatagramProtocol, address, username, credential, **options
    )
    return transport


async def test_a_network_that_lets_only_tls_through_is_served(turn: Turn) -> None:
    trusted = ssl.create_default_context(cafile=str(turn.authority))
    relayed = await allocation(
        turn, *turn.credentials(ANNA), port=turn.secure, transport="tcp", ssl=trusted
    )
    assert relayed.get_extra_info("sockname")[1] in turn.relayed
    relayed.close()


async def test_the_relay_reaches_the_media_workers_and_nothing_else(
    turn: Turn, worker: Worker
) -> None:
    relayed = await allocation(turn, *turn.credentials(ANNA))
    protocol = relayed._TurnTransport__inner_protocol
    await protocol.channel_bind(0x4000, ("127.0.0.1", worker.engine.port.number))
    for number, host in enumerate(("10.0.0.5", "192.168.1.1", "127.0.0.2", "8.8.8.8"), 0x4001):
        with pytest.raises(stun.TransactionFailed) as refused:
            await protocol.channel_bind(number, (host, 80))
        assert refused.value.response.attributes["ERROR-CODE"][0] == 403, host
    relayed.close()


async def test_credentials_that_ended_or_were_made_up_open_nothing(turn: Turn) -> None:
    ended = turn.credentials(ANNA, datetime.now(UTC) - timedelta(hours=2))
    username, credential = turn.credentials(ANNA)
    longer = (f"{int(username.partition(':')[0]) + 9999}:{username.partition(':')[2]}", credential)
    for wrong in (ended, longer, ("anna", "secret")):
        with pytest.raises(stun.TransactionFailed) as refused:
            await allocation(turn, *wrong)
        assert refused.value.response.attributes["ERROR-CODE"][0] == 401
