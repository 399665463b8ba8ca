"""SQL text, in whole and in fragments, and the ways around the compiler."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    column,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.schema import CreateTable, DropTable, ExecutableDDLElement
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Executable, FromClause
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import UserDefinedType

from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Shape
from tenantguard.testing.vectors.table import attack


def _name(lab: Lab, shape: Shape) -> str:
    return str(lab.admin.dialect.identifier_preparer.format_table(shape.table))


def _column(lab: Lab, found: Any) -> str:
    return str(lab.admin.dialect.identifier_preparer.quote(found.name))


def _all(lab: Lab, shape: Shape) -> str:
    return f"SELECT * FROM {_name(lab, shape)}"


def _text_of(lab: Lab, shape: Shape) -> str:
    return f"(SELECT max({_column(lab, shape.text)}) FROM {_name(lab, shape)})"


@attack("raw SQL")
def text_select(lab: Lab) -> Any:
    """Execute a text on a connection."""
    return lab.rows(text(_all(lab, lab.owned)))


@attack("raw SQL")
def text_select_in_session(lab: Lab) -> Any:
    """Execute a text in a session."""
    return lab.session().execute(text(_all(lab, lab.owned))).all()


@attack("raw SQL")
def text_select_of_through(lab: Lab) -> Any:
    """Read a table without a tenant column by a text."""
    return lab.rows(text(_all(lab, lab.part.child)))


@attack("raw SQL")
def text_select_aliased(lab: Lab) -> Any:
    """Read a table by a text that gives it another name."""
    return lab.rows(text(f"SELECT x.* FROM {_name(lab, lab.owned)} AS x"))


@attack("raw SQL")
def text_select_in_subquery(lab: Lab) -> Any:
    """Read a table in a subquery of a text."""
    return lab.rows(text(f"SELECT {_text_of(lab, lab.owned)}"))


@attack("raw SQL")
def text_select_in_expression(lab: Lab) -> Any:
    """Read a table in a common table expression of a text that shadows its name."""
    name = _name(lab, lab.owned)
    lab.only("postgresql", "mysql", "mariadb")
    return lab.rows(text(f"WITH {name} AS (SELECT * FROM {name}) SELECT * FROM {name}"))


@attack("raw SQL")
def text_select_in_union(lab: Lab) -> Any:
    """Read a table in the second half of a union."""
    o, s = lab.owned, lab.shared
    return lab.rows(
        text(
            f"SELECT {_column(lab, s.text)} FROM {_name(lab, s)}"
            f" UNION ALL SELECT {_column(lab, o.text)} FROM {_name(lab, o)}"
        )
    )


@attack("raw SQL")
def text_select_commented(lab: Lab) -> Any:
    """Read a table by a text full of comments."""
    return lab.rows(text(f"/* nothing */ SELECT * -- nothing\nFROM {_name(lab, lab.owned)} /* more */"))


@attack("raw SQL")
def text_select_full_join(lab: Lab) -> Any:
    """Read a table on the outer side of a join in a text."""
    o, s = lab.owned, lab.shared
    return lab.rows(text(f"SELECT o.* FROM {_name(lab, s)} s LEFT JOIN {_name(lab, o)} o ON 1=1"))


@attack("raw SQL")
def text_select_or_true(lab: Lab) -> Any:
    """Widen the condition of a text with OR."""
    o = lab.owned
    column_ = _column(lab, o.tenant)
    return lab.rows(text(f"SELECT * FROM {_name(lab, o)} WHERE {column_} = :t OR 1=1"), {"t": lab.a})


@attack("raw SQL")
def text_update(lab: Lab) -> Any:
    """Update by a text."""
    lab.write(text(f"UPDATE {_name(lab, lab.owned)} SET {_column(lab, lab.owned.text)} = 'taken'"))


@attack("raw SQL")
def text_delete(lab: Lab) -> Any:
    """Delete by a text."""
    lab.write(text(f"DELETE FROM {_name(lab, lab.leaf)}"))


@attack("raw SQL")
def text_insert(lab: Lab) -> Any:
    """Insert a row of the victim's by a text."""
    row = lab.leaf.new("b")
    names = ", ".join(_column(lab, lab.leaf.c[key]) for key in row)
    values = ", ".join(f":v{n}" for n in range(len(row)))
    statement = text(f"INSERT INTO {_name(lab, lab.leaf)} ({names}) VALUES ({values})")
    lab.write(statement, {f"v{n}": value for n, value in enumerate(row.values())})


