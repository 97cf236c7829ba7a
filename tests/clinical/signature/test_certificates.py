"""The certificate store: importing, searching, believing, and lists that keep themselves fresh."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from clinical.sandbox.server import SandboxServer
from clinical.signature.certificates import keeping, store
from clinical.signature.certificates.models import StoredCertificate, StoredRevocationList
from clinical.signature.certificates.states import Origin
from clinical.signature.formats.requests import certificate_request
from clinical.signature.formats.x509 import read_certificate
from clinical.signature.gateway import CertificateAuthority, CertificateRequest, Profile
from clinical.signature.states import RevokeReason
from core.clock import FakeClock
from core.crypto import sm2
from core.crypto.signing import Algorithm, generate
from core.runtime import Runtime
from tests.clinical.signature.authority_chains import Chain
from tests.support.cast import Cast
from tests.support.http import Client, Response
from tests.support.outside import Payer


class Keeper:
    """The administrator's hands."""

    def __init__(self, client: Client, cast: Cast) -> None:
        self._client, self.token = client, cast.administrator.token

    async def bring(self, data: bytes, **fields: Any) -> Response:
        body = {"content": base64.b64encode(data).decode(), **fields}
        return await self._client.post("/certificates/import", token=self.token, json=body)

    async def find(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self._client.get("/certificates", token=self.token, query=query)
        found: list[dict[str, Any]] = answer.expect(200)["items"]
        return found


@pytest.fixture
def keeper(client: Client, cast: Cast) -> Keeper:
    return Keeper(client, cast)


@pytest.mark.requirement("S4-100")
async def test_certificates_are_imported_and_found_in_every_way(
    keeper: Keeper, clock: FakeClock
) -> None:
    chain = Chain(clock.now())
    chain.add("检验科", "issuing")
    text = (chain["检验科"].pem + chain["issuing"].pem).encode()
    assert len((await keeper.bring(chain["root"].der, trusted=True)).expect(200)) == 1
    assert len((await keeper.bring(text, note="检验信息系统")).expect(200)) == 2
    assert len((await keeper.bring(text)).expect(200)) == 2
    assert len(await keeper.find()) == 3
    own = chain["检验科"]
    assert own.key_id is not None
    for query in (
        {"text": "检验科"},
        {"text": "检验信息", "purpose": "signature"},
        {"issuer": "issuing"},
        {"serial": own.serial_hex.lower()},
        {"serial": ":".join(own.serial_hex[i : i + 2] for i in range(0, len(own.serial_hex), 2))},
        {"key_id": own.key_id.hex()},
        {"purpose": "signature"},
    ):
        names = [row["common_name"] for row in await keeper.find(**query)]
        assert "检验科" in names, query
    assert [row["common_name"] for row in await keeper.find(trusted=True)] == ["root"]
    assert await keeper.find(standing="expired") == []
    later = (clock.now() + timedelta(days=800)).isoformat()
    assert await keeper.find(valid_at=later) == []
    assert [row["common_name"] for row in await keeper.find(text="%")] == []


async def test_other_containers_are_read_and_private_keys_are_not_taken(
    keeper: Keeper, clock: FakeClock
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "旧系统")])
    now = clock.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    hidden = serialization.BestAvailableEncryption(b"secret")
    box = pkcs12.serialize_key_and_certificates(b"old", key, made, None, hidden)
    assert (await keeper.bring(box)).code == "certificate_unreadable"
    assert (await keeper.bring(box, password="wrong")).code == "certificate_unreadable"
    [row] = (await keeper.bring(box, password="secret")).expect(200)
    assert (row["common_name"], row["algorithm"]) == ("旧系统", "SHA256withRSA")
    bundle = pkcs7.serialize_certificates([made], serialization.Encoding.DER)
    assert [each["id"] for each in (await keeper.bring(bundle)).expect(200)] == [row["id"]]
    pem = made.public_bytes(serialization.Encoding.PEM) + sm2.generate().pem
    refused = await keeper.bring(pem)
    assert (refused.code, "私钥" in refused.json["detail"]) == ("certificate_unreadable", True)
    for garbage in (b"nonsense", b"\x30\x80", b"-----BEGIN CERTIFICATE-----\nAAAA\n"):
        assert (await keeper.bring(garbage)).code == "certificate_unreadable"


async def test_only_authorities_are_believed(keeper: Keeper, clock: FakeClock) -> None:
    chain = Chain(clock.now())
    chain.add("检验科", "issuing")
    assert (await keeper.bring(chain["检验科"].der, trusted=True)).code == (
        "certificate_not_authority"
    )
    assert (await keeper.bring(b"")).status == 422


