"""Routes of personal signing: the own signature, signing, verifying, keeping signers."""

from collections.abc import Sequence
from uuid import UUID

from starlette.responses import Response

from clinical.signature import (
    access,
    authority,
    confirming,
    documents,
    enrolment,
    keeping,
    own,
    pins,
    signing,
    verification,
)
from clinical.signature.access import KEEPERS, SIGNER, SIGNERS
from clinical.signature.confirming import Shown
from clinical.signature.models import DocumentSignature, SignatureImage
from clinical.signature.schemas import (
    ChangePin,
    CheckedFile,
    CheckFile,
    CodeSent,
    Confirm,
    ConfirmationView,
    DocumentView,
    GiveReason,
    KeepImage,
    LineView,
    OwnSignature,
    ResetPin,
    RevokeOwn,
    RevokeSigner,
    SetPin,
    SignatureMark,
    SignDocument,
    SignerView,
    TaskView,
    UsageView,
    VerificationView,
)
from core import audit
from core.access import require
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.files.access import register_viewer
from core.files.models import File
from core.http import ANY_ROLE, PUBLIC, Context, Routes
from core.http.content import stored_object_response
from core.identity import second_factor, sessions
from core.identity.caller import Caller
from core.identity.roles import Role
from core.tickets import read_ticket
from core.uow import UnitOfWork

routes = Routes(tag="signing", title="电子签名")
ADMINISTRATOR = [Role.ADMINISTRATOR]
#: Staff who may check a signature file that somebody brings.
CHECKERS: Sequence[Role] = (*SIGNERS, *KEEPERS)
UPLOAD_BYTES = 24 * 1024 * 1024


