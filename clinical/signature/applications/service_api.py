"""Routes for calling applications: they have no login and prove themselves with every request."""

from clinical.signature.applications import service
from clinical.signature.applications.errors import ServerKeyMissing
from clinical.signature.applications.schemas import (
    CertificateVerdict,
    FindCertificates,
    FoundCertificate,
    ServerCertificate,
    Signed,
    SignRequest,
    Verified,
    VerifyCertificate,
    VerifyRequest,
    base64_of,
    cms_verdict,
    raw_verdict,
)
from clinical.signature.applications.states import Format, Operation
from clinical.signature.certificates import access as certificates
from clinical.signature.certificates.access import Wanted
from clinical.signature.certificates.schemas import chain_view
from core.defence.kinds import Kind
from core.http import PUBLIC, Context, Routes

routes = Routes(tag="signature-service", title="签名服务（业务系统）")

#: Base64 of the largest content, with room for the rest.
MAX_BODY = 6 * 1024 * 1024


@routes.post(
    "/signature/sign",
    roles=PUBLIC,
    transaction=False,
    max_body=MAX_BODY,
    limit=Kind.SERVICE,
    summary="Sign content or a digest with the application's server certificate",
)
async def sign(ctx: Context, body: SignRequest, raw_body: bytes) -> Signed:
    proved = await service.admit(ctx, raw_body, Operation.SIGN)
    made = await service.sign(
        proved,
        body.format,
        data=body.data,
        digest=body.digest,
        reference=body.reference,
        timestamp=body.timestamp,
    )
    return Signed(
        signature=base64_of(made.signature),
        algorithm=made.server.key.algorithm,
        serial=made.server.certificate.serial_hex,
        certificate=base64_of(made.server.certificate.der),
    )


@routes.post(
    "/signature/verify",
    roles=PUBLIC,
    transaction=False,
    max_body=2 * MAX_BODY,
    limit=Kind.SERVICE,
    summary="Verify a signature: who, when, good then and now, what is wrong",
)
async def verify(ctx: Context, body: VerifyRequest, raw_body: bytes) -> Verified:
    proved = await service.admit(ctx, raw_body, Operation.VERIFY)
    await service.use_nonce(proved)
    if body.format is Format.RAW:
        assert body.data is not None
        assert body.certificate is not None
        found = await service.verify_raw(
            proved, body.signature, body.data, body.certificate, body.at
        )
        return raw_verdict(found, body.at)
    return cms_verdict(await service.verify_cms(proved, body.signature, body.data))


@routes.post(
    "/signature/certificates/find",
    roles=PUBLIC,
    transaction=False,
    limit=Kind.SERVICE,
    summary="Find certificates of the store",
)
async def find_certificates(
    ctx: Context, body: FindCertificates, raw_body: bytes
) -> list[FoundCertificate]:
    proved = await service.admit(ctx, raw_body, Operation.FIND_CERTIFICATES)
    await service.use_nonce(proved)
    wanted = Wanted(
        text=body.subject,
        issuer=body.issuer,
        serial=body.serial,
        key_id=body.key_id,
        fingerprint=body.fingerprint,
        purpose=body.purpose,
        valid_at=body.valid_at,
    )
    return [
        FoundCertificate(
            id=row.id,
            subject=row.subject,
            issuer=row.issuer,
            serial=row.serial,
            not_before=row.not_before,
            not_after=row.not_after,
            standing=certificates.standing(row, ctx.now),
            certificate=base64_of(row.der),
        )
        for row in await service.find_certificates(proved, wanted)
    ]


@routes.post(
    "/signature/certificates/verify",
    roles=PUBLIC,
    transaction=False,
    limit=Kind.SERVICE,
    summary="Judge a certificate: chain, validity, revocation",
)
async def verify_certificate(
    ctx: Context, body: VerifyCertificate, raw_body: bytes
) -> CertificateVerdict:
    proved = await service.admit(ctx, raw_body, Operation.VERIFY_CERTIFICATE)
    await service.use_nonce(proved)
    then, now = await service.verify_certificate(proved, body.certificate, body.others, body.at)
    return CertificateVerdict(then=chain_view(then), now=chain_view(now))


@routes.get(
    "/signature/certificate",
    roles=PUBLIC,
    transaction=False,
    limit=Kind.SERVICE,
    summary="The certificate that signs for the application",
)
async def server_certificate(ctx: Context) -> ServerCertificate:
    proved = await service.admit(ctx, b"", None)
    await service.use_nonce(proved)
    server = proved.application.server
    if server is None:
        raise ServerKeyMissing()
    return ServerCertificate(
        algorithm=server.key.algorithm,
        serial=server.certificate.serial_hex,
        subject=server.certificate.subject_text,
        not_before=server.certificate.not_before,
        not_after=server.certificate.not_after,
        certificate=base64_of(server.certificate.der),
        chain=[base64_of(each.der) for each in server.chain],
    )
