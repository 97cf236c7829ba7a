"""The room monitor: the list over HTTP, its changes over the socket."""

from uuid import UUID

from core import audit
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Routes
from core.identity.roles import Role
from realtime import access, monitor
from realtime.gateway import Gateway
from realtime.monitor import Wanted
from realtime.monitor_schemas import MonitorPage, WatchMonitor
from realtime.rules import RoomState
from realtime.table import MessageContext, Messages
from realtime.veil import shown

routes = Routes(tag="monitor", title="诊间监控")
messages = Messages()
WATCHERS = [Role.SUPERVISOR, Role.ADMINISTRATOR]
LIMIT = 500


@routes.get("/monitor/rooms", roles=WATCHERS, summary="The open rooms of the hospital")
async def rooms(
    ctx: Context,
    state: str | None = None,
    department_id: UUID | None = None,
    doctor_id: UUID | None = None,
    overdue: bool = False,
    in_call: bool = False,
    after: UUID | None = None,
    limit: int = LIMIT,
) -> MonitorPage:
    """`state`: `waiting`, `active` or both; `after`: the `next` of the page before."""
    uow, caller = ctx.uow, ctx.caller
    await monitor.require(uow, caller)
    wanted = Wanted(
        states=_states(state),
        department_id=department_id,
        lead_id=doctor_id,
        overdue=overdue,
        in_call=in_call,
    )
    size = min(max(limit, 1), LIMIT)
    found = await monitor.page(uow, caller.hospital_id, wanted, after, size + 1)
    limit_of_reply = await monitor.reply_limit(uow, caller.hospital_id)
    if after is None:
        await audit.look(uow, caller, "room", "monitor")
    page = MonitorPage(
        items=found[:size],
        next=found[size - 1].id if len(found) > size else None,
        reply_seconds=int(limit_of_reply.total_seconds()),
        now=uow.now,
        totals=await monitor.totals(uow, caller.hospital_id) if after is None else None,
    )
    return shown(await access.veil_for(uow, caller), page)


@messages.on("monitor:watch", roles=WATCHERS, transaction=False)
async def watch(ctx: MessageContext, body: WatchMonitor) -> None:
    """Changes come as `monitor:rooms {rooms, gone}` and `monitor:presence {users}`."""
    gateway = ctx.runtime.port(Gateway)
    connection = gateway.connection_of(ctx)
    if body.on:
        await gateway.monitor.watch(connection)
    else:
        gateway.monitor.unwatch(connection)


def _states(text: str | None) -> frozenset[RoomState]:
    try:
        return frozenset(RoomState(word) for word in (text or "").split(",") if word)
    except ValueError as error:
        raise InvalidRequest(fields=[FieldProblem("state", "未知的状态")]) from error
