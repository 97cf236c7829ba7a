"""Shapes of the operations API."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from core.defence.breaker import State


class DatabaseStatus(BaseModel):
    """The database: its version and size, or the kind of failure."""

    ok: bool
    version: str | None = None
    bytes: int | None = None
    error: str | None = None


class StorageStatus(BaseModel):
    """Object storage: `file` or `s3`, and whether a small object can be written and read."""

    ok: bool
    kind: str
    error: str | None = None


class WorkerView(BaseModel):
    """One media worker."""

    url: str
    alive: bool
    calls: int
    peers: int


class OutsideView(BaseModel):
    """An outside system as this process sees it: `closed` (well), `half_open` or `open`.

    `failures` in a row; `retry_in` seconds until it is asked again.
    """

    system: str
    state: State
    failures: int
    retry_in: float


class ScannerStatus(BaseModel):
    """The virus scanner: None where uploads are not scanned, else whether it answers."""

    ok: bool
    version: str | None = None


class OutboxStatus(BaseModel):
    """Reactions that wait and reactions that gave up; None when the database does not answer."""

    pending: int | None
    parked: int | None


class SystemStatus(BaseModel):
    """The whole installation at a glance."""

    version: str
    demo: bool
    database: DatabaseStatus
    storage: StorageStatus
    media_workers: list[WorkerView]
    outbox: OutboxStatus
    outside: list[OutsideView]
    scanner: ScannerStatus | None


class ParkedView(BaseModel):
    """A reaction that kept failing."""

    id: UUID
    event: str
    handler: str
    aggregate_id: UUID
    attempts: int
    error: str | None
    parked_at: datetime
