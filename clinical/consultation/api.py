"""Routes of consultations."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from clinical.consultation import (
    access,
    assigning,
    drafts,
    export,
    intake,
    listing,
    notes,
    offers,
    service,
    states,
    tags,
    views,
    workload,
)
from clinical.consultation import errors as refusals
from clinical.consultation.gateway import Visit, VisitHistoryGateway
from clinical.consultation.listing import Filters, Moments, read_states
from clinical.consultation.models import Consultation
from clinical.consultation.schemas import (
    AmendNote,
    AssignDoctor,
    ConsultationView,
    DecideProof,
    DepartmentOffer,
    DoctorLoad,
    EditConsultation,
    GiveReason,
    HandInProof,
    NewConsultation,
    PhraseForm,
    PhraseOrder,
    PhraseView,
    QuestionView,
    RevisitView,
    SaveNote,
    TagPatient,
)
from clinical.consultation.states import Kind as ConsultationKind
from clinical.consultation.states import Mode, Purpose
from clinical.consultation.viewers import may_see_files
from clinical.cursors import cut, read_moment
from clinical.people.schemas import DepartmentRef
from core import audit
from core.access import look, open_emergencies
from core.defence.kinds import Kind
from core.files.access import register_viewer
from core.http import ANY_ROLE, PUBLIC, Context, Page, Routes
from core.identity.access import public_hospital
from core.identity.roles import Role
from core.outside import OutsideError

routes = Routes(tag="consultation", title="问诊")
PATIENT = [Role.PATIENT]
DOCTOR = [Role.DOCTOR]
#: Everybody in the kinds that the own profession leads.
TREATERS = list(states.TREATERS)
#: Who answers patients in rooms.
WRITERS = [*TREATERS, Role.CUSTOMER_SERVICE]
# Clinicians also come in for what they were asked into, what was delegated to them, and what they
# opened in an emergency.
READERS = [Role.PATIENT, *TREATERS, Role.SUPERVISOR, Role.ADMINISTRATOR]
LIMIT = 100
HISTORY = 50

register_viewer(drafts.SCOPE, may_see_files)


async def _answer(ctx: Context, row: Consultation) -> ConsultationView:
    return await views.view(ctx.uow, ctx.caller, row)


# --- the patient's draft -------------------------------------------------------------------------


@routes.get("/intake/questions", roles=ANY_ROLE, summary="The questions of the intake form")
async def questions(ctx: Context) -> list[QuestionView]:
    return [QuestionView(id=q.id, text=q.text, red_flag=q.red_flag) for q in intake.QUESTIONS]


@routes.post("/consultations", roles=PATIENT, status=201, idempotent=True, summary="Begin a draft")
async def begin(ctx: Context, body: NewConsultation) -> ConsultationView:
    return await _answer(ctx, await drafts.begin(ctx.uow, ctx.caller, body))


@routes.patch("/consultations/{consultation_id}", roles=PATIENT, summary="Save the draft as typed")
async def edit(ctx: Context, consultation_id: UUID, body: EditConsultation) -> ConsultationView:
    return await _answer(ctx, await drafts.edit(ctx.uow, ctx.caller, consultation_id, body))


@routes.post(
    "/consultations/{consultation_id}/revisit-check",
    roles=PATIENT,
    transaction=False,
    summary="Ask the hospital's system for earlier visits",
)
async def revisit_check(ctx: Context, consultation_id: UUID) -> RevisitView:
    async with ctx.unit_of_work() as uow:
        question = await drafts.revisit_question(uow, ctx.caller, consultation_id)
    visits: Sequence[Visit] = ()
    if question.answerable:
        try:
            visits = await ctx.runtime.port(VisitHistoryGateway).visits(
                id_number=question.id_number,
                card_number=question.card_number,
                since=question.since,
            )
        except OutsideError as error:
            raise refusals.HisUnavailable() from error
    async with ctx.unit_of_work() as uow:
        row = await drafts.store_visits(uow, ctx.caller, consultation_id, question, visits)
        return (await views.view(uow, ctx.caller, row)).revisit


@routes.put(
    "/consultations/{consultation_id}/proof", roles=PATIENT, summary="Hand in proof of a visit"
)
async def proof(ctx: Context, consultation_id: UUID, body: HandInProof) -> ConsultationView:
    row = await drafts.hand_in_proof(ctx.uow, ctx.caller, consultation_id, body.attachment_ids)
    return await _answer(ctx, row)


@routes.post("/consultations/{consultation_id}/submit", roles=PATIENT, summary="Submit to payment")
async def submit(ctx: Context, consultation_id: UUID) -> ConsultationView:
    return await _answer(ctx, await drafts.submit(ctx.uow, ctx.caller, consultation_id))


@routes.delete("/consultations/{consultation_id}", roles=PATIENT, summary="Throw a draft away")
async def throw_away(ctx: Context, consultation_id: UUID) -> None:
    await drafts.throw_away(ctx.uow, ctx.caller, consultation_id)


@routes.post(
    "/consultations/{consultation_id}/cancel", roles=PATIENT, summary="Step back before acceptance"
)
async def cancel(ctx: Context, consultation_id: UUID) -> ConsultationView:
    return await _answer(ctx, await service.cancel(ctx.uow, ctx.caller, consultation_id))


# --- looking -------------------------------------------------------------------------------------


From = Annotated[date | None, Field(alias="from")]


@routes.get("/consultations", roles=READERS, summary="Consultations that the caller may see")
async def listed(
    ctx: Context,
    state: str | None = None,
    q: str | None = None,
    patient: str | None = None,
    doctor: str | None = None,
    patient_id: UUID | None = None,
    doctor_id: UUID | None = None,
    department_id: UUID | None = None,
    kind: ConsultationKind | None = None,
    booked: bool | None = None,
    mode: Mode | None = None,
    purpose: Purpose | None = None,
    by: Moments = Moments.CREATED,
    from_: From = None,
    to: date | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[ConsultationView]:
    """`q`: number, doctor's name, or the patient's whole name, visit card or account's phone."""
    size = max(1, min(limit, LIMIT))
    filters = Filters(
        states=read_states(state),
        q=q,
        patient=patient,
        doctor=doctor,
        patient_id=patient_id,
        doctor_id=doctor_id,
        department_id=department_id,
        kind=kind,
        booked=booked,
        mode=mode,
        purpose=purpose,
        by=by,
        first_day=from_,
        last_day=to,
    )
    allowed = await access.readable(ctx.uow.session, ctx.caller)
    rows = await listing.page(ctx.uow, ctx.caller, allowed, filters, read_moment(cursor), size + 1)
    page, following = cut(rows, size, lambda row: (row.created_at, row.id))
    if ctx.caller.role in (Role.SUPERVISOR, Role.ADMINISTRATOR):
        await audit.look(ctx.uow, ctx.caller, "consultation", "list", detail={"rows": len(page)})
    for opened in await open_emergencies(ctx.uow, ctx.caller):
        if any(row.patient_id == opened.patient_id for row in page):
            await look(ctx.uow, ctx.caller, "consultation", "list", opened.patient_id)
    return Page(items=await views.views(ctx.uow, ctx.caller, page), next=following)


