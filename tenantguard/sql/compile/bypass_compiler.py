"""The compiler for bypasses: changes nothing, and records the parameters that could connect two tenants' rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.sql.elements import BindParameter, ClauseElement, Null

from tenantguard.sql.compile.assignments import parameter_name
from tenantguard.sql.compile.pieces import Named, base_of, values_of_defaults
from tenantguard.sql.compile.returning_clause import keeping_returning
from tenantguard.sql.compile.statement import Statement
from tenantguard.sql.compile.targets import key_of
from tenantguard.sql.guard import Guard


def bypassing_compiler(base: Any, guard: Guard) -> Any:
    """Return a subclass of a dialect's statement compiler for bypasses, recognisable in its compiled statements."""

    class BypassingCompiler(keeping_returning(base)):  # type: ignore[misc]  # of whatever dialect
        """A statement compiler for bypasses.

        Attributes:
            tg_written: for each row that is given, the parameters of the columns that could tie rows together;
                ``None`` where no plain parameter holds one.
        """

        tg_guard = guard
        tg_mode = "bypass"
        tg = Statement(guard, "bypass")
        tg_written: tuple[Mapping[str, str | None], ...] = ()

        def __init__(self, dialect: Any, statement: Any, *args: Any, **kw: Any) -> None:
            super().__init__(dialect, statement, *args, **kw)
            if self.isinsert or self.isupdate:
                guard.notice()
                guard.era.used = True  # what is kept of it is of these tables, too
                self.tg_written = _written(self)

    BypassingCompiler.__name__ = BypassingCompiler.__qualname__ = f"Guarded{base.__name__}"
    return BypassingCompiler


def may_overwrite(statement: Any) -> bool:
    """Return whether an INSERT may change an existing row."""
    return statement._post_values_clause is not None or bool(statement._prefixes)


def _written(compiler: Any) -> tuple[Mapping[str, str | None], ...]:
    state, guard = compiler.compile_state, compiler.tg_guard
    placement = guard.tenancy.find(base_of(state.dml_table))
    if placement is None:
        return ()
    tying, below = guard.ties.tying(placement), guard.ties.below(placement.key)
    if not tying and not (below and (compiler.isupdate or may_overwrite(state.statement))):
        return ()
    names = {ours for link in tying for ours in link.ours} | {placement.column}
    if below:  # which stay behind where a row moves to another tenant
        names |= {ours for ours, _ in placement.link}
    found = guard.ties.columns(state.dml_table)
    columns = {name: column for name, column in found.items() if column.name in names}
    several = getattr(state, "_has_multi_parameters", False)  # which an UPDATE does not know
    rows = state._multi_parameters if several else [state._dict_parameters or {}]
    return tuple([_row(compiler, row, columns, number) for number, row in enumerate(rows)])


def _row(
    compiler: Any, row: Mapping[Any, Any], columns: Mapping[str, Any], number: int
) -> Mapping[str, str | None]:
    """Return the parameters of one row's columns, by their names."""
    found: dict[str, str | None] = {}
    for key in compiler.column_keys or ():
        if key in columns:
            found[columns[key].name] = compiler._get_bind_name_for_col(columns[key])
    nulls = set()
    for key, value in row.items():
        column = columns.get(key_of(key))
        if column is None:
            continue
        if isinstance(value, Null):
            nulls.add(column.name)
        elif isinstance(value, BindParameter) or not isinstance(value, ClauseElement):
            found[column.name] = _name(compiler, column, value, number)
        else:
            found[column.name] = None
    left = [column for column in {c.name: c for c in columns.values()}.values() if column.name not in found]
    verb = "insert" if compiler.isinsert else "update"
    for name, default in values_of_defaults(compiler, verb, left, number).items():
        if name not in nulls:
            found[name] = default.name if isinstance(default, Named) else None
    return found


def _name(compiler: Any, column: Any, value: Any, number: int) -> str | None:
    if isinstance(value, BindParameter):
        return parameter_name(compiler, value)
    name: str = compiler._get_bind_name_for_col(column)
    return name if number == 0 else f"{column.key}_m{number}"
