"""Tickets: links that one session may open for a few minutes, for players that send no headers.

A ticket names the viewer (user, hospital, role, session, device) and the subject, and is signed
with HMAC-SM3. It grants nothing by itself: whoever opens it is looked up again, the session must
still live, and the owner of the subject checks access at every read.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from core.crypto.keyring import Keyring, Purpose, UnknownKeyError
from core.crypto.sm import equal, hmac_sm3
from core.errors import ProblemError
from core.identity.caller import Caller
from core.identity.roles import Role

TICKET_LIFE = timedelta(minutes=10)
_LABEL = "viewer-ticket"
_LONGEST = 1024


class TicketInvalid(ProblemError):
    """The ticket is forged, expired or for something else: ask for a new link."""

    code, status, title = "ticket_invalid", 403, "链接已失效，请重新打开"


def issue_ticket(
    keyring: Keyring, caller: Caller, subject: str, now: datetime, life: timedelta = TICKET_LIFE
) -> tuple[str, datetime]:
    """A ticket for one subject (`file:<id>`, `recording-file:<id>`) and when it ends."""
    # Whole minutes keep the address of a picture stable for a while, so that browsers cache it.
    seconds = int((now + life).timestamp()) // 60 * 60 + 60
    claims = [
        caller.user_id.hex,
        caller.hospital_id.hex,
        caller.role.value,
        caller.session_id.hex,
        caller.device_id,
        seconds,
    ]
    key_id = keyring.current(Purpose.TICKET).id
    payload = _text(orjson.dumps(claims))
    ticket = f"{key_id}.{payload}.{_text(_mac(keyring, key_id, payload, subject))}"
    return ticket, datetime.fromtimestamp(seconds, UTC)


def read_ticket(keyring: Keyring, ticket: str, subject: str, now: datetime) -> Caller:
    """The viewer that a ticket names; raises `TicketInvalid`.

    Pass the result to `sessions.live_caller` before anything is shown.
    """
    try:
        if len(ticket) > _LONGEST:
            raise TicketInvalid()
        key_id, payload, mac = ticket.split(".")
        if not equal(_bytes(mac), _mac(keyring, key_id, payload, subject)):
            raise TicketInvalid()
        user, hospital, role, session, device, seconds = orjson.loads(_bytes(payload))
        if now.timestamp() >= seconds:
            raise TicketInvalid()
        return Caller(
            user_id=UUID(user),
            hospital_id=UUID(hospital),
            role=Role(role),
            session_id=UUID(session),
            device_id=device,
        )
    except (ValueError, TypeError, binascii.Error, UnknownKeyError) as error:
        raise TicketInvalid() from error


def _mac(keyring: Keyring, key_id: str, payload: str, subject: str) -> bytes:
    key = keyring.derive(Purpose.TICKET, _LABEL, 32, key_id)
    return hmac_sm3(key, f"{payload}\n{subject}".encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