@attack("raw SQL")
def text_insert_foreign_key(lab: Lab) -> Any:
    """Insert by a text a row of one's own that refers to the victim's parent."""
    p = lab.pair
    row = p.child.new("a", **p.to(p.parent.b[0]))
    names = ", ".join(_column(lab, p.child.c[key]) for key in row)
    values = ", ".join(f":v{n}" for n in range(len(row)))
    statement = text(f"INSERT INTO {_name(lab, p.child)} ({names}) VALUES ({values})")
    lab.write(statement, {f"v{n}": value for n, value in enumerate(row.values())})


@attack("raw SQL")
def text_update_tenant(lab: Lab) -> Any:
    """Give one's own row to the victim by a text."""
    o = lab.leaf
    name = _column(lab, o.tenant)
    statement = text(f"UPDATE {_name(lab, o)} SET {name} = :b WHERE {name} = :a")
    lab.write(statement, {"a": lab.a, "b": lab.b})


@attack("raw SQL")
def from_statement_text(lab: Lab) -> Any:
    """Load objects from a text."""
    o = lab.owned
    return lab.session().scalars(select(o.cls).from_statement(text(_all(lab, o)))).all()


@attack("raw SQL")
def legacy_from_statement(lab: Lab) -> Any:
    """Load objects from a text with the legacy query."""
    o = lab.owned
    return lab.session().query(o.cls).from_statement(text(_all(lab, o))).all()


@attack("raw SQL")
def textual_select(lab: Lab) -> Any:
    """Give a text its columns and select it."""
    o = lab.owned
    return lab.rows(text(_all(lab, o)).columns(o.pk))


@attack("raw SQL")
def textual_select_as_subquery(lab: Lab) -> Any:
    """Use a text with columns as a subquery."""
    o = lab.owned
    inner = (
        text(f"SELECT {_column(lab, o.text)} FROM {_name(lab, o)}").columns(column(o.text.name)).subquery()
    )
    return lab.rows(select(inner))


@attack("raw SQL")
def textual_select_as_cte(lab: Lab) -> Any:
    """Use a text with columns as a common table expression."""
    o = lab.owned
    inner = (
        text(f"SELECT {_column(lab, o.text)} FROM {_name(lab, o)}")
        .columns(column(o.text.name))
        .cte("inner_text")
    )
    return lab.rows(select(inner))


@attack("raw SQL")
def textual_select_aliased_class(lab: Lab) -> Any:
    """Map a class onto a text used as a subquery."""
    o = lab.owned
    names = ", ".join(_column(lab, c) for c in o.table.columns)
    inner = text(f"SELECT {names} FROM {_name(lab, o)}").columns(*o.table.columns).subquery("inner_text")
    return lab.session().scalars(select(aliased(o.cls, inner))).all()


@attack("raw SQL")
def exec_driver_sql(lab: Lab) -> Any:
    """Hand SQL to the driver."""
    return lab.connect().exec_driver_sql(_all(lab, lab.owned)).all()


@attack("raw SQL")
def exec_driver_sql_many(lab: Lab) -> Any:
    """Hand an update with many parameters to the driver."""
    o = lab.owned
    mark = "?" if lab.dialect == "sqlite" else "%s"
    sql = f"UPDATE {_name(lab, o)} SET {_column(lab, o.text)} = 'taken' WHERE {_column(lab, o.pk)} = {mark}"
    connection = lab.connect()
    connection.exec_driver_sql(sql, [(row[o.pk.key],) for row in o.b])
    connection.commit()


@attack("raw SQL")
def session_connection_driver_sql(lab: Lab) -> Any:
    """Hand SQL to the driver through a session's connection."""
    return lab.session().connection().exec_driver_sql(_all(lab, lab.owned)).all()


