"""The signing service as calling applications meet it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from clinical.signature.applications import licence, providers
from clinical.signature.applications.admin_schemas import ApplicationPolicy
from clinical.signature.applications.desk import SigningDesk
from clinical.signature.applications.jobs import forget_nonces
from clinical.signature.applications.models import (
    RequestNonce,
    ServerKey,
    SignatureCount,
    SignatureLogEntry,
)
from clinical.signature.applications.providers import MadeKey
from clinical.signature.applications.registry import Registry
from clinical.signature.applications.states import Provider
from clinical.signature.certificates import keeping, store
from clinical.signature.certificates.states import Origin
from clinical.signature.formats.requests import certificate_request
from clinical.signature.formats.x509 import read_certificate
from clinical.signature.gateway import CertificateAuthority, CertificateRequest, Profile
from clinical.signature.states import RevokeReason
from core.clock import FakeClock
from core.crypto import sm2
from core.crypto.signing import Algorithm, KeyUnusable, SigningKey, generate
from core.crypto.sm import sm3
from core.defence.limits import RequestLimits
from core.runtime import Runtime
from tests.clinical.signature.caller import Caller, encoded
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.outside import Payer

DATA = "处方：阿莫西林胶囊 0.5g，每日三次".encode()


@dataclass
class Service:
    """A hospital with a CA and the administrator's hands; server keys are made when needed."""

    runtime: Runtime
    client: Client
    cast: Cast
    clock: FakeClock
    keys: dict[Algorithm, str]

    async def register(self, algorithm: Algorithm = Algorithm.SM2, **policy: Any) -> Caller:
        """An application whose requests work."""
        made = await self.create(server_key_id=await self.key(algorithm), **policy)
        return Caller(self.client, self.clock, made["code"], secret=made["secret"])

    async def key(self, algorithm: Algorithm = Algorithm.SM2) -> str:
        if algorithm not in self.keys:
            body = {"label": f"服务器证书 {algorithm}", "algorithm": algorithm}
            made = (await self.admin("POST", "/signature-server-keys", body)).expect(201)
            assert made["state"] == "active", made
            self.keys[algorithm] = made["id"]
        return self.keys[algorithm]

    async def create(self, **policy: Any) -> dict[str, Any]:
        body = {"name": "医院信息系统", **policy}
        answer = await self.admin("POST", "/signature-applications", body)
        made: dict[str, Any] = answer.expect(201)
        return made

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        token = self.cast.administrator.token
        return await self.client.request(method, path, token=token, json=body)

    async def set(self, key: str, value: Any) -> None:
        body = {"scope": "hospital", "scope_id": str(self.cast.hospital_id), "value": value}
        (await self.admin("PUT", f"/settings/{key}", body)).expect(200)

    async def count(self, table: Any) -> int:
        async with self.runtime.unit_of_work() as uow:
            return await uow.session.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
async def service(
    runtime: Runtime, client: Client, cast: Cast, clock: FakeClock, authorities: None
) -> AsyncIterator[Service]:
    made = Service(runtime, client, cast, clock, {})
    await made.set("signature.credit_code", "91330100MA27XXXXX0")
    yield made
    await SigningDesk.of(runtime).aclose()


@pytest.mark.requirement("S4-089", "S4-096")
async def test_a_bare_signature_verifies_and_leaves_its_line_in_the_log(service: Service) -> None:
    caller = await service.register()
    answer = await caller.sign(DATA, reference="RX-20261120-0001")
    certificate = read_certificate(base64.b64decode(answer["certificate"]))
    signature = base64.b64decode(answer["signature"])
    assert certificate.key.verify(signature, DATA)
    verdict = (
        await caller.post(
            "/signature/verify",
            {
                "format": "raw",
                "signature": answer["signature"],
                "data": encoded(DATA),
                "certificate": answer["certificate"],
            },
        )
    ).expect(200)
    assert (verdict["valid"], verdict["valid_now"], verdict["problems"]) == (True, True, [])
    line = (await service.admin("GET", "/signature-log")).expect(200)["items"][0]
    assert line["application_name"] == "医院信息系统"
    assert line["digest"] == sm3(DATA).hex()
    assert line["reference"] == "RX-20261120-0001"
    assert line["certificate_serial"] == certificate.serial_hex
    assert DATA.decode() not in str(line)


@pytest.mark.requirement("S4-097", "S4-098")
@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_messages_of_both_forms_and_algorithms_verify(
    service: Service, algorithm: Algorithm
) -> None:
    caller = await service.register(algorithm)
    for form in ("cms_attached", "cms_detached"):
        await check_message(caller, algorithm, form)


