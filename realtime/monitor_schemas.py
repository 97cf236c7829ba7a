"""Shapes of the room monitor."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from core.identity.roles import Role
from realtime.schemas import Presence, Strict, Subject


class MonitorMember(BaseModel):
    user_id: UUID
    name: str
    role: Role
    presence: Presence


class LastWord(BaseModel):
    """Who said something last, and when; not what."""

    role: Role
    at: datetime


class CallFigure(BaseModel):
    """A call under way. `quality` (0 to 4) is None until media reports one."""

    state: str
    media: str
    since: datetime
    quality: int | None = None


class MonitorRoom(BaseModel):
    """An open room. `waits_since`: opened and not taken yet, or the patient's first word that
    nobody has answered.
    """

    id: UUID
    kind: str
    state: Literal["waiting", "active", "closed"]
    seq: int
    subject: Subject
    lead_id: UUID | None
    department_id: UUID | None
    department: str | None
    members: list[MonitorMember]
    opened_at: datetime
    last_at: datetime
    last_word: LastWord | None
    waits_since: datetime | None
    call: CallFigure | None


class Totals(BaseModel):
    open: int
    waiting: int
    overdue: int
    in_call: int


class MonitorPage(BaseModel):
    """A page in the order of the rooms' ids; `next` is the id to go on after. A word that waits
    longer than `reply_seconds` is overdue; `now` is the server's clock, `totals` with the first
    page only.
    """

    items: list[MonitorRoom]
    next: UUID | None
    reply_seconds: int
    now: datetime
    totals: Totals | None


class WatchMonitor(Strict):
    """Ask for changes (`on`) or for no more."""

    on: bool = True