@attack("raw SQL")
def raw_connection(lab: Lab) -> Any:
    """Take a raw connection from the engine."""
    connection = lab.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(_all(lab, lab.owned))
        return list(cursor.fetchall())
    finally:
        connection.close()


@attack("raw SQL")
def cursor_of_connection(lab: Lab) -> Any:
    """Take a cursor from a connection's own connection."""
    cursor = lab.connect().connection.cursor()
    cursor.execute(_all(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def driver_connection(lab: Lab) -> Any:
    """Take the driver's connection from beneath a connection."""
    inner: Any = lab.connect().connection.driver_connection
    cursor = inner.cursor()
    cursor.execute(_all(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def dbapi_connection(lab: Lab) -> Any:
    """Take the database interface's connection from beneath a connection."""
    inner: Any = lab.connect().connection.dbapi_connection
    cursor = inner.cursor()
    cursor.execute(_all(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def pool_connection(lab: Lab) -> Any:
    """Take a connection from the engine's pool."""
    connection = lab.engine.pool.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(_all(lab, lab.owned))
        return list(cursor.fetchall())
    finally:
        connection.close()


@attack("raw SQL")
def cursor_of_result(lab: Lab) -> Any:
    """Execute on the cursor of a result."""
    result: Any = lab.connect().execute(select(lab.shared.table))
    cursor = result.cursor
    cursor.execute(_all(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def cursor_of_context(lab: Lab) -> Any:
    """Reach the driver's connection through the context of a result."""
    result: Any = lab.connect().execute(select(lab.shared.table))
    cursor = result.context.root_connection.connection.cursor()
    cursor.execute(_all(lab, lab.owned))
    return list(cursor.fetchall())


@attack("raw SQL")
def dialect_do_execute(lab: Lab) -> Any:
    """Have the dialect execute on a cursor of the connection."""
    connection = lab.connect()
    cursor = connection.connection.cursor()
    connection.dialect.do_execute(cursor, _all(lab, lab.owned), ())
    return list(cursor.fetchall())


@attack("raw SQL")
def schema_reflection_query(lab: Lab) -> Any:
    """Scalar a text through the session."""
    return lab.session().scalar(text(f"SELECT {_text_of(lab, lab.owned)}"))


@attack("raw SQL")
def fragment_in_columns(lab: Lab) -> Any:
    """Put a subquery as text among the columns."""
    return lab.rows(select(text(_text_of(lab, lab.owned))))


@attack("raw SQL")
def fragment_in_where(lab: Lab) -> Any:
    """Put a subquery as text into WHERE."""
    o, s = lab.owned, lab.shared
    there = f"EXISTS (SELECT 1 FROM {_name(lab, o)} WHERE {_column(lab, o.tenant)} = :t)"
    return lab.told(len(lab.rows(select(s.table).where(text(there).bindparams(t=lab.b)))), 0)


@attack("raw SQL")
def fragment_closing_the_condition(lab: Lab) -> Any:
    """Widen the condition by text with OR."""
    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant == lab.a).where(text("1=1 OR 1=1")))


@attack("raw SQL")
def fragment_closing_the_bracket(lab: Lab) -> Any:
    """Close the bracket that stands around a text and widen the condition."""
    o = lab.owned
    return lab.rows(select(o.table).where(or_(text("1=1) OR (1=1"), o.tenant == lab.a), o.pk.is_not(None)))


@attack("raw SQL")
def fragment_with_comment(lab: Lab) -> Any:
    """Comment out whatever follows a text."""
    o = lab.owned
    return lab.rows(select(o.table).where(text("1=1 -- ")))


@attack("raw SQL")
def fragment_unites(lab: Lab) -> Any:
    """Unite with another select behind a condition given as text."""
    o, s = lab.owned, lab.shared
    query = f"1=1 UNION ALL SELECT {_column(lab, o.text)} FROM {_name(lab, o)}"
    return lab.rows(select(s.text).where(text(query)))


@attack("raw SQL")
def fragment_in_group(lab: Lab) -> Any:
    """Put a union as text behind GROUP BY."""
    o, s = lab.owned, lab.shared
    tail = f"{_column(lab, s.text)} UNION ALL SELECT {_column(lab, o.text)} FROM {_name(lab, o)}"
    return lab.rows(select(s.text).group_by(text(tail)))


@attack("raw SQL")
def fragment_in_from(lab: Lab) -> Any:
    """Name the table as text in FROM."""
    o = lab.owned
    return lab.rows(select(literal_column(_column(lab, o.text))).select_from(text(_name(lab, o))))


@attack("raw SQL")
def fragment_joins(lab: Lab) -> Any:
    """Name two tables as text in FROM, the shared one first."""
    o, s = lab.owned, lab.shared
    both = text(f"{_name(lab, s)} CROSS JOIN {_name(lab, o)}")
    return lab.rows(select(literal_column(f"{_name(lab, o)}.{_column(lab, o.text)}")).select_from(both))


@attack("raw SQL")
def literal_column_subquery(lab: Lab) -> Any:
    """Put a subquery into a literal column."""
    return lab.rows(select(literal_column(_text_of(lab, lab.owned))))


@attack("raw SQL")
def literal_column_as_text(lab: Lab) -> Any:
    """Put a subquery into a literal column of a shared table's select."""
    return lab.rows(select(lab.shared.pk, literal_column(_text_of(lab, lab.owned)).label("x")))


@attack("raw SQL")
def column_name_subquery(lab: Lab) -> Any:
    """Put a subquery into the name of an ad-hoc literal column."""
    return lab.rows(select(column(_text_of(lab, lab.owned), is_literal=True)))


@attack("raw SQL")
def label_with_subquery(lab: Lab) -> Any:
    """Put a subquery into a literal column inside a function inside ORDER BY of a limited select."""
    o, s = lab.owned, lab.shared
    there = f"(SELECT count(*) FROM {_name(lab, o)} WHERE {_column(lab, o.tenant)} = '{lab.b}')"
    got = lab.rows(select(s.pk).where(func.coalesce(literal_column(there), 0) > 0))
    return lab.told(len(got), 0)


@attack("raw SQL")
def prefix_with_query(lab: Lab) -> Any:
    """Put a query into a prefix of a select."""
    o, s = lab.owned, lab.shared
    lead = f"{_column(lab, o.text)} FROM {_name(lab, o)} UNION ALL SELECT"
    return lab.rows(select(s.text).prefix_with(lead))


@attack("raw SQL")
def suffix_with_query(lab: Lab) -> Any:
    """Put a query into a suffix of a select."""
    o, s = lab.owned, lab.shared
    tail = f"UNION ALL SELECT {_column(lab, o.text)} FROM {_name(lab, o)}"
    return lab.rows(select(s.text).suffix_with(tail))


@attack("raw SQL")
def statement_hint_with_query(lab: Lab) -> Any:
    """Put a query into a hint of a statement."""
    o, s = lab.owned, lab.shared
    lab.only("postgresql", "mysql", "mariadb")
    tail = f"UNION ALL SELECT {_column(lab, o.text)} FROM {_name(lab, o)}"
    return lab.rows(select(s.text).with_statement_hint(tail))


@attack("raw SQL")
def table_hint_with_query(lab: Lab) -> Any:
    """Put a query into a hint of a table."""
    o, s = lab.owned, lab.shared
    lab.only("mysql", "mariadb")
    tail = f"UNION ALL SELECT {_column(lab, o.text)} FROM {_name(lab, o)}"
    return lab.rows(select(s.text).with_hint(s.table, tail))


@attack("raw SQL")
def insert_prefix(lab: Lab) -> Any:
    """Put another statement's head into the prefix of an insert."""
    o = lab.leaf
    lab.only("sqlite")
    lab.write(insert(o.table).prefix_with("OR REPLACE").values({**o.new("a"), **o.keys_of(o.b[0])}))


@attack("raw SQL")
def operator_with_query(lab: Lab) -> Any:
    """Put a query into an operator."""
    o, s = lab.owned, lab.shared
    there = f"IS NOT NULL AND EXISTS (SELECT 1 FROM {_name(lab, o)} WHERE {_column(lab, o.tenant)} = '{lab.b}') AND 1 ="
    return lab.told(len(lab.rows(select(s.table).where(s.pk.op(there)(1)))), 0)


@attack("raw SQL")
def custom_construct(lab: Lab) -> Any:
    """Render a query in a column element of one's own."""

    class Smuggled(ColumnElement[Any]):
        inherit_cache = False

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return _text_of(lab, lab.owned)

    return lab.rows(select(Smuggled()))


@attack("raw SQL")
def custom_from_construct(lab: Lab) -> Any:
    """Render a table in a FROM clause of one's own."""

    class Smuggled(FromClause):
        inherit_cache = False
        named_with_column = False
        _hide_froms: Any = ()

        @property
        def _from_objects(self) -> Any:
            return [self]

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return _name(lab, lab.owned)

    return lab.rows(select(literal_column(_column(lab, lab.owned.text))).select_from(Smuggled()))


@attack("raw SQL")
def custom_executable(lab: Lab) -> Any:
    """Execute a construct of one's own that renders a whole statement."""

    class Smuggled(Executable, ClauseElement):
        inherit_cache = False

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return _all(lab, lab.owned)

    return lab.rows(Smuggled())


@attack("raw SQL")
def custom_function(lab: Lab) -> Any:
    """Render a query in a function of one's own."""

    class smuggled(GenericFunction[Any]):  # noqa: N801 - a function's name
        inherit_cache = False
        _register = False

    @compiles(smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return _text_of(lab, lab.owned)

    return lab.rows(select(smuggled()))


@attack("raw SQL")
def custom_type_in_cast(lab: Lab) -> Any:
    """Render a query in the name of a type."""
    o, s = lab.owned, lab.shared
    lab.only("sqlite", "postgresql")

    class Smuggled(UserDefinedType[Any]):
        cache_ok = False

        def get_col_spec(self, **kwargs: Any) -> str:
            return f"TEXT) || CAST({_text_of(lab, o)} AS TEXT"

    return lab.rows(select(func.max(s.text).cast(Smuggled())))


@attack("raw SQL")
def type_with_bind_expression(lab: Lab) -> Any:
    """Wrap a column in a text by its type."""
    o, s = lab.owned, lab.shared

    class Smuggled(UserDefinedType[Any]):
        cache_ok = False

        def get_col_spec(self, **kwargs: Any) -> str:
            return "TEXT"

        def column_expression(self, colexpr: Any) -> Any:
            return literal_column(_text_of(lab, o))

    made = table(s.table.name, column(s.text.name, Smuggled()))
    return lab.rows(select(made.c[s.text.name]))


@attack("raw SQL")
def function_named_like_query(lab: Lab) -> Any:
    """Put a query into the name of a function."""
    o = lab.owned
    name = f"{_text_of(lab, o)} || trim"
    lab.only("sqlite", "postgresql")
    made = getattr(func, name)
    made = made("")
    made.name = quoted_name(name, quote=False)
    return lab.rows(select(made))


@attack("raw SQL")
def quoted_name_unquoted(lab: Lab) -> Any:
    """Name a table by a subquery that is never quoted."""
    o = lab.owned
    name = quoted_name(f"(SELECT {_column(lab, o.text)} AS y FROM {_name(lab, o)}) AS w", quote=False)
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
    """Put a query behind a collation's name."""
    o, s = lab.owned, lab.shared
    lab.only("sqlite")
    tail = quoted_name(f"NOCASE, {_text_of(lab, o)}", quote=False)
    found = s.text.collate("NOCASE")
    found.right.collation = tail
    return lab.rows(select(found))


@attack("raw SQL")
def ddl_text(lab: Lab) -> Any:
    """Change the victim's rows by a DDL text."""
    o = lab.leaf
    lab.write(DDL(f"DELETE FROM {_name(lab, o)}"))


@attack("raw SQL")
def ddl_create_table_as(lab: Lab) -> Any:
    """Copy the table by CREATE TABLE AS text."""
    lab.remove_later("TABLE", "tg_loot")
    lab.write(text(f"CREATE TABLE tg_loot AS {_all(lab, lab.owned)}"))
    return lab.peek("SELECT * FROM tg_loot")


@attack("raw SQL")
def ddl_create_view(lab: Lab) -> Any:
    """Make a view over the table by text."""
    lab.remove_later("VIEW", "tg_window")
    lab.write(DDL(f"CREATE VIEW tg_window AS {_all(lab, lab.owned)}"))
    return lab.peek("SELECT * FROM tg_window")


@attack("raw SQL")
def ddl_create_view_construct(lab: Lab) -> Any:
    """Make a view over the table by the construct of SQLAlchemy 2.1."""
    try:
        from sqlalchemy.schema import CreateView
    except ImportError:
        return lab.only("SQLAlchemy 2.1")
    lab.remove_later("VIEW", "tg_window")
    lab.write(CreateView(select(lab.owned.table), "tg_window"))
    return lab.peek("SELECT * FROM tg_window")


@attack("raw SQL")
def ddl_create_table_as_construct(lab: Lab) -> Any:
    """Copy the table by the construct of SQLAlchemy 2.1."""
    try:
        from sqlalchemy.schema import CreateTableAs
    except ImportError:
        return lab.only("SQLAlchemy 2.1")
    lab.remove_later("TABLE", "tg_loot")
    lab.write(CreateTableAs(select(lab.owned.table), "tg_loot"))
    return lab.peek("SELECT * FROM tg_loot")


@attack("raw SQL")
def ddl_select_into(lab: Lab) -> Any:
    """Copy the table by the `into` of a select."""
    lab.remove_later("TABLE", "tg_loot")
    statement: Any = select(lab.owned.table)
    if not hasattr(statement, "into"):
        lab.only("SQLAlchemy 2.1")
    lab.write(statement.into("tg_loot"))
    return lab.peek("SELECT * FROM tg_loot")


@attack("raw SQL")
def ddl_own_element(lab: Lab) -> Any:
    """Execute a DDL element of one's own that renders an update."""
    o = lab.owned

    class Smuggled(ExecutableDDLElement):
        pass

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return f"UPDATE {_name(lab, o)} SET {_column(lab, o.text)} = 'taken'"

    lab.write(Smuggled())


@attack("raw SQL")
def ddl_default_with_query(lab: Lab) -> Any:
    """Make a table whose creation carries a statement behind its last bracket."""
    o = lab.owned
    lab.only("sqlite")
    lab.remove_later("TABLE", "tg_loot")
    made = Table(
        "tg_loot", MetaData(), Column("x", Integer), prefixes=[f"TABLE tg_loot AS {_all(lab, o)} /*"]
    )
    lab.write(CreateTable(made))
    return lab.peek("SELECT * FROM tg_loot")


@attack("raw SQL")
def ddl_drop_table(lab: Lab) -> Any:
    """Make and drop a table that has a row of the victim's."""
    o = lab.leaf
    lab.arrange(text(f"CREATE TABLE tg_spare AS {_all(lab, o)}"))
    lab.remove_later("TABLE", "tg_spare")
    spare = Table("tg_spare", MetaData(), Column("x", Integer))
    lab.write(DropTable(spare))
    gone = not lab.has_table("tg_spare")
    return lab.told(gone, False)


@attack("raw SQL")
def explain_text(lab: Lab) -> Any:
    """Run a statement behind EXPLAIN ANALYZE."""
    lab.only("postgresql")
    o = lab.owned
    lab.write(text(f"EXPLAIN ANALYZE UPDATE {_name(lab, o)} SET {_column(lab, o.text)} = 'taken'"))


@attack("raw SQL")
def several_statements(lab: Lab) -> Any:
    """Send two statements in one text."""
    lab.only("postgresql")
    o, s = lab.owned, lab.shared
    connection = lab.connect()
    try:
        connection.execute(
            text(
                f"SELECT 1 FROM {_name(lab, s)}; UPDATE {_name(lab, o)} SET {_column(lab, o.text)} = 'taken'"
            )
        )
    except ResourceClosedError:
        pass
    connection.commit()


@attack("raw SQL")
def do_block(lab: Lab) -> Any:
    """Run a statement inside a DO block."""
    lab.only("postgresql")
    o = lab.owned
    lab.write(text(f"DO $$ BEGIN UPDATE {_name(lab, o)} SET {_column(lab, o.text)} = 'taken'; END $$"))


@attack("raw SQL")
def copy_out(lab: Lab) -> Any:
    """Copy the table out by the driver's copy."""
    lab.only("postgresql")
    inner: Any = lab.connect().connection.driver_connection
    with inner.cursor() as cursor, cursor.copy(f"COPY {_name(lab, lab.owned)} TO STDOUT") as copied:
        return b"".join(bytes(block) for block in copied)


@attack("raw SQL")
def text_with_percent_comment(lab: Lab) -> Any:
    """Hide a table in a MariaDB comment that the server executes."""
    lab.only("mysql", "mariadb")
    return lab.rows(text(f"SELECT 1 /*! UNION ALL SELECT {_text_of(lab, lab.owned)} */"))


@attack("raw SQL")
def text_quoted_in_other_ways(lab: Lab) -> Any:
    """Quote the table's name in a way that another database would read as text."""
    lab.only("sqlite", "mysql", "mariadb")
    return lab.rows(text(f"SELECT * FROM `{lab.owned.table.name}`"))


@attack("raw SQL")
def text_in_cte_prefix(lab: Lab) -> Any:
    """Put a query into the suffix of a common table expression."""
    o, s = lab.owned, lab.shared
    extra = f", loot AS (SELECT {_column(lab, o.text)} AS y FROM {_name(lab, o)})"
    cte = select(s.table).cte("plain").suffix_with(extra)
    return lab.rows(select(cte.c[s.pk.key], literal_column("(SELECT max(y) FROM loot)")))


@attack("raw SQL")
def update_with_text_value(lab: Lab) -> Any:
    """Set a column to a subquery given as text."""
    o = lab.leaf
    theirs = f"(SELECT max(z.{_column(lab, o.text)}) FROM {_name(lab, o)} AS z)"
    lab.only("sqlite", "postgresql")
    lab.write(update(o.table).where(o.match(o.a[0])).values({o.text: text(theirs)}))
    return lab.rows(select(o.text).where(o.match(o.a[0])))


@attack("raw SQL")
def delete_with_text_condition(lab: Lab) -> Any:
    """Delete under a text condition that closes the guard's bracket."""
    o = lab.leaf
    lab.write(delete(o.table).where(or_(text("1=1) OR (1=1"), o.tenant == lab.a), o.pk.is_not(None)))


@attack("raw SQL")
def returning_text(lab: Lab) -> Any:
    """Read a table by a text in RETURNING."""
    lab.only("postgresql", "sqlite")
    o = lab.leaf
    inner = f"(SELECT max(z.{_column(lab, o.text)}) FROM {_name(lab, o)} AS z)"
    return lab.write(update(o.table).where(o.match(o.a[0])).values(o.set(text="a")).returning(text(inner)))


@attack("raw SQL")
def server_default_of_insert(lab: Lab) -> Any:
    """Fill a column by a text that reads the victim's row."""
    o = lab.leaf
    theirs = f"(SELECT max(z.{_column(lab, o.text)}) FROM {_name(lab, o)} AS z)"
    lab.only("postgresql", "sqlite")
    lab.write(insert(o.table).values({**o.new("a"), o.text.key: literal_column(theirs)}))
    return lab.rows(select(o.text))


@attack("raw SQL")
async def async_text(lab: Lab) -> Any:
    """Execute a text in an asynchronous session."""
    engine = lab.new_async_engine()
    try:
        async with AsyncSession(engine) as session:
            return (await session.execute(text(_all(lab, lab.owned)))).all()
    finally:
        await engine.dispose()


@attack("raw SQL")
async def async_raw_connection(lab: Lab) -> Any:
    """Take the driver's connection from an asynchronous engine."""
    engine = lab.new_async_engine()
    try:
        async with engine.connect() as connection:
            raw: Any = await connection.get_raw_connection()
            inner = raw.driver_connection
            sql = _all(lab, lab.owned)
            if hasattr(inner, "fetch"):
                return [tuple(row) for row in await inner.fetch(sql)]
            cursor = await inner.cursor()
            await cursor.execute(sql)
            return list(await cursor.fetchall())
    finally:
        await engine.dispose()
