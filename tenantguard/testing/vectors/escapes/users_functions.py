"""User-defined functions, which may read any row, under their own name or that of a built-in one."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import column, func, literal_column, select, text, true

from tenantguard.testing.vectors.escapes.helpers import column_of, name_of
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack

_NAME = "tg_reads_all"


def _make(lab: Lab, name: str = _NAME, argument: str = "") -> None:
    """Make a function that reads a text of every row."""
    o = lab.owned
    read = column_of(lab, o.text)
    if lab.dialect == "postgresql":
        query = f"SELECT string_agg({read}, chr(32)) FROM {name_of(lab, o)}"
        made = f"CREATE OR REPLACE FUNCTION {name}({argument}) RETURNS text LANGUAGE sql AS '{query}'"
        lab.remove_later("FUNCTION", f"{name}({argument})")
    else:
        made = (
            f"CREATE FUNCTION {name}() RETURNS TEXT READS SQL DATA "
            f"RETURN (SELECT GROUP_CONCAT({read}) FROM {name_of(lab, o)})"
        )
        lab.remove_later("FUNCTION", name)
    lab.arrange(text(made))


@attack("reads")
def users_function(lab: Lab) -> Any:
    """Call a user-defined function that reads every row."""
    lab.only("postgresql", "mysql", "mariadb")
    _make(lab)
    return lab.rows(select(getattr(func, _NAME)()))


@attack("reads")
def users_function_in_a_condition(lab: Lab) -> Any:
    """Compare the attacker's rows with what a user-defined function has read."""
    lab.only("postgresql", "mysql", "mariadb")
    _make(lab)
    o = lab.owned
    reads = getattr(func, _NAME)().label("read")
    return lab.orm(select(o.cls, reads).order_by(reads))


@attack("reads")
def users_function_of_a_known_name(lab: Lab) -> Any:
    """Call a user-defined function that has the name of a built-in one and is chosen for its arguments."""
    lab.only("postgresql")
    _make(lab, "lower", "integer")
    return lab.rows(select(func.lower(1)))


@attack("reads")
def users_function_of_a_row(lab: Lab) -> Any:
    """Read a field of a row that is a user-defined function."""
    lab.only("postgresql")
    _make(lab, _NAME, name_of(lab, lab.owned))
    return lab.rows(select(column(_NAME, _selectable=lab.owned.table)).select_from(lab.owned.table))


@attack("reads")
def users_function_of_any_row(lab: Lab) -> Any:
    """Read a field of a row that is a user-defined function of rows of any type."""
    lab.only("postgresql")
    _make(lab, _NAME, "anyelement")
    return lab.rows(select(column(_NAME, _selectable=lab.owned.table)).select_from(lab.owned.table))


@attack("reads")
def users_function_of_a_row_beside_a_column(lab: Lab) -> Any:
    """Read a field of a row that is a user-defined function, beside a table that has a column of that name."""
    lab.only("postgresql")
    o, s = lab.owned, lab.shared
    names = {c.name for c in s.table.c} - {c.name for c in o.table.c}
    if not names:
        raise NotApplicable(f"{s.table.name} has no column that {o.table.name} has not")
    name = lab.admin.dialect.identifier_preparer.quote(min(names))
    _make(lab, name, name_of(lab, o))
    field: Any = column(min(names), _selectable=o.table)
    return lab.rows(select(field, s.table).select_from(o.table).join(s.table, true()))


@attack("raw SQL")
def fragment_reads_users_function_in_capitals(lab: Lab) -> Any:
    """Read a field that is a user-defined function, in a fragment that spells it in capitals."""
    lab.only("postgresql")
    _make(lab, _NAME, name_of(lab, lab.owned))
    field: Any = literal_column(f"{name_of(lab, lab.owned)}.{_NAME.upper()}")
    return lab.rows(select(field).select_from(lab.owned.table))


@attack("reads")
def users_function_made_later(lab: Lab) -> Any:
    """Read a field that became a user-defined function after the engine had connected."""
    lab.only("postgresql")
    lab.rows(select(lab.owned.table))
    return users_function_of_a_row(lab)


@attack("raw SQL")
def text_calls_users_function(lab: Lab) -> Any:
    """Call a user-defined function in SQL text."""
    lab.only("postgresql", "mysql", "mariadb")
    _make(lab)
    return lab.rows(text(f"SELECT {_NAME}()"))


@attack("raw SQL")
def text_moves_a_row_by_rowid(lab: Lab) -> Any:
    """Give a row that belongs through its key the victim's key, by SQLite's own name for the key."""
    lab.only("sqlite")
    pair = lab.extension
    child, (ours, _) = pair.child, pair.link[0]
    mine, theirs = child.a[-1][ours.key], child.b[-1][ours.key]
    if type(theirs) is not int:
        raise NotApplicable("the key is no number")
    lab.arrange(child.table.delete().where(child.match(child.b[-1])))
    key = column_of(lab, ours)
    lab.write(text(f"UPDATE {name_of(lab, child)} SET rowid = {theirs} WHERE {key} = {mine}"))
