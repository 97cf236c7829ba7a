"""What a client has said and the server has not confirmed yet, in the order in which it was said.

A message is `queued`, `sending`, `sent` (acknowledged; its own echo is still on the way) or
`failed` (refused; `error` says why). It leaves the outbox once it is part of its room's log. What
was posted is stored, and goes out after a restart under the same `client_id`, so that the server
can tell a repetition from a new message.
"""

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from zhenjian_client.errors import ClientError, RequestFailed


@dataclass(frozen=True)
class Sent:
    """Where a message of ours stands in its room. `duplicate`: an earlier try had arrived."""

    seq: int
    at: str
    duplicate: bool
    client_id: str


@dataclass
class Outgoing:
    """A message on its way out. `at`: when it was said (ISO 8601)."""

    room: str
    kind: str
    body: dict[str, Any]
    reply_to: int | None = None
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    state: str = "queued"
    error: dict[str, str] | None = None
    #: Told when it is stored or refused; a message that somebody waits for is not kept on disk.
    waiter: asyncio.Future[Sent] | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """As `message:send` takes it."""
        return {
            "room": self.room,
            "client_id": self.client_id,
            "kind": self.kind,
            "body": self.body,
            "reply_to": self.reply_to,
        }


class Storage(Protocol):
    """Where posted messages outlive the process."""

    def load(self) -> list[dict[str, Any]]: ...

    def save(self, entries: list[dict[str, Any]]) -> None: ...


class FileStorage:
    """One JSON file, replaced as a whole; one account and one process a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[dict[str, Any]]:
        # A torn or foreign file: nothing in it can be trusted.
        with contextlib.suppress(FileNotFoundError, ValueError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return found if isinstance(found, list) else []
        return []

    def save(self, entries: list[dict[str, Any]]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
        os.replace(fresh, self._path)


class Outbox:
    """Holds the entries; `RoomClient` sends them. `changed(room_id)` hears of each change."""

    def __init__(
        self, storage: Storage | None = None, changed: Callable[[str], None] = lambda _: None
    ) -> None:
        self.filled = asyncio.Event()
        self._storage = storage
        self._changed = changed
        self._entries: list[Outgoing] = [
            Outgoing(**each) for each in (storage.load() if storage else [])
        ]
        if self._entries:
            self.filled.set()

    def of(self, room_id: str) -> list[Outgoing]:
        """What a room shows below its log, oldest first."""
        return [each for each in self._entries if each.room == room_id]

    def get(self, client_id: str) -> Outgoing | None:
        return next((each for each in self._entries if each.client_id == client_id), None)

    def next(self) -> Outgoing | None:
        """The oldest message that has to go out."""
        return next((each for each in self._entries if each.state in ("queued", "sending")), None)

    def add(self, entry: Outgoing) -> None:
        self._entries.append(entry)
        self._save(entry)
        self.filled.set()

    def mark(self, entry: Outgoing, state: str, error: dict[str, str] | None = None) -> None:
        """Change an entry that is still here."""
        if entry in self._entries and (entry.state, entry.error) != (state, error):
            entry.state, entry.error = state, error
            self._save(entry)

    def retry(self, client_id: str) -> None:
        """Send a failed message again, under the same id."""
        entry = self.get(client_id)
        if entry is not None and entry.state == "failed":
            self.mark(entry, "queued")
            self.filled.set()

    def discard(self, client_id: str) -> None:
        """Give up a message that is not being sent right now."""
        entry = self.get(client_id)
        if entry is not None and entry.state != "sending":
            self.remove(entry)

    def confirm(self, client_ids: Iterable[str]) -> None:
        """These are in the log now. Whoever waits for one is told by its acknowledgement."""
        for client_id in client_ids:
            entry = self.get(client_id)
            if entry is not None and entry.waiter is None:
                self.remove(entry)

    def acknowledge(self, entry: Outgoing, sent: Sent, *, shown: bool) -> None:
        """It is stored. `shown`: it is in the log already, or its room is not open."""
        if entry.waiter is not None and not entry.waiter.done():
            entry.waiter.set_result(sent)
        if shown or entry.waiter is not None:
            self.remove(entry)
        else:
            self.mark(entry, "sent")

    def refuse(self, entry: Outgoing, failed: RequestFailed) -> None:
        """The server will never take it as it is."""
        if entry.waiter is None:
            self.mark(entry, "failed", {"code": failed.code, "message": failed.message})
            return
        if not entry.waiter.done():
            entry.waiter.set_exception(failed)
        self.remove(entry)

    def remove(self, entry: Outgoing) -> None:
        if entry in self._entries:
            self._entries.remove(entry)
            self._save(entry)

    def abandon(self, error: ClientError) -> None:
        """Nothing goes out any more: whoever waits is told; what was posted stays stored."""
        for entry in [each for each in self._entries if each.waiter is not None]:
            if entry.waiter is not None and not entry.waiter.done():
                entry.waiter.set_exception(error)
            self.remove(entry)

    def _save(self, entry: Outgoing) -> None:
        if self._storage is not None and entry.waiter is None:
            self._storage.save([_stored(each) for each in self._entries if each.waiter is None])
        self._changed(entry.room)


def _stored(entry: Outgoing) -> dict[str, Any]:
    # What was on its way when the process ended is sent again.
    state = "failed" if entry.state == "failed" else "queued"
    return entry.payload | {"at": entry.at, "state": state, "error": entry.error}
