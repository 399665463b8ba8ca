"""A project: all its files, and what a function in one reaches in the others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tenantguard.checks.belongs import OF_TENANTS
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.checks.relationships import mapped_classes
from tenantguard.checks.source.syntax import Called, Function, SourceFile
from tenantguard.tenancy import Tenancy

_READS = frozenset(
    {"execute", "scalar", "scalars", "stream", "stream_scalars", "query", "get_one", "fetch", "fetchrow", "fetchval",
     "get"}
)  # fmt: skip
_STATEMENTS = frozenset({"select", "insert", "update", "delete", "text", "exists"})
_HANDED_ON = 5  # modules that a name may be imported through
# not a cursor: what reads by the driver itself is told where it connects
_HANDLES = ("session", "db", "conn", "connection", "engine", "query", "tx", "transaction")


@dataclass(frozen=True)
class Named:
    """A class and the names in it."""

    name: str
    names: frozenset[str]


class Project:
    """The files of an application, with its tenancy.

    Args:
        sources: the files.
        tenancy: how every table belongs.
        root: the directory that the places of findings are relative to.
    """

    def __init__(self, sources: Iterable[SourceFile], tenancy: Tenancy, root: Path) -> None:
        self.sources = list(sources)
        self.tenancy = tenancy
        self._root = root.resolve()
        self._names: dict[str, dict[str, str]] = {}

    def name(self, source: SourceFile) -> str:
        """Return a file's name in findings."""
        path = source.path.resolve()
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.as_posix()

    def at(
        self, id_: str, source: SourceFile, line: int, detail: str, remedy: str = "", **more: Any
    ) -> Finding:
        """Return a finding in a file; its source line identifies it, even if it moves."""
        name = self.name(source)
        anchor = more.pop("anchor", source.code(line))
        return finding_of(id_, f"{name}:{line}", detail, remedy, file=name, line=line, anchor=anchor, **more)

    def calls(self) -> Iterator[tuple[SourceFile, Called]]:
        """Yield every call, with its file."""
        for source in self.sources:
            for called in source.calls:
                yield source, called

    @cached_property
    def readers(self) -> set[tuple[str, str]]:
        """Return module and name of the functions that read the database, directly or through calls."""
        return self._closure(lambda function: any(map(reads, function.names)))

    @cached_property
    def owning(self) -> set[tuple[str, str]]:
        """Return module and name of the functions that use a tenant's model, directly or through calls."""
        models = self.models
        return self._closure(lambda function: any(last(name) in models for name in function.names))

    @cached_property
    def models(self) -> set[str]:
        """Return the names of the classes and tables with tenants' rows."""
        placed = [placement for placement in self.tenancy if placement.kind in OF_TENANTS]
        tables = {name for placement in placed for name in (placement.name, placement.key[1])}
        classes = {one for source in self.sources for one, table in source.tables.items() if table in tables}
        for _, called in self.calls():
            first = called.argument(0)
            if called.last == "Table" and first is not None and first.text in tables:
                classes |= set(called.assigned)
        return classes | mapped_classes(self.tenancy)

    @cached_property
    def reaching(self) -> set[tuple[str, str]]:
        """Return module and name of the functions and classes that involve a tenant's model.

        This is wider than ``owning``: a class involves what any of its methods, bases and attributes involve, and a
        function what the classes it names involve, such as those injected by a framework.
        """
        models = self.models
        classes = [
            (source, Named(name, names)) for source in self.sources for name, names in source.classes.items()
        ]
        return self._closure(lambda one: any(last(name) in models for name in one.names), classes)

    def _closure(
        self, begins: Callable[[Any], bool], more: Sequence[tuple[SourceFile, Any]] = ()
    ) -> set[tuple[str, str]]:
        """Return the functions for which something holds, and those that call or name one of them."""
        callers = self._callers
        if more:
            callers = {key: set(known) for key, known in callers.items()}
            self._add_callers(callers, more)
        known = {(source.module, one.name) for source, one in [*self._functions, *more] if begins(one)}
        waiting = list(known)
        while waiting:
            grown = callers.get(waiting.pop(), set()) - known
            known |= grown
            waiting += grown
        return known

    @cached_property
    def _functions(self) -> list[tuple[SourceFile, Function]]:
        return [(source, function) for source in self.sources for function in source.functions]

    @cached_property
    def _callers(self) -> dict[tuple[str, str], set[tuple[str, str]]]:
        """Return, by what a function calls or names, the functions that do."""
        callers: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._add_callers(callers, self._functions)
        return callers

    def _add_callers(
        self, callers: dict[tuple[str, str], set[tuple[str, str]]], more: Sequence[tuple[SourceFile, Any]]
    ) -> None:
        for source, one in more:
            key = (source.module, one.name)
            named = {self.resolve(source, name) for name in one.names}
            for called in named.union(self._typed(source, one)):
                callers.setdefault(called, set()).add(key)

    def _typed(self, source: SourceFile, function: Any) -> Iterator[tuple[str, str]]:
        """Yield the methods that a function calls on objects it creates, or on parameters with a known type."""
        kinds = {name: kind for name, kind in getattr(function, "parameters", ()) if kind}
        kinds |= self._made.get((source.module, function.name), {})
        for name in function.names:
            base, _, method = name.rpartition(".")
            if base in kinds:
                for kind in re.findall(r"[\w.]+", kinds[base]):
                    first, dot, rest = kind.partition(".")
                    yield self.resolve(source, f"{source.imports.get(first, first)}{dot}{rest}.{method}")

    @cached_property
    def _made(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return, by function, the call that produces the value of each of its names."""
        made: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for source, called in self.calls():
            made[source.module, called.function].update(dict.fromkeys(called.assigned, called.name))
        return made

    def has(self, name: str) -> bool:
        """Return whether a dotted name is imported from one of the project's own modules."""
        return name.rpartition(".")[0] in self._modules

    def resolve(self, source: SourceFile, name: str) -> tuple[str, str]:
        """Return module and name of the function or class that a name refers to, defined or imported."""
        module, dot, own = name.rpartition(".")
        if not dot or module in ("self", "cls"):
            return source.module, self._own(source).get(own, own)
        if module in self._modules:
            return self._exported(self._modules[module], own)
        above, dot, outer = module.rpartition(".")
        if dot and above in self._modules:
            return self._modules[above], f"{outer}.{own}"  # a method of an imported class
        if f"{module}.{own}" in self._own(source).values():
            return source.module, name
        return module, own

    def _exported(self, module: str, own: str) -> tuple[str, str]:
        """Follow a re-exported name to its definition."""
        for _ in range(_HANDED_ON):
            source = self._sources[module]
            whole = source.imports.get(own)
            above, _, further = (whole or "").rpartition(".")
            if whole is None or own in self._own(source) or above not in self._modules:
                break
            module, own = self._modules[above], further
        return module, own

    def _own(self, source: SourceFile) -> dict[str, str]:
        """Return the functions and classes of a file by the last part of their names."""
        found = self._names.get(source.module)
        if found is None:
            names = [*reversed([one.name for one in source.functions]), *source.classes]
            self._names[source.module] = found = {last(name): name for name in names}
        return found

    @cached_property
    def _sources(self) -> dict[str, SourceFile]:
        return {source.module: source for source in self.sources}

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Return the modules by name, and by every unambiguous suffix of it."""
        found: dict[str, str] = {}
        for module in sorted(
            {source.module for source in self.sources}, key=lambda one: (one.count("."), one)
        ):
            parts = module.split(".")
            for begin in range(len(parts)):
                found.setdefault(".".join(parts[begin:]), module)
        return found | {source.module: source.module for source in self.sources}


def last(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rpartition(".")[2]


def reads(name: str) -> bool:
    """Return whether a name belongs to a call that sends a statement."""
    base, _, method = name.rpartition(".")
    if base.partition(".")[0] in ("sqlalchemy", "sqlmodel"):
        return method in _STATEMENTS
    return method in _READS and last(base).lower().strip("_").endswith(_HANDLES)