async def _may_see_image(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """The file of a handwriting shows to its owner; others see it on what it signed."""
    signer = await access.own_signer(uow.session, caller)
    return signer is not None and signer.id == file.scope_id


register_viewer(enrolment.IMAGE_SCOPE, _may_see_image)


# --- the own signature ---------------------------------------------------------------------------


@routes.get("/signing/me", roles=SIGNERS, summary="Where the caller stands with signing")
async def me(ctx: Context) -> OwnSignature:
    return await own.own_signature(ctx.uow, ctx.caller)


@routes.put("/signing/me/image", roles=SIGNERS, summary="Sign by hand, or change it")
async def keep_image(ctx: Context, body: KeepImage) -> OwnSignature:
    await enrolment.keep_image(ctx.uow, ctx.caller, body.file_id)
    return await own.own_signature(ctx.uow, ctx.caller)


@routes.put("/signing/me/pin", roles=SIGNERS, transaction=False, summary="Set the PIN")
async def set_pin(ctx: Context, body: SetPin) -> OwnSignature:
    request_id = await pins.set_first(ctx.runtime, ctx.caller, body.pin, body.repeated)
    return await _after_asking(ctx, request_id)


@routes.patch("/signing/me/pin", roles=SIGNERS, transaction=False, summary="Change the PIN")
async def change_pin(ctx: Context, body: ChangePin) -> OwnSignature:
    await pins.change(ctx.runtime, ctx.caller, body.old, body.pin, body.repeated)
    async with ctx.unit_of_work() as uow:
        return await own.own_signature(uow, ctx.caller)


@routes.post(
    "/signing/me/pin-codes",
    roles=SIGNERS,
    transaction=False,
    summary="Send the text message that proves who resets the PIN",
)
async def send_code(ctx: Context) -> CodeSent:
    phone, pause = await pins.send_code(ctx.runtime, ctx.caller, ctx.address)
    return CodeSent(phone=phone, resend_seconds=pause)


@routes.put(
    "/signing/me/pin-reset",
    roles=SIGNERS,
    transaction=False,
    summary="Set a new PIN when the old one is forgotten; the certificate is issued anew",
)
async def reset_pin(ctx: Context, body: ResetPin) -> OwnSignature:
    request_id = await pins.reset(ctx.runtime, ctx.caller, body.code, body.pin, body.repeated)
    return await _after_asking(ctx, request_id)


async def _after_asking(ctx: Context, request_id: UUID) -> OwnSignature:
    # The relay asks too; asking here spares the person a second look.
    await authority.process(ctx.runtime, request_id)
    async with ctx.unit_of_work() as uow:
        return await own.own_signature(uow, ctx.caller)


@routes.put("/signing/me/revocation", roles=SIGNERS, summary="Report a lost phone: sign no more")
async def revoke_own(ctx: Context, body: RevokeOwn) -> OwnSignature:
    await keeping.revoke_own(ctx.uow, ctx.caller, body.reason)
    return await own.own_signature(ctx.uow, ctx.caller)


# --- signing -------------------------------------------------------------------------------------


@routes.get("/signing/tasks", roles=SIGNERS, summary="What waits for the caller's signature")
async def tasks(ctx: Context) -> list[TaskView]:
    views = []
    for task in await access.open_tasks(ctx.uow.session, ctx.caller):
        draft = await documents.read(ctx.uow, task.document_type, task.document_id)
        if draft is not None:
            views.append(
                TaskView(
                    document_type=task.document_type,
                    document_id=task.document_id,
                    label=draft.kind.label,
                    subject=draft.content.subject,
                    version=task.version,
                    since=task.created_at,
                )
            )
    return views


@routes.get(
    "/signing/documents/{kind}/{document_id}",
    roles=ANY_ROLE,
    summary="A document as it would be signed, with its digest",
)
async def document(ctx: Context, kind: str, document_id: UUID) -> DocumentView:
    draft = await documents.read_for(ctx.uow, ctx.caller, kind, document_id)
    await audit.look(ctx.uow, ctx.caller, kind, document_id, draft.content.patient_id)
    marks = await access.marks(ctx.uow, ctx.caller, kind, [document_id])
    mark = marks.get(document_id)
    mine = draft.content.signer_id == ctx.caller.user_id and draft.content.ready
    return DocumentView(
        document_type=kind,
        document_id=document_id,
        title=draft.content.title,
        fields=[LineView(name=f.name, label=f.label, value=f.value) for f in draft.content.fields],
        digest=draft.digest,
        signable=mine and (mark is None or not mark.current),
        signature=SignatureMark.model_validate(mark, from_attributes=True) if mark else None,
    )


@routes.post(
    "/signing/confirmations",
    roles=SIGNERS,
    status=201,
    transaction=False,
    summary="Try the PIN: confirm the shown document, or open a signing session",
)
async def confirm(ctx: Context, body: Confirm) -> ConfirmationView:
    # No Idempotency-Key: its store would keep a digest of a body that holds the PIN.
    async with ctx.unit_of_work() as uow:
        await second_factor.require(uow, ctx.caller)
    confirmed = await confirming.confirm(ctx.runtime, ctx.caller, body.pin, _shown(body))
    return ConfirmationView.model_validate(confirmed, from_attributes=True)


def _shown(body: Confirm) -> Shown | None:
    match (body.document_type, body.document_id, body.digest):
        case (None, None, None):
            return None
        case (str(kind), UUID() as document_id, str(digest)):
            return Shown(kind, document_id, digest)
    raise InvalidRequest(fields=[FieldProblem("document_id", "请同时给出文书和摘要")])


@routes.delete("/signing/session", roles=SIGNERS, summary="End the signing session of this login")
async def end_session(ctx: Context) -> None:
    await confirming.end_session(ctx.uow, ctx.caller)


@routes.post(
    "/signing/signatures",
    roles=SIGNERS,
    status=201,
    idempotent=True,
    summary="Sign the shown document",
)
async def sign(ctx: Context, body: SignDocument) -> SignatureMark:
    shown = Shown(body.document_type, body.document_id, body.digest)
    row = await signing.sign(
        ctx.uow, ctx.caller, shown, body.confirmation_id, body.confirmation_token
    )
    marks = await access.marks(ctx.uow, ctx.caller, shown.kind, [shown.document_id])
    return SignatureMark.model_validate(marks[row.document_id], from_attributes=True)


# --- looking at signatures -----------------------------------------------------------------------


@routes.get(
    "/signing/signatures/{signature_id}",
    roles=ANY_ROLE,
    transaction=False,
    summary="Verify a signature: who, when, which certificate, valid then and now, what changed",
)
async def verify(ctx: Context, signature_id: UUID) -> VerificationView:
    return await verification.verify(ctx.runtime, ctx.caller, signature_id)


@routes.get(
    "/signing/documents/{kind}/{document_id}/signatures",
    roles=ANY_ROLE,
    summary="Every signature under a document, the newest first",
)
async def signatures(ctx: Context, kind: str, document_id: UUID) -> list[SignatureMark]:
    await access.visible_document(ctx.uow, ctx.caller, kind, document_id)
    return await verification.versions(ctx.uow, ctx.caller, kind, document_id)


@routes.get(
    "/signing/signatures/{signature_id}/file",
    roles=ANY_ROLE,
    summary="The signature as a CMS file, for checking elsewhere",
)
async def file(ctx: Context, signature_id: UUID, content: bool = False) -> Response:
    row = await access.visible_signature(ctx.uow, ctx.caller, signature_id)
    return verification.as_file(row, content=content)


@routes.get(
    "/signing/signatures/{signature_id}/image",
    roles=PUBLIC,
    transaction=False,
    summary="The handwriting on a signature, for the viewer that the ticket names",
)
async def image(ctx: Context, signature_id: UUID, ticket: str) -> Response:
    subject = access.image_subject(signature_id)
    claimed = read_ticket(ctx.runtime.keyring, ticket, subject, ctx.now)
    caller = await sessions.live_caller(ctx.runtime, claimed)
    async with ctx.unit_of_work() as uow:
        row = await access.visible_signature(uow, caller, signature_id)
        found = await _image_file(uow, row)
    return stored_object_response(
        ctx.request,
        ctx.runtime.storage,
        found.storage_key,
        size=found.size,
        content_type=found.content_type,
        name="signature.png",
        digest=found.sha256,
    )


async def _image_file(uow: UnitOfWork, row: DocumentSignature) -> File:
    if row.image_id is None:
        raise NotFound()
    image = await uow.session.get_one(SignatureImage, row.image_id)
    return await uow.session.get_one(File, image.file_id)


@routes.post(
    "/signing/checks",
    roles=CHECKERS,
    transaction=False,
    max_body=UPLOAD_BYTES,
    summary="Check a signature file that somebody brings",
)
async def check_file(ctx: Context, body: CheckFile) -> CheckedFile:
    return await verification.check_file(ctx.runtime, ctx.caller, body.cms, body.content)


# --- keeping signers -----------------------------------------------------------------------------


@routes.get("/signing/signers", roles=KEEPERS, summary="Who signs at the hospital")
async def signers(ctx: Context) -> list[SignerView]:
    return await own.signers(ctx.uow, ctx.caller)


@routes.get("/signing/usage", roles=KEEPERS, summary="Certificates and signatures against limits")
async def usage(ctx: Context) -> UsageView:
    await require(ctx.uow, ctx.caller, SIGNER)
    return await own.usage(ctx.uow, ctx.caller.hospital_id)


@routes.put(
    "/signing/signers/{signer_id}/suspension", roles=ADMINISTRATOR, summary="Let somebody not sign"
)
async def suspend(ctx: Context, signer_id: UUID, body: GiveReason) -> None:
    await keeping.suspend(ctx.uow, ctx.caller, signer_id, body.reason)


@routes.delete(
    "/signing/signers/{signer_id}/suspension", roles=ADMINISTRATOR, summary="Let sign again"
)
async def resume(ctx: Context, signer_id: UUID) -> None:
    await keeping.resume(ctx.uow, ctx.caller, signer_id)


@routes.put(
    "/signing/signers/{signer_id}/revocation",
    roles=ADMINISTRATOR,
    summary="Take a certificate back for good",
)
async def revoke(ctx: Context, signer_id: UUID, body: RevokeSigner) -> None:
    await keeping.revoke(ctx.uow, ctx.caller, signer_id, body.kind, body.reason)
