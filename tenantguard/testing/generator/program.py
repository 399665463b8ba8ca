"""A program: text in the user's own terms, run on two databases and printed when they disagree."""

from __future__ import annotations

import ast
import datetime
import decimal
import importlib
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

_IMPORTS: dict[str, str] = {
    "sqlalchemy": (
        "Date DateTime Integer Numeric String all_ and_ any_ bindparam case cast column delete distinct except_ "
        "exists false func insert intersect join lateral literal literal_column not_ null or_ outerjoin select "
        "table tablesample text true tuple_ union union_all update values within_group"
    ),
    "sqlalchemy.orm": (
        "Bundle aliased contains_eager defaultload defer immediateload joinedload lazyload load_only noload "
        "raiseload selectin_polymorphic selectinload subqueryload undefer with_loader_criteria "
        "with_parent with_polymorphic"
    ),
}


@dataclass(frozen=True)
class Program:
    """A generated program.

    Attributes:
        statements: lines that make statements, which every tenant's run uses again.
        body: the lines of ``program(db, see, own, other, tenant)``.
        orm: ``db`` is a Session; a Connection otherwise.
        writes: the program writes, so that the state afterwards is compared.
        shapes: what the program consists of, for the tally.
        tenants: positions of the tenants it runs as, in turn.
        several: it is run for two tenants at once as well, which programs that only read are.
        rowwise: each of its rows comes from one row of one tenant, so that the partition relation holds.
        plain: its tables may be replaced by filtered subqueries, so that the hand-written filter can be tried.
        dialect: the dialect it was written for.
    """

    statements: tuple[str, ...]
    body: tuple[str, ...]
    orm: bool = False
    writes: bool = False
    shapes: frozenset[str] = frozenset()
    tenants: tuple[int, ...] = (0, 1)
    several: bool = False
    rowwise: bool = False
    plain: bool = False
    dialect: str = "sqlite"

    @property
    def code(self) -> str:
        """Return the statements and the function, without imports."""
        lines = [*self.statements, "", "", "def program(db, see, own, other, tenant):"]
        lines += [f"    {line}" for line in self.body] or ["    pass"]
        return "\n".join(lines).strip() + "\n"

    @property
    def names_others(self) -> bool:
        """Tell whether it writes and asks for another tenant's key: then a refusal is no surprise."""
        return self.writes and any("other(" in line for line in self.body)

    def function(self, names: Mapping[str, Any]) -> Callable[..., None]:
        """Return the function, made anew: its statements are its own."""
        namespace = {**_vocabulary(self.dialect), **names}
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # what is deprecated in one SQLAlchemy is the only form in another
            exec(compile(self.code, "<program>", "exec"), namespace)  # noqa: S102 - text of the generator
        made: Callable[..., None] = namespace["program"]
        return made

    def __repr__(self) -> str:
        return f"Program:\n{self.code}"


@cache
def _vocabulary(dialect: str) -> dict[str, Any]:
    names: dict[str, Any] = {"datetime": datetime, "Decimal": decimal.Decimal, "UUID": uuid.UUID}
    for module, words in _IMPORTS.items():
        loaded = importlib.import_module(module)
        names.update((word, getattr(loaded, word)) for word in words.split() if hasattr(loaded, word))
    native = importlib.import_module(f"sqlalchemy.dialects.{dialect}")
    names.update((f"{dialect}_{word}", getattr(native, word)) for word in ("insert",))
    return names


def _names(code: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def imports(code: str, dialect: str) -> list[str]:
    """Return the import lines that a program's code needs."""
    used = _names(code)
    lines = ["import datetime"] if "datetime" in used else []
    lines += ["from decimal import Decimal"] if "Decimal" in used else []
    lines += ["from uuid import UUID"] if "UUID" in used else []
    for module, words in _IMPORTS.items():
        wanted = sorted(used & set(words.split()), key=str.lower)
        lines += [f"from {module} import {', '.join(wanted)}"] if wanted else []
    if f"{dialect}_insert" in used:
        lines.append(f"from sqlalchemy.dialects.{dialect} import insert as {dialect}_insert")
    return lines


def script(program: Program, tables: Iterable[str], classes: Iterable[str], oracle: Sequence[str]) -> str:
    """Return a file that runs the program again.

    Args:
        tables: names of tables in code, of which those in use are unpacked.
        classes: names of mapped classes in code, the same.
        oracle: import lines, and last the expression that makes the oracle.
    """
    used = _names(program.code)
    lines = [
        *imports(program.code, program.dialect),
        *oracle[:-1],
        "",
        f"oracle = {oracle[-1]}",
        "names = oracle.names",
    ]
    lines += [f'{name} = names["{name}"]' for name in (*tables, *classes, "sample") if name in used]
    options = [f"{name}=True" for name in ("orm", "writes", "several") if getattr(program, name)]
    lines += ["", program.code.rstrip(), "", ""]
    lines += [f"oracle.check(program, {', '.join([f'tenants={program.tenants}', *options])})"]
    return "\n".join(lines) + "\n"
