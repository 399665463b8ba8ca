"""Rows of the table: mapped classes, loads, and legacy query APIs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, lambda_stmt, select, union_all
from sqlalchemy.ext import baked
from sqlalchemy.orm import (
    Bundle,
    contains_eager,
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    polymorphic_union,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    with_expression,
    with_loader_criteria,
    with_parent,
    with_polymorphic,
)

from tests.models import Call, CallTag, Comment, Document, Employee, Invoice, Manager, Number, Order, User
from tests.sql.forms.extra import Box, Lorry, Page, Paper, Point, Size, Vehicle, boxes
from tests.sql.forms.form import Does, Group, Hands, plain

W, ON = Does.WHERE, Does.ON

MAPPINGS = Group("Mapped classes")
LOADS = Group("Loads and options")
QUERIES = Group("Other query APIs")


def _loaded(db: Hands, statement: Any, *attributes: str) -> Any:
    """Return objects with what their relationships hold."""
    found = db.session().scalars(statement).unique().all()
    return sorted((plain(one), tuple(plain(getattr(one, name)) for name in attributes)) for one in found)


MAPPINGS.add("renamed columns", "`mapped_column('other_name')`", W,
             lambda db: select(Paper.id, Paper.firm, Paper.title).where(Paper.title == "one"), "orm.mapped_column()")  # fmt: skip
MAPPINGS.add(
    "synonym", "`synonym()`", W, lambda db: select(Paper.id).where(Paper.name == "one"), "orm.synonym()"
)
MAPPINGS.add("composite", "`composite()`", W, lambda db: select(Paper.id, Paper.width).where(Paper.size == Size(2, 3)),
             "orm.composite()")  # fmt: skip
MAPPINGS.add("column_property", "`column_property(select())`", W,
             lambda db: select(Paper.id, Paper.page_count), "orm.column_property()")  # type: ignore[attr-defined]  # fmt: skip
MAPPINGS.add("hybrid", "`@hybrid_property`", W, lambda db: select(Paper.id, Paper.area).where(Paper.area > 1))
MAPPINGS.add("association proxy", "`association_proxy()`", W,
             lambda db: [sorted(p.texts) for p in db.session().scalars(select(Paper).where(Paper.texts.contains("second")))])  # fmt: skip
MAPPINGS.add("deferred columns", "`deferred()`, `undefer()`", W,
             lambda db: [p.body for p in db.session().scalars(select(Paper).order_by(Paper.id))],
             "orm.deferred()", "orm.undefer()", "orm.defer()", "orm.undefer_group()", ordered=True)  # fmt: skip
MAPPINGS.add("column filled by the query", "`query_expression()`, `with_expression()`", W,
             lambda db: select(Paper).options(with_expression(Paper.extra, select(func.count(Page.id)).scalar_subquery())),
             "orm.query_expression()", "orm.with_expression()")  # fmt: skip
MAPPINGS.add("view", "a class mapped to a view", W, lambda db: select(func.sum(_stats().seconds)))
MAPPINGS.add("composite keys", "two columns of a key, the tenant among them", W,
             lambda db: _loaded(db, select(Order).order_by(Order.id), "lines"))  # fmt: skip
MAPPINGS.add("joined inheritance, the base", "`select(Base)`", W, lambda db: _loaded(db, select(Employee)))
MAPPINGS.add("joined inheritance, the child", "`select(Child)`", W, lambda db: _loaded(db, select(Manager)))
MAPPINGS.add("joined inheritance, all at once", "`with_polymorphic()`", W,
             lambda db: _loaded(db, select(with_polymorphic(Employee, "*"))), "orm.with_polymorphic()")  # fmt: skip
MAPPINGS.add("joined inheritance, by key", "`selectin_polymorphic()`", W,
             lambda db: _loaded(db, select(Employee).options(selectin_polymorphic(Employee, [Manager]))),
             "orm.selectin_polymorphic()")  # fmt: skip
MAPPINGS.add("joined inheritance, aliased and flat", "`aliased(Child, flat=True)`", W, lambda db: _flat())
MAPPINGS.add("single-table inheritance", "`select(Child)` without a table of its own", W,
             lambda db: _loaded(db, select(Invoice)) + _loaded(db, select(Document)))  # fmt: skip
MAPPINGS.add(
    "concrete inheritance", "`polymorphic_union()`", W, lambda db: _concrete(), "orm.polymorphic_union()"
)
MAPPINGS.add("concrete inheritance, each class", "`select(Child)`", W,
             lambda db: select(Lorry.id, Lorry.load), "orm.relationship()")  # fmt: skip
MAPPINGS.add("MappedAsDataclass", "`class Model(MappedAsDataclass, Base)`", (W, Does.STAMPED),
             lambda db: [db.flush(_dataclass(db)), db.orm(select(Point.id, Point.company_id, Point.x))])  # fmt: skip
MAPPINGS.add("imperative mapping", "`registry.map_imperatively()`", (W, Does.STAMPED),
             lambda db: [db.flush(Box(id=900, **db.stamp)), db.orm(select(boxes.c.id, boxes.c.company_id))])  # fmt: skip
MAPPINGS.point(
    "automap", "`automap_base().prepare(engine)`", W, tests=("tests/sql/test_mappings.py::test_automap",)
)
MAPPINGS.point("SQLModel", "`class Model(SQLModel, table=True)`", (W, Does.STAMPED),
               tests=("tests/sql/test_mappings.py::test_sqlmodel",))  # fmt: skip


def _stats() -> Any:
    from tests.models import CallStats

    return CallStats


def _flat() -> Any:
    from sqlalchemy.orm import aliased

    head = aliased(Manager, flat=True)
    return select(head.id, head.name)


def _concrete() -> Any:
    tables = {"vehicle": Vehicle.__table__, "lorry": Lorry.__table__}
    both = polymorphic_union(tables, "kind", "both_")  # type: ignore[no-untyped-call]  # SQLAlchemy's
    return select(both.c.id, both.c.kind, both.c.wheels)


def _dataclass(db: Hands) -> Point:
    point = Point(id=900, x=9)
    if db.stamp:
        point.company_id = db.stamp["company_id"]
    return point


# -- loads ---------------------------------------------------------------------------------------------

_BY_ID = select(Call).order_by(Call.id)

LOADS.add("lazy", "`lazyload()`, on access", W, lambda db: _loaded(db, _BY_ID.options(lazyload("*")), "tags", "number"),
          "orm.lazyload()")  # fmt: skip
LOADS.add("joined", "`joinedload()`", (W, ON), lambda db: _loaded(db, _BY_ID.options(joinedload(Call.user)), "user"),
          "orm.joinedload()")  # fmt: skip
LOADS.add("joined, inner", "`joinedload(innerjoin=True)`", W,
          lambda db: _loaded(db, _BY_ID.options(joinedload(Call.number, innerjoin=True)), "number"))  # fmt: skip
LOADS.add("joined over an association table", "`joinedload(Model.many_to_many)`", (W, ON),
          lambda db: _loaded(db, _BY_ID.options(joinedload(Call.labels)), "labels"))  # fmt: skip
LOADS.add("joined with a limit", "`joinedload()` and `.limit()`", (W, ON),
          lambda db: _loaded(db, _BY_ID.limit(2).options(joinedload(Call.tags)), "tags"))  # fmt: skip
LOADS.add("select in", "`selectinload()`", W, lambda db: _loaded(db, _BY_ID.options(selectinload(Call.labels)), "labels"),
          "orm.selectinload()")  # fmt: skip
LOADS.add("subquery", "`subqueryload()`", W, lambda db: _loaded(db, _BY_ID.options(subqueryload(Call.tags)), "tags"),
          "orm.subqueryload()")  # fmt: skip
LOADS.add("immediate", "`immediateload()`, `defaultload()`", W,
          lambda db: _loaded(db, _BY_ID.options(immediateload(Call.comments), defaultload(Call.comments).defer(Comment.body)), "comments"),
          "orm.immediateload()", "orm.defaultload()")  # fmt: skip
LOADS.add("from a join in the query", "`contains_eager()`", W,
          lambda db: _loaded(db, _BY_ID.join(Call.tags).options(contains_eager(Call.tags)), "tags"), "orm.contains_eager()")  # fmt: skip
LOADS.add("some columns", "`load_only()`, `defer()`", W,
          lambda db: _loaded(db, _BY_ID.options(load_only(Call.note), defer(Call.seconds)), "seconds"), "orm.load_only()")  # fmt: skip
LOADS.add("criteria from the application", "`with_loader_criteria(Paper, ~Paper.deleted)`", W,
          lambda db: _loaded(db, select(Paper).options(with_loader_criteria(Paper, Paper.deleted.is_(False))), "pages"),
          "orm.with_loader_criteria()")  # fmt: skip
LOADS.add("criteria of a relationship", "`Model.many.and_()`", W,
          lambda db: _loaded(db, _BY_ID.options(selectinload(Call.tags.and_(CallTag.tag == "sale"))), "tags"))  # fmt: skip
LOADS.add("children of an object", "`with_parent()`", W, lambda db: _children(db), "orm.with_parent()")
LOADS.add("write-only collection", "`WriteOnlyMapped`, `.select()`", W, lambda db: _write_only(db))
LOADS.add(
    "by key", "`session.get()`", W, lambda db: plain([db.session().get(Call, 1), db.session().get(Call, 101)])
)
LOADS.add("refresh", "`session.refresh()`", W, lambda db: _refreshed(db))
LOADS.add("merge", "`session.merge()`", W, lambda db: plain([db.session().merge(Call(id=1, note="merged"))]))
LOADS.add("in chunks", "`yield_per`, `.partitions()`", W,
          lambda db: [len(part) for part in db.session().scalars(_BY_ID.execution_options(yield_per=2)).partitions()],
          "Query.yield_per", ordered=True)  # fmt: skip
LOADS.add(
    "server-side cursor",
    "`stream_results`",
    W,
    lambda db: _BY_ID.execution_options(stream_results=True),
    ordered=True,
)
LOADS.add(
    "a bundle", "`Bundle()`", W, lambda db: select(Bundle("b", Call.id, Call.note)), "Bundle", "DictBundle"
)
LOADS.add("a versioned row", "`version_id_col`", (W,), lambda db: _versioned(db))


def _children(db: Hands) -> Any:
    session = db.session()
    call = session.get(Call, 1)
    return plain(session.scalars(select(CallTag).where(with_parent(call, Call.tags))).all())


def _write_only(db: Hands) -> Any:
    session = db.session()
    paper = session.get(Paper, 1)
    return plain(session.scalars(paper.more_pages.select()).all())


def _refreshed(db: Hands) -> Any:
    session = db.session()
    call = session.get(Call, 1)
    session.expire(call)
    session.refresh(call)
    return plain([call])


def _versioned(db: Hands) -> Any:
    session = db.session()
    paper = session.get(Paper, 1)
    paper.title = "changed"
    session.flush()
    return paper.version


# -- other ways to ask -----------------------------------------------------------------------------------

QUERIES.add("Query", "`session.query(Model)`", W, lambda db: plain(db.session().query(Call).filter(Call.seconds > 10).all()),
            "Query", "RowReturningQuery", "Query.all", "Query.filter", "Query.filter_by", "Query.where")  # fmt: skip
QUERIES.add(
    "Query, counted", "`.count()`, `.exists()`", W, lambda db: _counts(db), "Query.count", "Query.exists"
)
QUERIES.add("Query, by key", "`.get()`, `.first()`, `.one()`", W, lambda db: _firsts(db), "Query.first", "Query.one",
            "Query.one_or_none", "Query.scalar", "Query.get", "Query.value")  # fmt: skip
QUERIES.add("Query, joined", "`.join()`, `.options()`", W,
            lambda db: plain(db.session().query(Call, Number).join(Call.number).order_by(Call.id).all()),
            "Query.join", "Query.outerjoin", "Query.options", "Query.select_from", "Query.order_by")  # fmt: skip
QUERIES.add("Query, set operations", "`.union()`", W, lambda db: _unions(db), "Query.union", "Query.union_all",
            "Query.intersect", "Query.intersect_all", "Query.except_", "Query.except_all")  # fmt: skip
QUERIES.add("Query, nested", "`.subquery()`, `.cte()`", W, lambda db: _subqueries(db), "Query.subquery", "Query.cte",
            "Query.scalar_subquery", "Query.as_scalar", "Query.label")  # fmt: skip
QUERIES.add("Query, UPDATE", "`.update()`", W,
            lambda db: db.session().query(Call).filter(Call.seconds > 0).update({"note": "q"}, synchronize_session="fetch"),
            "Query.update")  # fmt: skip
QUERIES.add("Query, DELETE", "`.delete()`", W,
            lambda db: db.session().query(Page).delete(synchronize_session=False), "Query.delete")  # fmt: skip
QUERIES.add("lambda_stmt", "`lambda_stmt(lambda: select())`", W, lambda db: _lambda(1), "lambda_stmt()", "LambdaElement",
            "StatementLambdaElement", "LinkedLambdaElement", "DeferredLambdaElement", "NullLambdaStatement")  # fmt: skip
QUERIES.add("baked query", "`bakery(lambda session: session.query())`", W, lambda db: _baked(db))
QUERIES.add("objects from a Core statement", "`select(Model).from_statement(union_all())`", W,
            lambda db: select(User).from_statement(union_all(select(User), select(User).where(User.id < 0))))  # fmt: skip


def _counts(db: Hands) -> Any:
    query = db.session().query(Call)
    return query.count(), db.session().query(query.filter(Call.id == 101).exists()).scalar()


def _firsts(db: Hands) -> Any:
    query = db.session().query(Call)
    return plain(
        [
            query.order_by(Call.id.desc()).first(),
            query.filter_by(id=1).one(),
            query.filter_by(id=101).one_or_none(),
        ]
    )


def _unions(db: Hands) -> Any:
    query = db.session().query(Call.id)
    return plain(query.filter(Call.id == 1).union(query.filter(Call.id > 1)).all())


def _subqueries(db: Hands) -> Any:
    inner = db.session().query(Call.id, Call.number_id).subquery()
    return plain(db.session().query(Number.id, inner.c.id).join(inner, inner.c.number_id == Number.id).all())


def _lambda(least: int) -> Any:
    statement = lambda_stmt(lambda: select(Call))
    statement += lambda s: s.where(Call.id > least)
    return statement


_bakery: Any = baked.bakery()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def _baked(db: Hands) -> Any:
    query = _bakery(lambda session: session.query(Call))
    query += lambda q: q.order_by(Call.id)
    return plain(query(db.session()).all())
