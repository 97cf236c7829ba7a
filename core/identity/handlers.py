"""Reactions of identity."""

from zoneinfo import ZoneInfo

import structlog

from core.events import AfterCommitTable, WithCommitTable
from core.identity.events import LoggedIn, SessionRevoked
from core.identity.gateway import SmsError, SmsGateway
from core.identity.models import DeviceSession, Hospital, User
from core.identity.sessions import announce_revocation
from core.runtime import Runtime

log = structlog.get_logger(__name__)

NEW_LOGIN = "new_login"


async def drop_sockets_of_session(runtime: Runtime, event: SessionRevoked) -> None:
    """Repeat the hint of a revocation for processes that missed the first one."""
    await announce_revocation(runtime, event.aggregate_id, event.user_id, event.reason)


async def warn_of_a_new_place(runtime: Runtime, event: LoggedIn) -> None:
    """Tell the owner by text message, once: a second one would only frighten.

    The inbox holds the notice for good, so a message that was not taken is not sent again.
    """
    if not (event.new_device or event.new_place):
        return
    async with runtime.unit_of_work() as uow:
        session = await uow.session.get(DeviceSession, event.session_id, with_for_update=True)
        user = await uow.session.get(User, event.aggregate_id)
        hospital = await uow.session.get(Hospital, event.hospital_id)
        if session is None or session.notified_at is not None or user is None or not user.phone:
            return
        session.notified_at = uow.now
        zone = ZoneInfo(hospital.time_zone if hospital else "Asia/Shanghai")
        phone, when = user.phone, session.created_at.astimezone(zone)
    try:
        parameters = {"time": f"{when:%m-%d %H:%M}"}
        await runtime.port(SmsGateway).send(phone, NEW_LOGIN, parameters)
    except SmsError as error:
        log.warning("new_login_not_told", error=str(error))


WITH_COMMIT: WithCommitTable = {}
AFTER_COMMIT: AfterCommitTable = {
    SessionRevoked: [drop_sockets_of_session],
    LoggedIn: [warn_of_a_new_place],
}
