"""Routes of consent: the texts, agreeing, taking back. The rights have their own beside it."""

from uuid import UUID

from clinical.consent import (
    access,
    documents,
    officers_api,
    rights,
    rights_api,
    rules,
    service,
    texts_api,
    views,
)
from clinical.consent.access import Matter
from clinical.consent.adding import Who, before_adding
from clinical.consent.errors import GuardianOnly, NotAChildsConsent, NothingAsked
from clinical.consent.models import ConsentRecord
from clinical.consent.policies import READERS
from clinical.consent.rights import Wish
from clinical.consent.schemas import (
    AcceptAgreement,
    AgreementView,
    AnswerInput,
    ConsentDetail,
    ConsentView,
    GiveConsent,
    MatterView,
    NeededView,
    NoticeView,
    RecordingAnswer,
    TextView,
    WithdrawInput,
)
from clinical.consent.service import Answer
from clinical.consent.states import REACH, Kind, Reach, Right
from clinical.consultation import access as consultations
from clinical.people import access as people
from core import audit
from core.documents import register_document
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.http import ANY_ROLE, PUBLIC, Context, Routes
from core.identity import access as identity
from core.identity import real_name
from core.identity.roles import Role
from realtime import access as rooms
from realtime.rules import RecordingPolicy

routes = Routes(tag="consent", title="同意与授权")
PATIENT = [Role.PATIENT]
AGREEMENTS = (Kind.USER_AGREEMENT, Kind.PRIVACY)


real_name.require_before("sensitive data", access.require_for_identity)
register_document(documents.DOCUMENT)


# --- the agreements of every account -------------------------------------------------------------


@routes.get("/me/agreements", roles=ANY_ROLE)
async def list_agreements(ctx: Context) -> list[AgreementView]:
    """The agreements in force and whether the account has accepted them."""
    found = []
    for kind in AGREEMENTS:
        matter = Matter(user_id=ctx.caller.user_id, kind=kind)
        standing = await access.standing(ctx.uow, ctx.caller.hospital_id, matter)
        if standing.text is not None:
            at = standing.record.at if standing.given and standing.record else None
            text = standing.text
            found.append(
                AgreementView(
                    code=kind.value,
                    title=text.title,
                    version=text.version,
                    text=text.body,
                    accepted_at=at,
                )
            )
    return found


@routes.post("/me/agreements", roles=ANY_ROLE, status=204)
async def accept_agreement(ctx: Context, body: AcceptAgreement) -> None:
    """Accept one agreement in the version that was shown."""
    if body.code not in AGREEMENTS:
        raise NotFound()
    answer = Answer(kind=Kind(body.code), version=body.version)
    await service.answer(ctx.uow, ctx.caller, answer)


@routes.get("/texts/{kind}", roles=PUBLIC)
async def show_text(ctx: Context, kind: Kind, hospital: UUID | None = None) -> TextView:
    """The text of a kind that is in force at a hospital, for everybody to read."""
    chosen = await identity.public_hospital(ctx.uow, ctx.optional_caller, hospital)
    return views.text_view(await access.current_text(ctx.uow, chosen.id, kind))


# --- agreeing and taking back --------------------------------------------------------------------


@routes.get("/consents", roles=PATIENT)
async def my_consents(ctx: Context) -> list[MatterView]:
    """Everything that the caller agreed to, by matter, with its history."""
    return await views.matters(ctx.uow, ctx.caller)


@routes.get("/consents/needed", roles=PATIENT)
async def needed(
    ctx: Context, patient_id: UUID | None = None, adding: Who | None = None
) -> list[NeededView]:
    """What must be agreed to before a consultation of a patient, before somebody is added
    (`adding`), or, with neither, before real-name proof.
    """
    caller = ctx.caller
    if adding is not None:
        standing, allowed = await before_adding(ctx.uow, caller, adding)
        view = views.needed_view(adding.kind, standing, may_answer=allowed)
        return [] if view is None else [view]
    if patient_id is None:
        matter = Matter(user_id=caller.user_id, kind=Kind.SENSITIVE)
        standing = await access.standing(ctx.uow, caller.hospital_id, matter)
        shown = [views.needed_view(Kind.SENSITIVE, standing, may_answer=True)]
        return [each for each in shown if each is not None]
    relation = await people.my_patient(ctx.uow.session, caller, patient_id)
    child, facts = await access.child_facts(ctx.uow, relation)
    shown = []
    for kind, standing in await access.needed_for_treatment(ctx.uow, relation):
        allowed = True
        if REACH[kind] is Reach.PATIENT:
            try:
                rules.may_answer(kind, child=child, facts=facts)
            except (GuardianOnly, NotAChildsConsent):
                allowed = False
        shown.append(views.needed_view(kind, standing, may_answer=allowed))
    return [each for each in shown if each is not None]


