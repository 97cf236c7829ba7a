"""Fixtures for every test: PostgreSQL, a runtime on a fresh schema, the client, the cast."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from starlette.types import ASGIApp

import app as zhenjian
from core.bus import PostgresBus
from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.identity import passwords
from core.jobs import JobRunner
from core.modules import Modules
from core.outbox import Relay
from core.postgres import EmbeddedPostgres
from core.runtime import Runtime
from tests.support.cast import Cast, hire_cast
from tests.support.databases import Databases
from tests.support.engines import share_compiled_statements
from tests.support.http import Client
from tests.support.requirements import Record, rows

# A busy machine is no fault of what is tested: properties have no deadline.
hypothesis_settings.register_profile(
    "zhenjian", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("zhenjian")
share_compiled_statements()

TODAY = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)  # A Friday, 9 o'clock in Shanghai.


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One private cluster for the whole session."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), throwaway=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def modules() -> Modules:
    return zhenjian.all_modules(Config(_env_file=None))


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres, modules: Modules) -> Databases:
    """`modules` loads all models and migrations."""
    found = Databases(postgres)
    found.prepare()
    return found


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres, databases: Databases) -> AsyncIterator[str]:
    """A database with the newest schema and nothing in it."""
    name = await databases.take()
    yield postgres.url(name)
    await databases.give_back(name)


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring.create(tmp_path_factory.mktemp("keys") / "keys.json", TODAY)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is slow on purpose; only tests/core/identity/test_passwords.py looks at that."""
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", quick)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(TODAY)


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Config:
    """Rate limits are off: tests ask as fast as they can; tests/security turns them on."""
    return Config(
        _env_file=None,
        demo=True,
        database_url=database_url,
        data_dir=tmp_path,
        media_secret="test-media-secret",
        relay=False,
        rate_limits=False,
    )


@pytest.fixture
async def runtime(
    config: Config, clock: FakeClock, modules: Modules, keyring: Keyring
) -> AsyncIterator[Runtime]:
    """All modules on a fresh database, with a clock that stands still and outside systems faked."""
    assert config.database_url is not None
    built = zhenjian.build_runtime(
        config,
        modules,
        clock=clock,
        bus=PostgresBus(config.require_database()),
        keyring=keyring,
    )
    await built.bus.start()
    yield built
    await built.bus.stop()
    await built.engine.dispose()


@pytest.fixture
def relay(runtime: Runtime) -> Relay:
    """Runs AFTER_COMMIT reactions when told: ``await relay.drain()``."""
    return Relay(runtime)


@pytest.fixture
def jobs(runtime: Runtime, modules: Modules) -> JobRunner:
    """Runs scheduled jobs when told: ``await jobs.run_due()``."""
    return JobRunner(runtime, modules.jobs)


@pytest.fixture
async def asgi(runtime: Runtime, modules: Modules) -> ASGIApp:
    return zhenjian.build_asgi(runtime, modules)


@pytest.fixture
def client(asgi: ASGIApp) -> Client:
    return Client(asgi)


@pytest.fixture
async def cast(runtime: Runtime) -> Cast:
    """The people of the stories, logged in."""
    return await hire_cast(runtime)


RECORD = Record()
ROWS = "requirement rows"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which rows a test claims to show; a mark that names no row is a mistake."""
    known = {row.id for row in rows()}
    for item in items:
        ids = [row for mark in item.iter_markers("requirement") for row in mark.args]
        unknown = set(ids) - known
        if unknown:
            raise pytest.UsageError(f"{item.nodeid} names unknown rows {sorted(unknown)}.")
        if ids:
            item.user_properties.append((ROWS, ids))
    if hasattr(config, "workerinput"):
        # Files with long tests go first, so that no worker is left alone with one at the end.
        long = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end: garbage is not looked for among them."""
    gc.collect()
    gc.freeze()
    # An application a test is a lot of young objects: looked through less often.
    gc.set_threshold(20_000, 20, 20)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of tests that claim rows; with several workers in the one that collects."""
    ids = dict(report.user_properties).get(ROWS)
    if isinstance(ids, list) and (report.when == "call" or report.failed):
        RECORD.note(report.nodeid, ids, report.passed)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        RECORD.write()
