"""Whether a call belongs into a room: asked of the module that the room is about."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from core.uow import UnitOfWork

#: Refuses a call that does not belong there: `check(uow, ref_id, media)`, media `voice` or `video`.
CallCheck = Callable[[UnitOfWork, UUID, str], Awaitable[None]]
_checks: dict[str, CallCheck] = {}


def register_call_check(ref_type: str, check: CallCheck) -> None:
    """Have a say in calls in rooms about this; called at import by the module that opens them."""
    _checks[ref_type] = check


async def check_call(
    uow: UnitOfWork, ref_type: str | None, ref_id: UUID | None, media: str
) -> None:
    """Raise what stands against a call of this kind in a room about this."""
    check = _checks.get(ref_type or "")
    if check is not None and ref_id is not None:
        await check(uow, ref_id, media)