@routes.get("/consents/{consent_id}", roles=READERS)
async def show_consent(ctx: Context, consent_id: UUID) -> ConsentDetail:
    """One entry with the very text that was shown."""
    row = await access.record_for(ctx.uow.session, ctx.caller, consent_id)
    await audit.look(ctx.uow, ctx.caller, "consent", row.id, row.patient_id)
    return await views.consent_detail(ctx.uow, ctx.caller, row)


@routes.post("/consents", roles=PATIENT, status=201, idempotent=True)
async def agree(ctx: Context, body: AnswerInput) -> ConsentView:
    """Answer one text; a consent for one consultation is given there."""
    if REACH[body.kind] is Reach.OBJECT:
        raise InvalidRequest(fields=[FieldProblem("kind", "请在对应的服务中同意")])
    if REACH[body.kind] is Reach.ACCOUNT and body.patient_id is not None:
        raise InvalidRequest(fields=[FieldProblem("patient_id", "此项同意不区分就诊人")])
    answer = Answer(**body.model_dump())
    return await _shown(ctx, await service.answer(ctx.uow, ctx.caller, answer))


@routes.post("/consents/withdrawals", roles=PATIENT, status=201, idempotent=True)
async def withdraw(ctx: Context, body: WithdrawInput) -> ConsentView:
    """Take a consent back, from now on."""
    matter = Matter(user_id=ctx.caller.user_id, **body.model_dump())
    row = await service.withdraw(ctx.uow, ctx.caller, matter)
    closing = await rights.pending_closing(ctx.uow, ctx.caller)
    if body.kind in rules.CLOSES_ACCOUNT and closing is None:
        # Without the agreement there is no account: its closing begins, with the cooling-off time.
        await rights.ask(ctx.uow, ctx.caller, Wish(right=Right.CLOSING))
    return await _shown(ctx, row)


@routes.post("/rooms/{room_id}/recording-refusal", roles=PATIENT, status=201, idempotent=True)
async def refuse_recording(ctx: Context, room_id: UUID) -> ConsentView:
    """Take the recording consent of a room's consultation back, in the middle of a call too."""
    found = await rooms.member_of(ctx.uow, ctx.caller, room_id)
    matter = Matter(
        user_id=ctx.caller.user_id,
        kind=Kind.RECORDING,
        ref_type=found.row.ref_type,
        ref_id=found.row.ref_id,
    )
    return await _shown(ctx, await service.withdraw(ctx.uow, ctx.caller, matter))


@routes.post(
    "/rooms/{room_id}/recording-answer",
    roles=PATIENT,
    status=201,
    idempotent=True,
    summary="Agree or refuse to be recorded, asked when a call rings",
)
async def answer_recording(ctx: Context, room_id: UUID, body: RecordingAnswer) -> ConsentView:
    """Agreed: the call that rings may be answered, and is recorded. Refused: it is over."""
    found = await rooms.member_of(ctx.uow, ctx.caller, room_id)
    if found.row.recording != RecordingPolicy.ASK or found.row.ref_id is None:
        raise NothingAsked()
    row = await consultations.find(ctx.uow.session, ctx.caller, found.row.ref_id)
    entry = await service.answer_the_ring(
        ctx.uow, ctx.caller, row.id, row.patient_id, body.version, agreed=body.agreed
    )
    return await _shown(ctx, entry)


async def _shown(ctx: Context, row: ConsentRecord) -> ConsentView:
    return (await views.consent_views(ctx.uow, [row]))[row.id]


# --- the notice step of a consultation -----------------------------------------------------------


@routes.get("/consultations/notice", roles=ANY_ROLE, summary="The notice to agree to")
async def notice(ctx: Context) -> NoticeView:
    texts = await access.current_texts(
        ctx.uow, ctx.caller.hospital_id, [Kind.NOTICE, Kind.RECORDING]
    )
    about, recording = texts[Kind.NOTICE], texts[Kind.RECORDING]
    return NoticeView(
        version=about.version,
        title=about.title,
        text=about.body,
        signature_required=about.signature_required,
        recording_version=recording.version,
        recording_title=recording.title,
        recording_text=recording.body,
    )


@routes.post(
    "/consultations/{consultation_id}/consent", roles=PATIENT, summary="Agree to the notice"
)
async def consent(ctx: Context, consultation_id: UUID, body: GiveConsent) -> list[ConsentView]:
    row = await consultations.find(ctx.uow.session, ctx.caller, consultation_id)
    recording = await access.current_text(ctx.uow, ctx.caller.hospital_id, Kind.RECORDING)
    entries = await service.agreed_in_consultation(
        ctx.uow,
        ctx.caller,
        row.id,
        row.patient_id,
        body.version,
        body.recording_version or recording.version,
        recording_agreed=body.recording_agreed,
        signature=body.signature,
    )
    shown = await views.consent_views(ctx.uow, entries)
    return [shown[each.id] for each in entries]


routes.routes.extend(texts_api.routes.routes)
routes.routes.extend(rights_api.routes.routes)
routes.routes.extend(officers_api.routes.routes)