@routes.get(
    "/consultations/by-doctor",
    roles=[Role.SUPERVISOR, Role.ADMINISTRATOR],
    summary="What every doctor had to do, by state, kind and mode",
)
async def by_doctor(
    ctx: Context,
    doctor: str | None = None,
    department_id: UUID | None = None,
    kind: ConsultationKind | None = None,
    booked: bool | None = None,
    mode: Mode | None = None,
    by: Moments = Moments.CREATED,
    from_: From = None,
    to: date | None = None,
) -> list[DoctorLoad]:
    filters = Filters(
        doctor=doctor,
        department_id=department_id,
        kind=kind,
        booked=booked,
        mode=mode,
        by=by,
        first_day=from_,
        last_day=to,
    )
    return await workload.by_doctor(ctx.uow, ctx.caller, filters)


@routes.get(
    "/consultations/department-offers",
    roles=PUBLIC,
    summary="The departments that take orders without a choice of doctor",
)
async def department_offers(ctx: Context, hospital: UUID | None = None) -> list[DepartmentOffer]:
    here = await public_hospital(ctx.uow, ctx.optional_caller, hospital)
    return [
        DepartmentOffer(
            department=DepartmentRef(id=each.department.id, name=each.department.name),
            intro=each.department.intro,
            modes=list(offers.DEPARTMENT_MODES),
            price_fen=each.price_fen,
            minutes=each.minutes,
        )
        for each in await offers.department_offers(ctx.uow, here.id)
    ]


