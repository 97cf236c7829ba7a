"""A hospital with a CA and a time authority: the simulators, spoken to over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clinical.sandbox import keys
from clinical.sandbox.server import SandboxServer
from clinical.signature import pin
from clinical.signature.certificates import store
from clinical.signature.certificates.evidence import Publishers
from clinical.signature.certificates.states import Origin
from clinical.signature.gateway import (
    CertificateAuthority,
    HttpCertificateAuthority,
    HttpTimestampAuthority,
    TimestampAuthority,
)
from core.clock import FakeClock
from core.runtime import Runtime
from tests.clinical.signature.desk import Desk
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.outside import made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "sandbox"]


@pytest.fixture
async def authorities(
    runtime: Runtime, sandbox: SandboxServer, clock: FakeClock, cast: Cast
) -> AsyncIterator[None]:
    """The CA and the time authority of the simulated world, behind their real clients."""
    secret = keys.load(sandbox.config.folder).secrets.ca_secret
    ca = HttpCertificateAuthority(sandbox.url, "zhenjian", secret, clock.now, timeout=5)
    tsa = HttpTimestampAuthority(f"{sandbox.url}/ca/tsa", clock.now, timeout=5)
    runtime.provide(CertificateAuthority, ca)
    runtime.provide(TimestampAuthority, tsa)
    place = sandbox.url.removeprefix("http://")
    publishers = Publishers([place], place)
    runtime.provide(Publishers, publishers)
    async with runtime.unit_of_work() as uow:
        for chain in ("sm2", "rsa"):
            root = await publishers.fetch(f"{sandbox.url}/ca/certificates/{chain}-root.cer")
            await store.keep(
                uow,
                cast.hospital_id,
                store.read_file(root),
                origin=Origin.IMPORTED,
                trusted=True,
            )
    yield
    await publishers.aclose()
    await ca.aclose()
    await tsa.aclose()


@pytest.fixture(autouse=True)
def quick_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a PIN's box is slow on purpose; here only its effect is looked at."""
    monkeypatch.setattr(pin, "_PASSES", 1)
    monkeypatch.setattr(pin, "_KIBIBYTES", 64)


@pytest.fixture
async def doctor(
    runtime: Runtime, client: Client, cast: Cast, tmp_path: Path, authorities: None
) -> Desk:
    """The doctor's desk; nothing is set up yet."""
    return Desk(runtime, client, tmp_path, cast.doctor)
