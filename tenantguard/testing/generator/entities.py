"""ORM reads: entities, joins along relationships, loader strategies, polymorphic loads, ``get``, legacy ``Query``."""

from __future__ import annotations

from collections.abc import Sequence

from tenantguard.testing.generator import expressions
from tenantguard.testing.generator.draft import Draft, Source
from tenantguard.testing.generator.elements import class_source, entity
from tenantguard.testing.generator.schema import ClassInfo, Relation

TO_ONE = ("selectinload", "joinedload", "lazyload", "subqueryload", "immediateload")


def entity_read(d: Draft) -> None:
    """Read objects and everything that their loader strategies bring."""
    root = _root(d)
    sources = [root]
    code = ""
    for _ in range(d.pick((0, 0, 1, 2))):
        code += _relationship_join(d, sources)
    wanted = [root.code]
    if len(sources) > 1 and d.chance(25):
        d.did("entity: several in a row")
        wanted.append(sources[-1].code)
    options, deep, collections = _loaders(d, root, sources)
    tail = _conditions(d, sources) + (f".options({', '.join(options)})" if options else "")
    if d.chance(10):
        d.did("query: legacy")
        return _legacy(d, root, wanted, code + tail, deep)
    tail, ordered = _order(d, root, sources, tail)
    statement = d.let("s", f"select({', '.join(wanted)}){code}{tail}")
    statement = _form(d, statement, root, plain=len(wanted) == 1 and not code and not collections)
    _observe(d, statement, len(wanted), deep, ordered=ordered, collections=collections)
    return None


def _form(d: Draft, statement: str, root: Source, *, plain: bool) -> str:
    """Return the statement, or now and then what asks for the same in another way."""
    if not plain or not d.chance(12):
        return statement
    if d.dialect != "sqlite" and d.chance(50):
        d.did("entity: for update")
        return f"{statement}.with_for_update(of={root.code})"
    if root.real and root.cls is not None and root.cls.base is None and not root.cls.subclasses:
        d.did("entity: from statement")
        return d.let("s", f"select({root.code}).from_statement({statement})")
    return statement


def _root(d: Draft) -> Source:
    cls = d.pick(list(d.schema.classes.values()))
    if cls.subclasses and d.chance(30):
        d.did("entity: with_polymorphic")
        code = d.let("a", f"with_polymorphic({cls.name}, '*')")
        return entity(d, cls, code)
    alias = d.chance(20)
    d.did("entity: alias" if alias else "entity: class")
    return class_source(d, cls, alias=alias)


def _relationship_join(d: Draft, sources: list[Source]) -> str:
    able = [(s, r) for s in sources if s.cls is not None for r in s.cls.relations]
    if not able:
        return ""
    source, relation = d.pick(able)
    target = class_source(d, d.schema.classes[relation.target], alias=True)
    how = d.pick(("join", "outerjoin", "join", "full"))
    if how == "full" and (d.dialect == "mysql" or relation.direction == "many_to_many"):
        how = "outerjoin"
    path = f"{source.code}.{relation.name}.of_type({target.code})"
    if how != "full" and d.chance(25):
        d.did("relationship: join with and_")
        col = d.pick([c for c in target.cols if c.kind != "other"])
        path += f".and_({col.code} == {d.literal(col)})"
    d.did(f"relationship: {how}")
    sources.append(target)
    return f".outerjoin({path}, full=True)" if how == "full" else f".{how}({path})"


def _conditions(d: Draft, sources: Sequence[Source]) -> str:
    return "".join(f".where({expressions.predicate(d, sources, 2)})" for _ in range(d.pick((0, 1, 1, 2))))


