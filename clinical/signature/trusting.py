"""Whether a certificate may be believed: its path, its time, and what is known of revocation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from clinical.signature.formats.timestamps import Timestamp
from clinical.signature.formats.x509 import Certificate
from clinical.signature.models import SigningKey
from clinical.signature.states import REVOKE_TEXT, KeyState
from core.uow import UnitOfWork

LONGEST_PATH = 8


@dataclass(frozen=True)
class Path:
    """A certificate with those above it. `trusted` is None where nothing could be established."""

    certificates: tuple[Certificate, ...]
    trusted: bool | None
    problem: str
    now: datetime
    revoked_at: datetime | None = None
    revoke_text: str = ""

    def valid_at(self, moment: datetime) -> bool:
        """Whether every certificate was in its time and the lowest not revoked yet."""
        in_time = all(each.not_before <= moment <= each.not_after for each in self.certificates)
        return in_time and (self.revoked_at is None or moment < self.revoked_at)

    def problem_at(self, moment: datetime) -> str:
        """Why the certificate was no good at a moment."""
        if not self.trusted:
            return self.problem
        if self.revoked_at is not None and moment >= self.revoked_at:
            return "签名时证书已被吊销"
        return "签名时证书不在有效期内"

    @property
    def good_now(self) -> bool | None:
        """Whether it could be used today."""
        return None if self.trusted is None else self.trusted and self.valid_at(self.now)

    @property
    def now_text(self) -> str:
        """The same in words. A signature stays good when its certificate ends later."""
        if self.revoked_at is not None:
            when = f"{self.revoked_at:%Y-%m-%d}"
            return f"已于 {when} 吊销（{self.revoke_text}），不影响此前的签名"
        if not self.trusted:
            return self.problem
        if self.valid_at(self.now):
            return "在有效期内，未吊销"
        return "已过有效期，不影响此前的签名"


async def path_of(
    uow: UnitOfWork,
    certificate: Certificate | None,
    others: Sequence[Certificate],
    then: datetime,
) -> Path:
    """The path of a signer's certificate as of now, with what is known of its revocation."""
    if certificate is None:
        return Path((), False, "签名中没有签名人的证书", uow.now)
    chain = _climb(certificate, others)
    key = await uow.session.scalar(
        select(SigningKey).where(
            SigningKey.certificate == certificate.der, SigningKey.state == KeyState.REVOKED
        )
    )
    return Path(
        tuple(chain),
        None,
        "没有可以核对的根证书",
        uow.now,
        key.ended_at if key else None,
        REVOKE_TEXT[key.revoke_reason] if key and key.revoke_reason else "",
    )


async def stamp_path(uow: UnitOfWork, stamp: Timestamp) -> Path:
    """The path of the time authority's certificate."""
    return await path_of(uow, stamp.certificate, stamp.message.certificates, stamp.at)


def _climb(certificate: Certificate, others: Sequence[Certificate]) -> list[Certificate]:
    chain = [certificate]
    while len(chain) < LONGEST_PATH and not chain[-1].is_self_issued:
        above = next(
            (
                each
                for each in others
                if each not in chain
                and each.subject == chain[-1].issuer
                and chain[-1].is_signed_by(each)
            ),
            None,
        )
        if above is None:
            break
        chain.append(above)
    return chain
