"""The whole demo as real processes, on free ports and in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import orjson

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120.0
PORTS = range(15_000, 32_000)
_opener = build_opener(ProxyHandler({}))


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody uses right now, for TCP and UDP, given out once.

    Taken from below the kernel's own choices: a port that was closed again after a look could be
    chosen a second time, or become the source port of some connection in the meantime.
    """
    for port in random.sample(PORTS, 1000):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise AssertionError("No free port was found.")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def fetch(
    url: str, *, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> Any:
    """The JSON behind a URL on this machine."""
    data = None if body is None else orjson.dumps(body)
    request = Request(url, data=data, method=method, headers=headers or {})
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with _opener.open(request, timeout=20) as response:
        content = response.read()
    return orjson.loads(content) if content else None


@dataclass
class Demo:
    """One running demo. ``stop`` ends it as Ctrl-C would."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    media_port: int = field(default_factory=free_port)
    control_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def output(self) -> str:
        """What the demo has printed so far."""
        return (self.data_dir / "demo.log").read_text(errors="replace")

    def start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ZHENJIAN_")},
            "ZHENJIAN_PORT": str(self.port),
            "ZHENJIAN_SANDBOX_PORT": str(self.sandbox_port),
            "ZHENJIAN_MEDIA_PORT": str(self.media_port),
            "ZHENJIAN_MEDIA_CONTROL_PORT": str(self.control_port),
            "ZHENJIAN_DATA_DIR": str(self.data_dir),
            **self.environment,
        }
        with (self.data_dir / "demo.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "demo"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"The demo ended: {self.output[-3000:]}")
            with contextlib.suppress(URLError, ConnectionError, TimeoutError):
                fetch(f"{self.url}/readyz")
                return
            time.sleep(0.1)
        raise AssertionError(f"The demo is not ready: {self.output[-3000:]}")

    def page(self, path: str) -> str:
        """The text behind a path of the web process."""
        with _opener.open(f"{self.url}{path}", timeout=20) as response:
            return str(response.read().decode(errors="replace"))

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def remove(self) -> None:
        from admin.demo.launch import remove_data

        if self.process is not None and self.process.poll() is None:
            self.stop()
        remove_data(self.data_dir)

    def child(self, name: str) -> int:
        """The process id of one child: web, media, worker, sandbox."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if command[-2:-1] == [name.encode()]:
                    return int(pid)
        raise AssertionError(f"No child {name} is running.")

    def kill(self, name: str) -> None:
        """SIGKILL one child; the supervisor starts it again."""
        os.kill(self.child(name), signal.SIGKILL)

    def call(self, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """One API call; a POST gets an idempotency key."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if method == "POST":
            headers["Idempotency-Key"] = os.urandom(8).hex()
        return fetch(f"{self.url}/api/v1{path}", method=method, body=body, headers=headers)


@contextlib.contextmanager
def running_demo(data_dir: Path, **environment: str) -> Iterator[Demo]:
    """A demo that is gone afterwards, whatever happens."""
    demo = Demo(data_dir, environment)
    try:
        demo.start()
        yield demo
    finally:
        demo.remove()
