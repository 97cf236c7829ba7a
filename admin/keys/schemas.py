"""Shapes of the keys API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from core.crypto.keys import Purpose
from core.crypto.models import RunKind, RunState
from core.crypto.overview import KeyStage, Warning


class KekView(BaseModel):
    """The key-encryption key in use; `provider` is `file` or `pkcs11`."""

    id: str
    provider: str
    activated_at: datetime
    age_days: int
    old_versions: int


class RunPartView(BaseModel):
    """One table of a re-encryption, or the stored files."""

    target: str
    total: int
    seen: int
    changed: int
    failed: int
    error: str | None
    finished: bool


class RunView(BaseModel):
    """A re-encryption; `done` goes from 0 to 1, work begins at `begin_at`.

    `hospital` is null for one that is about everything.
    """

    id: UUID
    kind: RunKind
    hospital: str | None
    state: RunState
    started_at: datetime
    begin_at: datetime
    finished_at: datetime | None
    started_by: str | None
    done: float
    failed: int
    parts: list[RunPartView]


class BackupView(BaseModel):
    """The last backup among officers; `uncovered` keys are not in it."""

    at: datetime
    officers: int
    needed: int
    uncovered: int


class DrillView(BaseModel):
    """The last rehearsal of a restore."""

    at: datetime
    ok: bool
    samples: int
    problem: str | None


class KeysView(BaseModel):
    """The state of the keys. `may_rotate` and `may_rotate_all` are for the caller."""

    kek: KekView | None
    backup: BackupView | None
    drill: DrillView | None
    runs: list[RunView]
    warnings: list[Warning]
    may_rotate: bool
    may_rotate_all: bool


class DataKeyView(BaseModel):
    """A data key, without its secret. `hospital` is null for a key of the group."""

    purpose: Purpose
    id: str
    hospital: str | None
    period: str | None
    stage: KeyStage
    created_at: datetime
    active_from: datetime | None
    retired_at: datetime | None
    backed_up: bool


class StartRotation(BaseModel):
    """Whose data keys are changed: `own` (the hospital's, for an operator the group's) or `all`."""

    scope: Literal["own", "all"] = "own"
