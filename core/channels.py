"""Inner channels: which of them leave this machine without proof and secrecy."""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qs, urlsplit

from core.config import Config

# asyncpg and libpq: only these check whom they talk to.
_VERIFIED = ("verify-ca", "verify-full")


def open_channels(config: Config) -> list[str]:
    """A sentence for each channel to another machine that is not authenticated and encrypted."""
    found = []
    if config.database_url is not None:
        parts = urlsplit(config.database_url.get_secret_value())
        modes = parse_qs(parts.query)
        mode = (modes.get("ssl") or modes.get("sslmode") or [""])[0]
        if not _is_here(parts.hostname) and mode not in _VERIFIED:
            found.append(f"The database at {parts.hostname} is reached without ssl=verify-full.")
    if config.redis_url is not None:
        # What is pushed to people on another node travels over it.
        parts = urlsplit(config.redis_url.get_secret_value())
        if parts.scheme == "redis" and not _is_here(parts.hostname):
            found.append(f"Redis at {parts.hostname} is reached without rediss://.")
    for url in config.workers:
        parts = urlsplit(url)
        if parts.scheme != "wss" and not _is_here(parts.hostname):
            found.append(f"The media worker at {parts.hostname} is reached without wss://.")
    encrypted = any(url.startswith("wss:") for url in config.workers)
    if encrypted and config.media_tls_authority is None:
        found.append("ZHENJIAN_MEDIA_TLS_AUTHORITY is not set: workers cannot be verified.")
    return found


def _is_here(host: str | None) -> bool:
    """Whether the name is this machine itself (a socket folder has no host)."""
    if not host or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
