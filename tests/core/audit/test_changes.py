"""Before and after: masked by class, whether the change was flushed or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinical.consultation.models import Consultation
from clinical.payments.models import Order
from clinical.payments.rules import OrderState
from core import audit
from core.audit.categories import Category, category_of
from core.identity.models import User
from core.ids import new_id
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.http import Client


async def test_personal_values_are_masked_and_sensitive_ones_only_named(
    runtime: Runtime, cast: Cast
) -> None:
    async with runtime.unit_of_work() as uow:
        user = await uow.session.get_one(User, cast.doctor.user_id)
        user.real_name, user.password_hash, user.enabled = "欧阳小三", "a hash", False
        first = audit.changes_of(user)
        await uow.session.flush()
        user.real_name = "欧阳小四"
        second = audit.changes_of(user)
    assert first["enabled"] == [True, False]
    assert first["password_hash"] is None
    assert first["real_name"] is not None
    assert first["real_name"][1] == "欧**三"
    assert second == {**first, "real_name": [first["real_name"][0], "欧**四"]}


async def test_a_new_row_has_no_before(runtime: Runtime, cast: Cast) -> None:
    now = runtime.clock.now()
    caller = cast.patient.caller
    async with runtime.unit_of_work() as uow:
        order = Order(
            id=new_id(),
            hospital_id=caller.hospital_id,
            number="DD1",
            user_id=caller.user_id,
            subject_type="consultation",
            subject_id=new_id(),
            subject="图文问诊",
            amount_fen=3000,
            state=OrderState.PENDING,
            created_at=now,
            expires_at=now + timedelta(minutes=15),
            changed_at=now,
        )
        uow.session.add(order)
        await uow.session.flush()
        assert audit.changes_of(order)["amount_fen"] == [None, 3000]
        assert audit.changes_of(order, audit.state_of(order)) == {}


def test_sensitive_columns_say_only_their_names() -> None:
    row = Consultation(diagnosis="高血压", advice="低盐")
    assert audit.changes_of(row, {"diagnosis": "", "advice": ""}) == {
        "diagnosis": None,
        "advice": None,
    }


@pytest.mark.parametrize(
    ("action", "category"),
    [
        ("login.accept", Category.LOGIN),
        ("session.revoke", Category.LOGIN),
        ("recording.look", Category.LOOK),
        ("audit.look", Category.LOOK),
        ("consultation.export", Category.EXPORT),
        ("order.refund", Category.CHANGE),
        ("consultation.accept", Category.CHANGE),
        ("setting.change", Category.MAINTENANCE),
        ("outbox.retry", Category.MAINTENANCE),
        ("integrity.check", Category.MAINTENANCE),
        ("integrity.find", Category.SECURITY),
        ("login.unlock", Category.SECURITY),
        ("second_factor.reset", Category.SECURITY),
        ("signature.pin_wrong", Category.SECURITY),
        ("signature_pin.odd", Category.CHANGE),
    ],
)
@pytest.mark.requirement("S0-A-172", "S1-165")
async def test_every_action_has_one_heading_in_the_code_and_in_the_database(
    runtime: Runtime, cast: Cast, client: Client, action: str, category: Category
) -> None:
    assert category_of(action) is category
    async with runtime.unit_of_work() as uow:
        await audit.record(uow, cast.supervisor.caller, action, "thing", "here")
    found: dict[Category, Any] = {}
    for each in Category:
        query = {"category": each.value, "object_type": "thing"}
        page = (await client.get("/audit", token=cast.supervisor.token, query=query)).expect(200)
        found[each] = [item["action"] for item in page["items"]]
    assert found == {each: [action] if each is category else [] for each in Category}
