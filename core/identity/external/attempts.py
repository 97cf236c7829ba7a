"""Logins that went out to another house: remembered under a random state that works once.

A state belongs to the device that asked for it, so that nobody can be led into somebody else's
login (RFC 6749, 10.12). It is 256 random bits, hence its bare digest in the table gives nothing
away.
"""

import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import select

from core.crypto.sm import sm3
from core.errors import ProblemError
from core.identity.external.models import LoginAttempt
from core.ids import new_id

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

LIFE = timedelta(minutes=10)


class LoginAttemptInvalid(ProblemError):
    """The state or ticket is unknown, used, too old or of another device."""

    code, status, title = "login_attempt_invalid", 422, "登录请求已失效，请重新登录"


class Kind(StrEnum):
    """What an attempt leads to."""

    WECHAT = "wechat"
    WECHAT_PHONE = "wechat_phone"
    WECHAT_BIND = "wechat_bind"
    SSO = "sso"
    WEB_VIEW = "web_view"


async def begin(
    uow: "UnitOfWork",
    kind: Kind,
    device_id: str,
    address: str,
    payload: dict[str, Any],
    *,
    hospital_id: UUID | None = None,
) -> str:
    """Remember `payload` (JSON) for ten minutes; returns the state under which it is found."""
    state = secrets.token_urlsafe(32)
    uow.session.add(
        LoginAttempt(
            id=new_id(),
            kind=kind,
            state_digest=sm3(state.encode()),
            device_id=device_id,
            address=address[:64],
            hospital_id=hospital_id,
            payload=orjson.dumps(payload).decode(),
            created_at=uow.now,
            expires_at=uow.now + LIFE,
        )
    )
    return state


async def finish(
    runtime: "Runtime", kind: Kind, state: str, device_id: str
) -> tuple[dict[str, Any], UUID | None]:
    """Use a state up; returns its payload and hospital. Commits by itself.

    Raises LoginAttemptInvalid. A state that another device shows is used up too: it has leaked.
    """
    async with runtime.unit_of_work() as uow:
        row = await uow.session.scalar(
            select(LoginAttempt)
            .where(LoginAttempt.state_digest == sm3(state.encode()), LoginAttempt.kind == kind)
            .with_for_update()
        )
        good = row is not None and row.used_at is None and row.expires_at > uow.now
        if row is not None and row.used_at is None:
            row.used_at = uow.now
    if row is None or not good or row.device_id != device_id:
        raise LoginAttemptInvalid()
    return orjson.loads(row.payload), row.hospital_id
