"""`zhenjian check`: what is wrong with the configuration and with the data classes."""

from __future__ import annotations

import os
from collections.abc import Callable

from core import data_report
from core.channels import open_channels
from core.config import Config
from core.crypto.engine import chosen
from core.crypto.keyring import KeyringError
from core.crypto.opening import check_kek
from core.data_classes import unclassified
from core.db import Base, create_engine
from core.defence import checks, content
from core.starting import SetupProblem, missing_adapters, require_schema
from core.storage import Storage, StorageError

Say = Callable[[str], None]


async def configuration(config: Config, say: Say) -> bool:
    """Say each problem and each warning; whether there is no problem."""
    problems = [f"Not configured: {item}" for item in missing_adapters(config)]
    problems += [f"Channel: {item}" for item in open_channels(config)]
    problems += [f"Web content: {item}" for item in content.problems()]
    problems += await _foundation_problems(config)
    for problem in problems:
        say(problem)
    for warning in checks.warnings(config, os.environ):
        say(f"Warning: {warning}")
    say(f"SM4 and SM3: {chosen()}.")
    if not problems:
        say("The configuration is complete.")
    return not problems


async def _foundation_problems(config: Config) -> list[str]:
    problems = []
    try:
        check_kek(config)
    except KeyringError as error:
        problems.append(f"Keys: {error}")
    try:
        await Storage.open(config.storage).check()
    except (StorageError, ValueError) as error:
        problems.append(f"Storage: {error}")
    if config.database_url is None:
        return [*problems, "Database: ZHENJIAN_DATABASE_URL is not set."]
    engine = create_engine(config.require_database(), pool_size=2)
    try:
        await require_schema(engine)
    except SetupProblem as error:
        problems.append(f"Database: {error}")
    finally:
        await engine.dispose()
    return problems


def data(say: Say, *, everything: bool) -> bool:
    """Say which columns have no data class, a line each; with `everything` the counts too. Whether
    every column has one. The modules, which own the columns, must be loaded.
    """
    found = list(data_report.lines(Base.metadata, everything=everything))
    say("\n".join(found) or "Every column has a data class.")
    return not any(unclassified(Base.metadata))
