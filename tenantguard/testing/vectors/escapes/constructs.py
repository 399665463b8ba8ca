"""Custom constructs, types and names that render SQL."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Executable, FromClause
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import UserDefinedType

from tenantguard.testing.vectors.escapes.helpers import (
    all_of,
    column_of,
    name_of,
    text_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("raw SQL")
def custom_construct(lab: Lab) -> Any:
    """Render a query in a custom column element."""

    class Smuggled(ColumnElement[Any]):
        inherit_cache = False

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return text_of(lab, lab.owned)

    return lab.rows(select(Smuggled()))


@attack("raw SQL")
def custom_construct_beside_its_table(lab: Lab) -> Any:
    """Let the compiler render a table in a custom column element, beside the same table in FROM."""
    o = lab.owned

    class Smuggled(ColumnElement[Any]):
        inherit_cache = False

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return f"(SELECT max({column_of(lab, o.text)}) FROM {compiler.process(o.table, asfrom=True)})"

    return lab.rows(select(Smuggled()).select_from(o.table))


@attack("raw SQL")
def custom_from_construct(lab: Lab) -> Any:
    """Render a table in a custom FROM clause."""

    class Smuggled(FromClause):
        inherit_cache = False
        named_with_column = False
        _hide_froms: Any = ()

        @property
        def _from_objects(self) -> Any:
            return [self]

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return name_of(lab, lab.owned)

    return lab.rows(select(literal_column(column_of(lab, lab.owned.text))).select_from(Smuggled()))


@attack("raw SQL")
def custom_executable(lab: Lab) -> Any:
    """Execute a custom construct that renders a whole statement."""

    class Smuggled(Executable, ClauseElement):
        inherit_cache = False

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return all_of(lab, lab.owned)

    return lab.rows(Smuggled())


@attack("raw SQL")
def custom_function(lab: Lab) -> Any:
    """Render a query in a custom function."""

    class smuggled(GenericFunction[Any]):
        inherit_cache = False
        _register = False

    @compiles(smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return text_of(lab, lab.owned)

    return lab.rows(select(smuggled()))


@attack("raw SQL")
def custom_type_in_cast(lab: Lab) -> Any:
    """Render a query in the name of a type."""
    o, s = lab.owned, lab.shared
    lab.only("sqlite", "postgresql")

    class Smuggled(UserDefinedType[Any]):
        cache_ok = False

        def get_col_spec(self, **kwargs: Any) -> str:
            return f"TEXT) || CAST({text_of(lab, o)} AS TEXT"

    return lab.rows(select(func.max(s.text).cast(Smuggled())))


@attack("raw SQL")
def type_with_literal_of_its_own(lab: Lab) -> Any:
    """Render a query where a custom type renders a literal."""
    query = text_of(lab, lab.owned)

    class Smuggled(UserDefinedType[Any]):
        cache_ok = False

        def get_col_spec(self, **kwargs: Any) -> str:
            return "INTEGER"

        def literal_processor(self, dialect: Any) -> Any:
            return lambda value: query

    return lab.rows(select(bindparam("x", 1, Smuggled(), literal_execute=True)))


@attack("raw SQL")
def type_with_a_long_length(lab: Lab) -> Any:
    """Break out of a CAST through the length of its type."""
    o, s = lab.owned, lab.shared
    lab.only("sqlite", "postgresql")
    length: Any = f"5)) || {text_of(lab, o)} || CAST('a' AS VARCHAR(5"
    statement = select(func.max(s.text).cast(String(length)))
    try:
        str(statement.compile(dialect=lab.admin.dialect))
    except TypeError:
        raise NotApplicable("SQLAlchemy 2.0 takes a number only") from None
    return lab.rows(statement)


@attack("raw SQL")
def type_with_bind_expression(lab: Lab) -> Any:
    """Wrap a column in a text fragment by its type."""
    o, s = lab.owned, lab.shared

    class Smuggled(UserDefinedType[Any]):
        cache_ok = False

        def get_col_spec(self, **kwargs: Any) -> str:
            return "TEXT"

        def column_expression(self, colexpr: Any) -> Any:
            return literal_column(text_of(lab, o))

    made = table(s.table.name, column(s.text.name, Smuggled()))
    return lab.rows(select(made.c[s.text.name]))


@attack("raw SQL")
def function_named_like_query(lab: Lab) -> Any:
    """Put a query into the name of a function."""
    o = lab.owned
    name = f"{text_of(lab, o)} || trim"
    lab.only("sqlite", "postgresql")
    made = getattr(func, name)
    made = made("")
    made.name = quoted_name(name, quote=False)
    return lab.rows(select(made))


@attack("raw SQL")
def quoted_name_unquoted(lab: Lab) -> Any:
    """Name a table by a subquery that is never quoted."""
    o = lab.owned
    name = quoted_name(f"(SELECT {column_of(lab, o.text)} AS y FROM {name_of(lab, o)}) AS w", quote=False)
    return lab.rows(select(literal_column("*")).select_from(table(name)))


@attack("raw SQL")
def shared_table_renamed(lab: Lab) -> Any:
    """Name a shared table and the owned one in one unquoted name."""
    o, s = lab.owned, lab.shared
    made = Table(s.table.name, MetaData(), Column(o.text.name, String(80)))
    made.name = quoted_name(o.table.name, quote=False)
    return lab.rows(select(made))


@attack("raw SQL")
def collation_with_query(lab: Lab) -> Any:
    """Put a query after a collation's name."""
    o, s = lab.owned, lab.shared
    lab.only("sqlite")
    tail = quoted_name(f"NOCASE, {text_of(lab, o)}", quote=False)
    found = s.text.collate("NOCASE")
    found.right.collation = tail
    return lab.rows(select(found))
