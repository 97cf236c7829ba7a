"""Checking the rows of a protected table against their MACs and the ledger."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from core.crypto.keyring import Keyring
from core.crypto.row_mac import row_mac_matches
from core.crypto.sm import sm3
from core.integrity.models import Entry, Kind, LedgerRow
from core.integrity.protection import VERSION, Protection, protections
from core.integrity.reading import Unreadable, decode, key_of, key_text, raw_columns
from core.integrity.reporting import Found
from core.runtime import Runtime

Result = tuple[list[Found], int, dict[str, Any] | None]


async def rows(
    runtime: Runtime, session: AsyncSession, table: str, cursor: dict[str, Any], limit: int
) -> Result:
    """Compare what the ledger says last of each row with the row itself."""
    protection = _protection(table)
    latest = (
        select(LedgerRow)
        .ext(distinct_on(LedgerRow.row_id))
        .where(LedgerRow.table_name == table)
        .order_by(LedgerRow.row_id.desc(), LedgerRow.version.desc())
        .limit(limit)
    )
    if "before" in cursor:
        latest = latest.where(LedgerRow.row_id < cursor["before"])
    entries = list(await session.scalars(latest))
    present = await _present(session, protection, [entry.row_id for entry in entries])
    found = []
    for entry in entries:
        wrong = await _compare(
            session, runtime.keyring, protection, entry, present.get(entry.row_id)
        )
        if wrong is not None:
            found.append(wrong)
    more = {"before": entries[-1].row_id} if len(entries) == limit else None
    return found, len(entries), more


async def strays(
    runtime: Runtime, session: AsyncSession, table: str, cursor: dict[str, Any], limit: int
) -> Result:
    """Find rows that the ledger does not know."""
    protection = _protection(table)
    key = [protection.column(name) for name in protection.key]
    known = select(LedgerRow.id).where(
        LedgerRow.table_name == table, LedgerRow.row_id == key_text(protection)
    )
    query = (
        select(*key, key_text(protection).label("text"), known.exists().label("known"))
        .order_by(*key)
        .limit(limit)
    )
    if "after" in cursor:
        query = query.where(tuple_(*key) > tuple(protection.parse_key(cursor["after"]).values()))
    page = (await session.execute(query)).all()
    found = [
        Found(
            Kind.ROW_FORGED,
            table,
            row.text,
            "这一行不是由本系统写入的",
            await _hospital(session, protection, row.text),
        )
        for row in page
        if not row.known
    ]
    more = {"after": page[-1].text} if len(page) == limit else None
    return found, len(page), more


def _protection(table: str) -> Protection:
    return next(each for each in protections() if each.table == table)


async def _present(
    session: AsyncSession, protection: Protection, row_ids: list[str]
) -> dict[str, Any]:
    """The raw rows under these ids."""
    key = [protection.column(name) for name in protection.key]
    wanted = [tuple(protection.parse_key(row_id).values()) for row_id in row_ids]
    if not wanted:
        return {}
    within = key[0].in_([each[0] for each in wanted]) if len(key) == 1 else tuple_(*key).in_(wanted)
    found = await session.execute(select(*raw_columns(protection)).where(within))
    return {protection.row_id(key_of(protection, dict(row))): row for row in found.mappings()}


async def _compare(
    session: AsyncSession, keyring: Keyring, protection: Protection, entry: LedgerRow, row: Any
) -> Found | None:
    hospital_id = row.get("hospital_id") if row is not None else None

    def wrong(kind: Kind, words: str) -> Found:
        return Found(kind, protection.table, entry.row_id, words, hospital_id, _looks(row))

    if entry.kind is Entry.REMOVED:
        values = {
            "kind": entry.kind,
            "table": entry.table_name,
            "row": entry.row_id,
            "version": entry.version,
        }
        if not row_mac_matches(keyring, LedgerRow.__tablename__, values, entry.mac):
            return wrong(Kind.LEDGER_CHANGED, "台账中的删除记录是伪造的")
        if row is not None:
            return wrong(Kind.ROW_FORGED, "这一行早已依规删除，又被放了回来")
        return None
    if row is None:
        return wrong(Kind.ROW_REMOVED, f"这一行（版本 {entry.version}）已不在表中，且没有删除记录")
    version = 1 if protection.once else row[VERSION]
    mac = row[protection.mac_column]
    try:
        genuine = protection.matches(keyring, decode(protection, row), version, mac)
        damaged = ""
    except Unreadable as error:
        genuine, damaged = False, f"，列 {error.column} 无法解密"
    if not genuine:
        return wrong(*await _how_changed(session, protection, entry, mac, damaged))
    if (version, mac) != (entry.version, entry.mac):
        return wrong(
            Kind.ROW_ROLLED_BACK,
            f"这一行被恢复成版本 {version}，台账中最新的是版本 {entry.version}",
        )
    return None


def _looks(row: Any) -> str:
    """A row as it stands, ciphertexts as they are."""
    if row is None:
        return ""
    return sm3(repr(list(row.values())).encode()).hex()


async def _how_changed(
    session: AsyncSession, protection: Protection, entry: LedgerRow, mac: str, damaged: str
) -> tuple[Kind, str]:
    """Whether the content was swapped with another row, or changed."""
    if mac != entry.mac:
        other = await session.scalar(
            select(LedgerRow.row_id)
            .where(
                LedgerRow.table_name == protection.table,
                LedgerRow.mac == mac,
                LedgerRow.row_id != entry.row_id,
            )
            .limit(1)
        )
        if other is not None:
            return Kind.ROW_SWAPPED, f"这一行装着另一行（{other}）的内容"
    return Kind.ROW_CHANGED, f"内容与写入时不同{damaged}"


async def _hospital(session: AsyncSession, protection: Protection, row_id: str) -> UUID | None:
    column = protection.model.__table__.c.get("hospital_id")
    if column is None:
        return None
    found: UUID | None = await session.scalar(
        select(column).where(
            *(protection.column(name) == v for name, v in protection.parse_key(row_id).items())
        )
    )
    return found
