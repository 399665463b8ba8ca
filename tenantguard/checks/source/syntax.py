"""Syntax: one file as the calls, functions and names in it, with where they stand.

This is what ``check`` and ``init`` ask their questions of. It knows nothing of tenants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Argument:
    """An argument of a call.

    Attributes:
        keyword: its name, where it is given by one.
        code: its source.
        name: the dotted name that it is, as imported, if it is one: ``app.db.engine``.
        text: what it says, if it is a string that stands in the source, or a name of one.
        is_dynamic: it is text that is put together at run time.
        call: the call that it is, if it is one.
        holds: the names of everything called or named in it.
    """

    keyword: str | None
    code: str
    name: str | None = None
    text: str | None = None
    is_dynamic: bool = False
    call: Called | None = None
    holds: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Called:
    """A call.

    Attributes:
        name: the dotted name of what is called, with imports resolved: ``sqlalchemy.create_engine``, or
            ``self.session.execute`` where it is no import.
        arguments: what it is given.
        line: where it stands.
        function: the function that it stands in, ``Class.method``; ``""`` at module level.
        assigned: the names that its value is given to, also by ``with ... as name`` and ``return`` of a function.
        within: the names of the calls around it, the nearest first.
        code: its line of source.
        blocks: the names of what the ``with`` blocks around it open, the nearest first.
        is_managed: its value is opened by a ``with`` itself.
    """

    name: str
    arguments: tuple[Argument, ...]
    line: int
    function: str
    assigned: tuple[str, ...]
    within: tuple[str, ...]
    code: str
    blocks: tuple[str, ...] = ()
    is_managed: bool = False

    @property
    def last(self) -> str:
        """Return the last part of the name: ``execute``."""
        return self.name.rpartition(".")[2]

    def argument(self, position: int | None, keyword: str | None = None) -> Argument | None:
        """Return an argument by its position or its name."""
        named = next((one for one in self.arguments if keyword and one.keyword == keyword), None)
        plain = [one for one in self.arguments if one.keyword is None]
        if named is not None or position is None:
            return named
        return plain[position] if position < len(plain) else None


@dataclass(frozen=True, eq=False)
class Function:
    """A function: its decorators, its parameters and the names that stand in it."""

    name: str
    line: int
    parameters: tuple[tuple[str, str], ...]  # each with its annotation's source, or ""
    decorators: tuple[Called, ...]  # one without parentheses is a call without arguments
    names: frozenset[str]
    code: str
    is_async: bool = False


@dataclass
class SourceFile:
    """One file that was read.

    Attributes:
        path: where it is.
        module: its dotted name, as far as the directories tell.
        imports: what each local name was imported as.
        calls: every call, inner ones first.
        functions: every function and method.
        classes: the names that stand in each class, by its name, its bases and methods included.
        tables: the tables that classes are mapped to, by the class: ``__tablename__``, or SQLModel's own rule.
        globals: the names that functions declare as the module's, each with its function.
        lines: its source.
        fault: why it could not be read.
    """

    path: Path
    module: str
    imports: dict[str, str] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    classes: dict[str, frozenset[str]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    globals: set[tuple[str, str]] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    fault: str | None = None

    def code(self, line: int) -> str:
        """Return a line of the source, without its indentation."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
