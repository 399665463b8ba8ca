"""SQL text that databases and parsers split or name differently, and values that only the database knows."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, literal_column, select, text

from tenantguard.testing.vectors.escapes.helpers import column_of, name_of
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.shapes import Pair
from tenantguard.testing.vectors.table import NotApplicable, attack

_DIGIT = "\u0662"  # an Arabic two: a name to databases, a number to Python


@attack("raw SQL")
def text_number_before_keyword(lab: Lab) -> Any:
    """Let a number run into FROM, so that it ends at its dot."""
    lab.only("mysql", "mariadb")
    o = lab.owned
    return lab.rows(text(f"SELECT {column_of(lab, o.text)}, 1.FROM {name_of(lab, o)}"))


@attack("raw SQL")
def fragment_number_before_keyword(lab: Lab) -> Any:
    """Let the number of a column given as text run into FROM."""
    lab.only("mysql", "mariadb")
    o = lab.owned
    return lab.rows(
        select(literal_column(column_of(lab, o.text)), literal_column(f"1.FROM {name_of(lab, o)}"))
    )


@attack("raw SQL")
def text_carriage_return(lab: Lab) -> Any:
    """Hide a condition behind a comment that ends at a carriage return elsewhere."""
    lab.only("sqlite", "mysql", "mariadb")
    lab.write(text(f"DELETE FROM {name_of(lab, lab.leaf)} -- clean up\rWHERE 1 = 0"))


@attack("raw SQL")
def text_select_right_join(lab: Lab) -> Any:
    """Read a table on the left of a RIGHT JOIN in SQL text."""
    o, s = lab.owned, lab.shared
    return lab.rows(text(f"SELECT o.* FROM {name_of(lab, o)} o RIGHT JOIN {name_of(lab, s)} s ON 1=1"))


@attack("raw SQL")
def text_upsert(lab: Lab) -> Any:
    """Overwrite the victim's row with a conflict clause in SQL text."""
    o = lab.leaf
    row = {**o.new("a"), **o.keys_of(o.b[0])}
    names = ", ".join(column_of(lab, o.c[key]) for key in row)
    marks = ", ".join(f":v{n}" for n in range(len(row)))
    keys = ", ".join(column_of(lab, column) for column in o.table.primary_key)
    mysql = lab.dialect in ("mysql", "mariadb")
    clause = "ON DUPLICATE KEY UPDATE" if mysql else f"ON CONFLICT ({keys}) DO UPDATE SET"
    lab.write(
        text(
            f"INSERT INTO {name_of(lab, o)} ({names}) VALUES ({marks}) {clause} {column_of(lab, o.text)} = 'taken'"
        ).bindparams(*(_typed(o.c[key], f"v{n}", value) for n, (key, value) in enumerate(row.items())))
    )


@attack("raw SQL")
def text_parent_of_foreign_digits(lab: Lab) -> Any:
    """Name the victim's parent with a column whose name looks like a number."""
    _insert_select(lab, f"{_DIGIT}", f"(SELECT :key AS {_DIGIT}) x")


@attack("raw SQL")
def text_parent_of_duplicate_name(lab: Lab) -> Any:
    """Name the victim's parent with the first of two columns of the same name."""
    lab.only("sqlite")
    p = lab.pair
    theirs = column_of(lab, p.link[0][1])
    _insert_select(lab, "d.k", f"(SELECT :key AS 'k', p.{theirs} AS k FROM {name_of(lab, p.parent)} p) d")


@attack("raw SQL")
def text_parent_of_union(lab: Lab) -> Any:
    """Name the victim's parent in the second half of a union, whose first half names the attacker's."""
    p = lab.pair
    theirs = column_of(lab, p.link[0][1])
    source = f"SELECT {theirs} AS k FROM {name_of(lab, p.parent)} WHERE 1 = 0 UNION ALL SELECT :key"
    _insert_select(lab, "x.k", f"({source}) x")


@attack("raw SQL")
def text_parent_of_cast(lab: Lab) -> Any:
    """Move the attacker's row to the victim's parent, whose key is the result of a cast."""
    p = _single(lab)
    ours, theirs = p.link[0]
    kind = {"mysql": "CHAR(40)", "mariadb": "CHAR(40)"}.get(
        lab.dialect, ours.type.compile(lab.engine.dialect)
    )
    where = " AND ".join(f"{column_of(lab, column)} = :k{n}" for n, column in enumerate(p.child.key))
    statement = text(
        f"UPDATE {name_of(lab, p.child)} SET {column_of(lab, ours)} = CAST(:key AS {kind}) WHERE {where}"
    )
    own = p.child.a[0]
    lab.write(
        statement.bindparams(
            _typed(ours, "key", p.parent.b[0][theirs.key]),
            *(_typed(column, f"k{n}", own[column.key]) for n, column in enumerate(p.child.key)),
        )
    )


def _typed(column: Any, name: str, value: Any) -> Any:
    return bindparam(name, value, type_=column.type)


def _single(lab: Lab) -> Pair:
    p = lab.pair
    if len(p.link) != 1:
        raise NotApplicable("the foreign key has several columns")
    return p


def _insert_select(lab: Lab, chosen: str, source: str) -> None:
    """Insert by a text a row of one's own whose foreign key is an expression over a query."""
    lab.only("sqlite", "mysql", "mariadb")  # PostgreSQL takes a parameter among the columns for text
    p = _single(lab)
    ours = p.link[0][0]
    row = {**p.child.new("a"), **p.to(p.parent.b[0])}
    names = ", ".join(column_of(lab, p.child.c[key]) for key in row)
    values = ", ".join(chosen if key == ours.key else f":v{n}" for n, key in enumerate(row))
    typed = [
        _typed(p.child.c[key], "key" if key == ours.key else f"v{n}", value)
        for n, (key, value) in enumerate(row.items())
    ]
    lab.write(
        text(
            f"INSERT INTO {name_of(lab, p.child)} ({names}) SELECT {values} FROM {source} LIMIT 1"
        ).bindparams(*typed)
    )