async def issued(runtime: Runtime, cast: Cast, name: str) -> tuple[StoredCertificate, str]:
    """A certificate of the CA, with its chain in the store."""
    key = generate(Algorithm.SM2)
    answer = await runtime.port(CertificateAuthority).request(
        CertificateRequest(
            reference=name,
            profile=Profile.ORGANISATION,
            csr=certificate_request(key, name),
            name=name,
            id_number="91330100MA27XXXXX0",
            organisation=name,
        )
    )
    assert answer.certificate is not None
    assert answer.serial is not None
    chain = [read_certificate(each) for each in (answer.certificate, *answer.chain)]
    async with runtime.unit_of_work() as uow:
        rows = await store.keep(uow, cast.hospital_id, chain, origin=Origin.IMPORTED)
    return rows[0], answer.serial


@pytest.mark.requirement("S4-102")
async def test_a_revocation_reaches_the_store_by_itself(
    runtime: Runtime,
    client: Client,
    cast: Cast,
    clock: FakeClock,
    authorities: None,
    keeper: Keeper,
) -> None:
    row, serial = await issued(runtime, cast, "影像系统")
    await keeping.refresh_all(runtime)
    [shown] = await keeper.find(serial=serial)
    assert shown["standing"] == "good"
    await runtime.port(CertificateAuthority).revoke("r", serial, RevokeReason.KEY_COMPROMISE)
    clock.advance(timedelta(hours=7))
    await keeping.refresh_all(runtime)
    async with runtime.unit_of_work() as uow:
        found = await uow.session.get_one(StoredCertificate, row.id)
        lists = list(await uow.session.scalars(select(StoredRevocationList)))
    assert (found.revocation, found.revoke_reason) == ("revoked", "key_compromise")
    assert {each.failures for each in lists} == {0}
    assert max(each.entries for each in lists) == 1


async def test_a_list_that_cannot_be_fetched_stays_and_is_asked_for_again(
    runtime: Runtime,
    cast: Cast,
    clock: FakeClock,
    authorities: None,
    payer: Payer,
    client: Client,
    keeper: Keeper,
) -> None:
    await issued(runtime, cast, "影像系统")
    await keeping.refresh_all(runtime)
    for mode in ("error", "stale"):
        await payer.fault(crl=mode)
        clock.advance(timedelta(hours=7))
        await keeping.refresh_all(runtime)
    async with runtime.unit_of_work() as uow:
        lists = list(await uow.session.scalars(select(StoredRevocationList)))
    assert all(each.failures > 0 and each.last_error and each.der for each in lists)
    await payer.fault(crl="ok")
    clock.advance(timedelta(hours=7))
    await keeping.refresh_all(runtime)
    async with runtime.unit_of_work() as uow:
        lists = list(await uow.session.scalars(select(StoredRevocationList)))
    assert {(each.failures, each.last_error) for each in lists} == {(0, None)}


async def test_nothing_is_fetched_from_where_no_setting_leads(
    runtime: Runtime, cast: Cast, clock: FakeClock, keeper: Keeper, sandbox: SandboxServer
) -> None:
    chain = Chain(clock.now())
    chain.add("检验科", "issuing", crl_url=f"{sandbox.url}/ca/crl/sm2-issuing.crl")
    (await keeper.bring(chain["检验科"].der)).expect(200)
    await keeping.refresh_all(runtime)
    async with runtime.unit_of_work() as uow:
        assert list(await uow.session.scalars(select(StoredRevocationList))) == []


async def test_a_certificate_is_shown_with_its_chain(
    runtime: Runtime, client: Client, cast: Cast, authorities: None
) -> None:
    row, _ = await issued(runtime, cast, "影像系统")
    token = cast.supervisor.token
    shown = (await client.get(f"/certificates/{row.id}", token=token)).expect(200)
    assert [link["common_name"] for link in shown["chain"]["links"]] == [
        "影像系统",
        "演示签发CA SM2",
        "演示根CA SM2",
    ]
    assert (shown["chain"]["ok"], shown["chain"]["revocation"]) == (True, "good")
    pem = await client.get(f"/certificates/{row.id}/file", token=token)
    assert pem.body.decode() == shown["pem"]
    assert (
        await client.get(f"/certificates/{row.id}", token=cast.foreign_administrator.token)
    ).status == 404
