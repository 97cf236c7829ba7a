"""Proving a real name at Alipay, and pictures of the card as evidence."""

import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image
from sqlalchemy import select

from clinical.sandbox import keys
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from core.identity.certification.alipay import AlipayApp, AlipayCertify, CertifyGateway
from core.identity.certification.models import Certification
from core.identity.gateway import IdentityCheck
from core.runtime import Runtime
from tests.core.identity.test_accounts import NUMBER, Registry, agree_to_sensitive
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "sandbox"]
NAME = "林小满"


@pytest.fixture
async def alipay(
    runtime: Runtime, sandbox: SandboxServer, clock: FakeClock
) -> AsyncIterator[AlipayCertify]:
    made = keys.load(sandbox.config.folder)
    app = AlipayApp(
        keys.ALIPAY_APPID, made.merchant.private_key, made.alipay.private_key.public_key()
    )
    gateway = AlipayCertify(sandbox.url, app, clock.now)
    runtime.provide(CertifyGateway, gateway)
    yield gateway
    await gateway.aclose()


async def start(client: Client, person: Person) -> Any:
    """Begin at Alipay. A second consent, asked for when the first still stands, is left out."""
    needed = await client.get("/consents/needed", token=person.token)
    if needed.expect(200):
        await agree_to_sensitive(client, person)
    body = {"name": NAME, "id_number": NUMBER}
    return await client.post("/me/certifications/alipay", token=person.token, json=body)


async def finish(client: Client, person: Person, row: Any) -> Any:
    return await client.post(f"/me/certifications/{row['id']}/finish", token=person.token)


async def decide(url: str, verdict: str) -> str:
    """Press a button on Alipay's page; returns where the browser is sent."""
    async with aiohttp.ClientSession(trust_env=False) as http:
        async with http.get(url) as answer:
            assert answer.status == 200
            page = await answer.text()
        path = next(part for part in page.split('"') if part.endswith(f"/{verdict}"))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        async with http.post(origin + path, allow_redirects=False) as answer:
            return answer.headers["Location"]


@pytest.mark.requirement("S3-101")
async def test_a_name_is_proved_at_alipay_and_kept_when_it_says_yes(
    cast: Cast, client: Client, alipay: AlipayCertify
) -> None:
    methods = await client.get("/me/certifications/methods", token=cast.patient.token)
    assert methods.expect(200)["alipay"] is True
    row = (await start(client, cast.patient)).expect(201)
    assert (await finish(client, cast.patient, row)).expect(200) == {"outcome": ""}
    back = await decide(row["url"], "T")
    assert back.endswith(f"/m/#/pages/me/real-name?certification={row['id']}")
    assert (await finish(client, cast.other_patient, row)).code == "not_found"
    for _ in range(2):
        assert (await finish(client, cast.patient, row)).expect(200) == {"outcome": "match"}
    me = (await client.get("/me", token=cast.patient.token)).expect(200)
    assert (me["user"]["real_name_verified"], me["user"]["real_name_masked"]) == (True, "林*满")
    assert (await start(client, cast.patient)).code == "real_name_already_verified"


async def test_a_no_from_alipay_proves_nothing(
    cast: Cast, client: Client, alipay: AlipayCertify
) -> None:
    row = (await start(client, cast.patient)).expect(201)
    await decide(row["url"], "F")
    assert (await finish(client, cast.patient, row)).expect(200) == {"outcome": "mismatch"}
    me = (await client.get("/me", token=cast.patient.token)).expect(200)
    assert me["user"]["real_name_verified"] is False


@pytest.mark.parametrize("fault", ["error", "wrong_signature"])
async def test_alipay_away_or_forged_is_said_in_words(
    cast: Cast, client: Client, alipay: AlipayCertify, payer: Payer, fault: str
) -> None:
    await payer.fault(alipay=fault)
    answer = await start(client, cast.patient)
    assert (answer.status, answer.code) == (503, "service_unavailable")
    # The page is good only with our signature.
    forged = alipay.page("0" * 32).replace("sign=", "sign=A")
    async with aiohttp.ClientSession(trust_env=False) as http, http.get(forged) as page:
        assert page.status == 400


@pytest.mark.requirement("S1-076")
async def test_pictures_of_the_card_are_kept_as_evidence_for_the_owner_and_officers(
    cast: Cast, client: Client, runtime: Runtime
) -> None:
    runtime.provide(IdentityCheck, Registry())
    await agree_to_sensitive(client, cast.patient)
    token = cast.patient.token
    sides = [await upload(client, token) for _ in range(2)]
    body = {
        "name": NAME,
        "id_number": NUMBER,
        "front_file_id": sides[0],
        "back_file_id": sides[1],
    }
    (await client.post("/me/real-name", token=token, json=body)).expect(200)
    async with runtime.unit_of_work() as uow:
        row = (await uow.session.scalars(select(Certification))).one()
    assert (row.method, row.outcome, str(row.front_file_id)) == ("card", "match", sides[0])

    async def seen(person: Person) -> bool:
        answer = await client.post("/files/links", token=person.token, json={"ids": sides})
        return answer.status == 200 and len(answer.json) == 2

    assert await seen(cast.patient)
    assert await seen(cast.administrator)
    for stranger in (cast.other_patient, cast.doctor, cast.foreign_administrator):
        assert not await seen(stranger)


async def upload(client: Client, token: str) -> str:
    out = io.BytesIO()
    Image.new("RGB", (600, 380), "white").save(out, "PNG")
    boundary = "----card"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nproof\r\n'
        f"--{boundary}\r\nContent-Disposition: form-data; "
        'name="file"; filename="card.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    body = head.encode() + out.getvalue() + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = await client.post("/files", token=token, body=body, headers=headers)
    return str(answer.expect(201)["id"])
