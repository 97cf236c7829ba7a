"""Secrets: out of files, never in words, and a check that knows careless settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from core.config import Config
from core.defence import checks
from core.defence.secret_files import secret_names
from tests.support.demo import ROOT

STRONG = "q8Zr-4vTn0xKc7Lw2Yb9Hd5Jm3Ps6Fg1"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in tuple(os.environ):
        if name.startswith("ZHENJIAN_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def config(**changes: object) -> Config:
    return Config(_env_file=None, **changes)  # type: ignore[arg-type, call-arg]


def secret_file(folder: Path, text: str = STRONG, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


def test_every_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = secret_file(tmp_path)
    names = secret_names(Config.model_fields)
    assert {"database_url", "media_secret", "redis_url", "wechat_api_v3_key"} <= set(names)
    for name in names:
        if f"{name}_file" in Config.model_fields:
            continue
        monkeypatch.setenv(f"ZHENJIAN_{name.upper()}_FILE", str(path))
        value = getattr(config(), name)
        assert isinstance(value, SecretStr)
        assert value.get_secret_value() == STRONG
        monkeypatch.delenv(f"ZHENJIAN_{name.upper()}_FILE")


def test_an_environment_file_may_name_it_too(tmp_path: Path) -> None:
    env = tmp_path / "zhenjian.env"
    env.write_text(f"ZHENJIAN_SMS_SECRET_FILE={secret_file(tmp_path)}\n")
    found = Config(_env_file=env)  # type: ignore[call-arg]
    assert found.sms_secret is not None
    assert found.sms_secret.get_secret_value() == STRONG


def test_a_missing_empty_or_doubled_secret_is_named_without_its_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path, word in (
        (tmp_path / "absent", "cannot read"),
        (secret_file(tmp_path, ""), "is empty"),
    ):
        monkeypatch.setenv("ZHENJIAN_SMS_SECRET_FILE", str(path))
        with pytest.raises(ValidationError, match=word):
            config()
    monkeypatch.setenv("ZHENJIAN_SMS_SECRET_FILE", str(secret_file(tmp_path)))
    monkeypatch.setenv("ZHENJIAN_SMS_SECRET", "other-" + STRONG)
    with pytest.raises(ValidationError, match="both set"):
        config()


def test_no_secret_is_in_the_words_of_a_configuration() -> None:
    values = {name: f"{STRONG}-{name}" for name in secret_names(Config.model_fields)}
    made = config(**values)
    for words in (repr(made), str(made), made.model_dump_json(), repr(made.model_dump())):
        assert STRONG not in words


def test_a_process_that_fails_at_the_start_tells_no_secret(tmp_path: Path) -> None:
    """Wrong settings beside secrets: whatever is printed, the secrets are not."""
    secrets = {
        f"ZHENJIAN_{name.upper()}": f"{STRONG}-{name}"
        for name in secret_names(Config.model_fields)
        if not name.endswith("_url")
    }
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ZHENJIAN_")},
        **secrets,
        "ZHENJIAN_DATABASE_URL": f"postgresql://zhenjian:{STRONG}@127.0.0.1:1/zhenjian",
        "ZHENJIAN_DATA_DIR": str(tmp_path),
        "ZHENJIAN_LOG_LEVEL": "debug",
    }
    for command, extra in (("check", {}), ("web", {}), ("web", {"ZHENJIAN_PORT": "none"})):
        done = subprocess.run(
            [sys.executable, "-m", "app", command],
            cwd=ROOT, env={**environment, **extra}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert done.stdout + done.stderr
        assert STRONG not in done.stdout + done.stderr, command


def test_the_check_warns_of_files_that_everybody_may_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = secret_file(tmp_path, mode=0o644)
    monkeypatch.setenv("ZHENJIAN_SMS_SECRET_FILE", str(path))
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    keys.chmod(0o604)
    found = "\n".join(checks.warnings(config(key_file=keys), os.environ))
    assert "ZHENJIAN_SMS_SECRET_FILE" in found
    assert "the key file" in found
    assert STRONG not in found
    path.chmod(0o640)
    keys.chmod(0o600)
    assert "everybody" not in "\n".join(checks.warnings(config(key_file=keys), os.environ))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"media_secret": "secret"}, "ZHENJIAN_MEDIA_SECRET"),
        ({"media_secret": "a" * 40}, "ZHENJIAN_MEDIA_SECRET"),
        ({"database_url": "postgresql://zhenjian:zhenjian@db/zhenjian"}, "ZHENJIAN_DATABASE_URL"),
        ({"redis_url": "redis://:password@redis/0"}, "ZHENJIAN_REDIS_URL"),
        ({"demo": True, "host": "0.0.0.0"}, "ZHENJIAN_DEMO"),
        ({"demo": True, "public_url": "https://hospital.example"}, "ZHENJIAN_DEMO"),
        ({"trusted_proxies": "*"}, "ZHENJIAN_TRUSTED_PROXIES"),
        ({"rate_limits": False}, "ZHENJIAN_RATE_LIMITS"),
        ({"his_url": "http://his:pw@his.local/"}, "ZHENJIAN_HIS_URL"),
    ],
)
def test_the_check_warns_of_careless_settings(changes: dict[str, object], word: str) -> None:
    assert any(word in line for line in checks.warnings(config(**changes), {}))


def test_a_careful_configuration_has_no_warning(tmp_path: Path) -> None:
    careful = config(
        media_secret=STRONG,
        database_url=f"postgresql://zhenjian:{STRONG}@db/zhenjian",
        public_url="https://hospital.example",
        scanner="required",
        scanner_url="unix:///run/clamav/clamd.ctl",
        key_file=tmp_path / "absent",
    )
    assert checks.warnings(careful, {}) == []
    assert checks.warnings(config(demo=True), {}) == []
