"""The control protocol, from both ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from core.tls import client_context, local_certificate, server_context
from media.control import MediaWorkers
from media.errors import (
    BadAnswer,
    BadRequest,
    CallUnknown,
    PeerUnknown,
    RecordingUnavailable,
    StaleAnswer,
    WorkerFull,
    WorkerUnavailable,
)
from media.sfu.engine import EngineSettings
from media.worker import Worker, WorkerConfig, run_worker, with_ports
from tests.media.sfu.support import CALL, ROOM, SEAL, SECRET, Controls, WorkerProcess, stored


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def address(worker: Worker, path: str, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{worker.control_port}{path}"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "x"}])
async def test_a_controller_without_the_secret_is_refused(
    worker: Worker, session: aiohttp.ClientSession, header: dict[str, str]
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(address(worker, "/control", "ws"), headers=header)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("{", "no JSON"),
        ("[]", "no object"),
        ("{}", "no such operation"),
        ('{"op": 7}', "no such operation"),
        ('{"op": "call.open"}', "missing or wrong: call, room"),
        ('{"op": "call.open", "call": "../../etc", "room": "r"}', "call"),
        ('{"op": "call.open", "call": "c\\n", "room": "r"}', "call"),
        ('{"op": "peer.media", "call": "c", "peer": "p", "audio": "loud", "video": 1}', "audio"),
        ('{"op": "peer.answer", "call": "c", "peer": "p", "version": 0}', "sdp, session, version"),
    ],
)
async def test_an_unusable_frame_gets_its_named_error_and_the_connection_lives(
    worker: Worker, session: aiohttp.ClientSession, frame: str, said: str
) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with session.ws_connect(address(worker, "/control", "ws"), headers=headers) as socket:
        await socket.send_str(frame)
        reply = json.loads((await socket.receive()).data)
        assert reply["ok"] is False
        assert reply["error"]["code"] == "bad_request"
        assert said in reply["error"]["message"]
        await socket.send_str('{"id": "x", "op": "worker.status"}')
        reply = json.loads((await socket.receive()).data)
        assert (reply["id"], reply["ok"], reply["peers"]) == ("x", True, 0)


async def test_errors_of_the_worker_become_the_same_errors_at_the_client(
    controls: Controls,
) -> None:
    link = controls.link
    with pytest.raises(CallUnknown):
        await link.close_call("unknown", "test")
    with pytest.raises(BadRequest):
        await link.request("call.dance")
    offer = await link.add_peer(CALL, peer="anna:1", session="s1", user="anna")
    assert (offer.version, offer.sdp[:4]) == (1, "v=0\r")
    with pytest.raises(PeerUnknown):
        await link.answer(CALL, "anna:1", "s0", 1, "")
    with pytest.raises(StaleAnswer):
        await link.answer(CALL, "anna:1", "s1", 9, "")
    with pytest.raises(BadAnswer):
        await link.answer(CALL, "anna:1", "s1", 1, "")
    with pytest.raises(PeerUnknown):
        await link.remove_peer(CALL, "anna:1", "left", session="s0")
    await link.remove_peer(CALL, "anna:1", "left", session="s1")
    await controls.event("peer.gone", session="s1", reason="closed")


async def test_opening_a_call_twice_is_the_same_call(controls: Controls) -> None:
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    (call,) = await controls.link.list_calls()
    assert (call["call"], call["recording"], call["peers"]) == (CALL, True, [])
    await controls.event("recording.started", call=CALL)
    assert len(controls.having("recording.started")()) == 1


async def test_every_controller_hears_events_and_a_late_one_hears_of_sealed_takes(
    controls: Controls, worker: Worker
) -> None:
    other = Controls(controls.link.url)
    await other.start()
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    await controls.link.close_call(CALL, "ended")
    sealed = await controls.event("recording.sealed", call=CALL)
    assert await other.event("recording.sealed", call=CALL) == sealed
    assert await stored(worker.config.data_dir / "storage", sealed["manifest_key"])
    late = Controls(controls.link.url)
    await late.start()
    assert await late.event("recording.sealed", call=CALL) == sealed
    await other.workers.close()
    await late.workers.close()


async def test_health_and_metrics_are_served(
    worker: Worker, controls: Controls, session: aiohttp.ClientSession
) -> None:
    async with session.get(address(worker, "/healthz")) as response:
        assert await response.json() == {"ok": True}
    async with session.get(address(worker, "/metrics")) as response:
        text = await response.text()
    assert "\nzhenjian_media_calls 1\n" in text
    assert "\nzhenjian_media_garbage_total 0\n" in text
    assert worker.stats()["controllers"] == 1


async def test_new_calls_go_to_the_least_loaded_worker_that_lives(tmp_path: Path) -> None:
    def config(name: str) -> WorkerConfig:
        return WorkerConfig(
            SECRET, tmp_path / name, (tmp_path / "storage").as_uri(), EngineSettings()
        )

    async def nothing(*_: Any) -> None:
        return None

    workers = [Worker(config("one")), Worker(config("two"))]
    for worker in workers:
        await worker.start()
    urls = [address(worker, "/control", "ws") for worker in workers]
    lost = asyncio.Event()

    async def on_lost(_: Any) -> None:
        lost.set()

    media = MediaWorkers(urls, SECRET, nothing, on_lost=on_lost)
    with pytest.raises(WorkerUnavailable):
        media.choose()
    await media.start()
    for link in media.links:
        await link.wait_up()
    first, second = media.links
    await first.open_call(CALL, ROOM, record=False)
    for user in ("anna", "bert"):
        await first.add_peer(CALL, peer=f"{user}:1", session=user, user=user)
    for link in media.links:
        await link.refresh()
    assert media.choose() is second
    known = second.status
    second.status = replace(known, draining=True)
    assert media.choose() is first
    second.status = replace(known, load=0.95)
    first.status = replace(first.status, room=0)
    with pytest.raises(WorkerFull):
        media.choose()
    await first.refresh()
    await workers[1].close()
    await lost.wait()
    assert media.choose() is first
    with pytest.raises(WorkerUnavailable):
        await second.list_calls()
    assert media.by_url(urls[0]) is first
    await media.close()
    await workers[0].close()


@pytest.mark.requirement("S0-N-040")
async def test_over_tls_worker_and_controller_prove_themselves_to_each_other(
    tmp_path: Path,
) -> None:
    async def nothing(*_: Any) -> None:
        return None

    house = local_certificate(tmp_path / "house", ("127.0.0.1",), datetime.now(UTC))
    stranger = local_certificate(tmp_path / "stranger", ("127.0.0.1",), datetime.now(UTC))
    worker = Worker(
        replace(
            WorkerConfig(SECRET, tmp_path, (tmp_path / "s").as_uri(), EngineSettings(port=0)),
            control_tls=server_context(house.certificate, house.key, house.authority),
        )
    )
    await worker.start()
    url = address(worker, "/control", "wss")
    own = client_context(house.authority, house.certificate, house.key)
    media = MediaWorkers([url], SECRET, nothing, tls=own)
    await media.start()
    await media.links[0].wait_up()
    await media.close()
    for refused in (
        client_context(house.authority),
        client_context(house.authority, stranger.certificate, stranger.key),
        client_context(stranger.authority, house.certificate, house.key),
    ):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.ws_connect(
                    url, headers={"Authorization": f"Bearer {SECRET}"}, ssl=refused
                )
    await worker.close()


async def test_a_stopped_worker_seals_what_it_was_recording(tmp_path: Path) -> None:
    process = WorkerProcess(tmp_path)
    await process.start()
    controls = Controls(process.url)
    await controls.start()
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    take = (await controls.event("recording.started"))["take"]
    assert await process.stop() == 0
    manifest = await stored(tmp_path / "storage", f"recordings/{CALL}/{take}/manifest.json")
    assert json.loads(manifest)["reason"] == "worker_stopped"
    assert not (tmp_path / "journal" / CALL).exists()
    await controls.workers.close()


async def test_a_take_without_a_key_waits_on_the_disk_until_somebody_gives_one(
    controls: Controls, worker: Worker
) -> None:
    await controls.link.open_call(CALL, ROOM, record=True)
    take = (await controls.event("recording.started"))["take"]
    await controls.link.close_call(CALL, "ended")
    await worker.takes.close("test")
    folder = worker.config.data_dir / "journal" / CALL / take
    assert (folder / "manifest.json").exists()
    worker.takes.start()
    assert (await controls.event("recording.keyless", call=CALL))["take"] == take
    await controls.link.give_key(CALL, SEAL)
    sealed = await controls.event("recording.sealed", call=CALL)
    assert await stored(worker.config.data_dir / "storage", sealed["manifest_key"])
    assert not folder.exists()


async def test_a_worker_with_a_port_in_use_leaves_nothing_behind(
    worker: Worker, tmp_path: Path
) -> None:
    taken = with_ports(worker.config, udp=0, control=worker.control_port)
    with pytest.raises(OSError, match="in use"):
        await run_worker(taken)
    taken = with_ports(worker.config, udp=worker.engine.port.number, control=0)
    with pytest.raises(OSError, match="in use"):
        await run_worker(taken)


async def test_a_recording_that_cannot_be_opened_refuses_the_call_by_name(
    controls: Controls, worker: Worker
) -> None:
    (worker.config.data_dir / "journal" / "blocked").write_text("a file where a folder must be")
    with pytest.raises(RecordingUnavailable, match="journal"):
        await controls.link.open_call("blocked", ROOM, record=True)
