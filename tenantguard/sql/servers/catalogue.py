"""The catalogue: user-defined functions of a PostgreSQL server that a statement may call without naming them in full.

A function beside a known one of the same name, an operator, a field that is a function of a row, a cast: where one of
them is written in a language that can hold SQL, a statement that could mean it is refused, unless it was declared.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from tenantguard.errors import RawSQLError
from tenantguard.sql.functions import GRAMMAR, is_declared, passes
from tenantguard.sql.servers.meanings import TYPES, Meanings, meanings
from tenantguard.sql.text.grammar.cursor import RESERVED
from tenantguard.sql.text.tokens import words

_QUERY = text(
    """
    WITH RECURSIVE users AS (
        SELECT p.oid, p.proname, n.nspname, p.pronargs, p.pronargdefaults,
        CASE p.provariadic WHEN 0 THEN p.proargtypes[0] ELSE p.provariadic END AS first
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND (l.lanname NOT IN ('c', 'internal') OR p.prokind = 'a')
        AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
        )
    ),
    rows AS (
        SELECT users.*, t.typtype, t.typrelid FROM users JOIN pg_catalog.pg_type t ON t.oid = users.first
        WHERE pronargs >= 1 AND pronargs - pronargdefaults <= 1
    ),
    kin AS (
        SELECT oid, typrelid AS relation FROM rows WHERE typtype = 'c'
        UNION SELECT kin.oid, i.inhrelid FROM kin JOIN pg_catalog.pg_inherits i ON i.inhparent = kin.relation
    )
    SELECT 'function', nspname, proname, proname, '' FROM users
    UNION ALL
    SELECT 'field', nspname, proname, proname, c.relname FROM rows
    JOIN kin ON kin.oid = rows.oid JOIN pg_catalog.pg_class c ON c.oid = kin.relation
    WHERE NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = rows.proname AND a.attnum > 0
    )
    UNION ALL
    SELECT 'field', nspname, proname, proname, '' FROM rows WHERE typtype IN ('p', 'd')
    UNION ALL
    SELECT 'operator', nspname, proname, o.oprname, '' FROM users
    JOIN pg_catalog.pg_operator o ON o.oprcode = users.oid
    UNION ALL
    SELECT 'cast', nspname, proname, t.typname, '' FROM users
    JOIN pg_catalog.pg_cast c ON c.castfunc = users.oid JOIN pg_catalog.pg_type t ON t.oid = c.casttarget
    """
)
_KINDS = ("function", "operator", "cast")
_OWN = re.compile(r"\bpg_catalog\.(\w+)\(")


@dataclass(frozen=True)
class Catalogue:
    """The user-defined functions, operators, fields and casts of one server.

    Attributes:
        made: by kind, functions with a known name, operators, and targets of casts.
        fields: functions of a row, each with the relation whose row it takes, or with none where it takes any.
    """

    made: dict[str, frozenset[str]]
    fields: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing that a statement could call."""
        return not (self.fields or any(self.made.values()))

    def fault(self, statement: str, columns: Mapping[str, Collection[str]]) -> str | None:
        """Return the user-defined function that a statement could call, or ``None``.

        Args:
            statement: the SQL.
            columns: the columns of each table, which come before fields of the same name.
        """
        if self.is_empty:
            return None
        said = meanings(statement)
        for kind, names in self.made.items():
            if found := names & said.names[kind]:
                return _fault(kind, min(found))
        for name, taken in sorted(self.fields):
            if name in said.fields and self._may_be(name, taken, said, columns):
                return _fault("field", name)
        return None

    def _may_be(self, name: str, taken: str, said: Meanings, columns: Mapping[str, Collection[str]]) -> bool:
        """Tell whether a field could be a function of a row here."""
        for qualifier in said.fields[name]:
            relations = said.relations.get(qualifier, {""})
            if "" in relations:  # a query's or a function's row, or that of an expression
                if not taken or taken in said.relations:
                    return True
            elif not taken:
                if any(name not in columns.get(relation, ()) for relation in relations):
                    return True
            elif taken in relations:
                return True
        return False


def _fault(kind: str, name: str) -> str:
    return f"the {kind} {name!r} may be a user-defined function here, and was not declared"


