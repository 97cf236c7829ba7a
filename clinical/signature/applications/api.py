"""Routes of administrators: applications, server keys, the signature log and the licence."""

import csv
import io
from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime
from starlette.responses import Response

from clinical.cursors import cut, read_moment
from clinical.signature.applications import access, keys, licence, managing, registry, service_api
from clinical.signature.applications.admin_schemas import (
    ApplicationPolicy,
    ApplicationView,
    ApplicationWithSecret,
    LicenceUse,
    LogLine,
    MakeServerKey,
    NewSecret,
    ServerKeyView,
    ServiceSwitch,
    application_view,
    log_line,
    server_key_view,
    with_secret,
)
from clinical.signature.applications.errors import ServerKeyFailed
from clinical.signature.applications.settings import SERVICE_ENABLED
from clinical.signature.applications.states import FORMAT_TEXT, Format
from core import audit
from core.access import require
from core.defence.kinds import Kind
from core.http import Context, Page, Routes
from core.identity import second_factor
from core.outside import OutsideError
from core.settings import Scope
from core.settings.service import set_value

routes = Routes(tag="signature-applications", title="签名服务管理")

LIMIT = 100
MOST_EXPORTED = 50_000
MOST_DAYS = 366


@routes.get("/signature-applications", roles=access.KEEPERS, summary="Applications")
async def list_applications(ctx: Context) -> list[ApplicationView]:
    rows = await access.applications_for(ctx.uow.session, ctx.caller)
    return [application_view(row) for row in rows]


@routes.post(
    "/signature-applications",
    roles=access.KEEPERS,
    idempotent=True,
    status=201,
    summary="Register an application; its secret is shown this once",
)
async def create_application(ctx: Context, body: ApplicationPolicy) -> ApplicationWithSecret:
    await require(ctx.uow, ctx.caller, access.SIGNING_SERVICE, "manage")
    await second_factor.require(ctx.uow, ctx.caller)
    row, secret = await managing.create(ctx.uow, ctx.caller.hospital_id, body, ctx.caller)
    return with_secret(row, secret)


@routes.get(
    "/signature-applications/{application_id}", roles=access.KEEPERS, summary="One application"
)
async def show_application(ctx: Context, application_id: UUID) -> ApplicationView:
    return application_view(
        await access.application_for(ctx.uow.session, ctx.caller, application_id)
    )


@routes.put(
    "/signature-applications/{application_id}",
    roles=access.KEEPERS,
    summary="Change the policy of an application, in force at once",
)
async def change_application(
    ctx: Context, application_id: UUID, body: ApplicationPolicy
) -> ApplicationWithSecret:
    await second_factor.require(ctx.uow, ctx.caller)
    row = await access.application_for(ctx.uow.session, ctx.caller, application_id, lock=True)
    secret = await managing.change(ctx.uow, ctx.caller, row, body)
    return with_secret(row, secret)


@routes.post(
    "/signature-applications/{application_id}/secret",
    roles=access.KEEPERS,
    idempotent=True,
    summary="A new secret, shown this once; the old one ends",
)
async def new_secret(ctx: Context, application_id: UUID) -> NewSecret:
    await second_factor.require(ctx.uow, ctx.caller)
    row = await access.application_for(ctx.uow.session, ctx.caller, application_id, lock=True)
    return NewSecret(secret=await managing.new_secret(ctx.uow, ctx.caller, row))


@routes.put(
    "/signature-service",
    roles=access.KEEPERS,
    summary="Open or close the interface for applications, at once",
)
async def switch_service(ctx: Context, body: ServiceSwitch) -> ServiceSwitch:
    await require(ctx.uow, ctx.caller, access.SIGNING_SERVICE, "manage")
    await set_value(
        ctx.uow,
        ctx.caller,
        SERVICE_ENABLED.key,
        body.enabled,
        Scope.HOSPITAL,
        ctx.caller.hospital_id,
    )
    registry.announce_after(ctx.uow)
    return body


# --- server keys ---------------------------------------------------------------------------------


@routes.get("/signature-server-keys", roles=access.KEEPERS, summary="Server keys")
async def list_server_keys(ctx: Context) -> list[ServerKeyView]:
    rows = await access.server_keys_for(ctx.uow.session, ctx.caller)
    return [server_key_view(row) for row in rows]


