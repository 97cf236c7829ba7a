"""What stood in the database before a migration stands there after it, in its new place."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import app as zhenjian
from core import migrate
from core.db import create_engine
from core.modules import Modules
from core.postgres import EmbeddedPostgres

THEN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PRIVACY_DIGEST, NOTICE_DIGEST = "a" * 64, "b" * 64
#: What a required column that nobody names is filled with, by its type.
FILLING: dict[str, Any] = {
    "bigint": 0,
    "boolean": False,
    "bytea": b"",
    "character varying": "",
    "date": date(2026, 3, 1),
    "integer": 0,
    "text": "",
    "timestamp with time zone": THEN,
}
REQUIRED = text(
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = :table "
    "AND table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL"
)


@pytest.fixture
async def empty(postgres: EmbeddedPostgres, modules: Modules) -> AsyncIterator[AsyncEngine]:
    """A database without any schema."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute(f'CREATE DATABASE "{name}"')
    engine = create_engine(postgres.url(name))
    yield engine
    await engine.dispose()
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


async def move(engine: AsyncEngine, verb: str, revision: str) -> None:
    """Upgrade or downgrade to a revision."""

    def run(connection: Connection) -> None:
        getattr(command, verb)(migrate.alembic_config(connection), revision)

    async with engine.begin() as connection:
        await connection.run_sync(run)


async def put(connection: AsyncConnection, table: str, **values: Any) -> uuid.UUID:
    """A row as the schema of the moment wants it; columns that are not named get a filling."""
    values = {"id": uuid.uuid4(), **values}
    for column, kind in await connection.execute(REQUIRED, {"table": table}):
        if column not in values:
            values[column] = FILLING[kind]
    columns = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f":{name}" for name in values)
    await connection.execute(text(f'INSERT INTO "{table}" ({columns}) VALUES ({places})'), values)
    found: uuid.UUID = values["id"]
    return found