class Device:
    """Holds its keys itself, as a certified device does: rows have no private part."""

    def __init__(self) -> None:
        self.keys: list[SigningKey] = []

    def make(self, algorithm: Algorithm) -> MadeKey:
        key = generate(algorithm)
        self.keys.append(key)
        return MadeKey(key, None)

    def open(self, row: ServerKey) -> SigningKey:
        for key in self.keys:
            if key.public_der in row.csr:
                return key
        raise KeyUnusable("The device does not hold this key.")


@pytest.mark.requirement("S4-106")
async def test_a_device_takes_the_place_of_keys_in_software_without_a_change_of_callers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device()
    monkeypatch.setattr(providers, "_PROVIDERS", {Provider.SOFTWARE: lambda: device})
    for algorithm in Algorithm:
        caller = await service.register(algorithm)
        await check_message(caller, algorithm, "cms_attached")
    assert len(device.keys) == len(Algorithm)
    async with service.runtime.unit_of_work() as uow:
        assert set(await uow.session.scalars(select(ServerKey.sealed))) == {None}


async def check_message(caller: Caller, algorithm: Algorithm, form: str) -> None:
    answer = await caller.sign(DATA, form)
    question = {"format": form, "signature": answer["signature"]}
    if form == "cms_detached":
        question["data"] = encoded(DATA)
    verdict = (await caller.post("/signature/verify", question)).expect(200)
    assert verdict["valid"], verdict["problems"]
    [signer] = verdict["signers"]
    assert signer["algorithm"] == algorithm
    assert signer["then"]["ok"]
    assert signer["now"]["revocation"] == "good"
    assert verdict["content"] == (encoded(DATA) if form == "cms_attached" else None)
    changed = {**question, "data": encoded(DATA + b".")}
    verdict = (await caller.post("/signature/verify", changed)).expect(200)
    assert not verdict["valid"]
    assert "digest_mismatch" in [problem["code"] for problem in verdict["problems"]]


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_content_need_not_leave_the_caller(service: Service, algorithm: Algorithm) -> None:
    caller = await service.register(algorithm)
    own = (await caller.get("/signature/certificate")).expect(200)
    key = read_certificate(base64.b64decode(own["certificate"])).key
    plain = sm3(DATA) if algorithm is Algorithm.SM2 else hashlib.sha256(DATA).digest()
    bare = plain
    if algorithm is Algorithm.SM2:
        bare = sm2.PublicKey.from_der(key.public_der).digest(DATA)
    body = {"format": "raw", "digest": encoded(bare)}
    answer = (await caller.post("/signature/sign", body)).expect(200)
    assert key.verify(base64.b64decode(answer["signature"]), DATA)
    body = {"format": "cms_detached", "digest": encoded(plain)}
    answer = (await caller.post("/signature/sign", body)).expect(200)
    question = {
        "format": "cms_detached",
        "signature": answer["signature"],
        "data": encoded(DATA),
    }
    assert (await caller.post("/signature/verify", question)).expect(200)["valid"]


async def test_a_timestamp_proves_the_time_and_a_dead_authority_is_told(
    service: Service, payer: Payer
) -> None:
    caller = await service.register()
    answer = await caller.sign(DATA, "cms_attached", timestamp=True)
    question = {"format": "cms_attached", "signature": answer["signature"]}
    [signer] = (await caller.post("/signature/verify", question)).expect(200)["signers"]
    assert signer["proven"]
    assert signer["timestamp_authority"] == "演示时间戳服务 SM2"
    await payer.fault(tsa="refused")
    body = {"format": "cms_attached", "data": encoded(DATA), "timestamp": True}
    assert (await caller.post("/signature/sign", body)).code == "timestamp_unavailable"


# --- who may call --------------------------------------------------------------------------------


async def test_a_request_is_good_once(service: Service) -> None:
    caller = await service.register()
    body = {"format": "raw", "data": encoded(DATA)}
    first = await caller.post("/signature/sign", body, nonce="a-number-used-once")
    again = await caller.post("/signature/sign", body, nonce="a-number-used-once")
    assert (first.status, again.code) == (200, "request_repeated")
    pair = await asyncio.gather(
        *(caller.post("/signature/sign", body, nonce="another-number-used") for _ in range(4))
    )
    assert sorted(answer.code for answer in pair) == ["", *["request_repeated"] * 3]
    assert await service.count(SignatureLogEntry) == 2
    assert (await caller.post("/signature/verify", body, nonce="a-number-used-once")).status != 200


