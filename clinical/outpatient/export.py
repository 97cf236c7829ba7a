"""The items as a table for spreadsheets, in the shape in which they are taken over again."""

from collections.abc import AsyncIterator, Sequence

from clinical.outpatient import access
from clinical.outpatient.models import SelfOrderItem
from clinical.outpatient.states import ITEM_TEXT, ItemKind
from core import exports
from core.access import grant
from core.exports import Field
from core.identity.caller import Caller
from core.uow import UnitOfWork

YES, NO = "是", "否"
CHUNK = 500


def _word(value: bool) -> str:
    return YES if value else NO


FIELDS: tuple[Field[SelfOrderItem], ...] = (
    Field("编码", lambda row: row.code, SelfOrderItem.code),
    Field("名称", lambda row: row.name, SelfOrderItem.name),
    Field("类别", lambda row: ITEM_TEXT[row.kind], SelfOrderItem.kind),
    Field("一级分类", lambda row: row.category, SelfOrderItem.category),
    Field("二级分类", lambda row: row.subcategory, SelfOrderItem.subcategory),
    Field("价格（元）", lambda row: f"{row.price_fen / 100:.2f}", SelfOrderItem.price_fen),
    Field("注意事项", lambda row: row.precautions, SelfOrderItem.precautions),
    Field("特殊项目", lambda row: _word(row.special), SelfOrderItem.special),
    Field("需选时间", lambda row: _word(row.needs_time), SelfOrderItem.needs_time),
    Field("时间", lambda row: " ".join(row.times), SelfOrderItem.times),
    Field("每时段名额", lambda row: row.capacity, SelfOrderItem.capacity),
    Field("启用", lambda row: _word(row.active), SelfOrderItem.active),
)
HEADINGS = tuple(field.heading for field in FIELDS)


async def items_csv(uow: UnitOfWork, caller: Caller, words: str, kind: ItemKind | None) -> bytes:
    """The items that the filters let through. Raises NotPermitted."""
    allowed = await grant(uow, caller, access.SELF_ORDER_ITEM, "export")

    async def pages() -> AsyncIterator[Sequence[SelfOrderItem]]:
        after = None
        while True:
            rows = await access.items(
                uow.session, allowed.condition, words=words, kind=kind, after=after, limit=CHUNK
            )
            yield rows
            if len(rows) < CHUNK:
                return
            after = access.place_of(rows[-1])

    data, count = await exports.as_csv(FIELDS, pages())
    await exports.note(uow, caller, "self_order_item", count, {"q": words, "kind": kind})
    return data
