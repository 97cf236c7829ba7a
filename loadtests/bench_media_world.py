"""Where `make bench-media` runs: a network namespace of its own, and the servers under test.

Janus gathers no candidates on the loopback interface, so everything runs in a fresh network
namespace with a veth address. The namespace has no name: it ends with its last process, however
that ends.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from loadtests.bench_common import ROOT, cores, end, free_port

HOST = "198.18.0.1"  # RFC 2544: for benchmarks.
INSIDE = "ZHENJIAN_BENCH_NAMESPACE"
SECRET = "a secret of this benchmark"
READY_SECONDS = 60.0
# Server and load alike: what else runs on the machine weighs less.
PRIORITY = -10
# Asked once: the benchmark pins itself to the second one before it starts servers on the first.
SERVER_CORE, OWN_CORE = cores()
JANUS_PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus/plugins")
JANUS_NEEDED = {"libjanus_videoroom.so", "libjanus_websockets.so"}


class NotPossible(Exception):
    """What the machine lacks, in words for the person who started the benchmark."""


def enter_namespace(module: str, arguments: list[str]) -> None:
    """Replace this process by the same program in a fresh network namespace, once.

    Raises NotPossible without the tools or the right to make one.
    """
    if os.environ.get(INSIDE):
        _make_veth()
        return
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            raise NotPossible(f"`{program}` is missing: install the package {package}.")
    rights = ["--net"] if os.geteuid() == 0 else ["--net", "--user", "--map-root-user"]
    tried = subprocess.run(["unshare", *rights, "true"], capture_output=True, check=False)
    if tried.returncode:
        raise NotPossible(
            "A network namespace cannot be made here: run as root, or allow user namespaces. "
            + tried.stderr.decode().strip()
        )
    environment = os.environ | {INSIDE: "1"}
    command = ["unshare", *rights, sys.executable, "-m", module, *arguments]
    os.execvpe("unshare", command, environment)


def _make_veth() -> None:
    for words in (
        "link set lo up",
        "link add bench0 type veth peer name bench1",
        f"addr add {HOST}/24 dev bench0",
        "link set bench0 up",
        "link set bench1 up",
    ):
        done = subprocess.run(["ip", *words.split()], capture_output=True, check=False)
        if done.returncode and b"exists" not in done.stderr:
            raise NotPossible(f"ip {words}: {done.stderr.decode().strip()}")


def janus_version() -> str:
    """The version of the installed Janus. Raises NotPossible without one."""
    if shutil.which("janus") is None:
        raise NotPossible(
            "Janus is missing: apt-get install janus (Debian), or leave it out with --only."
        )
    told = subprocess.run(["janus", "--version"], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).split()
    return next((word for word in lines if word[:1].isdigit()), "?")


class Server:
    """A media server under test, alone on its core. ``control`` is the port for its signalling."""

    def __init__(self, process: subprocess.Popen[bytes], control: int, log: Path) -> None:
        self._process = process
        self.control = control
        self.log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-2000:]

    def rest(self) -> None:
        """Stand still until ``go_on``: a server that waits beside the one that is measured costs
        that one a tenth and more.
        """
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.go_on()
        end(self._process)


async def serve(folder: Path, kind: str, host: str = HOST) -> Server:
    """Start one of ``bench_media.SERVERS``; it announces ``host``.

    Raises RuntimeError when it ends at once.
    """
    control = free_port()
    place = folder / f"{kind}-{control}"
    place.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ZHENJIAN_")}
    if kind.startswith("zhenjian"):
        command = [sys.executable, "-m", "app", "media"]
        environment |= _settings(place, control, host)
        environment["ZHENJIAN_MEDIA_COMPILED"] = str(kind == "zhenjian")
    elif kind == "relay":
        command = [sys.executable, "-m", "loadtests.bench_media_relay", str(control)]
    else:
        # One thread a handle is Janus' default; with `event_loops` a fixed number serves them all.
        write_janus(place, control, host, event_loops=1 if kind == "janus-loop" else 0)
        command = ["janus", "--configs-folder", str(place)]
    return await _start(command, environment, control, place / "log")


def _settings(place: Path, control: int, host: str) -> dict[str, str]:
    udp = _free_udp_port(host)
    settings = {
        "DATA_DIR": str(place),
        "LOG_LEVEL": "warning",
        "MEDIA_SECRET": SECRET,
        "MEDIA_HOST": host,
        "MEDIA_PORT": str(udp),
        "MEDIA_ANNOUNCED_ADDRESSES": host,
        "MEDIA_CONTROL_PORT": str(control),
        "DEMO": "true",
    }
    return {f"ZHENJIAN_{name}": value for name, value in settings.items()}


def _free_udp_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port


def write_janus(place: Path, control: int, host: str, event_loops: int) -> None:
    """Janus' configuration: the VideoRoom and WebSockets alone, ICE lite like ours."""
    unwanted = ", ".join(
        sorted(
            path.name
            for folder in ("plugins", "transports")
            for path in (JANUS_PLUGINS.parent / folder).glob("*.so")
            if path.name not in JANUS_NEEDED
        )
    )
    loops = f"event_loops = {event_loops}" if event_loops else ""
    (place / "janus.jcfg").write_text(f"""
general: {{ debug_level = 2 session_timeout = 0 {loops} }}
media: {{ ipv6 = false rtp_port_range = "20000-30000" }}
nat: {{ ice_lite = true ice_enforce_list = "{host}" }}
plugins: {{ disable = "{unwanted}" }}
transports: {{ disable = "{unwanted}" }}
events: {{ broadcast = false }}
""")
    (place / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")
    (place / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "compact" ws = true ws_port = {control} ws_ip = "127.0.0.1" '
        "wss = false }\nadmin: { admin_ws = false }\n"
    )


async def _start(
    command: list[str], environment: Mapping[str, str], control: int, log: Path
) -> Server:
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A Ctrl-C reaches the benchmark alone, which then ends its servers. The session is the
            # benchmark's (see bench_awake).
            process_group=0,
            preexec_fn=begin,
        )
    server = Server(process, control, log)
    async with asyncio.timeout(READY_SECONDS):
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", control)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return server
    raise RuntimeError(f"The server ended at once:\n{server.said()}")


def prefer() -> int:
    """Put this process and all that it starts before other work, if allowed; the niceness now."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    with suppress(OSError):
        # The kernel weighs sessions against each other, and niceness only within one.
        Path("/proc/self/autogroup").write_text(str(PRIORITY))
    return os.getpriority(os.PRIO_PROCESS, 0)


def begin() -> None:
    """In a new server, before its program."""
    os.sched_setaffinity(0, SERVER_CORE)


def interrupt_on_terminate() -> None:
    """Let SIGTERM clean up like Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
