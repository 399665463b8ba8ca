"""Relationship operators: any, has, contains, comparison with an object, of_type."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tenantguard.testing.generator.draft import Draft, Source
from tenantguard.testing.generator.elements import class_source

Predicate = Callable[[Draft, Sequence[Source], int], str]


def relationship_predicate(d: Draft, sources: Sequence[Source], depth: int, predicate: Predicate) -> str:
    """Return ``any``/``has`` on a relationship of a class in sight, or a comparison with NULL."""
    able = [s for s in sources if s.cls is not None and s.cls.relations]
    source = d.pick(able)
    assert source.cls is not None
    relation = d.pick(source.cls.relations)
    path = f"{source.code}.{relation.name}"
    how = "any" if relation.many else "has"
    d.budget -= 1
    if not relation.many and d.chance(15):
        d.did("relationship: is none")
        return f"{path} {d.pick(('==', '!='))} None"
    d.did(f"relationship: {how}")
    if not d.chance(70):
        return f"{path}.{how}()"
    if d.chance(30):
        target = class_source(d, d.schema.classes[relation.target], alias=True)
        d.did("relationship: of_type")
        return f"{path}.of_type({target.code}).{how}({predicate(d, [target], depth - 1)})"
    inner = class_source(d, d.schema.classes[relation.target], alias=False)
    simple = [c for c in inner.cols if c.kind != "other"]
    col = d.pick(simple)
    return f"{path}.{how}({col.code} == {d.literal(col)})"
