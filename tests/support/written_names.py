"""Names that the code gives to what it does, read from the source: what an audit can hold.

A name is resolved from literals, f-strings, choices, constants, dictionaries and what callers pass
for a parameter. What only the data tells is collected in `Source.untold`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from tests.support.demo import ROOT

PACKAGES = ("core", "realtime", "media", "clinical", "admin")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Call:
    """A call, the function around it and the file that it stands in."""

    node: ast.Call
    inside: Function | None
    file: Path

    @property
    def called(self) -> str:
        """`record` of `audit.record(...)`."""
        function = self.node.func
        return function.attr if isinstance(function, ast.Attribute) else _name(function)

    @property
    def of(self) -> str:
        """`audit` of `audit.record(...)`, `OutsideClient` of `OutsideClient(...)`."""
        function = self.node.func
        return _name(function.value) if isinstance(function, ast.Attribute) else ""


class Source:
    """All Python files of the program."""

    def __init__(self) -> None:
        #: Expressions whose text the source does not tell, as `file: expression`.
        self.untold: set[str] = set()
        files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
        self._trees = {
            file: ast.parse(file.read_text())
            for file in sorted(files)
            if "versions" not in file.parts
        }

    @cached_property
    def _calls(self) -> list[Call]:
        return [each for file, tree in self._trees.items() for each in _calls(tree, None, file)]

    def calls(self, name: str, least: int = 0) -> list[Call]:
        """Calls of what is named so, with at least so many positional arguments."""
        return [
            each for each in self._calls if each.called == name and len(each.node.args) >= least
        ]

    def texts(self, call: Call, place: int) -> set[str]:
        """Everything that a positional argument can be, as far as the source tells."""
        return self._texts(call.node.args[place], call)

    def _texts(self, node: ast.expr, call: Call) -> set[str]:
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp(body=one, orelse=other):
                return self._texts(one, call) | self._texts(other, call)
            case ast.JoinedStr(values=parts):
                return {"".join(each) for each in product(*(self._texts(p, call) for p in parts))}
            case ast.FormattedValue(value=inner):
                return self._texts(inner, call)
            case ast.Subscript(value=ast.Dict(values=values)):
                return {text for value in values for text in self._texts(value, call)}
            case ast.Name(id=name):
                return self._named(name, call)
        return self._is_untold(call.file, ast.unparse(node))

    def _is_untold(self, file: Path, what: str) -> set[str]:
        self.untold.add(f"{file.relative_to(ROOT)}: {what}")
        return set()

    def _named(self, name: str, call: Call) -> set[str]:
        """What a name stands for: an assignment, or what is passed for a parameter."""
        function = call.inside
        if function is not None:
            parameters = [each.arg for each in function.args.args]
            if name in parameters:
                return self._passed(function, parameters.index(name), name, call.file)
        for around in (function, self._trees[call.file], self._origin(name, call.file)):
            values = _assigned(around, name) if around is not None else []
            if values:
                return {text for value in values for text in self._texts(value, call)}
        return self._is_untold(call.file, name)

    def _origin(self, name: str, file: Path) -> ast.AST | None:
        """The file that a name was imported from."""
        for node in ast.walk(self._trees[file]):
            if isinstance(node, ast.ImportFrom) and any(each.name == name for each in node.names):
                return self._trees.get(ROOT / f"{(node.module or '').replace('.', '/')}.py")
        return None

    def _passed(self, function: Function, place: int, name: str, file: Path) -> set[str]:
        found, anybody = set(), False
        for call in self.calls(function.name):
            if not self._reaches(call, file):
                continue
            given = [each.value for each in call.node.keywords if each.arg == name]
            given += call.node.args[place : place + 1]
            for node in given:
                anybody = True
                found |= self._texts(node, call)
        return found if anybody else self._is_untold(file, f"{name} of {function.name}")

    def _reaches(self, call: Call, file: Path) -> bool:
        """Whether a call's name means what this file defines."""
        if call.of:
            return call.of in (file.stem, file.parent.name)
        if call.file == file:
            return True
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        package = module.rpartition(".")[0]
        return any(
            isinstance(node, ast.ImportFrom)
            and node.module in (module, package)
            and any(alias.name == call.called for alias in node.names)
            for node in ast.walk(self._trees[call.file])
        )


def _calls(node: ast.AST, inside: Function | None, file: Path) -> Iterator[Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield Call(child, inside, file)
        around = child if isinstance(child, Function) else inside
        yield from _calls(child, around, file)


def _assigned(around: ast.AST, name: str) -> list[ast.expr]:
    body = ast.walk(around) if isinstance(around, Function) else ast.iter_child_nodes(around)
    return [
        node.value
        for node in body
        if isinstance(node, ast.Assign) and any(_name(target) == name for target in node.targets)
    ]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
