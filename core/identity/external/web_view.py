"""From the mini-program into its web view: a code that logs the same person in there, once.

A mini-program has no WebRTC, so calls run on our own page inside it. The page's address holds the
code in its fragment, which browsers send to no server and no log; it lives for a minute.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from core.identity.caller import Caller
from core.identity.errors import SessionIsRevoked
from core.identity.external import attempts
from core.identity.external.attempts import Kind, LoginAttemptInvalid
from core.identity.login import Device, Issued, open_session
from core.identity.models import DeviceSession, User
from core.identity.roles import Role

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

METHOD: Final = "web_view"
LIFE = timedelta(minutes=1)
#: The view has a device identifier of its own, which the mini-program does not know.
_ANY_DEVICE = ""


async def begin(uow: "UnitOfWork", caller: Caller, address: str) -> str:
    """A code for the caller, in his role, at his hospital."""
    payload = {
        "session": str(caller.session_id),
        "role": caller.role.value,
        "until": (uow.now + LIFE).timestamp(),
    }
    return await attempts.begin(
        uow, Kind.WEB_VIEW, _ANY_DEVICE, address, payload, hospital_id=caller.hospital_id
    )


async def finish(runtime: "Runtime", code: str, device: Device, address: str) -> Issued:
    """Log in with a code; what the mini-program's session has proved holds here too.

    Raises LoginAttemptInvalid, SessionIsRevoked, AccountDisabled, RoleNotAssigned.
    """
    payload, hospital_id = await attempts.finish(runtime, Kind.WEB_VIEW, code, _ANY_DEVICE)
    async with runtime.unit_of_work() as uow:
        if uow.now.timestamp() >= payload["until"]:
            raise LoginAttemptInvalid
        before = await uow.session.get(DeviceSession, UUID(payload["session"]))
        if before is None or before.revoked_at is not None:
            raise SessionIsRevoked
        user = await uow.session.get(User, before.user_id, with_for_update=True)
        assert user is not None
        role = Role(payload["role"])
        issued = await open_session(uow, user, device, role, hospital_id, address, METHOD)
        opened = await uow.session.get(DeviceSession, issued.caller.session_id)
        assert opened is not None
        opened.second_factor_at = before.second_factor_at
        opened.second_factor_method = before.second_factor_method
        return issued