@routes.post(
    "/signature-server-keys",
    roles=access.KEEPERS,
    idempotent=True,
    transaction=False,
    status=201,
    summary="Make a server key and have it certified by the CA",
)
async def make_server_key(ctx: Context, body: MakeServerKey) -> ServerKeyView:
    async with ctx.unit_of_work() as uow:
        await require(uow, ctx.caller, access.SIGNING_SERVICE, "manage")
        await second_factor.require(uow, ctx.caller)
        row = await keys.request_key(
            uow, ctx.caller.hospital_id, body.label, body.algorithm, ctx.caller
        )
        key_id = row.id
    await keys.ask(ctx.runtime, key_id)
    async with ctx.unit_of_work() as uow:
        return server_key_view(await access.server_key_for(uow.session, ctx.caller, key_id))


@routes.post(
    "/signature-server-keys/{key_id}/retire",
    roles=access.KEEPERS,
    transaction=False,
    summary="Let a server key never sign again",
)
async def retire_server_key(ctx: Context, key_id: UUID) -> ServerKeyView:
    try:
        await keys.retire(ctx.runtime, ctx.caller, key_id)
    except OutsideError as error:
        raise ServerKeyFailed("已停用，但CA机构暂时无法访问，请稍后重试注销证书") from error
    async with ctx.unit_of_work() as uow:
        return server_key_view(await access.server_key_for(uow.session, ctx.caller, key_id))


# --- log and licence -----------------------------------------------------------------------------


@routes.get("/signature-log", roles=access.LOG_READERS, summary="The log, the newest first")
async def show_log(
    ctx: Context,
    application_id: UUID | None = None,
    text: str | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[LogLine]:
    size = max(1, min(limit, LIMIT))
    rows = await access.log_for(
        ctx.uow.session,
        ctx.caller,
        application_id=application_id,
        text=text,
        since=since,
        until=until,
        before=read_moment(cursor),
        limit=size + 1,
    )
    page, following = cut(rows, size, lambda row: (row.at, row.id))
    names = await _names(ctx)
    return Page(items=[log_line(row, names) for row in page], next=following)


@routes.get(
    "/signature-log/export",
    roles=access.LOG_READERS,
    limit=Kind.EXPORT,
    summary="The log as CSV",
)
async def export_log(
    ctx: Context,
    application_id: UUID | None = None,
    text: str | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Response:
    rows = await access.log_for(
        ctx.uow.session,
        ctx.caller,
        application_id=application_id,
        text=text,
        since=since,
        until=until,
        limit=MOST_EXPORTED,
    )
    names = await _names(ctx)
    await audit.record(
        ctx.uow,
        ctx.caller,
        "signature_log.export",
        "signature_log",
        ctx.caller.hospital_id,
        detail={"lines": len(rows), "since": since, "until": until},
    )
    lines = [_exported(log_line(row, names)) for row in rows]
    return _csv([_HEADINGS, *lines], ctx.now)


_HEADINGS = ["时间", "业务系统", "格式", "算法", "摘要", "证书序列号", "业务编号", "来源地址"]


def _exported(line: LogLine) -> list[str]:
    format_ = FORMAT_TEXT.get(Format(line.format), line.format)
    return [
        line.at.isoformat(timespec="milliseconds"),
        line.application_name,
        format_,
        line.algorithm,
        line.digest,
        line.certificate_serial,
        line.reference,
        line.address,
    ]


def _csv(lines: list[list[str]], now: datetime) -> Response:
    text = io.StringIO()
    # A cell that begins like a formula would be run by a spreadsheet.
    safe = [["'" + c if c[:1] in ("=", "+", "-", "@") else c for c in line] for line in lines]
    csv.writer(text).writerows(safe)
    headers = {"Content-Disposition": f'attachment; filename="signature-log-{now:%Y%m%d}.csv"'}
    return Response(
        text.getvalue().encode("utf-8-sig"), headers=headers, media_type="text/csv; charset=utf-8"
    )


async def _names(ctx: Context) -> dict[UUID, str]:
    return await access.application_names(ctx.uow.session, ctx.caller.hospital_id)


@routes.get(
    "/signature-log/use", roles=access.LOG_READERS, summary="Use of the licence, day by day"
)
async def licence_use(ctx: Context, days: int = 30) -> LicenceUse:
    await require(ctx.uow, ctx.caller, access.SIGNING_SERVICE, "log")
    return await licence.use(ctx.uow, ctx.caller.hospital_id, max(1, min(days, MOST_DAYS)))


routes.routes += service_api.routes.routes
