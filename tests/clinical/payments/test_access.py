"""Who sees which order; nothing crosses from one person or hospital to another."""

from __future__ import annotations

from uuid import uuid4

import pytest

from core.identity.roles import Role
from tests.clinical.payments.conftest import BACK, Till

READERS = {
    Role.PATIENT,
    Role.ADMINISTRATOR,
    Role.OPERATOR,
    Role.CUSTOMER_SERVICE,
    Role.SUPERVISOR,
}


async def test_an_order_is_seen_by_its_payer_and_the_staff_of_its_hospital_alone(
    till: Till,
) -> None:
    order_id = await till.order()
    for role, person in till.cast.everybody.items():
        answer = await till.client.get(f"/orders/{order_id}", token=till.token(person))
        assert answer.status == (200 if role in READERS else 403), role
    cast = till.cast
    for stranger in (cast.other_patient, cast.foreign_patient, cast.foreign_administrator):
        for method, path in (
            ("GET", f"/orders/{order_id}"),
            ("POST", f"/orders/{order_id}/sync"),
        ):
            answer = await till.client.request(method, path, token=till.token(stranger))
            assert (answer.status, answer.code) == (404, "not_found")
        listed = await till.client.get("/orders", token=till.token(stranger))
        assert listed.expect(200)["items"] == []
    assert (await till.client.get(f"/orders/{order_id}")).status == 401


async def test_nobody_pays_with_somebody_elses_order(till: Till) -> None:
    order_id = await till.order()
    body = {"channel": "wechat_h5", "return_url": BACK}
    for person, status in (
        (till.cast.other_patient, 404),
        (till.cast.foreign_patient, 404),
        (till.cast.administrator, 403),
        (till.cast.doctor, 403),
    ):
        answer = await till.client.post(
            f"/orders/{order_id}/pay", token=till.token(person), json=body
        )
        assert answer.status == status
    answer = await till.client.post(
        f"/orders/{uuid4()}/pay", token=till.token(till.cast.patient), json=body
    )
    assert answer.status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"channel": "cash", "return_url": BACK},
        {"channel": "wechat_h5", "return_url": ""},
        {"channel": "wechat_h5", "return_url": 5},
        {"channel": "wechat_h5", "return_url": BACK, "amount_fen": 1},
    ],
)
async def test_a_malformed_wish_to_pay_names_the_field(till: Till, body: dict[str, object]) -> None:
    order_id = await till.order()
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.json["fields"]


async def test_the_list_is_paged_newest_first_and_filtered_by_state(till: Till) -> None:
    made = []
    for _ in range(5):
        made.append(str(await till.order()))
        till.clock.advance(1)
    token = till.token(till.cast.patient)
    first = (await till.client.get("/orders?limit=3", token=token)).expect(200)
    rest = (await till.client.get(f"/orders?limit=3&cursor={first['next']}", token=token)).expect(
        200
    )
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
    paid = (await till.client.get("/orders?state=paid,refunded", token=token)).expect(200)
    assert paid["items"] == []
    for query in ("state=lost", "cursor=***"):
        answer = await till.client.get(f"/orders?{query}", token=token)
        assert (answer.status, answer.code) == (422, "invalid")
