"""Tokens made, changed, borrowed or worn out; answers and callbacks that are sent again."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from clinical.people.models import PatientRelation
from core.clock import FakeClock
from core.crypto.keyring import Keyring, Purpose
from core.crypto.sm import hmac_sm3
from core.identity import tokens
from core.runtime import Runtime
from core.tickets import issue_ticket
from tests.clinical.story import Story
from tests.support.cast import Cast
from tests.support.http import Client


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def forgeries(token: str, other: str) -> dict[str, str]:
    """What can be made of a token without its key."""
    head, claims, mac = token.split(".")
    header, body = decoded(head), decoded(claims)
    made = {
        "no signature": f"{head}.{claims}.",
        "half a signature": f"{head}.{claims}.{mac[:20]}",
        "signature of another": f"{head}.{claims}.{other.split('.')[2]}",
        "claims of another": f"{head}.{other.split('.')[1]}.{mac}",
        "two parts": f"{head}.{claims}",
        "four parts": f"{token}.x",
        "five parts": f"{head}..{claims}.{mac}.x",
        "padding": f"{head}=.{claims}.{mac}",
        "spaces": f"{head}. {claims}.{mac}",
        "nothing": "..",
        "not base64": "é.é.é".encode().decode("latin-1"),
        "deep": encoded(b"[" * 5000) + f".{claims}.{mac}",
        "huge": head + "." + "A" * 9000 + "." + mac,
    }
    for algorithm in ("none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "dir", ""):
        made[f"algorithm {algorithm}"] = f"{encoded({**header, 'alg': algorithm})}.{claims}.{mac}"
        made[f"algorithm {algorithm}, unsigned"] = (
            f"{encoded({**header, 'alg': algorithm})}.{claims}."
        )
    for kid in (
        "",
        "../../etc/passwd",
        "' OR 1=1 --",
        None,
        1,
        ["a"],
        {"a": 1},
        "a" * 5000,
        "\x00",
    ):
        made[f"key {kid!r:.20}"] = f"{encoded({**header, 'kid': kid})}.{claims}.{mac}"
    for name, value in (
        ("role", "administrator"), ("sub", str(uuid4())), ("hid", str(uuid4())),
        ("exp", 9999999999), ("sid", str(uuid4())), ("iss", "other"), ("dep", []),
    ):  # fmt: skip
        made[f"claim {name}"] = f"{head}.{encoded({**body, name: value})}.{mac}"
    for extra in ("jku", "x5u", "jwk", "crit", "b64"):
        value: Any = {"jwk": {"kty": "oct", "k": "AA"}, "crit": ["x"], "b64": False}.get(
            extra, "http://127.0.0.1:1/keys"
        )
        made[f"header {extra}"] = f"{encoded({**header, extra: value})}.{claims}.{mac}"
    return made


@pytest.mark.requirement("S1-233")
async def test_nothing_that_can_be_made_without_the_key_is_a_token(
    client: Client, cast: Cast
) -> None:
    for what, token in forgeries(cast.patient.token, cast.administrator.token).items():
        answer = await client.get("/me", token=token)
        assert (answer.status, answer.code) == (401, "unauthenticated"), what
    for header in ("Basic YTpi", "Bearer", "Bearer ", "bearer  x y", cast.patient.token, "Token x"):
        answer = await client.get("/me", headers={"authorization": header})
        assert answer.code == "unauthenticated", header
    for place in (f"/me?token={cast.patient.token}", f"/me?access_token={cast.patient.token}"):
        assert (await client.get(place)).code == "unauthenticated"
    assert (await client.get("/me", token=cast.patient.token)).status == 200


async def test_what_one_key_signed_is_no_token_of_another_kind(
    client: Client, cast: Cast, runtime: Runtime, keyring: Keyring, clock: FakeClock
) -> None:
    """Refresh token, ticket and access token do not stand in for each other."""
    person, now = cast.patient, clock.now()
    refresh = tokens.refresh_token_text(uuid4(), keyring)
    ticket, _ = issue_ticket(keyring, person.caller, f"file:{uuid4()}", now)
    for wrong in (refresh, ticket):
        assert (await client.get("/me", token=wrong)).code == "unauthenticated"
    for wrong in (person.token, ticket, refresh, refresh[:-2], refresh.replace("zr1", "zr2")):
        answer = await client.post("/auth/refresh", json={"refresh_token": wrong})
        assert answer.status in (401, 422), answer.body
    # The right algorithm with a key of another purpose.
    head, claims, _ = person.token.split(".")
    other = keyring.derive(Purpose.TICKET, "access-token", 32, keyring.current(Purpose.TICKET).id)
    mac = encoded(hmac_sm3(other, f"{head}.{claims}".encode()))
    assert (await client.get("/me", token=f"{head}.{claims}.{mac}")).code == "unauthenticated"


async def test_a_ticket_opens_one_thing_for_one_session_for_a_while(
    client: Client, cast: Cast, keyring: Keyring, clock: FakeClock
) -> None:
    file_id = uuid4()
    ticket, _ = issue_ticket(keyring, cast.patient.caller, f"file:{file_id}", clock.now())
    path = f"/files/{file_id}/content?ticket="
    # The ticket is good, the file is not there.
    assert (await client.get(path + ticket)).code == "not_found"
    key_id, payload, mac = ticket.split(".")
    values = decoded(payload)
    bad = [
        ticket[:-1],
        f"{key_id}.{encoded([*values[:-1], values[-1] + 9999])}.{mac}",
        f"{key_id}.{encoded([str(cast.doctor.user_id), *values[1:]])}.{mac}",
        f"other.{payload}.{mac}",
        "", "..", "a.b.c", ticket + "x", "\u00e9", "%00",
    ]  # fmt: skip
    for each in bad:
        answer = await client.get(path + each)
        assert answer.status in (401, 403, 404, 422), (each, answer.body)
        assert answer.code != "not_found" or each == "", each
    assert (await client.get(f"/files/{uuid4()}/content?ticket={ticket}")).code != "not_found"
    clock.advance(timedelta(minutes=30))
    assert (await client.get(path + ticket)).code != "not_found"


async def test_a_key_belongs_to_one_person_one_route_and_one_body(
    story: Story, client: Client, cast: Cast, runtime: Runtime
) -> None:
    """Sent again it gives the first answer; borrowed by anybody or anything else, nothing."""
    key, form = "k-1", story.adult_form()
    form["consent"] = await story.consent_for(form)
    first = await client.post("/patients", token=cast.patient.token, json=form, key=key)
    first.expect(201)
    again = await client.post("/patients", token=cast.patient.token, json=form, key=key)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"

    other_body = {**form, "address": "别处"}
    reused = await client.post("/patients", token=cast.patient.token, json=other_body, key=key)
    assert reused.code == "idempotency_key_reused"
    somebody = {**form, **story.adult_form("周未来", serial=2), "relation": "self"}
    for who in (cast.foreign_patient, cast.other_patient):
        borrowed = await client.post("/patients", token=who.token, json=somebody, key=key)
        assert "idempotent-replayed" not in borrowed.headers
        assert first.json["id"] not in borrowed.body.decode()
    elsewhere = await client.post("/consultations", token=cast.patient.token, json=form, key=key)
    assert "idempotent-replayed" not in elsewhere.headers
    for broken in ("x" * 201, "a\tb", "\x7f"):
        answer = await client.post("/patients", token=cast.patient.token, json=form, key=broken)
        assert answer.code == "invalid", broken
    async with runtime.unit_of_work() as uow:
        mine = await uow.session.scalar(
            select(func.count())
            .select_from(PatientRelation)
            .where(PatientRelation.user_id == cast.patient.user_id)
        )
    assert mine == 1


async def test_a_revoked_login_is_out_with_all_that_it_holds(
    client: Client, cast: Cast, keyring: Keyring, clock: FakeClock
) -> None:
    person = cast.patient
    file_id = uuid4()
    ticket, _ = issue_ticket(keyring, person.caller, f"file:{file_id}", clock.now())
    (await client.post("/auth/logout", token=person.token)).expect(204)
    assert (await client.get("/me", token=person.token)).status == 401
    answer = await client.get(f"/files/{file_id}/content?ticket={ticket}")
    assert answer.status == 401
