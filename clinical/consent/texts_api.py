"""Routes of the text editor: administrators write, two of them publish, supervisors read."""

from typing import Any
from uuid import UUID

from clinical.consent import access, publishing, texts, views
from clinical.consent.models import ConsentText, TextProposal
from clinical.consent.policies import OFFICERS
from clinical.consent.schemas import (
    AnswersView,
    ConfirmNote,
    DiffLineView,
    NewText,
    RefuseNote,
    VersionView,
    WordingInput,
)
from clinical.consent.texts import Wording
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Routes
from core.identity.roles import Role

routes = Routes(tag="consent", title="同意与授权")
EDITORS = [Role.ADMINISTRATOR]


async def _view(ctx: Context, row: ConsentText) -> VersionView:
    await ctx.uow.session.flush()
    return (await views.version_views(ctx.uow, ctx.caller, [row]))[0]


def _wording(body: WordingInput) -> Wording:
    codes = [each.code for each in body.purposes]
    if len(codes) != len(set(codes)):
        raise InvalidRequest(fields=[FieldProblem("purposes", "用途代码不能重复")])
    if body.effective_at is not None and body.effective_at.tzinfo is None:
        raise InvalidRequest(fields=[FieldProblem("effective_at", "请填写带时区的生效时间")])
    given: dict[str, Any] = body.model_dump(exclude={"kind", "text"})
    return Wording(**given, body=body.text)


@routes.get("/consent-texts", roles=OFFICERS)
async def list_texts(ctx: Context) -> list[VersionView]:
    """Every version of every text of the hospital and of the group, newest first."""
    rows = await access.texts_of(ctx.uow.session, ctx.caller)
    return await views.version_views(ctx.uow, ctx.caller, rows)


@routes.post("/consent-texts", roles=EDITORS, status=201, idempotent=True)
async def draft_text(ctx: Context, body: NewText) -> VersionView:
    """Begin a new version of the hospital's own."""
    return await _view(ctx, await texts.draft(ctx.uow, ctx.caller, body.kind, _wording(body)))


@routes.put("/consent-texts/{text_id}", roles=EDITORS)
async def edit_text(ctx: Context, text_id: UUID, body: WordingInput) -> VersionView:
    """Change a draft."""
    return await _view(ctx, await texts.edit(ctx.uow, ctx.caller, text_id, _wording(body)))


@routes.delete("/consent-texts/{text_id}", roles=EDITORS, status=204)
async def drop_text(ctx: Context, text_id: UUID) -> None:
    """Throw a draft away."""
    await texts.throw_away(ctx.uow, ctx.caller, text_id)


@routes.post("/consent-texts/{text_id}/proposals", roles=EDITORS, status=201, idempotent=True)
async def propose_text(ctx: Context, text_id: UUID) -> VersionView:
    """Ask for a draft to be published; a second administrator confirms it."""
    return await _proposed(ctx, await publishing.propose(ctx.uow, ctx.caller, text_id))


@routes.post("/consent-text-proposals/{proposal_id}/confirm", roles=EDITORS)
async def confirm_text(ctx: Context, proposal_id: UUID, body: ConfirmNote) -> VersionView:
    """Publish what a colleague proposed; it never changes from then on."""
    row = await publishing.confirm(ctx.uow, ctx.caller, proposal_id, body.note)
    return await _proposed(ctx, row)


@routes.post("/consent-text-proposals/{proposal_id}/refuse", roles=EDITORS)
async def refuse_text(ctx: Context, proposal_id: UUID, body: RefuseNote) -> VersionView:
    """Say no to what a colleague proposed, and why."""
    row = await publishing.refuse(ctx.uow, ctx.caller, proposal_id, body.note)
    return await _proposed(ctx, row)


@routes.post("/consent-text-proposals/{proposal_id}/withdraw", roles=EDITORS)
async def withdraw_text(ctx: Context, proposal_id: UUID) -> VersionView:
    """Take the own proposal back."""
    return await _proposed(ctx, await publishing.withdraw(ctx.uow, ctx.caller, proposal_id))


async def _proposed(ctx: Context, row: TextProposal) -> VersionView:
    return await _view(ctx, await access.text_for(ctx.uow.session, ctx.caller, row.text_id))


@routes.get("/consent-texts/{text_id}/diff", roles=OFFICERS)
async def compare_texts(ctx: Context, text_id: UUID, base: UUID) -> list[DiffLineView]:
    """What changed from the version `base` to this one."""
    new = await access.text_for(ctx.uow.session, ctx.caller, text_id)
    old = await access.text_for(ctx.uow.session, ctx.caller, base)
    lines = texts.differences(f"{old.title}\n{old.body}", f"{new.title}\n{new.body}")
    return [DiffLineView(mark=line.mark, text=line.text) for line in lines]


@routes.get("/consent-texts/{text_id}/answers", roles=OFFICERS)
async def count_answers(ctx: Context, text_id: UUID) -> AnswersView:
    """How many agreed, refused and took back, and when."""
    row = await access.text_for(ctx.uow.session, ctx.caller, text_id)
    found = await texts.answers_to(ctx.uow, ctx.caller, row)
    return AnswersView(
        given=found.given,
        refused=found.refused,
        withdrawn=found.withdrawn,
        by_day=list(found.by_day),
    )
