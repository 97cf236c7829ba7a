"""The verbs of settings: look up, set, reset."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core import audit
from core.errors import FieldProblem, NotFound
from core.ids import new_id
from core.settings import access
from core.settings.cache import CHANNEL, SettingsCache, Values
from core.settings.errors import SettingInvalid
from core.settings.events import SettingChanged
from core.settings.models import EVERYWHERE, SettingChange, SettingValue
from core.settings.registry import InvalidValue, Scope, Setting, find

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime
    from core.uow import UnitOfWork

T = TypeVar("T", int, bool, str)


async def get(
    uow: "UnitOfWork",
    setting: Setting[T],
    *,
    hospital_id: UUID | None = None,
    department_id: UUID | None = None,
    user_id: UUID | None = None,
) -> T:
    """The value in force: person, department, hospital, group, default; the nearest wins."""
    values = await SettingsCache.of(uow.runtime).read(uow)
    return resolve(values, setting, hospital_id, department_id, user_id)[0]


async def current(
    runtime: "Runtime",
    setting: Setting[T],
    *,
    hospital_id: UUID | None = None,
    department_id: UUID | None = None,
    user_id: UUID | None = None,
) -> T:
    """Like `get` where no unit of work is at hand; opens one only when nothing is cached."""
    values = await SettingsCache.of(runtime).ask(runtime)
    return resolve(values, setting, hospital_id, department_id, user_id)[0]


def resolve(
    values: Values,
    setting: Setting[T],
    hospital_id: UUID | None,
    department_id: UUID | None = None,
    user_id: UUID | None = None,
) -> tuple[T, Scope | None]:
    """The value in force and the scope that it comes from, None for the default.

    A stored value that no longer fits its declaration (narrowed by an upgrade) is passed over.
    """
    for scope, place in _places(hospital_id, department_id, user_id):
        key = (setting.key, scope, place[0], place[1])
        if scope not in setting.scopes or key not in values:
            continue
        try:
            return setting.check(values[key]), scope
        except InvalidValue:
            continue
    return setting.default, None


def _places(
    hospital_id: UUID | None, department_id: UUID | None, user_id: UUID | None
) -> Iterator[tuple[Scope, tuple[UUID, UUID]]]:
    if hospital_id is not None:
        if user_id is not None:
            yield Scope.PERSON, (hospital_id, user_id)
        if department_id is not None:
            yield Scope.DEPARTMENT, (hospital_id, department_id)
        yield Scope.HOSPITAL, (hospital_id, hospital_id)
    yield Scope.GROUP, (EVERYWHERE, EVERYWHERE)


async def set_value(
    uow: "UnitOfWork",
    caller: "Caller",
    key: str,
    value: Any,
    scope: Scope,
    scope_id: UUID | None,
    reason: str = "",
) -> None:
    """Set a value for one scope. Raises NotFound, SettingInvalid, GroupSettingForbidden."""
    setting = _known(key, scope)
    try:
        checked = setting.check(value)
    except InvalidValue as error:
        raise SettingInvalid(fields=[FieldProblem("value", str(error))]) from error
    hospital_id, place_id = await access.scope_for_change(uow, caller, scope, scope_id)
    await _apply(uow, caller, setting, scope, hospital_id, place_id, checked, reason)


async def reset_value(
    uow: "UnitOfWork",
    caller: "Caller",
    key: str,
    scope: Scope,
    scope_id: UUID | None,
    reason: str = "",
) -> None:
    """Remove a scope's own value, so that the wider one holds again."""
    setting = _known(key, scope)
    hospital_id, place_id = await access.scope_for_change(uow, caller, scope, scope_id)
    await _apply(uow, caller, setting, scope, hospital_id, place_id, None, reason)


def _known(key: str, scope: Scope) -> Setting[Any]:
    setting = find(key)
    if setting is None:
        raise NotFound()
    if scope not in setting.scopes:
        raise SettingInvalid(fields=[FieldProblem("scope", "该设置不能在此范围修改")])
    return setting


async def _apply(
    uow: "UnitOfWork",
    caller: "Caller",
    setting: Setting[Any],
    scope: Scope,
    hospital_id: UUID,
    place_id: UUID,
    value: Any,
    reason: str,
) -> None:
    place = {
        "key": setting.key,
        "scope": scope,
        "hospital_id": hospital_id,
        "scope_id": place_id,
    }
    row = await uow.session.scalar(select(SettingValue).filter_by(**place).with_for_update())
    old = row.value if row else None
    if old == value and type(old) is type(value):
        return
    if value is None:
        await uow.session.delete(row)
    else:
        new = {"value": value, "changed_by": caller.user_id, "changed_at": uow.now}
        await uow.session.execute(
            insert(SettingValue)
            .values(id=new_id(), **place, **new)
            .on_conflict_do_update(index_elements=list(place), set_=new)
        )
    change = SettingChange(
        id=new_id(),
        **place,
        old_value=old,
        value=value,
        reason=reason,
        changed_by=caller.user_id,
        at=uow.now,
    )
    uow.session.add(change)
    await audit.record(
        uow,
        caller,
        "setting.change",
        "setting",
        setting.key,
        detail={"scope": scope},
        reason=reason,
        changes={"value": [old, value]},
    )
    _announce(uow, caller, change)


def _announce(uow: "UnitOfWork", caller: "Caller", change: SettingChange) -> None:
    runtime = uow.runtime
    SettingsCache.changed(uow)
    uow.record(
        SettingChanged(
            hospital_id=caller.hospital_id,
            aggregate_id=change.id,
            occurred_at=uow.now,
            key=change.key,
            scope=change.scope.value,
            scope_id=None if change.scope is Scope.GROUP else change.scope_id,
        )
    )

    async def tell() -> None:
        SettingsCache.of(runtime).drop()
        await runtime.bus.publish(CHANNEL, {"key": change.key})

    uow.after_commit(tell)
