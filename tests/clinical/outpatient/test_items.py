"""Items: two levels of categories, search, pages, tables in and out."""

from __future__ import annotations

from tests.clinical.outpatient.conftest import Clinic


async def test_patients_see_items_by_kind_and_category_and_nucleic_acid_apart(
    clinic: Clinic,
) -> None:
    story, patient = clinic.story, clinic.story.cast.patient
    await clinic.item("US-01")
    await clinic.item("US-02", subcategory="心脏", name="心脏彩超")
    await clinic.item("LB-01", kind="laboratory", category="生化", subcategory="", name="肝功能")
    await clinic.item("NA-01", kind="nucleic_acid", category="核酸检测", name="单人单检")
    await clinic.item("US-03", active=False, name="停用的彩超")
    found = await story.get(patient, "/self-orders/categories?kind=examination")
    assert found == [{"name": "超声", "subcategories": ["心脏", "腹部"]}]
    first = await story.get(patient, "/self-orders/items?kind=examination&limit=1")
    second = await story.get(
        patient, f"/self-orders/items?kind=examination&limit=1&cursor={first['next']}"
    )
    names = [page["items"][0]["name"] for page in (first, second)]
    assert (names, second["next"]) == (["心脏彩超", "腹部彩超"], None)
    shown = first["items"][0]
    assert (shown["price_fen"], shown["precautions"]) == (12000, "检查前空腹8小时")
    tests = await story.get(patient, "/self-orders/items?kind=laboratory")
    assert [each["name"] for each in tests["items"]] == ["肝功能"]
    apart = await story.get(patient, "/self-orders/items?kind=nucleic_acid&q=NA-")
    assert [each["code"] for each in apart["items"]] == ["NA-01"]
    assert (await story.get(story.cast.foreign_patient, "/self-orders/items"))["items"] == []


async def test_an_item_keeps_its_code_to_itself_and_shows_who_was_first(clinic: Clinic) -> None:
    story, administrator = clinic.story, clinic.story.cast.administrator
    item, other = await clinic.item("US-01"), await clinic.item("US-02")
    wanted = {name: value for name, value in item.items() if name in WRITTEN}
    path = f"/self-order-items/{item['id']}"
    dear = {**wanted, "price_fen": 15000}
    assert (await story.ask(administrator, "PUT", path, dear)).expect(200)["version"] == 2
    assert (await story.ask(administrator, "PUT", path, dear)).code == "self_order_item_changed"
    taken = {**dear, "version": 2, "code": other["code"]}
    answer = await story.ask(administrator, "PUT", path, taken)
    assert answer.code == "self_order_item_code_taken"
    timeless = await story.ask(administrator, "PUT", path, {**dear, "version": 2, "times": []})
    assert timeless.code == "invalid"
    old = await clinic.try_to_order(story.cast.patient, item)
    assert old.code == "self_order_price_changed"


WRITTEN = (
    *("kind", "code", "name", "category", "subcategory", "price_fen", "precautions", "special"),
    *("needs_time", "times", "capacity", "active", "version"),
)


async def send(clinic: Clinic, table: str) -> tuple[int, object]:
    """The administrator hands in a table; status and body of the answer."""
    administrator = clinic.story.cast.administrator
    answer = await clinic.story.ask(
        administrator, "POST", "/self-order-items/import", {"table": table}
    )
    return answer.status, answer.json


async def test_what_was_exported_is_taken_over_again_and_wrong_rows_are_named(
    clinic: Clinic,
) -> None:
    story, administrator = clinic.story, clinic.story.cast.administrator
    await clinic.item("US-01")
    await clinic.drug("YP-01")
    exported = await story.ask(administrator, "GET", "/self-order-items/export.csv")
    table = exported.body.decode()
    assert await send(clinic, table) == (200, {"added": 0, "changed": 0, "unchanged": 2})
    text = table.replace("18.50", "19.90")
    more = text + "LB-07,糖化血红蛋白,检验,生化,糖代谢,60.00,,否,是,08:00 08:30,20,是\r\n"
    assert await send(clinic, more) == (
        200,
        {"added": 1, "changed": 1, "unchanged": 1},
    )
    wrong = text + "LB-08,血脂,检查检验,生化,,六十,,否,否,,1,是\r\n"
    status, body = await send(clinic, wrong)
    assert status == 422
    assert "第 4 行" in str(body)
    assert "价格须为金额" in str(body)
    kept = await story.get(administrator, "/self-order-items?q=LB-0")
    assert [each["code"] for each in kept["items"]] == ["LB-07"]
