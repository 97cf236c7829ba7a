"""Access tokens (JWT, HS256) and refresh tokens (a row id with a MAC): made and read, no I/O."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import extract_compact

from core.crypto.keyring import Keyring, Purpose, UnknownKeyError
from core.crypto.sm import equal, hmac_sm3
from core.errors import Unauthenticated
from core.identity.caller import Caller
from core.identity.errors import TokenExpired
from core.identity.roles import Role

ACCESS_TOKEN_LIFE = timedelta(minutes=15)
ISSUER = "zhenjian"
_ALGORITHMS = ["HS256"]
_LABEL_ACCESS = "access-token"
_LABEL_REFRESH = "refresh-token"
_LONGEST_TOKEN = 8192


def issue_access_token(caller: Caller, now: datetime, keyring: Keyring) -> str:
    """A signed token that says who the caller is for the next 15 minutes.

    Claims: `sub` user, `hid` hospital, `role`, `sid` session, `did` device, `dep` departments,
    `iat`, `exp`, `iss`; the header's `kid` names the key.
    """
    key = keyring.current(Purpose.TOKEN)
    claims = {
        "iss": ISSUER,
        "sub": str(caller.user_id),
        "hid": str(caller.hospital_id),
        "role": caller.role.value,
        "sid": str(caller.session_id),
        "did": caller.device_id,
        "dep": sorted(str(each) for each in caller.department_ids),
        "iat": int(now.timestamp()),
        "exp": int((now + ACCESS_TOKEN_LIFE).timestamp()),
    }
    return jwt.encode(
        {"alg": "HS256", "typ": "JWT", "kid": key.id}, claims, _access_key(keyring, key.id)
    )


def authenticate(token: str, now: datetime, keyring: Keyring) -> Caller:
    """Read an access token. Raises `TokenExpired` or `Unauthenticated`.

    Says nothing about the session behind it: `sessions.authenticate` asks for that too.
    """
    if len(token) > _LONGEST_TOKEN:
        raise Unauthenticated()
    try:
        key_id = extract_compact(token.encode()).headers().get("kid", "")
        decoded = jwt.decode(token, _access_key(keyring, str(key_id)), algorithms=_ALGORITHMS)
        claims = decoded.claims
        if claims["iss"] != ISSUER:
            raise Unauthenticated()
        caller = Caller(
            user_id=UUID(claims["sub"]),
            hospital_id=UUID(claims["hid"]),
            role=Role(claims["role"]),
            session_id=UUID(claims["sid"]),
            device_id=str(claims["did"]),
            department_ids=frozenset(UUID(each) for each in claims["dep"]),
        )
        expires = int(claims["exp"])
    except (JoseError, UnknownKeyError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unauthenticated() from error
    if now.timestamp() >= expires:
        raise TokenExpired()
    return caller


def _access_key(keyring: Keyring, key_id: str) -> OctKey:
    return OctKey.import_key(keyring.derive(Purpose.TOKEN, _LABEL_ACCESS, 32, key_id))


@dataclass(frozen=True, slots=True)
class RefreshClaim:
    """What a refresh token says before the database is asked: the id of its row."""

    token_id: UUID


def refresh_token_text(token_id: UUID, keyring: Keyring, key_id: str | None = None) -> str:
    """The token of a row: the same row gives the same text, and no row gives the MAC away."""
    key_id = key_id or keyring.current(Purpose.TOKEN).id
    mac = hmac_sm3(keyring.derive(Purpose.TOKEN, _LABEL_REFRESH, 32, key_id), token_id.bytes)
    return f"zr1.{key_id}.{_text(token_id.bytes)}.{_text(mac)}"


def read_refresh_token(text: str, keyring: Keyring) -> RefreshClaim:
    """Check the MAC of a refresh token; raises `Unauthenticated` for anything else."""
    try:
        version, key_id, encoded_id, encoded_mac = text.split(".")
        token_id, mac = UUID(bytes=_bytes(encoded_id)), _bytes(encoded_mac)
        key = keyring.derive(Purpose.TOKEN, _LABEL_REFRESH, 32, key_id)
    except (ValueError, binascii.Error, UnknownKeyError) as error:
        raise Unauthenticated() from error
    if version != "zr1" or not equal(mac, hmac_sm3(key, token_id.bytes)):
        raise Unauthenticated()
    return RefreshClaim(token_id)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
