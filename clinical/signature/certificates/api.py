"""Routes of the certificate store."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from starlette.responses import Response

from clinical.cursors import cut, read_moment
from clinical.signature.certificates import access, keeping, store, validation
from clinical.signature.certificates.access import Wanted
from clinical.signature.certificates.models import StoredRevocationList
from clinical.signature.certificates.schemas import (
    CertificateLine,
    CertificateView,
    ChangeCertificate,
    ImportCertificates,
    RevocationListView,
    line,
    list_view,
    view,
)
from clinical.signature.certificates.states import Purpose, Standing
from clinical.signature.formats.verdicts import Usage
from core.access import require
from core.http import Context, Page, Routes

routes = Routes(tag="certificates", title="证书库")

LIMIT = 100
#: Base64 makes four characters of three bytes.
MAX_IMPORT = 256 * 1024


@routes.get("/certificates", roles=access.READERS, summary="Certificates, the newest first")
async def list_certificates(
    ctx: Context,
    text: str | None = None,
    issuer: str | None = None,
    serial: str | None = None,
    key_id: str | None = None,
    purpose: Purpose | None = None,
    standing: Standing | None = None,
    trusted: bool | None = None,
    valid_at: datetime | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[CertificateLine]:
    size = max(1, min(limit, LIMIT))
    wanted = Wanted(
        text=text,
        issuer=issuer,
        serial=serial,
        key_id=key_id,
        purpose=purpose,
        standing=standing,
        trusted=trusted,
        valid_at=valid_at,
    )
    rows = await access.certificates_for(
        ctx.uow.session, ctx.caller, wanted, ctx.now, read_moment(cursor), size + 1
    )
    page, following = cut(rows, size, lambda row: (row.created_at, row.id))
    return Page(items=[line(row, ctx.now) for row in page], next=following)


@routes.post(
    "/certificates/import",
    roles=access.KEEPERS,
    idempotent=True,
    max_body=MAX_IMPORT,
    summary="Import certificates from PEM, DER, PKCS#7 or PKCS#12",
)
async def import_certificates(ctx: Context, body: ImportCertificates) -> list[CertificateLine]:
    await require(ctx.uow, ctx.caller, access.CERTIFICATE, "manage")
    rows = await store.import_file(
        ctx.uow,
        ctx.caller,
        body.content,
        password=body.password,
        trusted=body.trusted,
        note=body.note,
    )
    return [line(row, ctx.now) for row in rows]


@routes.get("/certificates/lists", roles=access.READERS, summary="Revocation lists at hand")
async def lists(ctx: Context) -> list[RevocationListView]:
    await require(ctx.uow, ctx.caller, access.CERTIFICATE)
    order = StoredRevocationList.url
    rows = await ctx.uow.session.scalars(select(StoredRevocationList).order_by(order))
    return [list_view(row) for row in rows]


@routes.post(
    "/certificates/lists/refresh",
    roles=access.KEEPERS,
    transaction=False,
    summary="Fetch the revocation lists now",
)
async def refresh_lists(ctx: Context) -> list[RevocationListView]:
    async with ctx.unit_of_work() as uow:
        await require(uow, ctx.caller, access.CERTIFICATE, "manage")
    await keeping.refresh_hospital(ctx.runtime, ctx.caller.hospital_id, due=False)
    async with ctx.unit_of_work() as uow:
        order = StoredRevocationList.url
        rows = await uow.session.scalars(select(StoredRevocationList).order_by(order))
        return [list_view(row) for row in rows]


@routes.get(
    "/certificates/{certificate_id}",
    roles=access.READERS,
    transaction=False,
    summary="One certificate with its chain as of now",
)
async def show_certificate(ctx: Context, certificate_id: UUID) -> CertificateView:
    async with ctx.unit_of_work() as uow:
        row = await access.certificate_for(uow.session, ctx.caller, certificate_id)
    plain = access.plain(row)
    trust = await validation.ready(ctx.runtime, ctx.caller.hospital_id, [plain])
    chain = trust.assess(plain, (), trust.now, _usage(row.purposes))
    async with ctx.unit_of_work() as uow:
        row = await access.certificate_for(uow.session, ctx.caller, certificate_id, lock=True)
        keeping.note(row, chain.revocation, uow.now)
        return view(row, chain, uow.now)


@routes.get(
    "/certificates/{certificate_id}/file", roles=access.READERS, summary="The certificate in PEM"
)
async def download(ctx: Context, certificate_id: UUID) -> Response:
    row = await access.certificate_for(ctx.uow.session, ctx.caller, certificate_id)
    headers = {"Content-Disposition": f'attachment; filename="{row.serial}.pem"'}
    content = access.plain(row).pem
    return Response(content, headers=headers, media_type="application/x-pem-file")


@routes.put(
    "/certificates/{certificate_id}",
    roles=access.KEEPERS,
    summary="Believe an authority or not; annotate",
)
async def change_certificate(
    ctx: Context, certificate_id: UUID, body: ChangeCertificate
) -> CertificateLine:
    row = await access.certificate_for(
        ctx.uow.session, ctx.caller, certificate_id, "manage", lock=True
    )
    await store.change(ctx.uow, ctx.caller, row, trusted=body.trusted, note=body.note)
    return line(row, ctx.now)


@routes.delete(
    "/certificates/{certificate_id}", roles=access.KEEPERS, summary="Remove a certificate"
)
async def remove_certificate(ctx: Context, certificate_id: UUID) -> None:
    row = await access.certificate_for(
        ctx.uow.session, ctx.caller, certificate_id, "manage", lock=True
    )
    await keeping.require_unused(ctx.uow, row)
    await store.remove(ctx.uow, ctx.caller, row)


def _usage(purposes: list[str]) -> Usage:
    if Purpose.AUTHORITY in purposes:
        return Usage.CRL
    if Purpose.TIMESTAMP in purposes:
        return Usage.TIMESTAMP
    return Usage.OCSP if Purpose.OCSP in purposes else Usage.SIGNATURE
