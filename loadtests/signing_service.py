"""The signing service under load: a real `zhenjian web` process, real PostgreSQL, many callers.

Each caller is one keep-alive connection that sends its next request when the last was answered.
The requests are made and signed before the clock starts, so that the caller costs little of the
machine that both share; time stamps are good for five minutes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from asn1crypto import keys as asn1_keys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import func, select

import app as zhenjian
from clinical.sandbox.ca.authority import Authority
from clinical.sandbox.store import Store
from clinical.signature.applications import managing
from clinical.signature.applications.admin_schemas import ApplicationPolicy
from clinical.signature.applications.models import ServerKey, SignatureLogEntry
from clinical.signature.applications.states import KeyState, Provider
from clinical.signature.formats.requests import certificate_request
from clinical.signature.formats.x509 import read_certificate
from core.bus import LocalBus
from core.config import Config
from core.crypto.signing import Algorithm, dump, generate, load_public
from core.crypto.sm import hmac_sm3, sm3
from core.identity.models import Hospital
from core.ids import new_id
from core.postgres import EmbeddedPostgres
from core.runtime import Runtime

ROOT = Path(__file__).resolve().parent.parent
PATH = "/api/v1/signature/sign"
READY_SECONDS = 90.0


def environment(folder: Path, database_url: str, port: int) -> dict[str, str]:
    """A complete configuration whose outside systems lead nowhere; no rate limits."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    merchant = folder / "merchant.pem"
    merchant.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    nowhere = "http://127.0.0.1:9"
    names = ["SMS_URL", "REAL_NAME_URL", "HIS_URL", "WECHAT_URL", "CA_URL", "TSA_URL"]
    words = ["SMS_KEY", "SMS_SECRET", "REAL_NAME_SECRET", "HIS_SECRET", "CA_SECRET", "MEDIA_SECRET"]
    settings = {
        **dict.fromkeys(names, nowhere),
        **dict.fromkeys(words, "a secret of this benchmark"),
        "DEMO": "true",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "RELAY": "false",
        "LOG_LEVEL": "warning",
        "RATE_LIMITS": "false",
        "REQUESTS_AT_ONCE": "2000",
        "WECHAT_MCHID": "1900000001",
        "WECHAT_APPID": "wx0000000000000001",
        "WECHAT_SERIAL": "0" * 40,
        "WECHAT_PRIVATE_KEY": str(merchant),
        "WECHAT_API_V3_KEY": "0" * 32,
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ZHENJIAN_")}
    return inherited | {f"ZHENJIAN_{name}": value for name, value in settings.items()}


@dataclass(frozen=True)
class Account:
    """An application that may sign."""

    code: str
    secret: str
    public_der: bytes


@dataclass
class Figures:
    """What came out of one run."""

    seconds: float = 0.0
    signatures: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    samples: list[tuple[bytes, bytes]] = field(default_factory=list)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        """A latency in milliseconds."""
        ordered = sorted(self.latencies)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)

    def report(self) -> dict[str, Any]:
        return {
            "signatures": self.signatures,
            "seconds": round(self.seconds, 2),
            "per_second": round(self.signatures / self.seconds, 1),
            "latency_ms": {
                "p50": self.percentile(0.5),
                "p95": self.percentile(0.95),
                "p99": self.percentile(0.99),
                "max": self.percentile(1.0),
            },
            "failures": self.failures,
            "cpu_seconds": {name: round(value, 2) for name, value in self.cpu_seconds.items()},
            "web_ms_per_signature": round(
                1000 * self.cpu_seconds.get("web", 0.0) / max(1, self.signatures), 3
            ),
        }


async def found(runtime: Runtime, folder: Path) -> Account:
    """A hospital with a server key, certified by the simulated CA, and one application."""
    now = datetime.now(UTC)
    key = generate(Algorithm.SM2)
    store = Store(folder / "ca.sqlite3")
    authority = Authority(folder, store, "http://127.0.0.1:9", now)
    public = asn1_keys.PublicKeyInfo.load(key.public_der)
    subject = {"common_name": "压力测试医院"}
    issued = read_certificate(authority.issue("sm2", "organisation", subject, public, now).dump())
    store.close()
    async with runtime.unit_of_work() as uow:
        hospital = await uow.session.scalar(select(Hospital).limit(1))
        if hospital is None:
            hospital = Hospital(id=new_id(), code="load", name="压力测试医院", created_at=uow.now)
            uow.session.add(hospital)
            await uow.session.flush()
        row = ServerKey(
            id=new_id(),
            hospital_id=hospital.id,
            label="压力测试",
            algorithm=Algorithm.SM2,
            provider=Provider.SOFTWARE,
            state=KeyState.ACTIVE,
            sealed=dump(key),
            csr=certificate_request(key, "压力测试医院"),
            certificate=issued.der,
            chain=b"",
            serial=issued.serial_hex,
            not_before=issued.not_before,
            not_after=issued.not_after,
            attempts=0,
            created_at=uow.now,
        )
        uow.session.add(row)
        await uow.session.flush()
        policy = ApplicationPolicy(name="压力测试", server_key_id=row.id, per_minute=1_000_000)
        made, secret = await managing.create(uow, hospital.id, policy)
        assert secret is not None
        return Account(made.code, secret, key.public_der)


