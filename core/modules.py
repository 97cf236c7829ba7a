"""Modules by convention: what a package offers under the usual file names."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from core.events import AfterCommitTable, Handlers, WithCommitTable
from core.http.routes import Route
from core.jobs import Job


class UnknownModules(ValueError):
    """The configuration names modules that do not exist."""


@dataclass(frozen=True)
class Module:
    """One package and what it brings: routes, room messages, reactions, jobs."""

    name: str
    routes: tuple[Route, ...]
    room_messages: Mapping[str, Any]
    with_commit: WithCommitTable
    after_commit: AfterCommitTable
    jobs: tuple[Job, ...]

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Modules:
    """All modules of the installation, in order."""

    all: tuple[Module, ...]
    served: tuple[Module, ...]

    @property
    def handlers(self) -> Handlers:
        """The reactions of every module, always whole: routes left out never skip one."""
        return Handlers.merge(
            [module.with_commit for module in self.all],
            [module.after_commit for module in self.all],
        )

    @property
    def routes(self) -> list[Route]:
        return [route for module in self.served for route in module.routes]

    @property
    def room_messages(self) -> dict[str, Any]:
        return {name: h for module in self.served for name, h in module.room_messages.items()}

    @property
    def jobs(self) -> list[Job]:
        return [job for module in self.served for job in module.jobs]


def load_modules(names: Sequence[str], served: frozenset[str]) -> Modules:
    """Import modules and collect what they offer.

    ``served`` names those whose routes, messages and jobs this process serves; empty means all.
    Raises UnknownModules for a name that is no module.
    """
    modules = tuple(_load(name) for name in names)
    known = {module.short_name for module in modules}
    unknown = served - known
    if unknown:
        raise UnknownModules(
            f"ZHENJIAN_MODULES names unknown modules: {', '.join(sorted(unknown))}."
        )
    chosen = tuple(m for m in modules if not served or m.short_name in served)
    return Modules(modules, chosen)


def _load(name: str) -> Module:
    importlib.import_module(name)
    _part(name, "models")
    _part(name, "personal_data")
    api, handlers, jobs = _part(name, "api"), _part(name, "handlers"), _part(name, "jobs")
    routes = getattr(api, "routes", None)
    return Module(
        name=name,
        routes=tuple(routes.routes) if routes is not None else (),
        room_messages=getattr(api, "room_messages", {}),
        with_commit=getattr(handlers, "WITH_COMMIT", {}),
        after_commit=getattr(handlers, "AFTER_COMMIT", {}),
        jobs=tuple(getattr(jobs, "JOBS", ())),
    )


def _part(package: str, part: str) -> ModuleType | None:
    name = f"{package}.{part}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
