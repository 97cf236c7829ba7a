"""Fetching what rooms have above a cursor, ready to go out.

One prepared statement without a session or a transaction around it, and its rows become what the
sockets are sent: no rows of the ORM, no models. For delivery to sockets that were let in before
(`realtime.access`); what somebody asks for himself goes through `realtime.reading`.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from core.bus import LOST
from core.crypto.keyring import installed_keyring
from core.crypto.sealing import unseal
from core.runtime import Runtime
from realtime.groups import BODY, Entry, name_in, view_json
from realtime.prepared import Prepared, is_of_the_server
from realtime.rules import MessageKind

# A look into the index for each room, whatever the planner believes about the size of the log:
# prepared statements keep the plan that was made while the table was young. Names are looked up
# among those of the room: by user, the planner's other way, a doctor has thousands of rows.
ABOVE: Final = (
    "SELECT m.*, (SELECT p.name FROM room_participants p "
    "WHERE p.room_id = m.room_id AND p.user_id::text = m.sender_id::text) AS sender_name "
    "FROM unnest($1::text::uuid[], $2::text::bigint[]) AS wanted (room_id, after) "
    "CROSS JOIN LATERAL (SELECT room_id, seq, id, kind, sender_id, sender_role, client_id, body, "
    "reply_to, at, recalled_at FROM room_messages "
    "WHERE room_id = wanted.room_id AND seq > wanted.after ORDER BY seq LIMIT $3) AS m "
    "ORDER BY m.room_id, m.seq LIMIT $3"
)


class LogReader:
    """Reads for the feeds of one process, one fetch at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._statement = Prepared(runtime, ABOVE)

    async def above(self, cursors: Mapping[UUID, int], limit: int) -> list[Entry]:
        """What rooms have above their cursors, in the order of room and `seq`.

        At most `limit` entries in all, so the last rooms may be cut short and must be asked for
        again. Raises asyncpg's and SQLAlchemy's errors and OSError.
        """
        rooms = "{" + ",".join(room_id.hex for room_id in cursors) + "}"
        afters = "{" + ",".join(map(str, cursors.values())) + "}"
        arguments = rooms, afters, limit
        known = self._statement.is_open
        try:
            rows = await self._statement.fetch(*arguments)
        except LOST as error:
            # A connection that was good once may have died since; a fresh one tells.
            if not known or (
                isinstance(error, asyncpg.PostgresError) and not is_of_the_server(error)
            ):
                raise
            rows = await self._statement.fetch(*arguments)
        return [_entry(row) for row in rows]

    async def close(self) -> None:
        await self._statement.close()


def _entry(row: Any) -> Entry:
    recalled = row["recalled_at"] is not None
    kind = MessageKind(row["kind"])
    body = b"{}" if recalled else unseal(installed_keyring(), BODY, row["body"])
    json = view_json(
        row["room_id"],
        row["seq"],
        row["id"],
        kind,
        _sender(row),
        row["client_id"],
        body,
        row["reply_to"],
        row["at"],
        recalled=recalled,
    )
    changes = orjson.loads(body) if kind is MessageKind.SYSTEM else None
    return Entry(row["room_id"], row["seq"], kind, json, changes)


def _sender(row: Any) -> dict[str, Any] | None:
    """As everybody sees him: None for what the house says."""
    if row["sender_id"] is None or row["sender_role"] is None:
        return None
    cell = row["sender_name"]
    name = "" if cell is None else name_in(cell)
    return {"user_id": row["sender_id"], "name": name, "role": row["sender_role"]}
