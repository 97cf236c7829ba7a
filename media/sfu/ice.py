"""The ICE-lite agent (RFC 8445, section 2.5): it answers connectivity checks and sends none.

Pure: bytes and an address in, a verdict out. A check is believed when its USERNAME names one of
our fragments and its MESSAGE-INTEGRITY was made with the password that belongs to it; anything
else is dropped without an answer, so that the port reflects nothing for strangers.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from aioice import stun

#: Host and port, and what Python puts behind them for IPv6.
Address = tuple[Any, ...]

_COOKIE: Final = stun.COOKIE.to_bytes(4, "big")
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_MAX_LENGTH = 1280


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name fragment and password of one side."""

    ufrag: str
    password: str


def new_credentials() -> Credentials:
    """Fresh random credentials: about 71 bits of name, 143 bits of password."""
    return Credentials(_random(12), _random(24))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Identity:
    """Our credentials towards one peer, over ICE restarts (RFC 8445, section 9).

    After a restart the former ones hold until the peer has checked with the new ones, so that
    media goes on over the old path meanwhile.
    """

    def __init__(self) -> None:
        self.current = new_credentials()
        self._former: Credentials | None = None
        self._used = False

    @property
    def ufrags(self) -> tuple[str, ...]:
        """The fragments that count at present."""
        former = (self._former.ufrag,) if self._former is not None else ()
        return (self.current.ufrag, *former)

    def restart(self) -> tuple[str, ...]:
        """Make fresh credentials; returns the fragments that count no longer."""
        before = self.ufrags
        if self._used:
            self._former = self.current
        # Credentials that no check has named are forgotten: those in use are older than they.
        self.current, self._used = new_credentials(), False
        return tuple(ufrag for ufrag in before if ufrag not in self.ufrags)

    def used(self, ufrag: str) -> tuple[str, ...]:
        """Note a valid check; returns the fragments that count no longer because of it."""
        if ufrag != self.current.ufrag:
            return ()
        self._used = True
        former, self._former = self._former, None
        return () if former is None else (former.ufrag,)

    def password_of(self, ufrag: str) -> str | None:
        for known in (self.current, self._former):
            if known is not None and known.ufrag == ufrag:
                return known.password
        return None


class Verdict(Enum):
    """What became of a datagram that looked like STUN."""

    CHECKED = "checked"
    ROLE_CONFLICT = "role_conflict"
    MALFORMED = "malformed"
    UNKNOWN_USER = "unknown_user"
    WRONG_INTEGRITY = "wrong_integrity"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome for one datagram: ``response`` goes back to its source when there is one.

    ``ufrag`` is our fragment that was named, set once the integrity held.
    """

    verdict: Verdict
    ufrag: str = ""
    nominated: bool = False
    response: bytes | None = None


def is_stun(data: bytes) -> bool:
    """Whether a datagram claims to be STUN: leading zero bits and the magic cookie."""
    return len(data) >= stun.HEADER_LENGTH and data[0] < 4 and data[4:8] == _COOKIE


def answer_check(data: bytes, source: Address, password_of: Callable[[str], str | None]) -> Check:
    """Judge a STUN datagram from ``source``.

    ``password_of`` gives the password of one of our fragments, None for a strange one.
    """
    if len(data) > _MAX_LENGTH:
        return Check(Verdict.MALFORMED)
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error, IndexError):
        return Check(Verdict.MALFORMED)
    if message.message_class is not stun.Class.REQUEST:
        return Check(Verdict.IGNORED)
    if message.message_method is not stun.Method.BINDING:
        return Check(Verdict.IGNORED)
    ufrag = str(message.attributes.get("USERNAME", "")).partition(":")[0]
    password = password_of(ufrag)
    if password is None:
        return Check(Verdict.UNKNOWN_USER)
    key = password.encode()
    if not message.check_message_integrity(key):
        return Check(Verdict.WRONG_INTEGRITY)
    if "ICE-CONTROLLED" in message.attributes:
        # A lite agent is always the controlled one: the other side has to change its role.
        return Check(Verdict.ROLE_CONFLICT, ufrag, response=_error(message, key))
    return Check(
        Verdict.CHECKED,
        ufrag,
        nominated="USE-CANDIDATE" in message.attributes,
        response=_success(message, source, key),
    )


def _success(request: stun.Message, source: Address, key: bytes) -> bytes:
    response = _reply(request, stun.Class.RESPONSE)
    response.attributes["XOR-MAPPED-ADDRESS"] = source
    response.add_message_integrity(key)
    return bytes(response)


def _error(request: stun.Message, key: bytes) -> bytes:
    response = _reply(request, stun.Class.ERROR)
    response.attributes["ERROR-CODE"] = (487, "Role Conflict")
    response.add_message_integrity(key)
    return bytes(response)


def _reply(request: stun.Message, message_class: stun.Class) -> stun.Message:
    return stun.Message(
        message_method=stun.Method.BINDING,
        message_class=message_class,
        transaction_id=request.transaction_id,
    )


class Path:
    """The addresses of one peer, and the one that we send to.

    A nominating check moves us at once, and so does media from another checked address once the
    one in use fell silent. A check that does not nominate moves us only after a longer silence:
    so a rebound NAT is followed, and a second interface that merely keeps its pair alive is not.
    """

    SILENCE: Final = 2.5
    MEDIA_SILENCE: Final = 0.2
    MAX_ADDRESSES: Final = 8

    def __init__(self) -> None:
        self.selected: Address | None = None
        #: Every address of the peer, in the order of their latest checks.
        self.addresses: dict[Address, None] = {}
        #: When the one in use was last heard.
        self._latest = 0.0

    def heard(self, source: Address, now: float) -> bool:
        """Note authentic media from a checked address; True when that made us move."""
        if source == self.selected:
            self._latest = now
            return False
        if now - self._latest <= self.MEDIA_SILENCE:
            return False
        self._select(source, now)
        return True

    def _select(self, source: Address, now: float) -> None:
        self.selected = source
        self._latest = now

    def checked(self, source: Address, nominated: bool, now: float) -> list[Address]:
        """Note a valid check; returns addresses that are forgotten because of it."""
        self.addresses.pop(source, None)
        self.addresses[source] = None
        silent = now - self._latest > self.SILENCE
        if nominated or silent or self.selected is None or source == self.selected:
            self._select(source, now)
        surplus = len(self.addresses) - self.MAX_ADDRESSES
        if surplus <= 0:
            return []
        oldest = [address for address in self.addresses if address != self.selected][:surplus]
        for address in oldest:
            del self.addresses[address]
        return oldest
