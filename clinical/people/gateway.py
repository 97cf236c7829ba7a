"""Ports of people to the outside: the real-name registry and the hospital's visit cards.

The registry is the same port for an account's holder and for a person to be treated, so it lives
with identity and is only named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import orjson

from core.identity.gateway import (
    IdentityCheck,
    IdentityCheckResult,
    IdentityCheckUnavailable,
    IdentityVerdict,
)
from core.outside import OutsideClient, OutsideGarbled, OutsideRefused, Reply, signed_json

RealNameGateway = IdentityCheck
RealNameResult = IdentityCheckResult
RealNameUnavailable = IdentityCheckUnavailable
RealNameVerdict = IdentityVerdict

__all__ = [
    "CardHolder",
    "HisVisitCards",
    "NewFile",
    "RealNameGateway",
    "RealNameResult",
    "RealNameUnavailable",
    "RealNameVerdict",
    "VisitCardGateway",
]

SYSTEM = "his"


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """What the hospital needs to open a file; `id_number` is None for a child without a document,
    who is then filed under the guardian's number."""

    name: str
    sex: str
    birth_date: date
    id_number: str | None
    phone: str
    guardian_id_number: str | None = None


@dataclass(frozen=True, kw_only=True)
class CardHolder:
    """Somebody whom the hospital knows: file number, card number, registered name."""

    person_no: str
    card_number: str
    name: str


class VisitCardGateway(Protocol):
    """The hospital's register of patients.

    All calls raise `core.outside.OutsideUnavailable` when nobody answers and
    `core.outside.OutsideRefused` when the hospital refuses.
    """

    async def find(
        self, *, id_number: str | None = None, card_number: str | None = None
    ) -> CardHolder | None:
        """Whom the hospital knows under an identity number or a card number; None if nobody."""
        ...

    async def open_file(self, file: NewFile) -> CardHolder:
        """Open a file and a visit card; a person already filed is returned unchanged."""
        ...


class HisVisitCards:
    """`VisitCardGateway` on the HIS's REST interface (`/his/v1/persons`)."""

    def __init__(
        self,
        base_url: str,
        key_id: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        timeout: float = 6.0,
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout)
        self._key_id = key_id
        self._secret = secret
        self._now = now

    async def aclose(self) -> None:
        await self._http.aclose()

    async def find(
        self, *, id_number: str | None = None, card_number: str | None = None
    ) -> CardHolder | None:
        reply = await self._ask(
            "/his/v1/persons/find", {"id_number": id_number, "card_number": card_number}
        )
        if reply.status == 404:
            return None
        return _holder(reply)

    async def open_file(self, file: NewFile) -> CardHolder:
        return _holder(
            await self._ask(
                "/his/v1/persons",
                {
                    "name": file.name,
                    "sex": file.sex,
                    "birth_date": file.birth_date.isoformat(),
                    "id_number": file.id_number,
                    "phone": file.phone,
                    "guardian_id_number": file.guardian_id_number,
                },
            )
        )

    async def _ask(self, path: str, content: dict[str, Any]) -> Reply:
        body = orjson.dumps(content)
        timestamp = int(self._now().timestamp())
        headers = signed_json("X-His", self._key_id, self._secret, "POST", path, body, timestamp)
        return await self._http.call_repeatedly("POST", path, headers=headers, body=body)


def _holder(reply: Reply) -> CardHolder:
    answer = reply.json(SYSTEM)
    if reply.status >= 400:
        code, message = str(answer.get("code", "")), str(answer.get("message", ""))
        raise OutsideRefused(SYSTEM, reply.status, code, message)
    try:
        person = answer["person"]
        return CardHolder(
            person_no=str(person["person_no"]),
            card_number=str(person["card_number"]),
            name=str(person["name"]),
        )
    except (KeyError, TypeError) as error:
        raise OutsideGarbled(SYSTEM, "a person cannot be read") from error
