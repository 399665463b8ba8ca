"""Defaults and keys: the additional statements of SQLAlchemy, and generated keys, are guarded too."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sqlalchemy import select, type_coerce

from tenantguard.context import peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.predicates import set_tenants
from tenantguard.sql.refusals import refuse_again

_INSERTS = re.compile(r"\s*(?:INSERT|REPLACE)\b", re.IGNORECASE)


class Query(NamedTuple):
    """The SQL of a default and its parameters, in the driver's form."""

    text: str
    parameters: Any


def composes_default(context: Any, column: Any) -> bool:
    """Return whether the dialect itself composes the statement for a column without a value.

    PostgreSQL's dialect executes the text of a server default, which is parsed like other text in a statement.

    Raises:
        RawSQLError: the text cannot be parsed, or names a table.
    """
    server = column.server_default
    if server is None or not server.has_argument:
        return column.default is None or bool(column.default.is_sequence)
    if context.dialect.name != "postgresql" or column is not column.table._autoincrement_column:
        return False
    guard = context.dialect.tg_guard
    fault = None if guard.is_lifted else guard.texts.fragment(str(server.arg), context.dialect.name).fault
    if fault is not None:
        refuse_again(
            RawSQLError(f"a server default was refused: {fault}", kind="raw_sql_fragment"), str(server.arg)
        )
    return True


def default_query(context: Any, default: Any, type_: Any) -> Query | None:
    """Return the query of a SQL default, guarded like any query; ``None`` if nothing is guarded.

    Raises:
        Violation: it contains something that is refused in a query.
        NoTenantError: nothing is bound.
    """
    if context.dialect.tg_guard.is_lifted:
        return None
    binding = peek()
    dialect = context.dialect.tg_variants[None if binding is None else binding.mode]
    compiled: Any = select(default.arg if default._arg_is_typed else type_coerce(default.arg, type_)).compile(
        dialect=dialect
    )
    if compiled.tg.fault is not None:
        refuse_again(compiled.tg.fault, compiled.string)
    if compiled.tg.checks or compiled.tg.writes:
        refuse_again(
            RawSQLError("a default that writes was refused; a default may only read"), compiled.string
        )
    values = compiled.construct_params()
    set_tenants([values], compiled, binding)
    return _sent(compiled, values, context.dialect)


def _sent(compiled: Any, values: Any, dialect: Any) -> Query:
    text, names, processors = compiled.string, compiled.positiontup, compiled._bind_processors
    if compiled.literal_execute_params or compiled.post_compile_params:
        state = compiled._process_parameters_for_postcompile(values)
        text, names, processors = state.statement, state.positiontup, {**processors, **state.processors}
    bound = {name: processors[name](value) if name in processors else value for name, value in values.items()}
    if compiled.positional:
        return Query(text, dialect.execute_sequence_format([bound[name] for name in names]))
    return Query(text, bound)


def is_its_own(context: Any) -> bool:
    """Return whether the key that a driver reports belongs to a row that the statement inserted.

    A driver reports the last row of the connection, whichever statement inserted it.
    """
    inserts = context.isinsert or (context.is_text and _INSERTS.match(context.unicode_statement))
    returns = context.compiled is not None and getattr(context.compiled, "effective_returning", None)
    return bool(inserts and not returns and context.cursor.rowcount > 0) or context.dialect.tg_guard.is_lifted