def _loaders(d: Draft, root: Source, sources: Sequence[Source]) -> tuple[list[str], list[str], bool]:
    """Return loader options, the relationships that the witness reads, and whether rows may repeat."""
    assert root.cls is not None
    options: list[str] = []
    deep: list[str] = []
    collections = False
    for relation in d.some([r for r in root.cls.relations if not r.dynamic], 0, 2):
        deep.append(relation.name)
        if not d.chance(80):
            continue
        loader = d.pick(
            ("selectinload", "joinedload", "lazyload", "subqueryload", "immediateload", "raiseload")
        )
        d.did(f"loader: {loader}")
        collections |= loader == "joinedload"
        options.append(_loader(d, root, relation, loader))
    options += _column_loaders(d, root)
    if not options and d.chance(10) and len(sources) > 1:
        d.did("loader: with_loader_criteria")
        col = next(c for c in sources[-1].cols if c.kind in ("int", "str"))
        cls = sources[-1].cls
        assert cls is not None
        name = col.code.rsplit(".", 1)[1]
        options.append(f"with_loader_criteria({cls.name}, {cls.name}.{name} != {d.literal(col)})")
    return options, deep, collections


def _loader(d: Draft, root: Source, relation: Relation, loader: str) -> str:
    path = f"{root.code}.{relation.name}"
    if loader in ("selectinload", "joinedload", "lazyload", "subqueryload") and d.chance(25):
        target = d.schema.classes[relation.target]
        name, info = d.pick([(n, c) for n, c in target.attributes if c.kind in ("int", "str")])
        d.did("loader: with and_")
        column = class_source(d, target, alias=False)
        col = next(c for c in column.cols if c.code == f"{target.name}.{name}" and c.info == info)
        path += f".and_({col.code} != {d.literal(col)})"
    code = (
        f"{loader}({path}, innerjoin=True)"
        if loader == "joinedload" and d.chance(15)
        else f"{loader}({path})"
    )
    more = [r for r in d.schema.classes[relation.target].relations if not r.dynamic]
    if loader in ("selectinload", "joinedload", "subqueryload") and more and d.chance(30):
        nested = d.pick(more)
        d.did("loader: nested")
        code += f".{d.pick(('selectinload', 'joinedload', 'subqueryload'))}({relation.target}.{nested.name})"
    return code


def _column_loaders(d: Draft, root: Source) -> list[str]:
    cls = root.cls
    assert cls is not None
    names = [name for name, info in cls.attributes if not info.primary and name != cls.discriminator]
    if names and d.chance(15):
        how = d.pick(("defer", "load_only"))
        d.did(f"loader: {how}")
        return [f"{how}({root.code}.{d.pick(names)})"]
    hidden = [*cls.deferred]
    if hidden and d.chance(30):
        d.did("loader: undefer")
        return [f"undefer({root.code}.{d.pick(hidden)})"]
    if cls.subclasses and d.chance(25) and not root.real:
        return []
    if cls.subclasses and d.chance(30):
        d.did("loader: selectin_polymorphic")
        return [f"selectin_polymorphic({cls.name}, [{', '.join(cls.subclasses)}])"]
    return []


def _order(d: Draft, root: Source, sources: Sequence[Source], tail: str) -> tuple[str, bool]:
    keys = [code for s in sources for code in (s.order or ())]
    if not d.chance(40):
        return tail, False
    tail += f".order_by({', '.join(keys)})"
    if d.chance(60):
        d.did("entity: limit")
        tail += f".limit({1 + d.upto(3)})" + (f".offset({d.upto(2)})" if d.chance(30) else "")
    return tail, True


def _observe(
    d: Draft, statement: str, width: int, deep: Sequence[str], *, ordered: bool, collections: bool
) -> None:
    how = "ordered=True" if ordered else "ordered=False"
    reads = f", deep={tuple(deep)!r}" if deep else ""
    stream = ""
    if not collections and d.chance(10):
        d.did("entity: yield_per")
        stream = ".execution_options(yield_per=2)"
    unique = ".unique()" if collections else ""
    call = f"db.scalars({statement}{stream})" if width == 1 else f"db.execute({statement}{stream})"
    d.body += ["with see:", f"    see({call}{unique}, {how}{reads})"]


def _legacy(d: Draft, root: Source, wanted: Sequence[str], code: str, deep: Sequence[str]) -> None:
    query = f"db.query({', '.join(wanted)}){code}"
    keys = ", ".join(root.order or ())
    reads = f", deep={tuple(deep)!r}" if deep else ""
    end = d.pick(
        (
            f"see({query}.all(){reads})",
            f"see({query}.count())",
            f"see({query}.order_by(None).order_by({keys}).limit(2).count())",
            f"see({query}.distinct().count())",
            f"see(db.query({query}.exists()).scalar())",
        )
    )
    d.body += ["with see:", f"    {end}"]


