"""Trust stores made ready: anchors of a hospital or an application, with fresh evidence.

`trust_of` reads what is at hand and may run inside a transaction; `ready` asks CAs first and runs
between transactions. A verification never waits longer than a few seconds for a CA: what is not
known then is "unknown", and the policy says what that means.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

from clinical.signature.certificates import access, evidence
from clinical.signature.certificates.paths import TrustStore
from clinical.signature.certificates.settings import HARD, REVOKING
from clinical.signature.certificates.states import Revoking
from clinical.signature.formats.cms_reading import read_message
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.timestamps import read_token
from clinical.signature.formats.x509 import Certificate
from core import settings
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

#: Certificates of one message about which CAs are asked; hostile ones carry many.
MOST_ASKED = 12


@dataclass(frozen=True)
class Policy:
    """Whom to believe: `anchors` are ids in the store, None stands for all of the hospital's."""

    revoking: Revoking
    hard: bool
    anchors: tuple[UUID, ...] | None = None


async def hospital_policy(uow: UnitOfWork, hospital_id: UUID) -> Policy:
    """The policy by the hospital's settings."""
    revoking = await settings.get(uow, REVOKING, hospital_id=hospital_id)
    return Policy(Revoking(revoking), await settings.get(uow, HARD, hospital_id=hospital_id))


async def trust_of(
    uow: UnitOfWork,
    hospital_id: UUID,
    certificates: Sequence[Certificate] = (),
    policy: Policy | None = None,
) -> TrustStore:
    """The trust store for judging these certificates, with the evidence at hand."""
    chosen = policy or await hospital_policy(uow, hospital_id)
    store = await _bare(uow, hospital_id, chosen)
    if chosen.revoking is Revoking.NONE:
        return store
    above = [*certificates, *store.intermediates]
    return replace(store, evidence=await evidence.at_hand(uow, above))


async def ready(
    runtime: "Runtime",
    hospital_id: UUID,
    certificates: Sequence[Certificate],
    policy: Policy | None = None,
) -> TrustStore:
    """Like `trust_of`, after asking CAs about what is not known or not fresh."""
    async with runtime.unit_of_work() as uow:
        chosen = policy or await hospital_policy(uow, hospital_id)
        store = await _bare(uow, hospital_id, chosen)
        hosts = await evidence.hosts_of(uow, hospital_id)
    await _ask_about(runtime, store, certificates, hosts)
    async with runtime.unit_of_work() as uow:
        return await trust_of(uow, hospital_id, certificates, chosen)


async def _bare(uow: UnitOfWork, hospital_id: UUID, policy: Policy) -> TrustStore:
    anchors, others = await access.authorities(uow.session, hospital_id)
    if policy.anchors is not None:
        # What the application does not believe may still stand on the way to what it does.
        others += [row for row in anchors if row.id not in policy.anchors]
        anchors = [row for row in anchors if row.id in policy.anchors]
    return TrustStore(
        now=uow.now,
        anchors=tuple(access.plain(row) for row in anchors),
        intermediates=tuple(access.plain(row) for row in others),
        revoking=policy.revoking,
        hard=policy.hard,
    )


async def _ask_about(
    runtime: "Runtime", store: TrustStore, certificates: Sequence[Certificate], hosts: str
) -> None:
    """Refresh what the policy needs about those of the certificates whose path is trusted."""
    publishers = evidence.Publishers.of(runtime)
    lists: list[str] = []
    questions: list[tuple[Certificate, Certificate]] = []
    sources = store.revoking.sources
    if not sources:
        return
    for certificate in list(dict.fromkeys(certificates))[:MOST_ASKED]:
        path = store.path_of(certificate, certificates)
        for each, issuer in pairwise(path or ()):
            asked = any(publishers.allowed(url, hosts) for url in each.ocsp_urls[:1])
            if "ocsp" in sources and asked and not each.is_authority:
                questions.append((each, issuer))
            if "crl" in sources or each.is_authority:
                lists += [url for url in each.crl_urls if publishers.allowed(url, hosts)]
    await asyncio.gather(
        evidence.refresh_lists(runtime, dict.fromkeys(lists)),
        *(evidence.refresh_answer(runtime, *question) for question in dict.fromkeys(questions)),
    )


def certificates_in(message: bytes, token: bytes | None = None) -> list[Certificate]:
    """The certificates that judging a message takes: its own, and those of its timestamps."""
    try:
        read = read_message(message)
    except FormatError:
        return []
    found = list(read.certificates)
    for stamp in (*(signer.timestamp for signer in read.signers), token):
        if stamp is None:
            continue
        try:
            found += read_token(stamp).message.certificates
        except FormatError:
            continue
    return list(dict.fromkeys(found))
