"""Plans of Cerbos are rules of rows: allowed, denied, and on a condition."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, select

from tenantguard import ConfigurationError, Principal, Tenancy, bind, guard
from tenantguard.cerbos import cerbos_rule
from tests.servers import Database

model = pytest.importorskip("cerbos.sdk.model")
pytest.importorskip("cerbos_sqlalchemy")

metadata = MetaData()
calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("company_id", String(40), nullable=False),
    Column("owner_id", String(40)),
    Column("secret", Integer),
)
OWNER = {"variable": "request.resource.attr.owner"}
PLANS: dict[str, Any] = {
    "chief": {"kind": "KIND_ALWAYS_ALLOWED"},
    "guest": {"kind": "KIND_ALWAYS_DENIED"},
    "": {"kind": "KIND_CONDITIONAL", "condition": {"expression": {"operator": "eq", "operands": [OWNER]}}},
    "team": {
        "kind": "KIND_CONDITIONAL",
        "condition": {
            "expression": {
                "operator": "and",
                "operands": [
                    {"expression": {"operator": "in", "operands": [OWNER, {"value": ["ada", "bob"]}]}},
                    {
                        "expression": {
                            "operator": "not",
                            "operands": [
                                {
                                    "expression": {
                                        "operator": "gt",
                                        "operands": [
                                            {"variable": "request.resource.attr.secret"},
                                            {"value": 0},
                                        ],
                                    }
                                }
                            ],
                        }
                    },
                ],
            }
        },
    },
}


def _plan(principal: Principal) -> Any:
    """Answer as a decision point does, for a principal by their role."""
    found: Any = PLANS[next(iter(principal.permissions), "")]
    if not principal.permissions:
        operands = [OWNER, {"value": principal.subject}]
        found = {**found, "condition": {"expression": {"operator": "eq", "operands": operands}}}
    answer = {"requestId": "1", "action": "read", "resourceKind": "call", "policyVersion": "default"}
    return model.PlanResourcesResponse.from_dict({**answer, "filter": found})


@pytest.fixture
def engine(database: Database) -> Engine:
    """Give a guarded engine whose calls are shown as Cerbos says."""
    plain = database.create_engine()
    metadata.create_all(plain, checkfirst=False)
    rows = [(1, "acme", "ada", 0), (2, "acme", "bob", 1), (3, "acme", "eve", 0), (4, "globex", "ada", 0)]
    with plain.begin() as connection:
        for number, company, owner, secret in rows:
            row = {"id": number, "company_id": company, "owner_id": owner, "secret": secret}
            connection.execute(calls.insert(), row)
    attributes = {"request.resource.attr.owner": "owner_id", "request.resource.attr.secret": "secret"}
    rule = cerbos_rule(_plan, attributes)
    return guard(
        database.create_engine(), Tenancy(metadata, column="company_id", permissions={"calls": rule})
    )


@pytest.mark.parametrize(
    ("subject", "role", "expected"),
    [
        ("ada", None, [1]),
        ("bob", None, [2]),
        ("x' OR '1'='1", None, []),
        ("eve", "chief", [1, 2, 3]),
        ("eve", "guest", []),
        ("eve", "team", [1]),
    ],
)
def test_a_plan_says_which_rows_are_reached(
    engine: Engine, subject: str, role: str | None, expected: list[int]
) -> None:
    """Read by the table and by an alias, and changed: the rows of the plan, of the company that is bound."""
    permissions = frozenset({role} if role else ())
    other = calls.alias()
    with bind(Principal(subject, "acme", permissions)), engine.begin() as connection:
        assert list(connection.scalars(select(calls.c.id).order_by(calls.c.id))) == expected
        assert list(connection.scalars(select(other.c.id).order_by(other.c.id))) == expected
        assert connection.execute(calls.update().values(secret=calls.c.secret)).rowcount == len(expected)


def test_a_plan_that_joins_tables_is_refused_at_the_start() -> None:
    """A condition has no FROM of its own to join in."""
    with pytest.raises(ConfigurationError, match="without joins"):
        cerbos_rule(_plan, {}, table_mapping=[])


def test_an_attribute_that_is_not_mapped_sends_nothing(engine: Engine, database: Database) -> None:
    """The plan's error reaches the code."""
    tenancy = Tenancy(metadata, column="company_id", permissions={"calls": cerbos_rule(_plan, {})})
    bare = guard(database.create_engine(), tenancy)
    missing = pytest.raises(KeyError, match="Attribute does not exist")
    with bind(Principal("ada", "acme")), bare.connect() as connection, missing:
        connection.execute(select(calls))
