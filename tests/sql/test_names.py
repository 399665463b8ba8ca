"""Names: what a predicate reads is the table, whatever aliases and CTEs of the user are called."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import CTE, Connection, false, func, insert, literal, select, true
from sqlalchemy.exc import OperationalError

from tenantguard import TenantGuardError, bind
from tests.models import Call, CallTag
from tests.sql.world import TABLES, World

MANAGERS, TAGS, NOTES = (TABLES[name] for name in ("managers", "call_tags", "tag_notes"))


def _own(connection: Connection, statement: Any) -> list[Any]:
    with bind("acme"):
        return sorted(connection.execute(statement).scalars())


def _calls(id_: int, name: str = "calls", **options: Any) -> CTE:
    """Return a CTE of that name, with a row that names the call and the tenant who asks."""
    return select(literal(id_).label("id"), literal("acme").label("company_id")).cte(name, **options)


@pytest.mark.parametrize("name", ["tenantguard_1", "tenantguard_2", "TenantGuard_1"])
def test_an_alias_may_have_the_name_of_ours(world: World, name: str) -> None:
    """A child of joined-table inheritance has a column of the same name as its base."""
    with world.engine.connect() as connection:
        plain = _own(connection, select(MANAGERS.c.id))
        assert _own(connection, select(MANAGERS.alias(name).c.id)) == plain
        assert plain
    with world.plain.connect() as connection:
        assert len(plain) < len(connection.execute(select(MANAGERS.c.id)).all())


@pytest.mark.parametrize("name", ["calls", "CALLS"])
@pytest.mark.parametrize("nesting", [True, False])
def test_a_cte_does_not_hide_a_parent(world: World, name: str, nesting: bool) -> None:
    """The tags of a call that a CTE forges stay out of sight, and the own ones in it."""
    with world.engine.connect() as connection:
        forged = _calls(101, name, nesting=nesting)
        expected = _own(connection, select(CallTag.id))
        assert _own(connection, select(TAGS.c.id).select_from(TAGS.join(forged, true()))) == expected


def test_a_cte_does_not_hide_a_joined_parent(world: World) -> None:
    """A join to the parent is no predicate where the parent's name means a CTE."""
    with world.engine.connect() as connection:
        joined = TAGS.join(Call.__table__, TAGS.c.call_id == Call.id)
        forged = select(_calls(101).c.id).exists()
        assert _own(connection, select(TAGS.c.id).select_from(joined).where(forged)) == []


def test_a_cte_does_not_hide_a_grandparent(world: World) -> None:
    """The chain is read from the tables, link by link."""
    with world.engine.connect() as connection:
        expected = _own(connection, select(NOTES.c.id))
        forged = select(literal(101).label("id"), literal(1).label("call_id")).cte("call_tags")
        assert _own(connection, select(NOTES.c.id).select_from(NOTES.join(forged, true()))) == expected


def test_a_cte_does_not_hide_the_parents_of_an_insert(world: World) -> None:
    """The look-up of a foreign key reads the table; to SQLite itself such a CTE reads itself."""
    nobody = select(Call.id, Call.company_id).where(false()).cte("calls")
    row = select(literal(9001), literal(101), literal("x")).where(~select(nobody.c.id).exists())
    statement = insert(TAGS).from_select(["id", "call_id", "tag"], row)
    refusal = OperationalError if world.backend == "sqlite" else TenantGuardError
    with world.engine.connect() as connection, bind("acme"), pytest.raises(refusal):
        connection.execute(statement)


def test_an_expression_written_twice_is_rendered_twice_the_same(world: World) -> None:
    """PostgreSQL groups by a subquery only where it stands word by word among the columns."""
    tags = select(func.count(CallTag.id)).where(CallTag.call_id == Call.id).scalar_subquery()
    statement = select(tags, func.count()).select_from(Call).group_by(tags)
    with world.engine.connect() as connection:
        calls = len(_own(connection, select(Call.id)))
        with bind("acme"):
            assert sum(row[1] for row in connection.execute(statement)) == calls
