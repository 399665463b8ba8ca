"""Policies as PostgreSQL writes them out: which of them hold a table to the tenant."""

from __future__ import annotations

import pytest

from tenantguard.sql.servers.policies import restricts
from tests.sql.text.world import tenancy

CALLS = tenancy.find_key((None, "calls"))
TAGS = tenancy.find_key((None, "call_tags"))
TOLD = "current_setting('tenantguard.tenant'::text, true)"


@pytest.mark.parametrize(
    "expression",
    [
        f"((company_id)::text = {TOLD})",
        f"({TOLD} = (company_id)::text)",
        f"(company_id = (NULLIF({TOLD}, ''::text))::integer)",
        f"(company_id = ( SELECT {TOLD} AS current_setting))",
        f"(((company_id)::text = {TOLD}) AND (mins > 1))",
        f"((mins > 1) AND ((status IS NULL) OR (status = 'x')) AND (company_id = {TOLD}))",
        f"(company_id = pg_catalog.{TOLD})",
        f"(company_id = ({TOLD})::character varying)",
        f"(((company_id)::text = ( SELECT {TOLD})) AND (company_id = ( SELECT ({TOLD})::bpchar)))",
    ],
)
def test_a_policy_that_asks_for_the_tenant_holds(expression: str) -> None:
    """The column equals the setting, on every row that the policy lets through."""
    assert restricts(expression, CALLS)
    assert restricts(expression, None)


@pytest.mark.parametrize(
    "expression",
    [
        None,
        "true",
        "(",
        "(status = 'open')",
        f"((company_id = {TOLD}) OR (mins > 1))",
        f"(NOT (company_id = {TOLD}))",
        f"(company_id <> {TOLD})",
        f"(status = {TOLD})",
        f"(company_id = COALESCE({TOLD}, company_id))",
        f"(company_id = lower({TOLD}))",
        f"(company_id = ({TOLD} || ''::text))",
        f"(company_id = CASE WHEN true THEN company_id ELSE {TOLD} END)",
        f"(company_id = ( SELECT {TOLD} FROM numbers))",
        "(company_id = current_setting('app.tenant'::text, true))",
        f"((company_id = {TOLD}) IS NOT NULL)",
        f"((company_id = {TOLD}) = false)",
        f"(company_id = ANY (ARRAY[{TOLD}, 'public'::text]))",
        f"(company_id = ( SELECT ({TOLD})::bpchar AS current_setting))",
        f"(company_id = ({TOLD})::name)",
        f'(company_id = ({TOLD})::"char")',
    ],
)
def test_a_policy_that_lets_more_through_does_not(expression: str | None) -> None:
    """An alternative, a default, another column or another setting is no hold."""
    assert not restricts(expression, CALLS)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("(EXISTS ( SELECT 1 FROM calls c WHERE (c.id = call_tags.call_id)))", True),
        ("(EXISTS ( SELECT 1 FROM calls c WHERE ((c.id = call_tags.call_id) AND (c.mins > 0))))", True),
        ("(EXISTS ( SELECT calls.id FROM calls WHERE (call_tags.call_id = calls.id)))", True),
        ("(call_id IN ( SELECT calls.id FROM calls))", True),
        ("(EXISTS ( SELECT 1 FROM calls c))", False),
        ("(EXISTS ( SELECT 1 FROM calls c WHERE ((c.id = call_tags.call_id) OR true)))", False),
        ("(EXISTS ( SELECT 1 FROM numbers c WHERE (c.id = call_tags.call_id)))", False),
        ("(EXISTS ( SELECT 1 FROM calls c WHERE (c.id = call_tags.id)))", False),
        ("(EXISTS ( SELECT 1 FROM calls c WHERE (c.id = c.call_id)))", False),
        ("(NOT (EXISTS ( SELECT 1 FROM calls c WHERE (c.id = call_tags.call_id))))", False),
        ("(call_id IN ( SELECT calls.mins FROM calls))", False),
        ("(call_id IN ( SELECT calls.id FROM calls UNION SELECT numbers.id FROM numbers))", False),
        (f"(tag = {TOLD})", False),
    ],
)
def test_a_through_table_is_held_by_its_parent(expression: str, holds: bool) -> None:
    """The policy asks that the parent of the key is seen, whose own policy holds it to the tenant."""
    assert restricts(expression, TAGS) is holds


@pytest.mark.parametrize("type_", ["character varying(3)", "character(1)", '"char"', "integer", "citext"])
def test_a_cast_that_makes_two_tenants_one_is_no_hold(type_: str) -> None:
    """A column that is cut short, or read as another kind of value, equals the setting for other tenants too."""
    assert not restricts(f"((company_id)::{type_} = {TOLD})", CALLS)


@pytest.mark.parametrize(
    ("source", "holds"), [("public.calls", True), ("archive.calls", False), ("calls", False)]
)
def test_a_parent_is_of_its_own_schema(source: str, holds: bool) -> None:
    """PostgreSQL is asked to write out each schema, and the parent's is the default one."""
    expression = f"(EXISTS ( SELECT 1 FROM {source} c WHERE (c.id = call_tags.call_id)))"
    assert restricts(expression, TAGS, "public") is holds


def test_an_aggregate_is_seen_whatever_is_there() -> None:
    """EXISTS of one is true of every row."""
    assert not restricts(
        "(EXISTS ( SELECT count(*) AS n FROM calls c WHERE (c.id = call_tags.call_id)))", TAGS
    )
