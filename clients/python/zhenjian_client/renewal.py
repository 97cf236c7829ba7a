"""When a token should be replaced, read from the token itself. Pure."""

import base64
import json
import time

#: Seconds before its end, at most, at which a token is replaced.
LEAD = 60.0


def pause_before_renewal(token: str, now: float | None = None) -> float | None:
    """Seconds until the token should be replaced: a quarter of its life before its end, at most a
    minute. None for a token that does not say when it ends.

    A clock that contradicts the token (which the server has just taken) is not believed.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        end, begin = float(claims["exp"]), float(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    life = end - begin
    left = end - (time.time() if now is None else now)
    if not 0 < left <= life:
        left = life
    return max(0.0, left - min(LEAD, life / 4))
