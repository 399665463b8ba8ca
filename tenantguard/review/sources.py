"""Sources of an access review: people's sign-ins, the record, the source code, and the database's roles."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine, text

from tenantguard.errors import ConfigurationError
from tenantguard.review.snapshot import Row
from tenantguard.tenancy import Tenancy

_EVERY = "*"
_BYPASSES = frozenset({"bypass", "break_glass"})
_ROLES = (
    "SELECT r.rolname, r.rolsuper, r.rolbypassrls FROM pg_roles r "
    "WHERE r.rolcanlogin AND r.rolname NOT LIKE 'pg\\_%' ORDER BY 1"
)
_GRANTS = (
    "SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.role_table_grants "
    "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 3, 4"
)


Reached = Mapping[tuple[str, str], Collection[str]]  # tables, by person and company


def reached(lines: Iterable[str]) -> Reached:
    """Return the tables that were used, from the lines of a ``ReachedBook``.

    Raises:
        ConfigurationError: a line is invalid.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for entry in _objects(lines, "who", "companies", "tables"):
        for company in entry["companies"]:
            found.setdefault((str(entry["who"]), str(company)), set()).update(map(str, entry["tables"]))
    return found


def people(lines: Iterable[str], tenancy: Tenancy, known: Reached = MappingProxyType({})) -> Iterator[Row]:
    """Yield the people in a ``SeenBook``, with the tables that their permissions open.

    Args:
        lines: the lines of the book.
        tenancy: the placements and permissions of the tables.
        known: the tables that were used.

    Raises:
        ConfigurationError: a line is invalid.
    """
    for entry in _objects(lines, "subject", "companies", "permissions"):
        permissions = frozenset(map(str, entry["permissions"]))
        actor = entry.get("actor")
        who = str(entry["subject"] if actor is None else actor)
        for company in entry["companies"] or [_EVERY]:
            yield Row(
                "person" if actor is None else "actor",
                who,
                str(company),
                opened(tenancy, permissions),
                ", ".join(sorted(permissions))
                if actor is None
                else f"for {entry['subject']}: {entry.get('reason')}",
                str(entry.get("day", "")),
                ", ".join(sorted({*known.get((who, str(company)), ()), *known.get((who, _EVERY), ())})),
            )


def opened(tenancy: Tenancy, permissions: frozenset[str]) -> str:
    """Return the tables that permissions open, and the kind of access."""
    found: dict[tuple[str, ...], list[str]] = {}
    for placement in tenancy:
        said = placement.permitted
        acts = [
            act
            for act, needed in (("read", said and said.read), ("write", said and said.write))
            if not needed or needed <= permissions
        ]
        if placement.kind == "shared" and not placement.writable:
            acts = [act for act in acts if act == "read"]
        if acts:
            rule = ("own rows",) if placement.has_rows else ()
            found.setdefault((*acts, *rule), []).append(placement.name)
    return "; ".join(f"{', '.join(names)} ({', '.join(acts)})" for acts, names in sorted(found.items()))


def recorded(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the bypasses in the lines of the record.

    Raises:
        ConfigurationError: a line is not an event.
    """
    for event in _objects(lines, "kind", "time"):
        if event["kind"] in ("bypass_opened", "break_glass_opened"):
            who = event.get("actor") or event.get("subject") or "nobody who is known"
            by = f"{event['kind'].removesuffix('_opened')}: {event.get('reason')} ({event.get('place', '')})"
            yield Row("bypass", str(who), _EVERY, "every table", by, str(event["time"])[:10])


def written(folder: Path) -> Iterator[Row]:
    """Yield the places in the source that open a bypass."""
    for path in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue  # no source of an application that runs
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in _BYPASSES:
                reason = next((ast.unparse(one.value) for one in node.keywords if one.arg == "reason"), "")
                place = f"{path.relative_to(folder)}:{node.lineno}"
                yield Row("bypass", place, _EVERY, "every table", f"{_name(node.func)}: {reason}")


def granted(engine: Engine) -> Iterator[Row]:
    """Yield the roles of a PostgreSQL database, with their privileges on each table.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(f"roles and grants are read from PostgreSQL, not from {engine.dialect.name}")
    with engine.connect() as connection:
        for role, is_super, bypasses in connection.execute(text(_ROLES)):
            if is_super or bypasses:
                why = "superuser" if is_super else "BYPASSRLS"
                yield Row("role", role, _EVERY, "every table", why)
        tables: dict[tuple[str, str], list[str]] = {}
        for role, schema, table, privilege in connection.execute(text(_GRANTS)):
            tables.setdefault((role, f"{schema}.{table}"), []).append(privilege)
    for (role, table), privileges in tables.items():
        yield Row("role", role, _EVERY, table, ", ".join(privileges))


def _name(function: ast.expr) -> str:
    return str(getattr(function, "id", None) or getattr(function, "attr", ""))


def _objects(lines: Iterable[str], *needed: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ConfigurationError(f"line {number} is not JSON: {error}") from error
        if not isinstance(found, dict) or not all(name in found for name in needed):
            raise ConfigurationError(f"line {number} lacks what it needs: {', '.join(needed)}")
        yield found
