"""``Idempotency-Key``: a retried POST gets the first answer again, and nothing happens twice.

The key belongs to one person (or, without login, to one address) and one route. Where the route
has one transaction, key and effect commit together. A route with transactions of its own claims
the key first; a claim whose process died can be taken over after ``TAKE_OVER``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import LargeBinary, Text, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedBytes
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base
from core.errors import (
    FieldProblem,
    IdempotencyKeyInUse,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    InvalidRequest,
)

HEADER = "idempotency-key"
LONGEST_KEY = 200
KEPT_FOR = timedelta(days=7)
TAKE_OVER = timedelta(seconds=60)


class IdempotencyKey(Base):
    """The first answer given under a key."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    route: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    body_digest: Mapped[bytes] = mapped_column(LargeBinary, info=INTERNAL)
    status: Mapped[int | None] = mapped_column(info=INTERNAL)
    answer: Mapped[bytes | None] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    created_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True)
class Claim:
    """A key that this request is the first to use."""

    owner: str
    route: str
    key: str


@dataclass(frozen=True)
class Answer:
    """The stored answer to an earlier request with the same key."""

    status: int
    body: bytes


def read_key(header: str | None) -> str:
    """The key of a request. Raises IdempotencyKeyRequired or InvalidRequest."""
    if not header:
        raise IdempotencyKeyRequired()
    if len(header) > LONGEST_KEY or not header.isprintable():
        raise InvalidRequest(fields=[FieldProblem("Idempotency-Key", "最长 200 个可打印字符")])
    return header


async def claim(
    session: AsyncSession, owner: str, route: str, key: str, body: bytes, now: datetime
) -> Claim | Answer:
    """Take a key, or return the answer that it already has.

    A second request that arrives while the first is in its transaction waits for it here.
    """
    digest = hashlib.sha256(body).digest()
    identity = {"owner": owner, "route": route, "key": key}
    inserted = await session.execute(
        insert(IdempotencyKey)
        .values(**identity, body_digest=digest, created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if inserted.first() is not None:
        return Claim(**identity)
    row = await session.scalar(select(IdempotencyKey).filter_by(**identity).with_for_update())
    if row is None:
        raise IdempotencyKeyInUse(retry_after=1)
    if row.body_digest != digest:
        raise IdempotencyKeyReused()
    if row.status is not None:
        return Answer(row.status, row.answer or b"")
    if now - row.created_at < TAKE_OVER:
        raise IdempotencyKeyInUse(retry_after=2)
    row.created_at = now
    return Claim(**identity)


async def keep(session: AsyncSession, taken: Claim, status: int, answer: bytes) -> None:
    """Store the answer in the transaction that made it true."""
    row = await session.get_one(IdempotencyKey, (taken.owner, taken.route, taken.key))
    row.status, row.answer = status, answer


async def release(session: AsyncSession, taken: Claim) -> None:
    """Give a key back after a failure, so that the client may correct itself and retry."""
    await session.execute(
        delete(IdempotencyKey).filter_by(owner=taken.owner, route=taken.route, key=taken.key)
    )


async def forget_old(session: AsyncSession, now: datetime) -> int:
    """Delete keys older than ``KEPT_FOR``; returns how many."""
    deleted = await session.execute(
        delete(IdempotencyKey)
        .where(IdempotencyKey.created_at < now - KEPT_FOR)
        .returning(IdempotencyKey.key)
    )
    return len(deleted.all())