def ask_catalogue(connection: Any, tenancy: Any) -> Catalogue:
    """Read a server's user-defined functions, except those that the tenancy declares.

    Args:
        connection: executes what it is given as our own.
        tenancy: declares functions.
    """
    made: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    fields: set[tuple[str, str]] = set()
    for kind, schema, function, name, taken in connection.execute(_QUERY):
        if any(is_declared(one, "postgresql", tenancy) for one in (function, f"{schema}.{function}")):
            continue
        if kind == "field":
            fields.add((name, taken))
        elif kind != "function" or passes(name, "postgresql"):
            made[kind].add(name)
    return Catalogue({kind: frozenset(names) for kind, names in made.items()}, frozenset(fields))


# words before a parenthesis that call nothing of the users'
_WORDS = (
    {word.lower() for word in RESERVED}
    | words(
        "any conflict exclude extract filter ignore into key materialized over position recursive returning row"
        " sets some varying within zone"
    )
    | (GRAMMAR - {"substring", "overlay"})
)  # which PostgreSQL looks up where they take plain arguments
# PostgreSQL's own, those that extensions bring for texts and vectors, and the star of all columns. One of the users'
# may have such a name, for types of its own; that is found when the server is next asked.
_OPERATORS = words(
    "= <> != < > <= >= * + - / % %% ^ || & | # ~ << >> <<= >>= ~~ !~~ ~~* !~~* ~* !~ !~* ^@ -> ->> #> #>> @> <@ ? ?| ?&"
    " #- @? @@ && &< &> -|- <-> <=> <#> <+> <% %> <<% %>> <<-> <->> <<<-> <->>>"
)


def calls_something(
    statement: str, tables: Mapping[str, Collection[str]], names: Collection[str] = ()
) -> bool:
    """Return whether a statement has a call, an operator, a field or a cast that must be user-defined.

    Args:
        statement: the SQL.
        tables: the columns of each table that it names.
        names: what else stands before a parenthesis and is no call, as a common table expression with its columns.
    """
    said = meanings(statement)
    if not _WORDS.issuperset(said.names["function"].difference(tables, names)):
        return True
    if not _OPERATORS.issuperset(said.names["operator"]) or not TYPES.issuperset(said.computed):
        return True
    # the columns that a query in it may have, or a function
    given = said.bare.union(tables, *tables.values(), ("key", "value"))
    return not all(
        qualifier and name in tables.get(relation, given)
        for name, qualifiers in said.fields.items()
        for qualifier in qualifiers
        for relation in said.relations.get(qualifier, ("",))
    )


def verify_asked(compiler: Any) -> None:
    """Refuse a compiled statement that could call a function in the server's catalogue."""
    fault = users_call(compiler.string, compiler.tg_guard)
    if fault is not None:
        compiler.tg.refuse(fault)


def users_call(statement: str, guard: Any) -> RawSQLError | None:
    """Return the refusal of SQL that could call a user-defined function, or ``None``."""
    catalogue = guard.catalogue
    fault = None if catalogue.is_empty else catalogue.fault(statement, _columns(guard))
    if fault is None:
        return None
    return RawSQLError(
        f"{fault}; if it reads no table, declare it: Tenancy(functions={{...}})", kind="function"
    )


def _columns(guard: Any) -> dict[str, frozenset[str]]:
    """Return the columns that tables of one name have, whatever schema they are in."""
    columns: dict[str, frozenset[str]] = {}
    for placement in guard.placed:
        found, name = guard.ties.column_names(placement.key), placement.key[1]
        columns[name] = found & columns[name] if name in columns else found
    return columns


def undeclared_call(error: BaseException, guard: Any) -> RawSQLError | None:
    """Return the refusal of a call that, by the database's own error, only a user-defined function accepts."""
    called = _OWN.search(str(error))
    if called is None or guard.catalogue is None or called[1] not in guard.catalogue.made["function"]:
        return None
    return RawSQLError(
        f"{called[1]}() with such arguments is a user-defined function here, and was not declared; if it reads no "
        "table, declare it: Tenancy(functions={...})",
        kind="function",
    )
