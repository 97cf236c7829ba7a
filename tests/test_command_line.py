"""The ``zhenjian`` command: a problem that its user can solve is told in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.crypto.kek import FileKek
from tests.support.demo import ROOT, free_port


def zhenjian(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty environment and folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ZHENJIAN_")}
    environment |= {"PYTHONPATH": str(ROOT), "ZHENJIAN_DATA_DIR": str(folder), **settings}
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]


def test_a_broken_setting_is_named(tmp_path: Path) -> None:
    result = zhenjian("check", folder=tmp_path, ZHENJIAN_PORT="eight thousand")
    assert result.returncode == 2
    assert "ZHENJIAN_PORT" in one_line(result.stderr)


def test_a_mistyped_setting_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "zhenjian.env").write_text("ZHENJIAN_PROT=8000\n")
    result = zhenjian("check", folder=tmp_path)
    assert result.returncode == 2
    assert "PROT" in one_line(result.stderr)


@pytest.mark.parametrize("command", ["web", "worker", "serve"])
def test_without_its_adapters_the_server_refuses_to_start_and_names_them(
    tmp_path: Path, command: str
) -> None:
    result = zhenjian(command, folder=tmp_path)
    assert result.returncode == 2
    line = one_line(result.stderr)
    for name in ("SMS", "real-name", "HIS", "WeChat Pay", "ZHENJIAN_MEDIA_SECRET"):
        assert name in line


def test_the_simulators_do_not_run_outside_the_demo(tmp_path: Path) -> None:
    result = zhenjian("sandbox", folder=tmp_path)
    assert result.returncode == 2
    assert "demo mode only" in one_line(result.stderr)


def test_check_lists_everything_that_is_missing(tmp_path: Path) -> None:
    result = zhenjian("check", folder=tmp_path)
    assert result.returncode == 1
    for name in ("ZHENJIAN_SMS_URL", "ZHENJIAN_HIS_URL", "ZHENJIAN_CA_URL", "Keys:", "Database:"):
        assert name in result.stdout


def test_keys_are_written_once_and_privately(tmp_path: Path) -> None:
    assert zhenjian("keys", folder=tmp_path).returncode == 0
    path = tmp_path / "keys.json"
    assert path.stat().st_mode & 0o077 == 0
    before = path.read_bytes()
    assert len(FileKek.load(path).versions()) == 1
    again = zhenjian("keys", folder=tmp_path)
    assert again.returncode == 2
    assert one_line(again.stderr)
    assert path.read_bytes() == before


def test_a_port_in_use_is_named_with_the_setting_that_moves_it(
    tmp_path: Path, taken_port: int
) -> None:
    ports = {
        "ZHENJIAN_PORT": str(taken_port),
        "ZHENJIAN_SANDBOX_PORT": str(free_port()),
        "ZHENJIAN_MEDIA_PORT": str(free_port()),
        "ZHENJIAN_MEDIA_CONTROL_PORT": str(free_port()),
    }
    result = zhenjian("demo", folder=tmp_path, **ports)
    assert result.returncode == 2
    line = one_line(result.stderr)
    assert str(taken_port) in line
    assert "ZHENJIAN_PORT" in line
    assert not (tmp_path / "postgres").exists()


def test_one_port_given_twice_is_named_with_both_settings(tmp_path: Path) -> None:
    port = str(free_port())
    ports = {"ZHENJIAN_PORT": port, "ZHENJIAN_MEDIA_CONTROL_PORT": port}
    result = zhenjian("demo", folder=tmp_path, **ports)
    assert result.returncode == 2
    line = one_line(result.stderr)
    assert "ZHENJIAN_PORT" in line
    assert "ZHENJIAN_MEDIA_CONTROL_PORT" in line


def test_an_unknown_module_is_named(tmp_path: Path) -> None:
    result = zhenjian("web", folder=tmp_path, ZHENJIAN_MODULES="surgery", **complete(tmp_path))
    assert result.returncode == 2
    assert "surgery" in one_line(result.stderr)


def complete(folder: Path) -> dict[str, str]:
    """Settings for every adapter, none of which is called."""
    (folder / "merchant.pem").write_text("")
    names = "sms_url sms_key sms_secret real_name_url real_name_secret his_url his_secret"
    names += " ca_url ca_secret tsa_url"
    settings = {f"ZHENJIAN_{name.upper()}": "http://127.0.0.1:9" for name in names.split()}
    names = "mchid appid serial api_v3_key"
    settings |= {f"ZHENJIAN_WECHAT_{name.upper()}": "x" * 32 for name in names.split()}
    return settings | {
        "ZHENJIAN_WECHAT_PRIVATE_KEY": str(folder / "merchant.pem"),
        "ZHENJIAN_MEDIA_SECRET": "secret",
        "ZHENJIAN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    }


def test_an_unreachable_database_is_told_in_one_line(tmp_path: Path) -> None:
    zhenjian("keys", folder=tmp_path)
    result = zhenjian("migrate", folder=tmp_path, **complete(tmp_path))
    assert result.returncode == 2
    assert "database" in one_line(result.stderr).lower()
