"""Permissions hold for each row of the table of statement forms: what it reads and writes takes them, whatever it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Engine, event

from tenantguard import PermissionDeniedError, Principal, RawSQLError, bind, guard
from tests.models import TENANTS
from tests.servers import Backend, Database
from tests.sql.forms.form import Does, Form
from tests.sql.forms.table import GROUPS
from tests.sql.forms.world import TABLES, everybody, fill, hands_on, make_tenancy, outcome

LINE = ".".join(sqlalchemy.__version__.split(".")[:2])
FORMS = [
    pytest.param(form.on[0], form, id=f"{form.on[0]}-{form.name}")
    for group in GROUPS
    for form in group.forms
    if Does.REFUSED not in form.does and LINE in form.lines
]
_WRITES = re.compile(r"(?<!FOR )(?<!KEY )\b(?:INSERT|UPDATE|DELETE)\b")  # row locks are none
NAMES = [table.fullname for table in TABLES]
READ = frozenset(f"{name}:read" for name in NAMES)
WRITE = frozenset(f"{name}:write" for name in NAMES)


@dataclass
class World:
    """Engines on the rows of three tenants: with permissions, with rules of rows, and with no row at all."""

    backend: Backend
    permitted: Engine
    ruled: Engine
    empty: Engine


def _rule(principal: Principal, table: Any) -> Any:
    if "nothing" in principal.permissions:
        return False
    (key, *_) = table.primary_key
    return key.is_distinct_from(principal.claims.get("not_this"))


@pytest.fixture(scope="module")
def worlds(make_database: Callable[[Backend, str], Database]) -> Iterator[Callable[[Backend], World]]:
    """Return what makes the engines of a kind of database, once for all tests of this module."""
    made: dict[Backend, World] = {}
    rules = dict.fromkeys(NAMES, _rule)
    names = {name: {"read": f"{name}:read", "write": f"{name}:write"} for name in NAMES}

    def make(backend: Backend) -> World:
        if backend not in made:
            full, empty = (make_database(backend, name) for name in ("permitted", "permitted_none"))
            options: dict[str, Any] = {"paramstyle": "named"} if backend == "sqlite" else {}
            for database, tenants in ((full, TENANTS), (empty, ())):
                engine = database.create_engine()
                fill(engine, backend, tenants)
                engine.dispose()
            made[backend] = World(
                backend,
                guard(full.create_engine(**options), make_tenancy(permissions=names), raw_sql="rewrite"),
                guard(full.create_engine(**options), make_tenancy(permissions=rules), raw_sql="rewrite"),
                empty.create_engine(**options),
            )
        return made[backend]

    yield make
    for world in made.values():
        for engine in (world.permitted, world.ruled, world.empty):
            engine.dispose()


def _run(
    engine: Engine, backend: Backend, form: Form, *permissions: str, rows: bool = False
) -> tuple[Any, list[Any], Any]:
    """Return what a form gives whoever has the permissions, what was sent, and every row afterwards."""
    sent: list[Any] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    with hands_on(engine, {}, backend) as hands:
        event.listen(engine, "before_cursor_execute", note)
        try:
            with bind(Principal("ada", "acme", frozenset(permissions))):
                found = outcome(form.run, hands)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        if not rows:
            return found, sent, None
        return found, sent, everybody(hands.connection)


def _tables_of(sent: list[Any]) -> set[str]:
    text = " ".join(statement for statement, _ in sent)
    return {name for name in NAMES if name in text}


@pytest.mark.parametrize(("backend", "form"), FORMS)
def test_a_form_takes_the_permissions_of_its_tables(worlds: Any, backend: Backend, form: Form) -> None:
    """Whoever has all is served; nobody else is, unless no table was named; and readers write nothing."""
    world: World = worlds(backend)
    _, sent, _ = _run(world.permitted, backend, form, *READ, *WRITE)
    if not _tables_of(sent):
        return
    with pytest.raises(PermissionDeniedError, match="ada lacks a permission"):
        _run(world.permitted, backend, form)
    if any(_WRITES.search(statement) for statement, _ in sent):
        with pytest.raises(PermissionDeniedError, match="write of"):
            _run(world.permitted, backend, form, *READ)


@pytest.mark.parametrize(("backend", "form"), FORMS)
def test_a_form_carries_the_rules_of_its_tables(worlds: Any, backend: Backend, form: Form) -> None:
    """A rule that hides nothing changes nothing; one that hides all leaves what an empty database gives."""
    world: World = worlds(backend)
    found, sent, after = _run(world.permitted, backend, form, *READ, *WRITE, rows=True)
    try:
        ruled = _run(world.ruled, backend, form, rows=True)
    except RawSQLError:  # text, which cannot carry a rule
        assert Does.WHERE not in form.does or "text" in form.name
        return
    except PermissionDeniedError as error:
        _assert_unread(str(error))
        return
    if (
        form.name == "ON DUPLICATE KEY UPDATE"
    ):  # MariaDB counts a changed row twice, unless the rows are returned
        assert (ruled[0], found) == (1, 2)
        found = 1
    assert (_plain(form, ruled[0]), ruled[2]) == (_plain(form, found), after)
    if any(_WRITES.search(statement) for statement, _ in sent):
        _assert_untouched(world, form)
    else:
        assert _told(world.ruled, backend, form, "nothing") == _told(world.empty, backend, form)


def _assert_unread(told: str) -> None:
    """Assert that a write was refused because what it stores cannot be read back."""
    assert "may store a row" in told
    assert "what SQL text stores" in told or "inside another statement" in told


def _assert_untouched(world: World, form: Form) -> None:
    with hands_on(world.ruled, {}, world.backend) as hands:
        before = everybody(hands.connection)
        with bind(Principal("ada", "acme", frozenset({"nothing"}))), suppress(Exception):
            outcome(form.run, hands)
        hands.close()
        after = everybody(hands.connection)
    assert {name: [row for row in rows if row not in after[name]] for name, rows in before.items()} == {
        name: [] for name in before
    }


def _told(engine: Engine, backend: Backend, form: Form, *permissions: str) -> Any:
    """Return what a form gives, or the error that it raises."""
    try:
        if permissions:
            return _plain(form, _run(engine, backend, form, *permissions)[0])
        with hands_on(engine, {"company_id": "acme"}, backend) as hands:
            return _plain(form, outcome(form.run, hands))
    except Exception as error:
        return type(error).__name__


def _plain(form: Form, found: Any) -> Any:
    return found if form.ordered or not isinstance(found, list | tuple) else sorted(found, key=repr)