def requests_of(account: Account, port: int, form: str, count: int) -> list[tuple[bytes, bytes]]:
    """Whole HTTP requests with the content that each has signed."""
    at, secret = str(int(time.time()) + 30), account.secret.encode()
    made = []
    for number in range(count):
        content = b"prescription %d " % number + random.randbytes(180)
        body = orjson.dumps(
            {"format": form, "data": _base64(content), "reference": f"RX{number:09d}"}
        )
        nonce = secrets.token_hex(12)
        lines = ("POST", PATH, account.code, at, nonce, sm3(body).hex())
        proof = hmac_sm3(secret, "\n".join(lines).encode()).hex()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"X-App-Id: {account.code}\r\nX-App-Timestamp: {at}\r\nX-App-Nonce: {nonce}\r\n"
            f"X-App-Signature: {proof}\r\n\r\n"
        )
        made.append((head.encode() + body, content))
    return made


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Callers:
    """Many connections that take their requests from one list, until the time is over."""

    def __init__(self, port: int, requests: list[tuple[bytes, bytes]], count: int) -> None:
        self._port, self._count = port, count
        self._requests: Iterator[tuple[bytes, bytes]] = iter(requests)
        self.figures = Figures()
        self._measuring = False
        self._over = False

    async def run(self, warm_up: float, seconds: float, processes: dict[str, int]) -> Figures:
        """Let all call at once; only what is answered after the warm-up counts."""
        loop = asyncio.get_running_loop()
        callers = []
        for _ in range(self._count):
            transport, caller = await loop.create_connection(
                lambda: _Caller(self), "127.0.0.1", self._port
            )
            callers.append((transport, caller))
        for _, caller in callers:
            caller.next()
        await asyncio.sleep(warm_up)
        before = {name: _cpu_seconds(pid) for name, pid in processes.items()}
        began, self._measuring = time.perf_counter(), True
        await asyncio.sleep(seconds)
        self._measuring = False
        self.figures.seconds = time.perf_counter() - began
        self.figures.cpu_seconds = {
            name: _cpu_seconds(pid) - before[name] for name, pid in processes.items()
        }
        self._over = True
        await asyncio.sleep(1.0)
        for transport, _ in callers:
            transport.close()
        return self.figures

    def take(self) -> tuple[bytes, bytes] | None:
        return None if self._over else next(self._requests, None)

    def answered(self, status: int, body: bytes, content: bytes, latency: float) -> None:
        if not self._measuring:
            return
        if status != 200:
            name = f"{status} {body[:120].decode(errors='replace')}"
            self.figures.failures[name] = self.figures.failures.get(name, 0) + 1
            return
        self.figures.signatures += 1
        self.figures.latencies.append(latency)
        if len(self.figures.samples) < 200:
            self.figures.samples.append((body, content))


class _Caller(asyncio.Protocol):
    """One connection: the next request goes out when the answer is whole."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._buffer = b""
        self._content, self._sent = b"", 0.0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def next(self) -> None:
        request = self._callers.take()
        if request is not None:
            raw, self._content = request
            self._sent = time.perf_counter()
            self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        place = head.find(b"content-length: ")
        length = int(
            head[place + 16 : head.find(b"\r\n", place) if b"\r\n" in head[place:] else None]
        )
        if len(self._buffer) < end + 4 + length:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + length], b""
        status = int(head[9:12])
        self._callers.answered(status, body, self._content, time.perf_counter() - self._sent)
        self.next()


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and the children that it has at present."""
    total = 0.0
    for each in (pid, *_children(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _pid_of(postgres: EmbeddedPostgres) -> int:
    return int((postgres.data / "postmaster.pid").read_text().split("\n", 1)[0])


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(part) for part in text.split()]


@contextmanager
def configured(values: dict[str, str]) -> Iterator[None]:
    """This process configured like the one that it starts."""
    before = dict(os.environ)
    os.environ.update({k: v for k, v in values.items() if k.startswith("ZHENJIAN_")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def measure(
    folder: Path, *, form: str, callers: int, seconds: float, port: int
) -> dict[str, Any]:
    """One run: found, start, load, check that every signature has its line and is good."""
    postgres = EmbeddedPostgres(folder / "pg")
    postgres.start()
    process: asyncio.subprocess.Process | None = None
    try:
        settings = environment(folder, postgres.url(), port)
        for command in ("keys", "migrate"):
            await _command(command, settings)
        with configured(settings):
            config = Config(_env_file=None)
            runtime = await zhenjian.open_runtime(config, zhenjian.all_modules(config), LocalBus())
        account = await found(runtime, folder)
        with (folder / "web.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app", "web", cwd=ROOT, env=settings, stdout=log, stderr=log
            )  # fmt: skip
        await _ready(f"http://127.0.0.1:{port}/healthz", process, folder / "web.log")
        prepared = requests_of(account, port, form, int(2500 * (seconds + 4)))
        load = Callers(port, prepared, callers)
        watched = {"web": process.pid, "postgres": _pid_of(postgres), "callers": os.getpid()}
        figures = await load.run(3.0, seconds, watched)
        report = figures.report()
        report["checked"] = _check(figures, account, form)
        async with runtime.unit_of_work() as uow:
            lines = await uow.session.scalar(select(func.count()).select_from(SignatureLogEntry))
        report["log_lines"] = lines
        assert (lines or 0) >= figures.signatures, "A signature was given out without its line."
        await runtime.engine.dispose()
        return report
    finally:
        if process is not None and process.returncode is None:
            process.terminate()
            await process.wait()
        postgres.remove()


def _check(figures: Figures, account: Account, form: str) -> int:
    """How many of the sampled bare signatures are good: all of them, or it fails."""
    if form != "raw":
        return 0
    key = load_public(account.public_der)
    for body, content in figures.samples:
        signature = base64.b64decode(orjson.loads(body)["signature"])
        assert key.verify(signature, content), "A signature given out is wrong."
    return len(figures.samples)


async def _command(name: str, settings: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", name, cwd=ROOT, env=settings, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"zhenjian {name}: {output.decode()}")


async def _ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with aiohttp.ClientSession(trust_env=False) as http, asyncio.timeout(READY_SECONDS):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"The web process ended: see {log}.")
            try:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
