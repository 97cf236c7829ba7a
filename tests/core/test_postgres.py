"""The embedded PostgreSQL: private, restartable, and it opens nobody's folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import asyncpg
import pytest

from core.postgres import EmbeddedPostgres


async def scalar(postgres: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(postgres.url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_it_starts_restarts_keeps_its_data_and_leaves_a_private_home_private(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    postgres = EmbeddedPostgres(home / "var" / "postgres", throwaway=True)
    try:
        assert postgres.start() is True
        await scalar(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        again = EmbeddedPostgres(home / "var" / "postgres", throwaway=True)
        assert again.start() is False, "a running server is found, not started twice"
        assert await scalar(again, "SELECT answer FROM kept") == 42
        postgres.stop()
        assert postgres.start() is False
        assert await scalar(postgres, "SELECT answer FROM kept") == 42
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert await scalar(postgres, "SHOW listen_addresses") == ""
    finally:
        postgres.remove()
    assert not postgres.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
async def test_as_root_the_server_runs_as_an_unprivileged_account(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", throwaway=True)
    try:
        postgres.start()
        pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
        assert os.stat(f"/proc/{pid}").st_uid != 0
        assert postgres.data.stat().st_uid != 0
    finally:
        postgres.remove()


def test_a_cluster_that_cannot_start_says_why(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", throwaway=True)
    try:
        postgres.start()
        postgres.stop()
        (postgres.data / "PG_VERSION").write_text("9\n")
        broken = EmbeddedPostgres(tmp_path / "postgres", throwaway=True)
        with pytest.raises(RuntimeError, match="did not start"):
            broken.start()
    finally:
        postgres.remove()