def get_read(d: Draft) -> None:
    """Ask for objects by key: an own one, another tenant's, the same twice, and what hangs on them."""
    cls = d.pick(list(d.schema.classes.values()))
    d.did("entity: get")
    key = f"{d.pick(('own', 'own', 'other'))}({cls.name!r}, {d.upto(3)})"
    relations = [r for r in cls.relations if not r.dynamic]
    deep = tuple(r.name for r in d.some(relations, 0, 2))
    reads = f", deep={deep!r}" if deep else ""
    options = ""
    eager = [r for r in relations if r.name in deep]
    if eager and d.chance(40):
        options = f", options=[{d.pick(TO_ONE)}({cls.name}.{eager[0].name})]"
    if d.chance(15):
        options += ", populate_existing=True"
    d.body += ["with see:", f"    see(db.get({cls.name}, {key}{options}){reads})"]
    if d.chance(40):
        d.did("entity: get again")
        d.body += ["with see:", f"    see(db.get({cls.name}, {key}){reads})"]
    to_one = [r for r in relations if not r.many]
    if d.chance(30) and to_one:
        _with_parent(d, cls, d.pick(to_one))


def _with_parent(d: Draft, cls: ClassInfo, relation: Relation) -> None:
    """Compare a relationship with an object that was loaded."""
    target = d.schema.classes[relation.target]
    d.did("relationship: compared with an object")
    d.body += [
        "with see:",
        f"    parent = db.get({target.name}, own({target.name!r}, {d.upto(2)}))",
        f"    see(db.scalars(select({cls.name}).where({cls.name}.{relation.name} == parent)))",
    ]
    back = [r for r in target.relations if r.many and r.target == cls.name]
    if back:
        d.did("relationship: with_parent and contains")
        d.body += [
            "with see:",
            f"    see(db.scalars(select({cls.name}).where(with_parent(parent, {target.name}.{back[0].name}))))",
            f"    child = db.get({cls.name}, own({cls.name!r}, {d.upto(2)}))",
            f"    see(db.scalars(select({target.name}).where({target.name}.{back[0].name}.contains(child))))",
        ]


def column_read(d: Draft) -> None:
    """Select columns of classes through the ORM."""
    if d.chance(10):
        _bundle(d)
        return
    query = d.query(d.pick((0, 1, 2, 3)))
    d.did("entity: columns")
    d.body += ["with see:", f"    see(db.execute({query.code}), ordered={query.ordered})"]


def _bundle(d: Draft) -> None:
    """Select columns bundled under one name."""
    source = class_source(d, d.pick(list(d.schema.classes.values())), alias=d.chance(30))
    d.did("entity: bundle")
    columns = ", ".join(c.code for c in d.some(source.cols, 1, 3))
    statement = d.let("s", f"select(Bundle('b', {columns})){_conditions(d, [source])}")
    d.body += ["with see:", f"    see(db.execute({statement}))"]


def eager_join_read(d: Draft) -> None:
    """Fill a relationship from a join of the statement itself."""
    able = [c for c in d.schema.classes.values() if any(not r.dynamic for r in c.relations)]
    if not able:
        column_read(d)
        return
    cls = d.pick(able)
    relation = d.pick([r for r in cls.relations if not r.dynamic])
    d.did("loader: contains_eager")
    root, target = class_source(d, cls, alias=False), d.schema.classes[relation.target]
    path, sources = f"{cls.name}.{relation.name}", [root]
    if d.chance(60) or target.name == cls.name:
        other = class_source(d, target, alias=True)
        sources.append(other)
        path += f".of_type({other.code})"
    join = f".{d.pick(('join', 'outerjoin'))}({path}){_conditions(d, sources)}"
    statement = d.let("s", f"select({cls.name}){join}.options(contains_eager({path}))")
    _observe(d, statement, 1, [relation.name], ordered=False, collections=True)