async def rows(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def test_a_start_waits_for_the_migration_beside_it_and_not_for_ever(
    empty: AsyncEngine,
) -> None:
    with pytest.raises(zhenjian.SetupProblem, match="run zhenjian migrate"):
        await zhenjian.database_ready(empty, wait=0)
    waiting = asyncio.create_task(zhenjian.database_ready(empty, wait=60))
    await move(empty, "upgrade", "head")
    await asyncio.wait_for(waiting, 60)


class FirstWalk:
    """A small hospital as the first walk left it: two accounts, a patient, three consultations."""

    async def fill(self, engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await self._people(connection)
            await self._agreements(connection)
            await self._consultations(connection)

    async def _people(self, at: AsyncConnection) -> None:
        other = await put(at, "hospitals", code="ankang", name="安康", position=1)
        self.hospital = await put(at, "hospitals", code="renhe", name="仁和", position=0)
        inner = await put(at, "departments", hospital_id=self.hospital, code="n", name="内科")
        self.payer = await put(at, "users", name="林小满")
        self.stranger = await put(at, "users", name="没有身份")
        self.doctor = await put(at, "users", name="陈安和")
        elsewhere = await put(at, "users", name="外甲")
        self.elsewhere, self.other = elsewhere, other
        for user, hospital, role in (
            (self.payer, self.hospital, "patient"),
            (self.doctor, self.hospital, "doctor"),
            (elsewhere, other, "patient"),
        ):
            await put(at, "role_assignments", user_id=user, hospital_id=hospital, role=role)
        await put(
            at,
            "device_sessions",
            user_id=self.payer,
            hospital_id=self.hospital,
            last_seen_at=LATER,
        )
        self.patient = await put(at, "patients", hospital_id=self.hospital, kind="adult")
        self.relation = await put(
            at,
            "patient_relations",
            hospital_id=self.hospital,
            user_id=self.payer,
            patient_id=self.patient,
            relation="self",
        )
        self.department = inner

    async def _agreements(self, at: AsyncConnection) -> None:
        for user, code in (
            (self.payer, "user_agreement"),
            (self.payer, "privacy"),
            (self.stranger, "privacy"),
            (self.elsewhere, "privacy"),
        ):
            await put(
                at,
                "agreement_acceptances",
                user_id=user,
                code=code,
                version="1.0",
                text_digest=PRIVACY_DIGEST,
                accepted_at=THEN,
            )

    async def _consultations(self, at: AsyncConnection) -> None:
        self.consultations = []
        for number, agreed, consent in (("1", True, True), ("2", False, True), ("3", False, False)):
            self.consultations.append(
                await put(
                    at,
                    "consultations",
                    hospital_id=self.hospital,
                    number=number,
                    payer_id=self.payer,
                    patient_id=self.patient,
                    relation_id=self.relation,
                    doctor_id=self.doctor,
                    department_id=self.department,
                    consent_version="2026-11" if consent else None,
                    consent_at=LATER if consent else None,
                    consent_digest=NOTICE_DIGEST if consent else None,
                    recording_agreed=agreed,
                )
            )


@pytest.mark.parametrize("revision", ["0001", "0006"])
async def test_what_people_agreed_to_before_is_kept_word_for_word(
    empty: AsyncEngine, revision: str
) -> None:
    await move(empty, "upgrade", revision)
    walk = FirstWalk()
    await walk.fill(empty)
    await move(empty, "upgrade", "head")
    kept = await rows(
        empty,
        "SELECT user_id, hospital_id, kind, version, digest, act, method, at FROM consent_records "
        "WHERE ref_id IS NULL ORDER BY user_id, kind",
    )
    # Who has a role at a hospital agreed there; who has none, at the first of the list.
    expected = [
        (user, hospital, kind, "1.0", PRIVACY_DIGEST, "given", "migrated", THEN)
        for user, hospital, kind in (
            (walk.payer, walk.hospital, "user_agreement"),
            (walk.payer, walk.hospital, "privacy"),
            (walk.stranger, walk.hospital, "privacy"),
            (walk.elsewhere, walk.other, "privacy"),
        )
    ]
    assert sorted(kept, key=str) == sorted(expected, key=str)
    given = await rows(
        empty,
        "SELECT r.ref_id, r.kind, r.act, r.digest, r.at, r.patient_id, r.relation, t.version "
        "FROM consent_records r JOIN consent_texts t ON t.id = r.text_id "
        "WHERE r.ref_type = 'consultation'",
    )
    first, second, _ = walk.consultations
    about = (NOTICE_DIGEST, LATER, walk.patient, "self", "2026-11")
    assert sorted(given, key=str) == sorted(
        [
            (first, "consultation_notice", "given", *about),
            (first, "recording", "given", *about),
            (second, "consultation_notice", "given", *about),
            (second, "recording", "refused", *about),
        ],
        key=str,
    )
    assert await migrate.differences(empty) == []
    present, newest = await migrate.current(empty)
    assert present == newest
    with pytest.raises(DBAPIError):
        async with empty.begin() as connection:
            await connection.execute(text("UPDATE consent_records SET act = 'refused'"))


async def test_the_way_back_returns_the_agreements_to_their_old_table(empty: AsyncEngine) -> None:
    await move(empty, "upgrade", "0006")
    walk = FirstWalk()
    await walk.fill(empty)
    before = await rows(
        empty, "SELECT user_id, code, version, text_digest, accepted_at FROM agreement_acceptances"
    )
    await move(empty, "upgrade", "head")
    await move(empty, "downgrade", "0006")
    after = await rows(
        empty, "SELECT user_id, code, version, text_digest, accepted_at FROM agreement_acceptances"
    )
    assert sorted(after, key=str) == sorted(before, key=str)
    assert len(after) == 4


async def test_answers_kept_in_the_clear_go_and_sessions_learn_when_they_were_active(
    empty: AsyncEngine,
) -> None:
    """What 0003 and 0005 do to rows of the first walk."""
    await move(empty, "upgrade", "0001")
    walk = FirstWalk()
    await walk.fill(empty)
    async with empty.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO idempotency_keys "
                "(owner, route, key, body_digest, status, answer, created_at) "
                "VALUES ('o', 'r', 'k', '', 201, 'in the clear', now())"
            )
        )
    await move(empty, "upgrade", "head")
    assert await rows(empty, "SELECT key, status, answer FROM idempotency_keys") == [
        ("k", 201, None)
    ]
    assert await rows(empty, "SELECT active_at, login_method, label FROM device_sessions") == [
        (LATER, "password", "")
    ]


async def test_a_text_that_waits_for_confirmation_is_a_draft_again_on_the_way_back(
    empty: AsyncEngine,
) -> None:
    await move(empty, "upgrade", "head")
    async with empty.begin() as connection:
        hospital = await put(connection, "hospitals", code="renhe", name="仁和")
        user = await put(connection, "users", name="管一成")
        waiting = await put(
            connection,
            "consent_texts",
            hospital_id=hospital,
            kind="privacy",
            version="2.0",
            state="pending",
            purposes="[]",
        )
        await put(
            connection,
            "consent_text_proposals",
            hospital_id=hospital,
            text_id=waiting,
            state="pending",
            requested_by=user,
        )
    await move(empty, "downgrade", "0009")
    found = await rows(empty, "SELECT state FROM consent_texts WHERE hospital_id IS NOT NULL")
    assert found == [("draft",)]
