"""Rows of the table: foreign keys and the tenant column, on every path that sets them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, bindparam, case, func, insert, literal, null, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tests.models import (
    Call,
    CallTag,
    Comment,
    Label,
    Number,
    OrderLine,
)
from tests.sql.forms import extra
from tests.sql.forms.extra import Defaulted, Linked, Paper, Touched
from tests.sql.forms.form import Does, Group, Hands, plain
from tests.sql.forms.reading import T, calls, numbers, tags
from tests.sql.forms.writing import new_number

W, CONFLICT, STAMPED, CHECKED = Does.WHERE, Does.CONFLICT, Does.STAMPED, Does.CHECKED
_c, _n = calls.c, numbers.c
B = "globex"
DEFAULTED, LINKED, TOUCHED = (extra.metadata.tables[name] for name in ("defaulted", "linked", "touched"))

KEYS = Group("Foreign keys")
TENANT = Group("The tenant column")


def _row(db: Hands) -> dict[str, Any]:
    return {"country_code": "DE", "seconds": 1, "note": "", **db.stamp}


def _call(db: Hands, **values: Any) -> dict[str, Any]:
    return {"id": 900, "number_id": 1, "country_code": "DE", "seconds": 1, "note": "", **db.stamp, **values}


KEYS.add("a key of a new row", "`insert().values(parent_id=...)`", (STAMPED, CHECKED), lambda db: insert(calls).values(**_call(db)),
         attacks=(lambda db: insert(calls).values(**_call(db, number_id=101)),
                  lambda db: db.rows(insert(calls), [_call(db, company_id="acme"), _call(db, id=901, company_id="acme", number_id=101)]),
                  lambda db: insert(calls).values([_call(db), _call(db, id=901, number_id=101)])))  # fmt: skip
KEYS.add("a key of a changed row", "`update().values(parent_id=...)`", (W, CHECKED), lambda db: update(calls).values(number_id=2),
         attacks=(lambda db: update(calls).values(number_id=101),
                  lambda db: db.rows(update(calls).where(_c.id == bindparam("k")).values(number_id=bindparam("n")), [{"k": 1, "n": 101}]),
                  lambda db: db.orm(update(Call), [{"id": 1, "number_id": 101}])))  # fmt: skip
KEYS.add("a key of a new row by an expression", "`insert().values(parent_id=select())`", (W, STAMPED, CHECKED),
         lambda db: insert(calls).values(**_call(db, number_id=select(func.max(_n.id)).scalar_subquery())),
         attacks=(lambda db: insert(calls).values(**_call(db, number_id=literal(100, Integer) + 1)),
                  lambda db: db.rows(insert(calls).values(number_id=bindparam("n", type_=Integer) + 100),
                                     [{**_row(db), "id": 900, "n": 1}, {**_row(db), "id": 901, "n": 1}])))  # fmt: skip
KEYS.add("a key of a changed row by an expression", "`update().values(parent_id=select())`", (W, CHECKED),
         lambda db: update(calls).values(number_id=select(func.max(_n.id)).scalar_subquery()),
         attacks=(lambda db: update(calls).values(number_id=_c.number_id + 100),
                  lambda db: update(calls).values(number_id=literal(100) + 1),
                  lambda db: db.rows(update(calls).where(_c.id == bindparam("k")).values(number_id=bindparam("n", type_=Integer) + 100),
                                     [{"k": 2, "n": -99}, {"k": 1, "n": 1}]),
                  lambda db: update(calls).values(number_id=case((_c.id == 1, 101), else_=1))))  # fmt: skip
KEYS.add("a key and a condition by expressions, on MariaDB", "`update().where(func...).values(parent_id=select())`", Does.REFUSED,
         lambda db: update(calls).where(func.rand() < 2).values(number_id=select(func.max(_n.id)).scalar_subquery()), on=("mariadb",),
         why="this database's UPDATE does not return what it stored")  # fmt: skip
KEYS.add("a key by an expression in a writing CTE", "`insert().values(parent_id=select()).cte()`", Does.REFUSED,
         lambda db: select(insert(calls).values(**_call(db, number_id=literal(1, Integer) + 0)).returning(_c.id).cte("made")),
         on=("postgresql",), why="inside another statement what is stored cannot be read back")  # fmt: skip
KEYS.add("a key from a select", "`.from_select([..., 'parent_id'], select())`", (W, STAMPED, CHECKED),
         lambda db: _comments_from(db, _c.id),
         attacks=(lambda db: _comments_from(db, _c.id + 100),
                  lambda db: insert(tags).from_select(["id", "call_id", "tag"], select(_c.id + 900, literal(101), _c.note)),
                  lambda db: insert(T["call_labels"]).from_select(["call_id", "label_id"], select(_c.id, literal(101)))))  # fmt: skip
KEYS.add("a key in an INSERT in a CTE", "`insert().values(parent_id=...).cte()`", (STAMPED, CHECKED),
         lambda db: select(insert(calls).values(**_call(db)).returning(_c.id).cte("made")), on=("postgresql",),
         attacks=(lambda db: select(insert(calls).values(**_call(db, number_id=101)).returning(_c.id).cte("made")),))  # fmt: skip
KEYS.add("an association row", "`insert(secondary)`, `a.many.append(b)`", (W, CHECKED), lambda db: _associated(db),
         attacks=(lambda db: insert(T["call_labels"]).values(call_id=3, label_id=101),
                  lambda db: insert(T["call_labels"]).values(call_id=101, label_id=2),
                  lambda db: db.rows(insert(T["call_labels"]), [{"call_id": 3, "label_id": 1}, {"call_id": 3, "label_id": 101}]),
                  lambda db: update(T["call_labels"]).where(T["call_labels"].c.call_id == 1, T["call_labels"].c.label_id == 1).values(label_id=102)))  # fmt: skip
KEYS.add("a key of a unit of work", "`session.add(Child(parent_id=...))`", (STAMPED, CHECKED), lambda db: db.flush(Call(**_call(db))),
         attacks=(lambda db: db.flush(Call(**_call(db, number_id=101))),
                  lambda db: db.flush(CallTag(id=900, call_id=101, tag="x")),
                  lambda db: db.session().bulk_save_objects([Call(**_call(db, number_id=101))])))  # fmt: skip
KEYS.add("a merged object", "`session.merge(Child(parent_id=...))`", (W, CHECKED), lambda db: _merged(db, 1),
         attacks=(lambda db: _merged(db, 101), lambda db: _merged_stub(db)))  # fmt: skip
KEYS.add("a key to the same table", "`parent_id` of a self-referential table", (STAMPED, CHECKED),
         lambda db: insert(T["comments"]).values(id=900, call_id=1, parent_id=1, body="x", **db.stamp),
         attacks=(lambda db: insert(T["comments"]).values(id=900, call_id=1, parent_id=101, body="x"),
                  lambda db: db.flush(Comment(id=900, call_id=1, parent_id=101, body="x"))))  # fmt: skip
KEYS.add("a key set by an upsert", "`on_conflict_do_update(set_={'parent_id': ...})`", (STAMPED, CONFLICT, CHECKED),
         lambda db: _upsert_key(db, 2), on=("sqlite", "postgresql"),
         attacks=(lambda db: _upsert_key(db, 101), lambda db: _upsert_key(db, literal(100) + 1)))  # fmt: skip
KEYS.add("a key that includes the tenant", "`ForeignKeyConstraint([company_id, order_id], ...)`", STAMPED,
         lambda db: insert(T["order_lines"]).values(order_id=2, line=9, item="x", **db.stamp),
         on=("sqlite", "postgresql"))  # fmt: skip
KEYS.add("one where collations ignore case", "`ForeignKeyConstraint([company_id, order_id], ...)`", (STAMPED, CHECKED),
         lambda db: db.flush(OrderLine(order_id=2, line=9, item="x", **db.stamp)), on=("mariadb",),
         attacks=(lambda db: db.flush(OrderLine(order_id=99, line=9, item="x")),))  # fmt: skip
KEYS.add("a key by a default", "`mapped_column(ForeignKey(), default=...)`", (STAMPED, CHECKED),
         lambda db: insert(DEFAULTED).values(id=900, paper_id=1, **db.stamp),
         attacks=(lambda db: insert(DEFAULTED).values(id=900),
                  lambda db: db.rows(insert(DEFAULTED), [{"id": 900}, {"id": 901}]),
                  lambda db: insert(DEFAULTED).values([{"id": 900}, {"id": 901}]),
                  lambda db: insert(DEFAULTED).from_select(["id"], select(_n.id)),
                  lambda db: db.flush(Defaulted(id=900))))  # fmt: skip
KEYS.add("a key by an UPDATE's default", "`mapped_column(ForeignKey(), onupdate=...)`", (W, CHECKED),
         lambda db: update(LINKED).values(note="x", paper_id=2),
         attacks=(lambda db: update(LINKED).values(note="x"), lambda db: _noted(db, Linked)))  # fmt: skip


def _comments_from(db: Hands, key: Any) -> Any:
    chosen = select(_c.id + 900, key, _c.note)
    names = ["id", "call_id", "body"]
    if db.stamp:
        names, chosen = [*names, "company_id"], chosen.add_columns(literal(db.stamp["company_id"]))
    return insert(T["comments"]).from_select(names, chosen)


def _associated(db: Hands) -> Any:
    session: Session = db.session()
    call, label = session.get_one(Call, 3), session.get_one(Label, 2)
    call.labels.append(label)
    session.flush()
    return db.rows(select(T["call_labels"]))


def _merged(db: Hands, number: int) -> Any:
    session = db.session()
    merged = session.merge(Call(id=1, number_id=number, note="merged"))
    session.flush()
    return plain([merged])


def _merged_stub(db: Hands) -> Any:
    session = db.session()
    session.merge(CallTag(id=900, call_id=101, tag="x"))
    session.flush()


def _upsert_key(db: Hands, number: Any) -> Any:
    made = (sqlite if db.backend == "sqlite" else postgresql).insert(calls).values(**_call(db, id=1))
    return made.on_conflict_do_update(index_elements=["id"], set_={"number_id": number})


def _noted(db: Hands, model: Any) -> Any:
    session = db.session()
    session.get(model, 1).note = "x"
    session.flush()


# -- the tenant column ---------------------------------------------------------------------------------------

TENANT.add("left out", "no value", STAMPED, lambda db: insert(numbers).values(**new_number(db)))
TENANT.add("None or null()", "`company_id=None`", STAMPED, lambda db: db.rows(insert(numbers), {"company_id": None, **new_number(db)}),
           "null()")  # fmt: skip
TENANT.add("by an expression", "`company_id=func.lower('ACME')`", CHECKED,
           lambda db: insert(numbers).values(id=900, digits="x", company_id=func.lower("ACME")),
           attacks=(lambda db: insert(numbers).values(id=900, digits="x", company_id=func.lower("GLOBEX")),
                    lambda db: insert(numbers).values(id=900, digits="x", company_id=func.coalesce(null(), B))))  # fmt: skip
TENANT.add("by a default or a server default", "`mapped_column(default='globex', server_default='globex')`", (W, STAMPED),
           lambda db: [db.rows(insert(DEFAULTED).values(id=900, paper_id=1, **db.stamp)),
                       db.rows(select(Defaulted.company_id))])  # fmt: skip
TENANT.add("by an UPDATE's default", "`mapped_column(onupdate='globex')`", (W, CHECKED),
           lambda db: update(TOUCHED).values(note="x", company_id="acme"),
           attacks=(lambda db: update(TOUCHED).values(note="x"), lambda db: _noted(db, Touched)))  # fmt: skip
TENANT.add("changed", "`update().values(company_id=...)`", (W, CHECKED),
           lambda db: update(numbers).values(company_id="acme"),
           attacks=(lambda db: update(numbers).values(company_id=B), lambda db: update(numbers).values(company_id=func.lower("GLOBEX")),
                    lambda db: update(numbers).values(company_id=null()), lambda db: _given_away(db)))  # fmt: skip
TENANT.add("changed by an expression", "`update().values(company_id=func.lower())`", Does.REFUSED,
           lambda db: update(numbers).values(company_id=func.lower(_n.company_id)), why="a row may not change its tenant")  # fmt: skip
TENANT.add("in a composite key", "`primary_key=True` on the tenant column", STAMPED,
           lambda db: db.flush(OrderLine(order_id=1, line=9, item="x", **db.stamp)),
           on=("sqlite", "postgresql"))  # fmt: skip
TENANT.add("under another name in Python", "`firm = mapped_column('company_id')`", (W, STAMPED), lambda db: _paper(db),
           attacks=(lambda db: db.flush(Paper(id=900, firm=B, width=1, height=1)),))  # fmt: skip
TENANT.point("by a trigger", "a trigger that fills the column", STAMPED,
             tests=("tests/sql/test_tenant_column.py::test_a_trigger_finds_the_column_filled",))  # fmt: skip
TENANT.point("by a sequence", "`Column(Integer, Sequence('s'))`", STAMPED,
             tests=("tests/sql/test_tenant_column.py::test_a_sequence_is_not_asked",))  # fmt: skip
TENANT.point("generated from other columns", "`Computed()`", Does.REFUSED, "Computed",
             tests=("tests/sql/test_tenant_column.py::test_a_generated_tenant_column_is_refused",), why="by `guard()`")  # fmt: skip


def _given_away(db: Hands) -> Any:
    session = db.session()
    session.get(Number, 1).company_id = B
    session.flush()


def _paper(db: Hands) -> Any:
    mine = {"firm": db.stamp["company_id"]} if db.stamp else {}
    db.flush(Paper(id=900, width=1, height=1, **mine))
    return db.rows(select(Paper.__table__).where(Paper.id == 900))
