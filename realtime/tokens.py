"""When an access token runs out: sockets live longer than requests and must be told to renew."""

import base64
import binascii
from datetime import UTC, datetime

import orjson

from core.errors import Unauthenticated


def token_expiry(token: str) -> datetime:
    """The end of a token that `authenticate` has just accepted; its signature is not checked
    here.
    """
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Unauthenticated from error
