"""The certification authority: the real clients against the simulator, and OpenSSL as a witness."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clinical.sandbox.server import SandboxServer
from clinical.signature.formats import timestamps
from clinical.signature.formats.requests import certificate_request
from clinical.signature.formats.x509 import read_certificate
from clinical.signature.gateway import (
    CertificateAnswer,
    CertificateRequest,
    HttpCertificateAuthority,
    HttpTimestampAuthority,
    Issue,
    Profile,
    UnknownCertificate,
)
from clinical.signature.states import RevokeReason
from core.clock import FakeClock
from core.crypto.signing import Algorithm, SigningKey, generate
from core.crypto.sm import sm3
from core.outside import OutsideGarbled, OutsideRefused, OutsideUnavailable
from tests.support.outside import Payer

IDENTITY = "distid:1234567812345678"


@pytest.fixture
async def ca(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[HttpCertificateAuthority]:
    gateway = HttpCertificateAuthority(
        sandbox.url, "zhenjian", sandbox.world.keys.secrets.ca_secret, clock.now, timeout=5
    )
    yield gateway
    await gateway.aclose()


@pytest.fixture
async def tsa(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[HttpTimestampAuthority]:
    gateway = HttpTimestampAuthority(f"{sandbox.url}/ca/tsa", clock.now, timeout=5)
    yield gateway
    await gateway.aclose()


def wanted(reference: str, key: SigningKey, **changes: Any) -> CertificateRequest:
    fields: dict[str, Any] = {
        "reference": reference,
        "profile": Profile.PERSON,
        "csr": certificate_request(key, "陈思远", organisation="诊间互联网医院"),
        "name": "陈思远",
        "id_number": "11010519491231002X",
        "organisation": "诊间互联网医院",
        **changes,
    }
    return CertificateRequest(**fields)


async def download(sandbox: SandboxServer, path: str) -> bytes:
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.get(f"{sandbox.url}{path}") as answer,
    ):
        assert answer.status == 200
        return await answer.read()


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    return done.stdout + done.stderr


def pem(folder: Path, name: str, der: bytes) -> Path:
    path = folder / f"{name}.pem"
    path.write_text(read_certificate(der).pem)
    return path


@pytest.mark.requirement("S0-N-002", "S4-094")
@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_the_ca_issues_a_certificate_that_openssl_finds_in_its_chain(
    sandbox: SandboxServer,
    ca: HttpCertificateAuthority,
    clock: FakeClock,
    algorithm: Algorithm,
    tmp_path: Path,
) -> None:
    key = generate(algorithm)
    answer = await ca.request(wanted("r1", key))
    assert answer.state is Issue.ISSUED
    assert answer.certificate is not None
    found = read_certificate(answer.certificate)
    assert found.serial_hex == answer.serial
    assert found.public_der == key.public_der
    assert found.common_name == "陈思远"
    assert found.is_signed_by(read_certificate(answer.chain[0]))
    assert found.not_before <= clock.now() < found.not_after
    name = "sm2" if algorithm is Algorithm.SM2 else "rsa"
    root = pem(tmp_path, "root", await download(sandbox, f"/ca/certificates/{name}-root.cer"))
    issuing = pem(tmp_path, "issuing", answer.chain[0])
    leaf = pem(tmp_path, "leaf", answer.certificate)
    # The command takes the identity for the certificate that it checks, not for those above it.
    option = ["-vfyopt", IDENTITY] if algorithm is Algorithm.SM2 else []
    at = ["-attime", str(int(clock.now().timestamp()))]
    for trusted, checked in ((root, issuing), (issuing, leaf)):
        told = openssl("verify", "-partial_chain", *at, *option, "-CAfile", trusted, checked)
        assert told.strip() == f"{checked}: OK"


async def test_asking_again_gives_the_same_certificate_and_another_key_is_refused(
    ca: HttpCertificateAuthority,
) -> None:
    request = wanted("r1", generate(Algorithm.SM2))
    first = await ca.request(request)
    assert await ca.request(request) == first == await ca.query("r1")
    with pytest.raises(OutsideRefused, match="REFERENCE_TAKEN"):
        await ca.request(wanted("r1", generate(Algorithm.SM2)))


async def test_a_lost_answer_is_healed_by_asking_again(
    ca: HttpCertificateAuthority, payer: Payer
) -> None:
    await payer.fault(ca={"mode": "answer_lost", "times": 1})
    answer = await ca.request(wanted("r1", generate(Algorithm.SM2)))
    assert answer.state is Issue.ISSUED


async def test_a_request_in_manual_review_is_issued_later(
    ca: HttpCertificateAuthority, payer: Payer
) -> None:
    await payer.fault(ca="pending")
    answer = await ca.request(wanted("r1", generate(Algorithm.SM2)))
    assert (answer.state, answer.certificate) == (Issue.PENDING, None)
    assert (await ca.query("r1")).state is Issue.PENDING
    await payer.fault(ca="ok")
    assert (await ca.query("r1")).state is Issue.ISSUED


@pytest.mark.parametrize(
    "changes", [{"id_number": "110105194912310021"}, {"name": "假名"}, {"id_number": ""}]
)
async def test_who_is_not_who_he_says_gets_no_certificate(
    ca: HttpCertificateAuthority, changes: dict[str, str]
) -> None:
    answer = await ca.request(wanted("r1", generate(Algorithm.SM2), **changes))
    assert answer.state is Issue.REFUSED
    assert answer.message


async def test_a_request_without_possession_of_the_key_is_refused(
    ca: HttpCertificateAuthority,
) -> None:
    csr = bytearray(certificate_request(generate(Algorithm.SM2), "陈思远"))
    csr[-1] ^= 1
    with pytest.raises(OutsideRefused, match="CSR_SIGNATURE"):
        await ca.request(wanted("r1", generate(Algorithm.SM2), csr=bytes(csr)))
    with pytest.raises(OutsideRefused, match="CSR_INVALID"):
        await ca.request(wanted("r2", generate(Algorithm.SM2), csr=b"nonsense"))


async def test_renewal_keeps_the_subject_and_a_revoked_certificate_is_not_renewed(
    ca: HttpCertificateAuthority,
) -> None:
    key = generate(Algorithm.SM2)
    first = await ca.request(wanted("r1", key))
    assert first.serial is not None
    csr = certificate_request(key, "陈思远")
    second = await ca.renew("r2", first.serial, csr)
    assert second.state is Issue.ISSUED
    assert second.serial != first.serial
    assert await ca.renew("r2", first.serial, csr) == second
    await ca.revoke("r3", first.serial, RevokeReason.KEY_COMPROMISE)
    with pytest.raises(OutsideRefused, match="CERTIFICATE_REVOKED"):
        await ca.renew("r4", first.serial, csr)


async def test_revoking_twice_is_harmless_and_unknown_numbers_are_named(
    ca: HttpCertificateAuthority,
) -> None:
    answer = await ca.request(wanted("r1", generate(Algorithm.RSA)))
    assert answer.serial is not None
    for number in ("r2", "r3"):
        revoked: CertificateAnswer = await ca.revoke(number, answer.serial, RevokeReason.LEFT)
        assert (revoked.reference, revoked.state) == (number, Issue.REVOKED)
    with pytest.raises(UnknownCertificate):
        await ca.query("never asked")
    with pytest.raises(UnknownCertificate):
        await ca.revoke("r4", "ABCDEF", RevokeReason.LEFT)


async def test_a_wrong_secret_is_refused_and_a_dead_ca_is_unavailable(
    sandbox: SandboxServer, ca: HttpCertificateAuthority, clock: FakeClock, payer: Payer
) -> None:
    async with HttpCertificateAuthority(sandbox.url, "zhenjian", "wrong", clock.now) as stranger:
        with pytest.raises(OutsideRefused, match="SIGNATURE_INVALID"):
            await stranger.query("r1")
    await payer.fault(ca="error")
    with pytest.raises(OutsideUnavailable):
        await ca.query("r1")


@pytest.mark.parametrize("algorithm", ["sm3", "sha256"])
async def test_a_timestamp_is_over_the_digest_and_signed(
    tsa: HttpTimestampAuthority, clock: FakeClock, algorithm: str
) -> None:
    digest = sm3(b"x") if algorithm == "sm3" else hashlib.sha256(b"x").digest()
    stamp = timestamps.read_token(await tsa.stamp(digest, algorithm))
    assert (stamp.digest, stamp.at, stamp.signature_ok) == (digest, clock.now(), True)


async def test_openssl_verifies_the_timestamp_over_sha256(
    sandbox: SandboxServer, tsa: HttpTimestampAuthority, clock: FakeClock, tmp_path: Path
) -> None:
    digest = hashlib.sha256(b"x").digest()
    token = tmp_path / "token.der"
    token.write_bytes(await tsa.stamp(digest, "sha256"))
    root = pem(tmp_path, "root", await download(sandbox, "/ca/certificates/rsa-root.cer"))
    issuing = pem(tmp_path, "issuing", await download(sandbox, "/ca/certificates/rsa-issuing.cer"))
    trust = ("-CAfile", root, "-untrusted", issuing, "-attime", str(int(clock.now().timestamp())))
    told = openssl("ts", "-verify", "-in", token, "-token_in", "-digest", digest.hex(), *trust)
    assert "Verification: OK" in told


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [
        ("refused", OutsideRefused),
        ("wrong_digest", OutsideGarbled),
        ("wrong_signature", OutsideGarbled),
        ("error", OutsideUnavailable),
    ],
)
async def test_a_bad_timestamp_is_not_taken(
    tsa: HttpTimestampAuthority, payer: Payer, mode: str, refusal: type[Exception]
) -> None:
    await payer.fault(tsa=mode)
    with pytest.raises(refusal):
        await tsa.stamp(sm3(b"x"), "sm3")


async def test_the_ca_remembers_after_a_restart(
    sandbox: SandboxServer, ca: HttpCertificateAuthority
) -> None:
    answer = await ca.request(wanted("r1", generate(Algorithm.SM2)))
    before = await download(sandbox, "/ca/certificates/sm2-root.cer")
    sandbox.world.authority = None
    assert await ca.query("r1") == answer
    assert await download(sandbox, "/ca/certificates/sm2-root.cer") == before
