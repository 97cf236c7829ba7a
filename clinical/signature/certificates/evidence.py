"""What CAs publish about revocation: fetched, checked, kept, and read back for a verification.

Fetching is never done inside a transaction, and only from hosts that the configuration names: the
addresses stand in certificates, which anybody may write. A list that cannot be fetched stays as it
was and is asked for again with growing pauses; no restart is needed for anything here.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from clinical.signature.certificates.models import StoredOcspAnswer, StoredRevocationList
from clinical.signature.certificates.paths import Evidence
from clinical.signature.certificates.settings import HOSTS
from clinical.signature.formats import ocsp
from clinical.signature.formats.crl import RevocationList, read_revocation_list
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.verdicts import RevocationState
from clinical.signature.formats.x509 import Certificate
from core import settings
from core.defence.addresses import Internal
from core.defence.forgery import ForeignUrls
from core.outside import OutsideError, OutsideGarbled
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

TIMEOUT = 5.0
LARGEST_LIST = 64 * 1024 * 1024
#: A list is asked for again this long before it ends, at least this often, at most this often.
AHEAD, SELDOM, OFTEN = timedelta(minutes=30), timedelta(hours=6), timedelta(minutes=1)
#: An answer about one certificate is used this long, if it is good for longer.
ANSWER_AGE = timedelta(minutes=15)
_LARGE = 256 * 1024


class Publishers:
    """The client towards the hosts of CAs; one of a process."""

    def __init__(self, own: Iterable[str], internal: str) -> None:
        self._own = frozenset(own)
        named = [part.strip() for part in internal.split(",") if part.strip()]
        inside = Internal.parse(",".join((*named, *self._own)))
        self._named = frozenset(part.lower() for part in named)
        self._http = ForeignUrls("ca", inside, timeout=TIMEOUT, max_body=LARGEST_LIST)

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The one of this process, made on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            config = runtime.config
            own = [place for url in (config.ca_url, config.tsa_url) if (place := _place(url or ""))]
            found = runtime.ports[cls] = cls(own, config.internal_hosts)
        return found

    async def aclose(self) -> None:
        await self._http.aclose()

    def allowed(self, url: str, hosts: str) -> bool:
        """Whether the address lies at a host that the configuration or the setting names."""
        place = _place(url)
        listed = {part.strip().lower() for part in hosts.split(",") if part.strip()}
        host = place.rpartition(":")[0]
        return bool(place) and (
            place in self._own or not {place, host}.isdisjoint(listed | self._named)
        )

    async def fetch(self, url: str) -> bytes:
        """A published file. Raises OutsideError."""
        reply = await self._http.get(url)
        if reply.status != 200:
            raise OutsideGarbled("ca", f"status {reply.status}")
        return reply.body

    async def ask(self, url: str, question: bytes) -> bytes:
        """The answer of a responder. Raises OutsideError."""
        headers = {"Content-Type": "application/ocsp-request"}
        reply = await self._http.post(url, question, headers)
        if reply.status != 200:
            raise OutsideGarbled("ca", f"status {reply.status}")
        return reply.body


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return ""
    return f"{parts.hostname}:{port}" if parts.hostname else ""


# --- lists ---------------------------------------------------------------------------------------


async def refresh_lists(runtime: "Runtime", urls: Iterable[str], *, due: bool = True) -> None:
    """Fetch those lists that are due, or all of them. Failures are noted beside the list."""
    async with runtime.unit_of_work() as uow:
        now = uow.now
        rows = await uow.session.scalars(
            select(StoredRevocationList).where(StoredRevocationList.url.in_(list(urls)))
        )
        known = {row.url: row for row in rows}
    for url in dict.fromkeys(urls):
        row = known.get(url)
        if row is None or not due or row.next_fetch_at <= now:
            await _refresh(runtime, url, row)


async def _refresh(runtime: "Runtime", url: str, row: StoredRevocationList | None) -> None:
    now = runtime.clock.now()
    try:
        data = await Publishers.of(runtime).fetch(url)
        found = await _read_list(data)
        if row is not None and row.this_update is not None and found.this_update < row.this_update:
            raise OutsideGarbled("ca", "the list is older than the one at hand")
    except (OutsideError, FormatError) as error:
        failures = (row.failures if row else 0) + 1
        log.warning("revocation_list_not_fetched", url=url, error=str(error))
        pause = min(OFTEN * 2 ** min(failures, 10), SELDOM)
        await _note(
            runtime, url, failures=failures, last_error=str(error)[:500], next_fetch_at=now + pause
        )
        return
    await _note(
        runtime,
        url,
        der=data,
        number=None if found.number is None else str(found.number)[:64],
        entries=len(found.entries),
        this_update=found.this_update,
        next_update=found.next_update,
        fetched_at=now,
        next_fetch_at=_next_fetch(found, now),
        failures=0,
        last_error=None,
    )


def _next_fetch(found: RevocationList, now: datetime) -> datetime:
    wanted = (found.next_update or now + SELDOM) - AHEAD
    return min(max(wanted, now + OFTEN), now + SELDOM)


async def _note(runtime: "Runtime", url: str, **values: object) -> None:
    async with runtime.unit_of_work() as uow:
        fresh = {"entries": 0, "failures": 0, "url": url, **values}
        await uow.session.execute(
            insert(StoredRevocationList)
            .values(**fresh)
            .on_conflict_do_update(index_elements=["url"], set_=values)
        )


async def _read_list(data: bytes) -> RevocationList:
    if len(data) < _LARGE:
        return read_revocation_list(data)
    return await asyncio.to_thread(read_revocation_list, data)


# --- answers about one certificate ---------------------------------------------------------------


async def refresh_answer(runtime: "Runtime", certificate: Certificate, issuer: Certificate) -> None:
    """Ask the responder about a certificate, unless its last answer is fresh."""
    url = next(iter(certificate.ocsp_urls), None)
    if url is None:
        return
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get(StoredOcspAnswer, certificate.fingerprint)
        now = uow.now
    if row is not None and _is_fresh(row, now):
        return
    question = ocsp.Question.about(certificate, issuer)
    try:
        data = await Publishers.of(runtime).ask(url, question.der)
        answer = ocsp.read_answer(data)
        if not ocsp.answers(answer, question, certificate):
            raise OutsideGarbled("ca", "the answer is about something else")
        if not answer.is_signed_for(issuer, answer.this_update):
            raise OutsideGarbled("ca", "the answer is not signed by the CA")
    except (OutsideError, FormatError) as error:
        log.warning("ocsp_not_answered", url=url, error=str(error))
        return
    values = {
        "der": data,
        "state": answer.state,
        "this_update": answer.this_update,
        "next_update": answer.next_update,
        "fetched_at": now,
    }
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            insert(StoredOcspAnswer)
            .values(fingerprint=certificate.fingerprint, **values)
            .on_conflict_do_update(index_elements=["fingerprint"], set_=values)
        )


def _is_fresh(row: StoredOcspAnswer, now: datetime) -> bool:
    if row.state is RevocationState.REVOKED:
        # Nobody takes a revocation back, except from hold, which a day's delay does not hurt.
        return now - row.fetched_at < timedelta(days=1)
    ended = row.next_update is not None and row.next_update <= now
    return not ended and now - row.fetched_at < ANSWER_AGE


# --- reading back --------------------------------------------------------------------------------


async def at_hand(uow: UnitOfWork, certificates: Sequence[Certificate]) -> Evidence:
    """What is kept about these certificates; nothing outside is asked."""
    urls = {url for each in certificates for url in each.crl_urls}
    lists = await uow.session.scalars(
        select(StoredRevocationList).where(
            StoredRevocationList.url.in_(urls), StoredRevocationList.der.is_not(None)
        )
    )
    answers = await uow.session.scalars(
        select(StoredOcspAnswer).where(
            StoredOcspAnswer.fingerprint.in_([each.fingerprint for each in certificates])
        )
    )
    return Evidence(
        [await _read_list(row.der) for row in lists if row.der is not None],
        {row.fingerprint: ocsp.read_answer(row.der) for row in answers},
    )


async def hosts_of(uow: UnitOfWork, hospital_id: UUID) -> str:
    """The hosts that the hospital's setting names."""
    return await settings.get(uow, HOSTS, hospital_id=hospital_id)
