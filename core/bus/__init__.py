"""Hints between processes: to every one, or to those that follow a topic.

The bus may lose and repeat; nothing may depend on it alone. State is in the database, and every
reader has a cursor or polls as well.
"""

from core.bus.base import Bus, Listener, LocalBus, shard_of, shard_topic
from core.bus.hearing import Hearing
from core.bus.opening import open_bus
from core.bus.postgres import LOST, PostgresBus

__all__ = [
    "LOST",
    "Bus",
    "Hearing",
    "Listener",
    "LocalBus",
    "PostgresBus",
    "open_bus",
    "shard_of",
    "shard_topic",
]