REFUSED_PROOFS: list[tuple[dict[str, str], str | None]] = [
    ({"X-App-Signature": "00" * 32}, None),
    ({"X-App-Signature": "nonsense"}, None),
    ({"X-App-Id": "app_of_nobody"}, None),
    ({"X-App-Nonce": "short"}, "nonce"),
    ({"X-App-Timestamp": "soon"}, "missing"),
    ({"X-App-Signature": ""}, "missing"),
]


async def test_who_does_not_prove_itself_is_refused(service: Service) -> None:
    caller = await service.register()
    raw = b'{"format": "raw", "data": "aGVsbG8="}'
    for change, reason in REFUSED_PROOFS:
        headers = caller.headers("POST", "/signature/sign", raw) | change
        headers["Content-Type"] = "application/json"
        answer = await service.client.post("/signature/sign", body=raw, headers=headers)
        assert (answer.status, answer.code) == (401, "application_not_proved")
        assert answer.json.get("details", {}).get("reason") == reason
    assert await service.count(SignatureLogEntry) == 0


async def test_a_changed_body_or_an_old_request_is_refused(service: Service) -> None:
    caller = await service.register()
    raw = b'{"format": "raw", "data": "aGVsbG8="}'
    headers = caller.headers("POST", "/signature/sign", raw)
    headers["Content-Type"] = "application/json"
    changed = raw.replace(b"aGVsbG8=", b"aGFsbG8=")
    answer = await service.client.post("/signature/sign", body=changed, headers=headers)
    assert answer.code == "application_not_proved"
    for late in (301, -301):
        body = {"format": "raw", "data": encoded(DATA)}
        answer = await caller.post("/signature/sign", body, late=late)
        assert answer.json["details"]["reason"] == "time"


@pytest.mark.requirement("S4-103")
async def test_a_policy_says_what_an_application_may_do(service: Service) -> None:
    caller = await service.register(
        operations=["sign"], formats=["cms_attached"], addresses=["10.1.0.0/16", "127.0.0.1"]
    )
    assert (await caller.sign(DATA, "cms_attached"))["signature"]
    body = {"format": "raw", "data": encoded(DATA)}
    assert (await caller.post("/signature/sign", body)).code == "format_not_allowed"
    find = {"serial": "01"}
    answer = await caller.post("/signature/certificates/find", find)
    assert answer.code == "operation_not_allowed"
    elsewhere = await service.register(addresses=["10.1.0.0/16"])
    assert (await elsewhere.post("/signature/sign", body)).code == "address_not_allowed"


async def test_an_application_has_a_rate_of_its_own(service: Service) -> None:
    RequestLimits.of(service.runtime).enabled = True
    caller = await service.register(per_minute=4)
    body = {"format": "raw", "data": encoded(DATA)}
    first = await caller.post("/signature/sign", body)
    second = await caller.post("/signature/sign", body)
    assert (first.status, second.status) == (200, 429)
    assert int(second.headers["retry-after"]) >= 1


@pytest.mark.requirement("S4-093")
async def test_the_interface_is_switched_off_and_on_while_it_runs(service: Service) -> None:
    caller = await service.register()
    body = {"format": "raw", "data": encoded(DATA)}
    switch = "/signature-service"
    assert (await caller.post("/signature/sign", body)).status == 200
    (await service.admin("PUT", switch, {"enabled": False})).expect(200)
    answer = await caller.post("/signature/sign", body)
    assert (answer.status, answer.code) == (503, "signature_service_off")
    (await service.admin("PUT", switch, {"enabled": True})).expect(200)
    assert (await caller.post("/signature/sign", body)).status == 200


async def test_a_disabled_application_and_an_old_secret_end_at_once(service: Service) -> None:
    made = await service.create(server_key_id=await service.key())
    path = f"/signature-applications/{made['id']}"
    caller = Caller(service.client, service.clock, made["code"], secret=made["secret"])
    await caller.sign(DATA)
    fresh = (await service.admin("POST", f"{path}/secret")).expect(200)["secret"]
    body = {"format": "raw", "data": encoded(DATA)}
    assert (await caller.post("/signature/sign", body)).code == "application_not_proved"
    caller = Caller(service.client, service.clock, made["code"], secret=fresh)
    await caller.sign(DATA)
    shown = (await service.admin("GET", path)).expect(200)
    assert "secret" not in shown
    names = ApplicationPolicy.model_fields
    policy = {name: value for name, value in shown.items() if name in names}
    (await service.admin("PUT", path, {**policy, "enabled": False})).expect(200)
    assert (await caller.post("/signature/sign", body)).code == "application_disabled"


