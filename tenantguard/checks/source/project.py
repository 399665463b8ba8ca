"""A project: all its files together, and what a function of one reaches in others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from tenantguard.checks.belongs import OF_TENANTS
from tenantguard.checks.catalogue import found
from tenantguard.checks.finding import Finding
from tenantguard.checks.source.reading import Called, Function, SourceFile
from tenantguard.tenancy import Tenancy

_READS = frozenset(
    {"execute", "scalar", "scalars", "stream", "stream_scalars", "query", "get_one", "fetch", "fetchrow", "fetchval",
     "get"}
)  # fmt: skip
_STATEMENTS = frozenset({"select", "insert", "update", "delete", "text", "exists"})
_HANDLES = ("session", "db", "conn", "connection", "engine", "cursor", "query", "tx", "transaction")


class Project:
    """The files of an application beside its tenancy.

    Args:
        sources: the files.
        tenancy: how every table belongs.
        root: the directory that the places of findings are relative to.
    """

    def __init__(self, sources: Iterable[SourceFile], tenancy: Tenancy, root: Path) -> None:
        self.sources = list(sources)
        self.tenancy = tenancy
        self._root = root.resolve()

    def name(self, source: SourceFile) -> str:
        """Return a file's name, as findings have it."""
        path = source.path.resolve()
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.as_posix()

    def at(
        self, id_: str, source: SourceFile, line: int, detail: str, remedy: str = "", **more: Any
    ) -> Finding:
        """Return a finding in a file; it is known again by its line of source, wherever that moves to."""
        name = self.name(source)
        anchor = more.pop("anchor", source.code(line))
        return found(id_, f"{name}:{line}", detail, remedy, file=name, line=line, anchor=anchor, **more)

    def calls(self) -> Iterator[tuple[SourceFile, Called]]:
        """Yield every call, with its file."""
        for source in self.sources:
            for called in source.calls:
                yield source, called

    @cached_property
    def functions(self) -> dict[str, list[tuple[SourceFile, Function]]]:
        """Return the functions by the last part of their names."""
        by_name: dict[str, list[tuple[SourceFile, Function]]] = {}
        for source in self.sources:
            for function in source.functions:
                by_name.setdefault(last(function.name), []).append((source, function))
        return by_name

    @cached_property
    def readers(self) -> set[tuple[str, str]]:
        """Return module and name of the functions that read the database, by themselves or by what they call."""
        return self._closure(lambda function: any(map(reads, function.names)))

    @cached_property
    def owning(self) -> set[tuple[str, str]]:
        """Return module and name of the functions that use a tenant's model, by themselves or by what they call."""
        models = self.models
        return self._closure(lambda function: any(last(name) in models for name in function.names))

    @cached_property
    def models(self) -> set[str]:
        """Return the classes and tables by whose names source speaks of tenants' rows."""
        placed = [placement for placement in self.tenancy if placement.kind in OF_TENANTS]
        tables = {name for placement in placed for name in (placement.name, placement.key[1])}
        classes = {one for source in self.sources for one, table in source.tables.items() if table in tables}
        for _, called in self.calls():
            first = called.argument(0)
            if called.last == "Table" and first is not None and first.text in tables:
                classes |= set(called.assigned)
        return classes

    def _closure(self, begins: Any) -> set[tuple[str, str]]:
        every = [(source, function) for source in self.sources for function in source.functions]
        known = {(source.module, function.name) for source, function in every if begins(function)}
        grown = True
        while grown:
            more = {
                (source.module, function.name)
                for source, function in every
                if (source.module, function.name) not in known and self._calls_one(source, function, known)
            }
            known |= more
            grown = bool(more)
        return known

    def _calls_one(self, source: SourceFile, function: Function, known: set[tuple[str, str]]) -> bool:
        return any(self.resolve(source, name) in known for name in function.names)

    def resolve(self, source: SourceFile, name: str) -> tuple[str, str]:
        """Return module and name of a function that a name means: the module's own, or an imported one."""
        module, dot, own = name.rpartition(".")
        if not dot or module in ("self", "cls"):
            methods = [f.name for f in source.functions if last(f.name) == own]
            return source.module, methods[0] if methods else own
        for known in self._modules:
            if module == known or known.endswith(f".{module}"):
                return known, own
        return module, own

    @cached_property
    def _modules(self) -> set[str]:
        return {source.module for source in self.sources}


def last(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rpartition(".")[2]


def reads(name: str) -> bool:
    """Tell whether a name is of what sends a statement."""
    base, _, method = name.rpartition(".")
    if base.partition(".")[0] in ("sqlalchemy", "sqlmodel"):
        return method in _STATEMENTS
    return method in _READS and last(base).lower().strip("_").endswith(_HANDLES)
