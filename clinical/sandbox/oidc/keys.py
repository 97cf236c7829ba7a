"""The provider's signing keys: kept in the store, rotated on demand."""

from __future__ import annotations

import secrets
from typing import Any

from joserfc.jwk import RSAKey

from clinical.sandbox.world import World

KIND = "oidc_key"
KEPT = 3


def current(world: World) -> RSAKey:
    """The key that signs, made on first use."""
    newest = world.store.newest(KIND, 1)
    return RSAKey.import_key(newest[0]["jwk"]) if newest else rotate(world)


def rotate(world: World) -> RSAKey:
    """Make a new signing key; earlier ones stay published for a while."""
    key = make()
    world.store.put(KIND, str(key.kid), {"jwk": key.as_dict(private=True)})
    return key


def make() -> RSAKey:
    """A key that nobody publishes."""
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(6), "use": "sig", "alg": "RS256"})


def published(world: World) -> dict[str, Any]:
    """The JSON Web Key Set that everybody may read."""
    current(world)
    found = world.store.newest(KIND, KEPT)
    return {"keys": [RSAKey.import_key(each["jwk"]).as_dict(private=False) for each in found]}
