"""The shapes that the generated programs of a test run have to cover, and a run of few programs that covers them."""

from __future__ import annotations

from collections import Counter

from tenantguard.testing.campaign import Tally, prove
from tenantguard.testing.generator.choices import Recorded
from tenantguard.testing.generator.programs import write
from tenantguard.testing.oracle import Oracle
from tenantguard.testing.relations import RowSecurity


def _listed(text: str) -> frozenset[str]:
    return frozenset(shape for line in text.strip().splitlines() for shape in line.split("|"))


EVERYWHERE = _listed("""
join: inner|join: left|join: right|join: cross|join: comma list|join: self|join: nested on the right
join: predicate in on|relationship: join|relationship: outerjoin|relationship: join with and_
from: table alias|from: aliased class|from: subquery|from: cte|from: cte alias|from: cte referred to again
from: recursive cte|from: values|from: class over a subquery|from: with_polymorphic
subquery: scalar|subquery: exists|subquery: in|subquery: tuple in|subquery: correlated|subquery: in where
subquery: in the select list|subquery: in having|subquery: in order by|subquery: in on
set operation: union|set operation: union_all|set operation: intersect|set operation: except
set operation: nested|set operation: limit
select: aggregate|select: group by|select: having|select: window|select: distinct|select: limit
expression: case|expression: function|expression: column_property
relationship: any|relationship: has|relationship: of_type|relationship: is none
relationship: with_parent and contains|relationship: compared with an object
loader: selectinload|loader: joinedload|loader: subqueryload|loader: lazyload|loader: immediateload|loader: raiseload
loader: nested|loader: with and_|loader: defer|loader: load_only|loader: undefer|loader: selectin_polymorphic
loader: with_loader_criteria|loader: contains_eager
entity: class|entity: alias|entity: several in a row|entity: with_polymorphic|entity: limit|entity: from statement
entity: get|entity: get again|entity: yield_per|entity: columns|entity: bundle|query: legacy
core: rows of one table|core: scalar of a count over it
insert: one|insert: many|insert: values list|insert: subquery|insert: class|insert: class returning
insert: from select|insert: from cte|insert: upsert|insert: upsert of many|insert: returning
update: plain|update: from|update: subquery|update: executemany|update: bulk by key
update: class plain|update: class from|update: class subquery
synchronize_session: 'evaluate'|synchronize_session: 'fetch'|synchronize_session: False
delete|delete: class|delete: returning
write: tenant said|write: moved to another parent|write: another tenant's parent|write: another tenant's key
unit: add|unit: add_all|unit: change|unit: change by expression|unit: another parent|unit: parent taken away
unit: new child|unit: moved between collections|unit: delete|unit: delete cascades|unit: orphans removed|unit: merge
unit: appended, one to many|unit: appended, many to many|unit: clear, one to many|unit: clear, many to many
unit: pop, one to many|unit: pop, many to many|unit: empty list, one to many|unit: empty list, many to many
unit: refresh|unit: expire|unit: expire_all|unit: expunge|unit: expunge_all|unit: flush|unit: autoflush|unit: commit
unit: rollback|unit: savepoint, commit|unit: savepoint, rollback
unit: bulk_save_objects|unit: bulk_insert_mappings|unit: bulk_update_mappings
""")
CONFLICT = _listed(
    "insert: on conflict do nothing|insert: on conflict do update|update: returning|join: full"
)
POSTGRESQL = _listed("""
select: distinct on|select: ordered-set aggregate|from: lateral|from: tablesample|from: nested cte
cte: insert|cte: update|cte: delete
""")
LARGER = _listed("subquery: any|subquery: all|select: group by key|delete: using|entity: for update")
BY_BACKEND = {
    "sqlite": EVERYWHERE | CONFLICT | {"from: table-valued function"},
    "postgresql": EVERYWHERE | CONFLICT | POSTGRESQL | LARGER | {"from: table-valued function"},
    "mariadb": EVERYWHERE | LARGER,
}


def proven(
    oracle: Oracle,
    among: int,
    *,
    seed: int,
    times: int = 1,
    only: str | None = None,
    security: RowSecurity | None = None,
) -> Tally:
    """Run those of a seed's programs that bring a shape which was not run often enough before them.

    To write a program takes a hundredth of what it takes to run it, and the same ones are run each time.

    Args:
        among: how many programs are written.
        times: how often each shape is to be run, where there are as many programs with it.
    """
    total, seen = Tally(), Counter[str]()
    for number in range(among):
        shapes = write(Recorded(seed, number), oracle.schema, oracle.data, oracle.dialect, only).shapes
        if any(seen[shape] < times for shape in shapes):
            seen.update(shapes)
            total.merge(prove(oracle, programs=1, start=number, seed=seed, only=only, security=security))
    return total
