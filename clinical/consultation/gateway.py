"""The port to the hospital's visit history: the evidence that a consultation is a revisit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import orjson

from core.outside import OutsideClient, OutsideGarbled, OutsideRefused, signed_json

SYSTEM = "his"
PATH = "/his/v1/visits/query"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit in the hospital: its number there, the day (hospital time), where and what for."""

    visit_no: str
    visit_date: date
    department: str
    diagnosis: str
    doctor: str = ""


class VisitHistoryGateway(Protocol):
    """Asks the HIS for past visits."""

    async def visits(
        self, *, id_number: str | None = None, card_number: str | None = None, since: date
    ) -> list[Visit]:
        """Visits on or after `since`, newest first; none for somebody whom the HIS does not know.

        Raises `core.outside.OutsideUnavailable` when nobody answers,
        `core.outside.OutsideRefused` or `OutsideGarbled` when the answer cannot be used.
        """
        ...


class HisVisitHistory:
    """`VisitHistoryGateway` on the HIS's REST interface (`POST /his/v1/visits/query`)."""

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

    async def visits(
        self, *, id_number: str | None = None, card_number: str | None = None, since: date
    ) -> list[Visit]:
        question = {
            "id_number": id_number,
            "card_number": card_number,
            "since": since.isoformat(),
        }
        body = orjson.dumps(question)
        timestamp = int(self._now().timestamp())
        headers = signed_json("X-His", self._key_id, self._secret, "POST", PATH, body, timestamp)
        reply = await self._http.call_repeatedly("POST", PATH, headers=headers, body=body)
        answer = reply.json(SYSTEM)
        if reply.status == 404:
            return []
        if reply.status >= 400:
            code, message = str(answer.get("code", "")), str(answer.get("message", ""))
            raise OutsideRefused(SYSTEM, reply.status, code, message)
        return _visits(answer)


def _visits(answer: dict[str, Any]) -> list[Visit]:
    try:
        found = [
            Visit(
                visit_no=str(item["visit_no"]),
                visit_date=date.fromisoformat(item["visit_date"]),
                department=str(item["department"]),
                diagnosis=str(item["diagnosis"]),
                doctor=str(item.get("doctor") or ""),
            )
            for item in answer["visits"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise OutsideGarbled(SYSTEM, "a visit cannot be read") from error
    return sorted(found, key=lambda visit: visit.visit_date, reverse=True)
