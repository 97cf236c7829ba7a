"""Credentials for the TURN server: short-lived, made here, checked there by the shared secret.

The scheme is coturn's ``use-auth-secret`` (draft-uberti-behave-turn-rest-00): the user name is the
moment at which the credentials end and a name, the password its HMAC-SHA1 with the secret. So the
TURN server needs no connection to us, and whoever keeps old credentials keeps nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

from core.config import Config


def ice_servers(config: Config, user_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """The ``iceServers`` of a PeerConnection of this user; empty where there is no TURN server."""
    if not config.turn_urls or config.media_turn_secret is None:
        return []
    secret = config.media_turn_secret.get_secret_value().encode()
    ends = int(now.timestamp()) + config.media_turn_seconds
    username = f"{ends}:{_name(secret, user_id)}"
    password = hmac.digest(secret, username.encode(), hashlib.sha1)
    return [
        {
            "urls": list(config.turn_urls),
            "username": username,
            "credential": base64.b64encode(password).decode(),
        }
    ]


def _name(secret: bytes, user_id: UUID) -> str:
    """The same for all sessions of a user, for quotas; tells the TURN server's log nobody's id."""
    return hmac.digest(secret, b"name:" + user_id.bytes, hashlib.sha256)[:10].hex()