@routes.post(
    "/consultations/{consultation_id}/assign",
    roles=[Role.ADMINISTRATOR],
    summary="Give a waiting consultation to a doctor of its department",
)
async def assign(ctx: Context, consultation_id: UUID, body: AssignDoctor) -> ConsultationView:
    row = await assigning.assign(ctx.uow, ctx.caller, consultation_id, body.doctor_id, body.reason)
    return await _answer(ctx, row)


@routes.get("/consultations/counts", roles=READERS, summary="How many in each state")
async def counts(ctx: Context) -> dict[str, int]:
    return await access.count_by_state(ctx.uow.session, ctx.caller)


@routes.get(
    "/consultations/export.csv",
    limit=Kind.EXPORT,
    roles=[Role.SUPERVISOR, Role.ADMINISTRATOR],
    summary="The filtered list as a table",
)
async def exported(
    ctx: Context,
    state: str | None = None,
    q: str | None = None,
    patient: str | None = None,
    doctor: str | None = None,
    patient_id: UUID | None = None,
    doctor_id: UUID | None = None,
    department_id: UUID | None = None,
    kind: ConsultationKind | None = None,
    booked: bool | None = None,
    mode: Mode | None = None,
    purpose: Purpose | None = None,
    by: Moments = Moments.CREATED,
    from_: From = None,
    to: date | None = None,
) -> Response:
    filters = Filters(
        states=read_states(state),
        q=q,
        patient=patient,
        doctor=doctor,
        patient_id=patient_id,
        doctor_id=doctor_id,
        department_id=department_id,
        kind=kind,
        booked=booked,
        mode=mode,
        purpose=purpose,
        by=by,
        first_day=from_,
        last_day=to,
    )
    return Response(
        await export.as_csv(ctx.uow, ctx.caller, filters),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="consultations.csv"',
            "Cache-Control": "no-store",
        },
    )


@routes.get("/consultations/{consultation_id}", roles=READERS, summary="One consultation")
async def show(ctx: Context, consultation_id: UUID) -> ConsultationView:
    row = await access.find(ctx.uow.session, ctx.caller, consultation_id)
    await look(ctx.uow, ctx.caller, "consultation", row.id, row.patient_id)
    return await _answer(ctx, row)


@routes.get(
    "/consultations/{consultation_id}/history",
    roles=TREATERS,
    summary="The patient's earlier consultations at the hospital",
)
async def history(ctx: Context, consultation_id: UUID) -> list[ConsultationView]:
    row, earlier = await access.history_of(ctx.uow.session, ctx.caller, consultation_id, HISTORY)
    await look(ctx.uow, ctx.caller, "history", row.id, row.patient_id, {"rows": len(earlier)})
    return await views.views(ctx.uow, ctx.caller, earlier)


# --- the doctor ----------------------------------------------------------------------------------


@routes.post(
    "/consultations/{consultation_id}/accept", roles=TREATERS, summary="Take the patient in"
)
async def accept(ctx: Context, consultation_id: UUID) -> ConsultationView:
    return await _answer(ctx, await service.accept(ctx.uow, ctx.caller, consultation_id))


@routes.post(
    "/consultations/{consultation_id}/decline",
    roles=TREATERS,
    summary="Decline, with a full refund",
)
async def decline(ctx: Context, consultation_id: UUID, body: GiveReason) -> ConsultationView:
    row = await service.decline(ctx.uow, ctx.caller, consultation_id, body.reason)
    return await _answer(ctx, row)


