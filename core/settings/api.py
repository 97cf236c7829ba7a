"""HTTP routes of settings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from core.errors import NotFound
from core.http import Context, Routes
from core.settings import access, service
from core.settings.cache import SettingsCache, Values
from core.settings.registry import Kind, Scope, Setting, declared, find

routes = Routes(tag="settings", title="业务设置")
_EDITORS = access.EDITORS


class ChoiceView(BaseModel):
    value: str
    label: str


class SettingView(BaseModel):
    """A setting and its value at the caller's hospital; `scope` None means the default holds."""

    key: str
    title: str
    description: str
    type: Kind
    choices: list[ChoiceView] | None
    default: int | bool | str
    value: int | bool | str
    scope: Scope | None
    scopes: list[Scope]
    unit: str
    minimum: int | None
    maximum: int | None


class ChangeSetting(BaseModel):
    value: bool | int | str
    scope: Scope = Scope.HOSPITAL
    scope_id: UUID | None = None
    reason: str = Field("", max_length=500)


class PersonView(BaseModel):
    id: UUID
    name: str


class ChangeView(BaseModel):
    """One change; `value` None means that the scope went back to the wider value."""

    value: Any
    old_value: Any
    scope: Scope
    scope_id: UUID | None
    changed_by: PersonView | None
    at: datetime
    reason: str


@routes.get("/settings", roles=_EDITORS, summary="List the settings with their values")
async def list_settings(ctx: Context) -> list[SettingView]:
    await access.require_sight(ctx.uow, ctx.caller)
    values = await SettingsCache.of(ctx.runtime).read(ctx.uow)
    return [_view(values, setting, ctx.caller.hospital_id) for setting in declared()]


@routes.put("/settings/{key}", roles=_EDITORS, summary="Set a value for one scope")
async def change_setting(ctx: Context, key: str, body: ChangeSetting) -> SettingView:
    await service.set_value(
        ctx.uow, ctx.caller, key, body.value, body.scope, body.scope_id, body.reason
    )
    values = await SettingsCache.of(ctx.runtime).read(ctx.uow)
    setting = find(key)
    assert setting is not None
    return _view(values, setting, ctx.caller.hospital_id)


@routes.delete("/settings/{key}", roles=_EDITORS, status=204, summary="Remove a scope's own value")
async def reset_setting(
    ctx: Context, key: str, scope: Scope = Scope.HOSPITAL, scope_id: UUID | None = None
) -> None:
    await service.reset_value(ctx.uow, ctx.caller, key, scope, scope_id)


@routes.get(
    "/settings/{key}/history", roles=_EDITORS, summary="Who changed a setting, when and why"
)
async def setting_history(ctx: Context, key: str) -> list[ChangeView]:
    if find(key) is None:
        raise NotFound()
    return [
        ChangeView(
            value=change.value,
            old_value=change.old_value,
            scope=change.scope,
            scope_id=None if change.scope is Scope.GROUP else change.scope_id,
            changed_by=PersonView(id=change.changed_by, name=name or "")
            if change.changed_by
            else None,
            at=change.at,
            reason=change.reason,
        )
        for change, name in await access.history(ctx.uow, ctx.caller, key)
    ]


def _view(values: Values, setting: Setting[Any], hospital_id: UUID) -> SettingView:
    value, scope = service.resolve(values, setting, hospital_id)
    choices = setting.choices
    return SettingView(
        key=setting.key,
        title=setting.title,
        description=setting.description,
        type=setting.kind,
        choices=None
        if choices is None
        else [ChoiceView(value=value, label=label) for value, label in choices.items()],
        default=setting.default,
        value=value,
        scope=scope,
        scopes=list(setting.scopes),
        unit=setting.unit,
        minimum=setting.minimum,
        maximum=setting.maximum,
    )
