"""Each way of writing parameters keeps their order, and the tenant's is never the caller's."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, StaticPool, bindparam, create_engine, text

from tenantguard import NoTenantError, RawSQLError, bind, bypass, guard
from tenantguard.sql import install
from tenantguard.sql.text import rewrite
from tests.sql.text.world import MINE, THEIRS, fill, tenancy

STYLES = ("qmark", "named", "numeric", "numeric_dollar")


@pytest.fixture(params=STYLES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Give an engine on SQLite with this paramstyle, guarded in rewrite mode."""
    made = create_engine("sqlite://", poolclass=StaticPool, paramstyle=request.param)
    fill(made, MINE, THEIRS)
    return guard(made, tenancy, raw_sql="rewrite")


@pytest.mark.parametrize(
    "given", [["open", THEIRS], [THEIRS, "open"], ["open"], [THEIRS, THEIRS, THEIRS, MINE]]
)
def test_an_expanded_list_leaves_the_tenant_in_its_place(engine: Engine, given: list[str]) -> None:
    """The values of an IN stand in the text before the tenant, and are numbered behind it."""
    query = text("SELECT id FROM calls WHERE status IN :given OR company_id IN :given")
    with bind(MINE), engine.connect() as connection:
        found = connection.execute(
            query.bindparams(bindparam("given", expanding=True)), {"given": given}
        ).scalars()
        assert all(key < 100 for key in found)


@pytest.mark.parametrize(
    ("sql", "given", "found"),
    [
        ("SELECT id FROM calls WHERE id > ? ORDER BY ?", (3, THEIRS), [4, 5]),
        ("SELECT id FROM calls WHERE id > :1 ORDER BY :2", (3, THEIRS), [4, 5]),
        ("SELECT id FROM calls WHERE id > ?1 AND id <> ?2 OR id = ?1", (3, 4), [3, 5]),
        ("SELECT id FROM calls WHERE id = ?2 OR id = ?1", (3, 4), [3, 4]),
        ("SELECT 10 * ?2 + ?1 + 0 * ?1", (3, 4), [43]),
        ("SELECT 10 * :2 + :1", (3, 4), [34]),
        ("SELECT id FROM calls WHERE id > :a", {"a": 3}, [4, 5]),
        ("SELECT id FROM calls WHERE id > @a AND id <> $b", {"a": 3, "b": 4}, [5]),
        ("SELECT id FROM calls c LEFT JOIN call_tags t ON t.tag = ? WHERE c.id = ?".replace("SELECT id", "SELECT c.id"),
         ("none", 2), [2]),
    ],
)  # fmt: skip
def test_a_text_for_the_driver_keeps_the_order_of_its_parameters(
    engine: Engine, sql: str, given: Any, found: list[int]
) -> None:
    """Whatever the paramstyle of the engine is, sqlite3 takes each way of writing them."""
    with bind(MINE), engine.connect() as connection:
        for _ in range(2):
            assert sorted(connection.exec_driver_sql(sql, given).scalars()) == found


@pytest.mark.parametrize("name", ["tenantguard", "tenantguardFROM", "tenantguard_0"])
def test_a_name_of_ours_is_no_parameter(engine: Engine, name: str) -> None:
    """A mapping for the driver may not hold it, whether the text does or not."""
    with bind(MINE), engine.connect() as connection, pytest.raises(RawSQLError, match="the guard's own"):
        connection.exec_driver_sql("SELECT id FROM calls WHERE id > :a", {"a": 0, name: THEIRS})


def test_a_name_of_ours_in_the_values_of_a_text_is_no_tenant(engine: Engine) -> None:
    """SQLAlchemy takes values by name; the tenant's is put in afterwards."""
    with bind(MINE), engine.connect() as connection:
        found = connection.execute(text("SELECT company_id FROM calls"), {"tenantguard": THEIRS}).scalars()
        assert set(found) == {MINE}


@pytest.mark.parametrize("shortcuts", [True, False])
def test_a_text_that_is_sent_again_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, shortcuts: bool
) -> None:
    """The short way serves whoever is bound now, and what needs more than a tenant goes the long way."""
    monkeypatch.setattr(install, "SHORTCUTS", shortcuts)
    made = create_engine("sqlite://", poolclass=StaticPool)
    fill(made, MINE, THEIRS)
    engine = guard(made, tenancy, raw_sql="rewrite")
    sql = "SELECT company_id FROM calls WHERE id > ?"
    with engine.connect() as connection:
        for tenant in (MINE, MINE, THEIRS, MINE, [MINE, THEIRS], MINE):
            with bind(tenant):
                found = set(connection.exec_driver_sql(sql, (0,)).scalars())
                assert found == ({tenant} if isinstance(tenant, str) else {MINE, THEIRS})
        with bypass(reason="test"):
            assert set(connection.exec_driver_sql(sql, (0,)).scalars()) == {MINE, THEIRS}
        with pytest.raises(RawSQLError, match="straight to the driver"):
            connection.exec_driver_sql(sql, (0,))
        with bind(MINE), pytest.raises(RawSQLError, match="1 parameters, and 2 were given"):
            connection.exec_driver_sql(sql, (0, 1))
        with bind(7), pytest.raises(NoTenantError, match="int"):
            connection.exec_driver_sql(sql, (0,))


@pytest.mark.parametrize(
    ("style", "own"), [("named", ":name"), ("pyformat", r"%\(name\)s"), ("format", "%s"), ("qmark", r"\?")]
)
def test_a_parameter_of_another_style_is_refused_with_how_to_write_it(style: str, own: str) -> None:
    """The refusal shows a parameter in the style of the text."""
    with pytest.raises(
        RawSQLError, match=f"'\\$', which begins no parameter here; write a parameter as {own}"
    ):
        rewrite("SELECT $1 FROM calls", tenancy=tenancy, dialect="postgresql", style=style)
