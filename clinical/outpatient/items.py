"""The verbs of items: add, change, take over from a table."""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from clinical.outpatient import access, errors
from clinical.outpatient.access import SELF_ORDER_ITEM
from clinical.outpatient.export import HEADINGS, YES
from clinical.outpatient.models import SelfOrderItem
from clinical.outpatient.schemas import ChangeItem, Imported, ItemForm
from clinical.outpatient.states import ITEM_TEXT
from core import audit
from core.access import require
from core.errors import FieldProblem
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork

#: Rows of one table at most, and problems that are told of at once.
MOST_ROWS = 5000
MOST_PROBLEMS = 20
_KINDS = {text: kind for kind, text in ITEM_TEXT.items()}


async def add(uow: UnitOfWork, caller: Caller, form: ItemForm) -> SelfOrderItem:
    """A new item. Raises ItemCodeTaken, NotPermitted."""
    await require(uow, caller, SELF_ORDER_ITEM, "keep")
    key = new_id()
    added = await uow.session.scalar(
        insert(SelfOrderItem)
        .values(
            id=key,
            hospital_id=caller.hospital_id,
            version=1,
            created_at=uow.now,
            changed_at=uow.now,
            **form.model_dump(),
        )
        .on_conflict_do_nothing(index_elements=["hospital_id", "code"])
        .returning(SelfOrderItem.id)
    )
    if added is None:
        raise errors.ItemCodeTaken(fields=[FieldProblem("code", "项目编码已存在")])
    await _note(uow, caller, "add", key, form)
    return await uow.session.get_one(SelfOrderItem, key)


async def change(uow: UnitOfWork, caller: Caller, item_id: UUID, form: ChangeItem) -> SelfOrderItem:
    """An item as it shall be from now on; orders keep what they were placed with.

    Raises NotFound, ItemChanged, ItemCodeTaken, NotPermitted.
    """
    row = await access.item(uow.session, caller, item_id)
    if row.version != form.version:
        raise errors.ItemChanged()
    same_code = select(SelfOrderItem.id).where(
        SelfOrderItem.hospital_id == caller.hospital_id,
        SelfOrderItem.code == form.code,
        SelfOrderItem.id != row.id,
    )
    if await uow.session.scalar(same_code) is not None:
        raise errors.ItemCodeTaken(fields=[FieldProblem("code", "项目编码已存在")])
    _write(uow, row, form)
    await _note(uow, caller, "change", row.id, form)
    return row


def _write(uow: UnitOfWork, row: SelfOrderItem, form: ItemForm) -> bool:
    wanted = form.model_dump(exclude={"version"})
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return False
    for name, value in wanted.items():
        setattr(row, name, value)
    row.version += 1
    row.changed_at = uow.now
    return True


async def take_over(uow: UnitOfWork, caller: Caller, table: str) -> Imported:
    """Items from a table with the headings of the export; a known code is changed.

    All or nothing. Raises ImportRefused naming the rows that are wrong, NotPermitted.
    """
    await require(uow, caller, SELF_ORDER_ITEM, "keep")
    forms = read_table(table)
    known = {
        row.code: row
        for row in await uow.session.scalars(
            select(SelfOrderItem)
            .where(
                SelfOrderItem.hospital_id == caller.hospital_id,
                SelfOrderItem.code.in_([form.code for form in forms]),
            )
            .order_by(SelfOrderItem.id)
            .with_for_update()
        )
    }
    added = changed = 0
    for form in forms:
        if form.code not in known:
            await add(uow, caller, form)
            added += 1
        elif _write(uow, known[form.code], form):
            await _note(uow, caller, "change", known[form.code].id, form)
            changed += 1
    return Imported(added=added, changed=changed, unchanged=len(forms) - added - changed)


def read_table(table: str) -> list[ItemForm]:
    """The rows of a table as items. Raises ImportRefused."""
    reader = csv.DictReader(io.StringIO(table.removeprefix("\ufeff")))
    if not set(HEADINGS) <= set(reader.fieldnames or ()):
        raise errors.ImportRefused(f"表头须包含：{'、'.join(HEADINGS)}")
    forms: list[ItemForm] = []
    problems: list[FieldProblem] = []
    seen: set[str] = set()
    for number, row in enumerate(reader, 2):
        if number > MOST_ROWS + 1:
            raise errors.ImportRefused(f"一次最多导入 {MOST_ROWS} 行")
        try:
            form = ItemForm(**_values(row))
        except ValidationError as error:
            problems.append(FieldProblem(f"第 {number} 行", _words(error)))
            continue
        if form.code in seen:
            problems.append(FieldProblem(f"第 {number} 行", "编码与前面的行重复"))
        seen.add(form.code)
        forms.append(form)
    if problems or not forms:
        raise errors.ImportRefused(fields=problems[:MOST_PROBLEMS])
    return forms


def _values(row: Mapping[str, str | None]) -> dict[str, Any]:
    # A leading apostrophe is what an export guards formulas with.
    cell = {name: (row.get(name) or "").strip().removeprefix("'") for name in HEADINGS}
    return {
        "code": cell["编码"],
        "name": cell["名称"],
        "kind": _KINDS.get(cell["类别"], cell["类别"]),
        "category": cell["一级分类"],
        "subcategory": cell["二级分类"],
        "price_fen": _fen(cell["价格（元）"]),
        "precautions": cell["注意事项"],
        "special": cell["特殊项目"] == YES,
        "needs_time": cell["需选时间"] == YES,
        "times": cell["时间"].split(),
        "capacity": cell["每时段名额"] or 1,
        "active": cell["启用"] == YES,
    }


def _fen(yuan: str) -> int | str:
    """Fen of an amount in yuan; what is no amount with two decimals at most stays as it is."""
    try:
        fen = Decimal(yuan) * 100
    except InvalidOperation:
        return "?"
    return int(fen) if fen.is_finite() and fen == fen.to_integral_value() else "?"


_WORDS = {
    "kind": "类别须为药品、检查、检验或核酸检测",
    "code": "编码须为字母、数字、点或横线",
    "price_fen": "价格须为金额，最多两位小数",
    "times": "时间格式须为 08:30，用空格隔开",
    "capacity": "每时段名额须为 1 到 1000 的整数",
}


def _words(error: ValidationError) -> str:
    found = []
    for each in error.errors():
        field = str(each["loc"][0]) if each["loc"] else ""
        found.append(_WORDS.get(field, "必填项为空、过长，或需选时间的项目没有时间"))
    return "；".join(dict.fromkeys(found))


async def _note(uow: UnitOfWork, caller: Caller, verb: str, item_id: UUID, form: ItemForm) -> None:
    await uow.session.flush()
    await audit.record(
        uow,
        caller,
        f"self_order_item.{verb}",
        "self_order_item",
        item_id,
        detail={"code": form.code, "price_fen": form.price_fen, "active": form.active},
    )
