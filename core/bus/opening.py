"""The bus that the configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.bus.base import LocalBus
from core.bus.postgres import PostgresBus

if TYPE_CHECKING:
    from core.config import Config


def open_bus(config: Config) -> LocalBus:
    """Redis where one is configured, else PostgreSQL's LISTEN/NOTIFY."""
    if config.redis_url is not None:
        # Loading it takes a while, and a process without one need not wait.
        from core.bus.redis import RedisBus

        return RedisBus(config.redis_url.get_secret_value())
    return PostgresBus(config.require_database())
