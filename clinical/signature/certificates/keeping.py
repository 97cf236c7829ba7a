"""Keeping the store true by itself: lists, answers, and how each certificate stands."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, or_, select

from clinical.signature.certificates import access, evidence, validation
from clinical.signature.certificates.models import StoredCertificate, StoredOcspAnswer
from clinical.signature.certificates.paths import TrustStore
from clinical.signature.certificates.states import Revoking
from clinical.signature.formats.verdicts import Revocation, RevocationState
from clinical.signature.formats.x509 import Certificate
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

#: Certificates looked at in one run, those that waited longest first.
BATCH = 200
CHECK_EVERY = timedelta(minutes=10)
FORGET_AFTER = timedelta(days=30)

#: What keeps a certificate from being removed; other parts of the module put themselves in.
Holder = Callable[[UnitOfWork, StoredCertificate], Awaitable[None]]
_holders: list[Holder] = []


def holds(holder: Holder) -> Holder:
    """Register a function that raises CertificateInUse for a certificate which it needs."""
    _holders.append(holder)
    return holder


async def require_unused(uow: UnitOfWork, row: StoredCertificate) -> None:
    """Raises CertificateInUse when something needs the certificate."""
    for holder in _holders:
        await holder(uow, row)


async def refresh_all(runtime: "Runtime") -> None:
    """The job: every hospital that keeps certificates."""
    async with runtime.unit_of_work() as uow:
        query = select(StoredCertificate.hospital_id).distinct()
        hospitals = list(await uow.session.scalars(query))
    for hospital_id in hospitals:
        await refresh_hospital(runtime, hospital_id, due=True)
    async with runtime.unit_of_work() as uow:
        old = StoredOcspAnswer.fetched_at < uow.now - FORGET_AFTER
        await uow.session.execute(delete(StoredOcspAnswer).where(old))


async def refresh_hospital(runtime: "Runtime", hospital_id: UUID, *, due: bool) -> None:
    """Fetch lists and answers about a hospital's certificates and note how they stand."""
    async with runtime.unit_of_work() as uow:
        policy = await validation.hospital_policy(uow, hospital_id)
        rows = await _waiting(uow, hospital_id, due)
        anchors, others = await access.authorities(uow.session, hospital_id)
        hosts = await evidence.hosts_of(uow, hospital_id)
        store = await validation.trust_of(uow, hospital_id)
    plain = [access.plain(row) for row in rows]
    everybody = [*plain, *(access.plain(row) for row in (*anchors, *others))]
    publishers = evidence.Publishers.of(runtime)
    urls = [url for each in everybody for url in each.crl_urls if publishers.allowed(url, hosts)]
    await evidence.refresh_lists(runtime, dict.fromkeys(urls), due=due)
    if "ocsp" in policy.revoking.sources:
        for certificate, issuer in _questions(store, plain):
            if publishers.allowed(certificate.ocsp_urls[0], hosts):
                await evidence.refresh_answer(runtime, certificate, issuer)
    await _note_all(runtime, hospital_id, [row.id for row in rows], plain)


async def _waiting(uow: UnitOfWork, hospital_id: UUID, due: bool) -> list[StoredCertificate]:
    row = StoredCertificate
    query = select(row).where(row.hospital_id == hospital_id, row.not_after > uow.now)
    if due:
        before = uow.now - CHECK_EVERY
        query = query.where(or_(row.checked_at.is_(None), row.checked_at <= before))
    order = row.checked_at.asc().nulls_first(), row.id
    return list(await uow.session.scalars(query.order_by(*order).limit(BATCH)))


def _questions(
    store: TrustStore, certificates: Sequence[Certificate]
) -> list[tuple[Certificate, Certificate]]:
    """Those whom a responder knows, with their issuers."""
    found = []
    for certificate in certificates:
        path = store.path_of(certificate) or ()
        for each, issuer in pairwise(path[:2]):
            if each.ocsp_urls and not each.is_authority:
                found.append((each, issuer))
    return found


async def _note_all(
    runtime: "Runtime", hospital_id: UUID, ids: list[UUID], certificates: list[Certificate]
) -> None:
    async with runtime.unit_of_work() as uow:
        policy = validation.Policy(Revoking.OCSP_THEN_CRL, hard=False)
        store = await validation.trust_of(uow, hospital_id, certificates, policy)
        rows = await uow.session.scalars(
            select(StoredCertificate)
            .where(StoredCertificate.id.in_(ids))
            .order_by(StoredCertificate.id)
            .with_for_update()
        )
        for row in rows:
            note(row, _revocation(store, access.plain(row)), uow.now)


def _revocation(store: TrustStore, certificate: Certificate) -> Revocation:
    path = replace(store, revoking=Revoking.NONE).path_of(certificate)
    if path is None or len(path) < 2:
        return Revocation(RevocationState.NOT_ASKED)
    return store.revocation_of(certificate, path[1])


def note(row: StoredCertificate, found: Revocation, now: datetime) -> None:
    """Write down what is known; not knowing does not undo what was known."""
    row.checked_at = now
    if found.state in (RevocationState.GOOD, RevocationState.REVOKED):
        row.revocation = found.state
        row.revoked_at, row.revoke_reason = found.at, found.reason
    elif row.revocation is RevocationState.NOT_ASKED:
        row.revocation = found.state
