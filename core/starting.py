"""What must stand before a process can work: settings, outside systems, a database of this version.

Whatever is missing is a `SetupProblem`, which the command line tells in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator

import asyncpg
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from core import migrate
from core.clock import SystemClock
from core.config import Config
from core.lan import open_to_lan

#: The settings without which an outside system cannot be reached.
NEEDS = {
    "SMS": ("sms_url", "sms_key", "sms_secret"),
    "real-name verification": ("real_name_url", "real_name_secret"),
    "HIS": ("his_url", "his_secret"),
    "CA": ("ca_url", "ca_secret"),
    "time-stamping authority": ("tsa_url",),
    "WeChat Pay": (
        "wechat_mchid",
        "wechat_appid",
        "wechat_serial",
        "wechat_private_key",
        "wechat_api_v3_key",
    ),
    "media workers": ("media_secret",),
}


class SetupProblem(Exception):
    """Something that the person who starts a process must put right; told in one line."""


def load_config(*, demo_mode: bool = False) -> Config:
    """The configuration; raises SetupProblem naming each setting that is wrong."""
    if demo_mode:
        os.environ.setdefault("ZHENJIAN_LOG_FORMAT", "console")
        os.environ.setdefault("ZHENJIAN_LOG_LEVEL", "warning")
    try:
        return Config(demo=True) if demo_mode else Config()
    except ValidationError as error:
        wrong = [
            f"ZHENJIAN_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise SetupProblem("; ".join(wrong)) from error


def serve_lan(config: Config, say: Callable[[str], None]) -> Config:
    """The configuration with HTTPS on the local network; children inherit it."""
    lan = open_to_lan(config, SystemClock().now())
    os.environ.update(lan.settings)
    if config.demo:
        os.environ["ZHENJIAN_SANDBOX_HOST"] = lan.settings["ZHENJIAN_HOST"]
        os.environ["ZHENJIAN_SANDBOX_URL"] = f"http://{lan.host}:{config.sandbox_port}"
    say(lan.say())
    return load_config(demo_mode=config.demo)


def missing_adapters(config: Config) -> list[str]:
    """The outside systems that lack a setting, each with the settings to give it."""
    needs = dict(NEEDS)
    if config.speech_engine == "tencent":
        needs["speech recognition"] = ("speech_secret_id", "speech_secret_key")
    if config.speech_engine == "sherpa":
        needs["speech recognition"] = ("speech_model",)
    if config.scanner == "required":
        needs["virus scanner"] = ("scanner_url",)
    found = []
    for system, names in needs.items():
        absent = [f"ZHENJIAN_{name.upper()}" for name in names if not getattr(config, name)]
        if absent:
            found.append(f"{system} ({', '.join(absent)})")
    return found


def require_adapters(config: Config, *others: str) -> None:
    """Raises SetupProblem for outside systems, and others, that are not configured."""
    missing = [*missing_adapters(config), *others]
    if missing:
        raise SetupProblem("Not configured: " + "; ".join(missing) + ".")


@contextlib.contextmanager
def database_answers() -> Iterator[None]:
    """Turn the failure to reach the database into a SetupProblem."""
    try:
        yield
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        raise SetupProblem(f"The database does not answer: {error}") from error


async def require_schema(engine: AsyncEngine) -> None:
    """Raises SetupProblem when the database does not answer or its schema is not the newest."""
    with database_answers():
        present, newest = await migrate.current(engine)
    if present != newest:
        raise SetupProblem(
            f"The database is at version {present or 'none'}, this program needs {newest}: "
            "run zhenjian migrate."
        )


async def database_ready(engine: AsyncEngine, wait: float) -> None:
    """Return once the database answers and has the newest schema, which may take `wait` seconds: it
    may start, or be migrated, beside this process. Raises SetupProblem.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        try:
            return await require_schema(engine)
        except SetupProblem:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(0.1)