async def certified(
    service: Service, name: str, algorithm: Algorithm = Algorithm.SM2
) -> tuple[SigningKey, UUID, str]:
    """A system with a certificate of the CA in the store: its key, the row, the serial number."""
    key = generate(algorithm)
    answer = await service.runtime.port(CertificateAuthority).request(
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
    async with service.runtime.unit_of_work() as uow:
        rows = await store.keep(uow, service.cast.hospital_id, chain, origin=Origin.IMPORTED)
    return key, rows[0].id, answer.serial


@pytest.mark.requirement("S4-090", "S4-094")
@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_an_application_proves_itself_with_a_certificate_of_either_chain(
    service: Service, algorithm: Algorithm
) -> None:
    key, certificate_id, serial = await certified(service, "影像系统", algorithm)
    made = await service.create(
        proof="certificate",
        certificate_id=str(certificate_id),
        server_key_id=await service.key(),
    )
    assert made["secret"] is None
    caller = Caller(service.client, service.clock, made["code"], key=key)
    await caller.sign(DATA)
    stranger = Caller(service.client, service.clock, made["code"], key=generate(algorithm))
    body = {"format": "raw", "data": encoded(DATA)}
    assert (await stranger.post("/signature/sign", body)).code == "application_not_proved"
    await service.runtime.port(CertificateAuthority).revoke(
        "r", serial, RevokeReason.KEY_COMPROMISE
    )
    service.clock.advance(timedelta(hours=7))
    await keeping.refresh_all(service.runtime)
    Registry.of(service.runtime).drop()
    answer = await caller.post("/signature/sign", body)
    assert answer.json["details"]["reason"] == "certificate"
    assert "已被吊销" in answer.json["detail"]


async def test_an_application_believes_only_the_anchors_of_its_policy(service: Service) -> None:
    rows = (await service.admin("GET", "/certificates?trusted=true")).expect(200)["items"]
    roots = {row["algorithm"]: row["id"] for row in rows}
    signer = await service.register(Algorithm.RSA)
    message = (await signer.sign(DATA, "cms_attached"))["signature"]
    question = {"format": "cms_attached", "signature": message}
    narrow = await service.register(anchors=[roots["SM3withSM2"]])
    verdict = (await narrow.post("/signature/verify", question)).expect(200)
    assert [problem["code"] for problem in verdict["problems"]] == ["chain_untrusted"]
    wide = await service.register(anchors=[roots["SHA256withRSA"]])
    assert (await wide.post("/signature/verify", question)).expect(200)["valid"]
    refused = await service.admin("DELETE", f"/certificates/{roots['SHA256withRSA']}")
    assert refused.code == "certificate_in_use"


# --- certificates --------------------------------------------------------------------------------


@pytest.mark.requirement("S4-101")
async def test_an_application_retrieves_certificates(service: Service) -> None:
    caller = await service.register()
    own = (await caller.get("/signature/certificate")).expect(200)
    body = {"serial": own["serial"]}
    [found] = (await caller.post("/signature/certificates/find", body)).expect(200)
    assert (found["certificate"], found["standing"]) == (own["certificate"], "good")
    assert (await caller.post("/signature/certificates/find", {})).code == "invalid"


@pytest.mark.requirement("S4-095")
@pytest.mark.parametrize("revoking", ["crl", "ocsp", "ocsp_then_crl"])
async def test_a_certificate_is_judged_then_and_now(service: Service, revoking: str) -> None:
    caller = await service.register(revoking=revoking, hard=True)
    _, _, serial = await certified(service, "检验系统")
    [found] = (await caller.post("/signature/certificates/find", {"serial": serial})).expect(200)
    before = service.clock.now()
    body = {"certificate": found["certificate"], "at": before.isoformat()}
    verdict = (await caller.post("/signature/certificates/verify", body)).expect(200)
    assert verdict["now"]["ok"], verdict
    service.clock.advance(timedelta(hours=1))
    await service.runtime.port(CertificateAuthority).revoke("r", serial, RevokeReason.LEFT)
    service.clock.advance(timedelta(hours=12))
    verdict = (await caller.post("/signature/certificates/verify", body)).expect(200)
    assert verdict["then"]["ok"], verdict
    assert not verdict["now"]["ok"]
    assert verdict["now"]["revoke_reason"] == "affiliation_changed"
    assert verdict["now"]["revocation_source"] == revoking.split("_")[0]


@pytest.mark.parametrize(("hard", "ok"), [(True, False), (False, True)])
async def test_what_cannot_be_found_out_counts_as_the_policy_says(
    service: Service, payer: Payer, hard: bool, ok: bool
) -> None:
    _, _, serial = await certified(service, "检验系统")
    caller = await service.register(hard=hard)
    service.clock.advance(timedelta(days=1))
    await payer.fault(crl="error", ocsp="try_later")
    [found] = (await caller.post("/signature/certificates/find", {"serial": serial})).expect(200)
    body = {"certificate": found["certificate"]}
    verdict = (await caller.post("/signature/certificates/verify", body)).expect(200)
    assert verdict["now"]["ok"] is ok
    assert verdict["now"]["revocation"] == "unknown"


# --- log -----------------------------------------------------------------------------------------


async def test_many_signatures_share_commits_and_are_all_counted(service: Service) -> None:
    caller = await service.register()
    desk = SigningDesk.of(service.runtime)
    before = desk.batches
    answers = await asyncio.gather(*(caller.sign(DATA + bytes([n])) for n in range(40)))
    assert len({answer["signature"] for answer in answers}) == 40
    assert desk.batches - before < 40
    assert await service.count(SignatureLogEntry) == 40
    async with service.runtime.unit_of_work() as uow:
        counted = await uow.session.scalar(select(func.sum(SignatureCount.count)))
    assert counted == 40
    used = (await service.admin("GET", "/signature-log/use?days=7")).expect(200)
    assert (used["signatures"], used["signatures_limit"], used["signatures_level"]) == (
        40,
        40_000,
        "ok",
    )
    assert [day["applications"] for day in used["days"]] == [0] * 6 + [40]


async def test_no_signature_is_given_out_whose_line_was_not_written(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await service.register()
    async with service.runtime.unit_of_work() as uow:
        await uow.session.execute(text("ALTER TABLE signature_log RENAME TO gone"))
    body = {"format": "raw", "data": encoded(DATA)}
    assert (await caller.post("/signature/sign", body)).status == 503
    async with service.runtime.unit_of_work() as uow:
        await uow.session.execute(text("ALTER TABLE gone RENAME TO signature_log"))
    await caller.sign(DATA)


async def test_the_log_is_append_only_and_exported_without_formulas(service: Service) -> None:
    caller = await service.register()
    await caller.sign(DATA, reference="=HYPERLINK()")
    for statement in ("UPDATE signature_log SET digest = ''", "DELETE FROM signature_log"):
        with pytest.raises(DBAPIError):
            async with service.runtime.unit_of_work() as uow:
                await uow.session.execute(text(statement))
    export = await service.admin("GET", "/signature-log/export")
    assert export.headers["content-type"].startswith("text/csv")
    table = export.body.decode("utf-8-sig")
    assert "'=HYPERLINK()" in table
    assert sm3(DATA).hex() in table
    digest = sm3(DATA).hex().upper()
    found = (await service.admin("GET", f"/signature-log?text={digest}")).expect(200)
    assert len(found["items"]) == 1


@pytest.mark.requirement("S0-N-020")
async def test_officers_hear_when_the_licence_runs_out(service: Service) -> None:
    caller = await service.register()
    await service.set("signature.signatures_per_year", 5)
    for number in range(4):
        await caller.sign(DATA + bytes([number]))
    await licence.warn(service.runtime)
    alarms = (await service.admin("GET", "/alarms")).expect(200)["items"]
    assert "签名次数即将用完" in [alarm["title"] for alarm in alarms]


async def test_used_numbers_are_forgotten_when_they_are_too_old_to_matter(
    service: Service,
) -> None:
    caller = await service.register()
    await caller.sign(DATA)
    service.clock.advance(timedelta(minutes=20))
    await forget_nonces(service.runtime)
    assert await service.count(RequestNonce) == 0


async def test_another_hospital_sees_nothing_of_it(service: Service, cast: Cast) -> None:
    made = await service.create(server_key_id=await service.key())
    token = cast.foreign_administrator.token
    for path in ("/signature-applications", "/signature-server-keys", "/certificates"):
        listed = (await service.client.get(path, token=token)).expect(200)
        assert (listed if isinstance(listed, list) else listed["items"]) == []
    answer = await service.client.get(f"/signature-applications/{made['id']}", token=token)
    assert answer.status == 404
    body = {"name": "外院", "server_key_id": await service.key()}
    answer = await service.client.post("/signature-applications", token=token, json=body)
    assert answer.code == "invalid"
