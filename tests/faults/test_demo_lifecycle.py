"""The demo as processes: it starts, heals, stops cleanly, and keeps its data."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo import Demo, fetch, running_demo

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo; every test but the last leaves it running. Making its data costs most."""
    with running_demo(tmp_path_factory.mktemp("demo") / "var") as started:
        yield started
    assert not (started.data_dir / "storage").exists()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def family_of(demo: Demo) -> list[int]:
    """The supervisor's children and PostgreSQL."""
    assert demo.process is not None
    # Linux lists children under the thread that made them.
    threads = Path(f"/proc/{demo.process.pid}/task").glob("*/children")
    return [int(pid) for thread in threads for pid in thread.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_process_and_the_data_survives(
    demo: Demo, number: signal.Signals
) -> None:
    hospitals = demo.call("GET", "/hospitals")
    family = family_of(demo)
    assert len(family) == 4, "web, media, simulators and PostgreSQL"
    assert demo.process is not None
    os.kill(demo.process.pid, number)
    assert demo.process.wait(60) == 0
    assert [pid for pid in family if alive(pid)] == []
    assert "Traceback" not in demo.output
    demo.start()
    assert demo.call("GET", "/hospitals") == hospitals


def test_the_site_around_the_api(demo: Demo) -> None:
    described = fetch(f"{demo.url}/api/openapi.json")
    assert described["openapi"].startswith("3.1")
    assert "/api/v1/consultations" in described["paths"]
    for path, words in (
        ("/", "我是患者"),
        ("/m/", "<html"),
        ("/console/", "<html"),
        ("/api/docs", "swagger"),
        ("/console/api-docs/swagger-ui-bundle.js", "Swagger"),
        ("/metrics", "zhenjian_http_requests_total"),
    ):
        assert words in demo.page(path), path


def test_a_child_that_dies_is_started_again(demo: Demo) -> None:
    before = demo.child("web")
    demo.kill("web")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if demo.child("web") != before and fetch(f"{demo.url}/readyz")["ok"]:
                break
        except (AssertionError, OSError):
            pass
        time.sleep(0.2)
    assert demo.child("web") != before
    assert fetch(f"{demo.url}/healthz") == {"ok": True}
    assert demo.stop() == 0