@routes.post(
    "/consultations/{consultation_id}/proof-decision",
    roles=DOCTOR,
    summary="Confirm or refuse the proof of an earlier visit",
)
async def decide_proof(ctx: Context, consultation_id: UUID, body: DecideProof) -> ConsultationView:
    row = await service.decide_proof(
        ctx.uow, ctx.caller, consultation_id, body.accepted, body.reason or ""
    )
    return await _answer(ctx, row)


@routes.put(
    "/consultations/{consultation_id}/closing-note", roles=TREATERS, summary="Save the closing note"
)
async def save_note(ctx: Context, consultation_id: UUID, body: SaveNote) -> ConsultationView:
    row = await notes.save(ctx.uow, ctx.caller, consultation_id, body.diagnosis, body.advice)
    return await _answer(ctx, row)


@routes.post(
    "/consultations/{consultation_id}/closing-note/versions",
    roles=TREATERS,
    status=201,
    idempotent=True,
    summary="Replace a final closing note by a new version, which is signed again",
)
async def amend_note(ctx: Context, consultation_id: UUID, body: AmendNote) -> ConsultationView:
    row = await notes.amend(
        ctx.uow, ctx.caller, consultation_id, body.diagnosis, body.advice, body.reason
    )
    return await _answer(ctx, row)


@routes.post(
    "/consultations/{consultation_id}/end",
    roles=[*TREATERS, Role.PATIENT],
    summary="End an active consultation",
)
async def end(ctx: Context, consultation_id: UUID) -> ConsultationView:
    return await _answer(ctx, await service.end(ctx.uow, ctx.caller, consultation_id))


@routes.post(
    "/consultations/{consultation_id}/refund",
    roles=TREATERS,
    summary="Give everything back and end",
)
async def refund(ctx: Context, consultation_id: UUID, body: GiveReason) -> ConsultationView:
    row = await service.refund(ctx.uow, ctx.caller, consultation_id, body.reason)
    return await _answer(ctx, row)


@routes.put(
    "/consultations/{consultation_id}/tags",
    roles=TREATERS,
    summary="The caller's own tags on the patient",
)
async def tag_patient(ctx: Context, consultation_id: UUID, body: TagPatient) -> list[str]:
    return await tags.tag(ctx.uow, ctx.caller, consultation_id, body.tags)


@routes.get("/patient-tags", roles=TREATERS, summary="The tags that the caller gives most")
async def used_tags(ctx: Context) -> list[str]:
    return await tags.used(ctx.uow, ctx.caller)


# --- phrases -------------------------------------------------------------------------------------


@routes.get("/phrases", roles=WRITERS, summary="The caller's own phrases, in their order")
async def phrases(ctx: Context) -> list[PhraseView]:
    rows = await access.phrases(ctx.uow.session, ctx.caller)
    return [PhraseView.model_validate(row, from_attributes=True) for row in rows]


@routes.post("/phrases", roles=WRITERS, status=201, summary="Keep a phrase")
async def keep_phrase(ctx: Context, body: PhraseForm) -> PhraseView:
    row = await service.keep_phrase(ctx.uow, ctx.caller, body.category, body.text)
    return PhraseView.model_validate(row, from_attributes=True)


@routes.put("/phrases/order", roles=WRITERS, summary="Put the own phrases into an order")
async def order_phrases(ctx: Context, body: PhraseOrder) -> list[PhraseView]:
    """Those that are not named come after those that are, as they stood."""
    await service.order_phrases(ctx.uow, ctx.caller, body.ids)
    rows = await access.phrases(ctx.uow.session, ctx.caller)
    return [PhraseView.model_validate(row, from_attributes=True) for row in rows]


@routes.put("/phrases/{phrase_id}", roles=WRITERS, summary="Change a phrase")
async def change_phrase(ctx: Context, phrase_id: UUID, body: PhraseForm) -> PhraseView:
    row = await service.change_phrase(ctx.uow, ctx.caller, phrase_id, body.category, body.text)
    return PhraseView.model_validate(row, from_attributes=True)


@routes.delete("/phrases/{phrase_id}", roles=WRITERS, summary="Forget a phrase")
async def drop_phrase(ctx: Context, phrase_id: UUID) -> None:
    await service.drop_phrase(ctx.uow, ctx.caller, phrase_id)
