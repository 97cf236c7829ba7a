"""What a run may do at most, and to whom: these scenarios are no weapon."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

MAX_USERS = 200
MAX_SECONDS = 600
#: Set to `yes` to load a server that is not this machine.
ELSEWHERE = "ZHENJIAN_LOAD_ELSEWHERE"


class NotAllowed(Exception):
    """The run would be larger, longer or aimed elsewhere than it may be."""


def check_host(host: str) -> None:
    """Raises NotAllowed unless `host` is this machine or the switch for others is on."""
    name = urlsplit(host).hostname or ""
    if not _is_loopback(name) and os.environ.get(ELSEWHERE) != "yes":
        raise NotAllowed(
            f"{host} is not this machine. For a server of your own, set {ELSEWHERE}=yes."
        )


def check_size(users: int, seconds: float) -> None:
    """Raises NotAllowed for more than a run may have."""
    if not 1 <= users <= MAX_USERS:
        raise NotAllowed(f"{users} users: a run has 1 to {MAX_USERS}.")
    if not 1 <= seconds <= MAX_SECONDS:
        raise NotAllowed(f"{seconds:g} s: a run takes 1 to {MAX_SECONDS} s.")


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
