"""Packets of Socket.IO v5 over Engine.IO v4 as text frames: no I/O.

`0{...}` open, `1` close, `2` ping, `3` pong, `4` message; within a message `0` connect, `1`
disconnect, `2` event, `3` acknowledgement, `4` connect error. Binary packets are not used.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_ACK_ID = re.compile(r"\d*")


@dataclass(frozen=True)
class Packet:
    """A decoded frame. `kind`: open, close, ping, pong, connect, disconnect, event, ack,
    refused.
    """

    kind: str
    data: Any = None
    ack_id: int | None = None


_ENGINE = {"0": "open", "1": "close", "2": "ping", "3": "pong", "6": "noop"}
_SOCKET = {"0": "connect", "1": "disconnect", "2": "event", "3": "ack", "4": "refused"}


def decode(frame: str) -> Packet:
    """Raises ValueError for a frame that is no packet of these protocols."""
    if frame[:1] != "4":
        kind = _ENGINE.get(frame[:1], "")
        if not kind:
            raise ValueError(f"Unknown packet {frame[:1]!r}.")
        return Packet(kind, json.loads(frame[1:]) if kind == "open" else None)
    kind = _SOCKET.get(frame[1:2], "")
    if not kind:
        raise ValueError(f"Unknown message {frame[1:2]!r}.")
    rest = frame[2:]
    found = _ACK_ID.match(rest)
    digits = found[0] if found and kind in ("event", "ack") else ""
    body = rest[len(digits) :]
    return Packet(kind, json.loads(body) if body else None, int(digits) if digits else None)


def connect(auth: dict[str, Any]) -> str:
    return "40" + _dumps(auth)


def event(name: str, payload: Any, ack_id: int | None = None) -> str:
    return f"42{'' if ack_id is None else ack_id}" + _dumps([name, payload])


def pong() -> str:
    return "3"


def disconnect() -> str:
    return "41"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
