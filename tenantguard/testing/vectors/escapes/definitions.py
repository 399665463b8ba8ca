"""DDL that carries a query."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    Integer,
    MetaData,
    Table,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable, DropTable, ExecutableDDLElement

from tenantguard.testing.vectors.escapes.helpers import (
    all_of,
    column_of,
    name_of,
)
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("raw SQL")
def ddl_text(lab: Lab) -> Any:
    """Change the victim's rows with DDL text."""
    o = lab.leaf
    lab.write(DDL(f"DELETE FROM {name_of(lab, o)}"))  # type: ignore[no-untyped-call]  # SQLAlchemy left it so


@attack("raw SQL")
def ddl_create_table_as(lab: Lab) -> Any:
    """Copy the table with CREATE TABLE AS in SQL text."""
    lab.remove_later("TABLE", "tg_loot")
    lab.write(text(f"CREATE TABLE tg_loot AS {all_of(lab, lab.owned)}"))
    return lab.peek("SELECT * FROM tg_loot")


@attack("raw SQL")
def ddl_create_view(lab: Lab) -> Any:
    """Create a view of the table with SQL text."""
    lab.remove_later("VIEW", "tg_window")
    lab.write(DDL(f"CREATE VIEW tg_window AS {all_of(lab, lab.owned)}"))  # type: ignore[no-untyped-call]  # SQLAlchemy left it so
    return lab.peek("SELECT * FROM tg_window")


@attack("raw SQL")
def ddl_create_view_construct(lab: Lab) -> Any:
    """Create a view of the table with SQLAlchemy 2.1's construct."""
    try:
        from sqlalchemy.schema import CreateView
    except ImportError:
        return lab.only("SQLAlchemy 2.1")
    lab.remove_later("VIEW", "tg_window")
    lab.write(CreateView(select(lab.owned.table), "tg_window"))
    return lab.peek("SELECT * FROM tg_window")


@attack("raw SQL")
def ddl_create_table_as_construct(lab: Lab) -> Any:
    """Copy the table with SQLAlchemy 2.1's construct."""
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
    """Execute a custom DDL element that renders an UPDATE."""
    o = lab.owned

    class Smuggled(ExecutableDDLElement):
        pass

    @compiles(Smuggled)
    def _render(element: Any, compiler: Any, **kwargs: Any) -> str:
        return f"UPDATE {name_of(lab, o)} SET {column_of(lab, o.text)} = 'taken'"

    lab.write(Smuggled())


@attack("raw SQL")
def ddl_default_with_query(lab: Lab) -> Any:
    """Create a table whose DDL has a statement after its last bracket."""
    o = lab.owned
    lab.only("sqlite")
    lab.remove_later("TABLE", "tg_loot")
    made = Table(
        "tg_loot", MetaData(), Column("x", Integer), prefixes=[f"TABLE tg_loot AS {all_of(lab, o)} /*"]
    )
    lab.write(CreateTable(made))
    return lab.peek("SELECT * FROM tg_loot")


@attack("raw SQL")
def ddl_drop_table(lab: Lab) -> Any:
    """Create and drop a table that has one of the victim's rows."""
    o = lab.leaf
    lab.arrange(text(f"CREATE TABLE tg_spare AS {all_of(lab, o)}"))
    lab.remove_later("TABLE", "tg_spare")
    spare = Table("tg_spare", MetaData(), Column("x", Integer))
    lab.write(DropTable(spare))
    gone = not lab.has_table("tg_spare")
    return lab.told(gone, False)
