"""What identity announces."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event, event
from core.identity.roles import Role


@event("identity.user_registered")
@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event):
    """Sent when an account is made; `aggregate_id` is the user. Not sent for further roles."""

    role: Role


@event("identity.logged_in")
@dataclass(frozen=True, kw_only=True)
class LoggedIn(Event):
    """Sent when somebody logs in, not on refresh; `aggregate_id` is the user.

    `new_device` and `new_place` compare with the logins of the last half year; the very first
    login is neither.
    """

    session_id: UUID
    role: Role
    device_name: str
    platform: str
    new_device: bool
    new_place: bool = False


@event("identity.session_revoked")
@dataclass(frozen=True, kw_only=True)
class SessionRevoked(Event):
    """Sent when a session ends before its time; `aggregate_id` is the session.

    `reason`: logout, revoked_by_user, password_changed, token_reuse, account_disabled,
    role_removed, replaced, idle, over, second_factor_reset, password_reset, single_sign_off.
    """

    user_id: UUID
    reason: str


@event("identity.real_name_verified")
@dataclass(frozen=True, kw_only=True)
class RealNameVerified(Event):
    """Sent when the registry has confirmed name and number; `aggregate_id` is the user."""
