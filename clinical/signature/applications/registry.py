"""The applications in force, held in memory by every process that serves them.

An entry is read from the database when it is asked for and believed for a few seconds; a change
reaches all processes at once through the bus, and a hint that got lost is healed by that time.
"""

import asyncio
import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from clinical.signature.applications.models import Application, ServerKey
from clinical.signature.applications.providers import provider
from clinical.signature.applications.settings import SERVICE_ENABLED
from clinical.signature.applications.states import Format, KeyState, Operation, Proof
from clinical.signature.certificates import validation
from clinical.signature.certificates.models import StoredCertificate
from clinical.signature.certificates.validation import Policy
from clinical.signature.formats.verdicts import Usage
from clinical.signature.formats.x509 import Certificate, read_certificate
from core import settings
from core.crypto import der
from core.crypto.signing import KeyUnusable, SigningKey
from core.defence.rates import Rate
from core.identity.models import Hospital
from core.settings.cache import CHANNEL as SETTINGS_CHANNEL
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

CHANNEL = "signature.applications"
LIFE_SECONDS = 5.0
MOST_HELD = 1000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Server:
    """A server key ready to sign, with its certificate and the chain above."""

    id: UUID
    key: SigningKey
    certificate: Certificate
    chain: tuple[Certificate, ...]


@dataclass(frozen=True)
class InForce:
    """An application with everything that a request of it needs.

    `caller` is the certificate that it proves itself with; `caller_problem` says why that is no
    good at present.
    """

    id: UUID
    hospital_id: UUID
    code: str
    name: str
    zone: ZoneInfo
    service_on: bool
    enabled: bool
    proof: Proof
    secret: bytes
    caller: Certificate | None
    caller_problem: str
    server: Server | None
    policy: Policy
    operations: frozenset[Operation]
    formats: frozenset[Format]
    networks: tuple[Network, ...]
    rate: Rate

    def admits(self, address: str) -> bool:
        """Whether requests may come from this address."""
        if not self.networks:
            return True
        try:
            place = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
            place = place.ipv4_mapped
        return any(place in network for network in self.networks)


class Registry:
    """Entries by code, with the time when each was read."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._held: dict[str, tuple[float, InForce]] = {}
        self._readings: dict[str, asyncio.Task[InForce | None]] = {}
        self._generation = 0

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The one of this process, made and subscribed on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
            for channel in (CHANNEL, SETTINGS_CHANNEL):
                runtime.bus.subscribe(channel, found.on_change)
        return found

    async def on_change(self, payload: dict[str, Any]) -> None:
        """Bus listener: forget everything, there is little."""
        self.drop()

    def drop(self) -> None:
        """Forget everything; what is being read now is read again."""
        self._generation += 1
        self._held.clear()

    async def find(self, code: str) -> InForce | None:
        """The application with this code; unknown codes are not remembered.

        Callers that come while an entry is read wait for that one reading, however many they are.
        """
        held = self._held.get(code)
        if held is not None and time.monotonic() - held[0] < LIFE_SECONDS:
            return held[1]
        reading = self._readings.get(code)
        if reading is None:
            reading = self._readings[code] = asyncio.create_task(self._read(code))
            reading.add_done_callback(lambda _: self._readings.pop(code, None))
        return await asyncio.shield(reading)

    async def _read(self, code: str) -> InForce | None:
        generation, began = self._generation, time.monotonic()
        async with self._runtime.unit_of_work() as uow:
            found = await _load(uow, code)
        if generation != self._generation:
            # It was changed while it was read.
            return await self._read(code)
        if found is not None:
            if len(self._held) >= MOST_HELD:
                self._held.clear()
            self._held[code] = (began, found)
        return found


async def announce(runtime: "Runtime") -> None:
    """Let every process forget what it holds, this one at once."""
    Registry.of(runtime).drop()
    await runtime.bus.publish(CHANNEL, {})


def announce_after(uow: UnitOfWork) -> None:
    """After the commit, let every process forget what it holds."""

    async def tell() -> None:
        await announce(uow.runtime)

    uow.after_commit(tell)


async def _load(uow: UnitOfWork, code: str) -> InForce | None:
    row = await uow.session.scalar(select(Application).where(Application.code == code))
    if row is None:
        return None
    hospital = await uow.session.get_one(Hospital, row.hospital_id)
    policy = policy_of(row)
    caller, problem = await _caller(uow, row, policy)
    return InForce(
        id=row.id,
        hospital_id=row.hospital_id,
        code=row.code,
        name=row.name,
        zone=ZoneInfo(hospital.time_zone),
        service_on=await settings.get(uow, SERVICE_ENABLED, hospital_id=row.hospital_id),
        enabled=row.enabled,
        proof=row.proof,
        secret=(row.secret or "").encode(),
        caller=caller,
        caller_problem=problem,
        server=await _server(uow, row),
        policy=policy,
        operations=frozenset(Operation(each) for each in row.operations),
        formats=frozenset(Format(each) for each in row.formats),
        networks=tuple(ipaddress.ip_network(each) for each in row.addresses),
        rate=Rate(row.per_minute, max(1, row.per_minute // 4)),
    )


def policy_of(row: Application) -> Policy:
    """The policy under which an application believes certificates."""
    anchors = None if row.anchors is None else tuple(UUID(each) for each in row.anchors)
    return Policy(row.revoking, row.hard, anchors)


async def _caller(
    uow: UnitOfWork, row: Application, policy: Policy
) -> tuple[Certificate | None, str]:
    """The certificate of an application, and what is wrong with it as far as is known here."""
    if row.proof is not Proof.CERTIFICATE or row.certificate_id is None:
        return None, ""
    stored = await uow.session.get(StoredCertificate, row.certificate_id)
    if stored is None:
        return None, "证书已移除"
    certificate = read_certificate(stored.der)
    trust = await validation.trust_of(uow, row.hospital_id, [certificate], policy)
    chain = trust.assess(certificate, (), uow.now, Usage.SIGNATURE)
    return certificate, "；".join(problem.text for problem in chain.problems)


async def _server(uow: UnitOfWork, row: Application) -> Server | None:
    if row.server_key_id is None:
        return None
    key = await uow.session.get_one(ServerKey, row.server_key_id)
    in_time = key.not_after is not None and key.not_after > uow.now
    if key.state is not KeyState.ACTIVE or key.certificate is None or not in_time:
        return None
    try:
        opened = provider(key.provider).open(key)
    except KeyUnusable as error:
        log.error("server_key_unusable", key=str(key.id), error=str(error))
        return None
    return Server(key.id, opened, read_certificate(key.certificate), chain_of(key))


def chain_of(key: ServerKey) -> tuple[Certificate, ...]:
    """The certificates above a server key's."""
    parts = der.children(key.chain or b"")
    return tuple(read_certificate(der.tlv(*part)) for part in parts)
