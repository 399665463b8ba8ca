"""Rows of the table: INSERT, upserts, UPDATE and DELETE."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, func, insert, literal, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from tests.models import (
    Call,
    Document,
    Employee,
    Manager,
    Number,
    TagNote,
)
from tests.servers import Backend
from tests.sql.forms.form import Does, Group, Hands, Run, plain
from tests.sql.forms.reading import T, calls, countries, labels, numbers, tags, users

W, CONFLICT, STAMPED, CHECKED = Does.WHERE, Does.CONFLICT, Does.STAMPED, Does.CHECKED
RETURNING: tuple[Backend, ...] = ("sqlite", "postgresql", "mariadb")
_c, _n = calls.c, numbers.c
B = "globex"

INSERTS = Group("INSERT")
UPSERTS = Group("Upserts")
CHANGES = Group("UPDATE and DELETE")


def new_number(db: Hands, n: int = 900, **values: Any) -> dict[str, Any]:
    return {"id": n, "digits": f"+{n}", **db.stamp, **values}


INSERTS.add("one row", "`insert(t).values()`, `t.insert()`", STAMPED,
            lambda db: insert(numbers).values(**new_number(db)), "insert()", "Insert", "TableClause.insert",
            "ValuesBase.values",
            attacks=(lambda db: insert(numbers).values(**new_number(db, company_id=B)),))  # fmt: skip
INSERTS.add("parameters given at execution", "`execute(insert(t), {...})`", STAMPED,
            lambda db: db.rows(insert(numbers), new_number(db)),
            attacks=(lambda db: db.rows(insert(numbers), new_number(db, company_id=B)),))  # fmt: skip
INSERTS.add("many rows in a batch", "`execute(insert(t), [...])`", STAMPED,
            lambda db: db.rows(insert(numbers), [new_number(db, 900), new_number(db, 901)]),
            attacks=(lambda db: db.rows(insert(numbers), [new_number(db, company_id="acme"), new_number(db, 901, company_id=B)]),))  # fmt: skip
INSERTS.add("many rows in one VALUES", "`.values([...])`", STAMPED,
            lambda db: insert(numbers).values([new_number(db, 900), new_number(db, 901)]),
            attacks=(lambda db: insert(numbers).values([new_number(db, company_id="acme"), new_number(db, 901, company_id=B)]),))  # fmt: skip
INSERTS.add("RETURNING", "`.returning()`", STAMPED,
            lambda db: insert(numbers).values(**new_number(db)).returning(_n.id, _n.company_id),
            "UpdateBase.returning", "ReturningInsert")  # fmt: skip
INSERTS.add("insertmanyvalues", "a batch with `.returning(sort_by_parameter_order=True)`", STAMPED,
            lambda db: db.rows(insert(numbers).returning(_n.id, _n.company_id, sort_by_parameter_order=True),
                               [new_number(db, n) for n in range(900, 904)]),
            "insert_sentinel()", "orm.orm_insert_sentinel()", ordered=True)  # fmt: skip
INSERTS.add("from a select", "`.from_select()`", (W, STAMPED),
            lambda db: insert(labels).from_select(*_copied(db)), "Insert.from_select")  # fmt: skip
INSERTS.add("from a union", "`.from_select([...], union())`", (W, STAMPED), lambda db: _from_union(db))
INSERTS.add("from a select that names the tenant by an expression", "`.from_select(['company_id'], select(expression))`",
            (W, CHECKED),
            lambda db: insert(labels).from_select(["id", "name", "company_id"], select(_n.id + 900, _n.digits, func.lower(_n.company_id))),
            attacks=(lambda db: insert(labels).from_select(["id", "name", "company_id"], select(_n.id + 900, _n.digits, literal(B))),))  # fmt: skip
INSERTS.add("by a unit of work", "`session.add()`", STAMPED, lambda db: db.flush(Number(**new_number(db))),
            attacks=(lambda db: db.flush(Number(**new_number(db, company_id=B))),))  # fmt: skip
INSERTS.add("in bulk by the ORM", "`session.execute(insert(Model), [...])`", STAMPED,
            lambda db: db.orm(insert(Number), [new_number(db, 900), new_number(db, 901)]),
            attacks=(lambda db: db.orm(insert(Number), [new_number(db, company_id="acme"), new_number(db, 901, company_id=B)]),))  # fmt: skip
INSERTS.add("legacy bulk methods", "`bulk_save_objects()`, `bulk_insert_mappings()`", (W, STAMPED),
            lambda db: _bulk(db),
            attacks=(lambda db: db.session().bulk_insert_mappings(Number, [new_number(db, company_id=B)]),
                     lambda db: db.session().bulk_save_objects([Number(**new_number(db, company_id=B))])))  # fmt: skip
INSERTS.add("of a joined child", "`session.add(Child())`, base and child tables", (W, STAMPED),
            lambda db: db.flush(Manager(id=900, name="x", level=1, **db.stamp)))  # fmt: skip
INSERTS.add("inline defaults", "`.inline()`, `.return_defaults()`", STAMPED,
            lambda db: insert(numbers).values(**new_number(db)).inline(), "Insert.inline", "UpdateBase.return_defaults")  # fmt: skip
INSERTS.add("into a through table, by its parent", "`insert(child).values(parent_id=...)`", CHECKED,
            lambda db: insert(tags).values(id=900, call_id=1, tag="x"),
            attacks=(lambda db: insert(tags).values(id=900, call_id=101, tag="x"),
                     lambda db: insert(T["managers"]).values(id=101, level=2)))  # fmt: skip
INSERTS.add("into a shared table", "`insert(shared)`", Does.REFUSED,
            lambda db: insert(countries).values(code="XX", name="x"), why="shared rows are written inside")  # fmt: skip
INSERTS.add("into a shared table that is writable", "`shared_writable`", Does.NOTHING,
            lambda db: insert(T["sessions_log"]).values(id=900, what="x"))  # fmt: skip


def _copied(db: Hands) -> Any:
    chosen = select(_n.id + 900, _n.digits)
    if not db.stamp:
        return ["id", "name"], chosen
    return ["id", "name", "company_id"], chosen.add_columns(literal(db.stamp["company_id"]))


def _from_union(db: Hands) -> Any:
    names, chosen = _copied(db)
    other = select(_n.id + 950, _n.digits)
    if db.stamp:
        other = other.add_columns(literal(db.stamp["company_id"]))
    return insert(labels).from_select(names, chosen.union_all(other))


def _bulk(db: Hands) -> Any:
    session = db.session()
    session.bulk_insert_mappings(Number, [new_number(db, 900)])
    session.bulk_save_objects([Number(**new_number(db, 901))])
    return db.rows(select(_n.id, _n.company_id).where(_n.id >= 900))


# -- upserts -------------------------------------------------------------------------------------------


def _sqlite(db: Hands, n: int = 1, **values: Any) -> Any:
    return sqlite.insert(numbers).values(**new_number(db, n, **values))


def _postgresql(db: Hands, n: int = 1, **values: Any) -> Any:
    return postgresql.insert(numbers).values(**new_number(db, n, **values))


def _nothing(make: Any) -> Run:
    def run(db: Hands) -> Any:
        return make(db).on_conflict_do_nothing()

    return run


def _update(make: Any, n: int = 1, where: Any = None, **values: Any) -> Run:
    def run(db: Hands) -> Any:
        made = make(db, n)
        given = values or {"digits": made.excluded.digits}
        return made.on_conflict_do_update(index_elements=["id"], set_=given, where=where)

    return run


for _name, _make, _on in (("SQLite", _sqlite, "sqlite"), ("PostgreSQL", _postgresql, "postgresql")):
    UPSERTS.add(f"ON CONFLICT DO UPDATE, {_name}", f"`{_on}.insert().on_conflict_do_update()`", (STAMPED, CONFLICT),
                _update(_make), f"{_on}.insert()", f"{_on}.Insert", "OnConflictDoUpdate", "OnConflictClause",
                f"{_on}.Insert.on_conflict_do_update", "ReturningInsert",
                on=(_on,), attacks=(_update(_make, 101), _update(_make, 1, company_id=B), _update(_make, 101, company_id="acme")))  # fmt: skip
    UPSERTS.add(f"ON CONFLICT DO NOTHING, {_name}", f"`{_on}.insert().on_conflict_do_nothing()`", STAMPED,
                _nothing(_make), "OnConflictDoNothing",
                f"{_on}.Insert.on_conflict_do_nothing", on=(_on,))  # fmt: skip
    UPSERTS.add(f"ON CONFLICT with a WHERE, {_name}", "`on_conflict_do_update(where=...)`", (STAMPED, CONFLICT),
                _update(_make, where=_n.digits != "y", digits="x"), on=(_on,))  # fmt: skip
UPSERTS.add("ON DUPLICATE KEY UPDATE", "`mysql.insert().on_duplicate_key_update()`", (STAMPED, CONFLICT),
            lambda db: mysql.insert(numbers).values(**new_number(db, 1)).on_duplicate_key_update(digits="new"),
            "mysql.insert()", "mysql.Insert", "OnDuplicateClause", "mysql.Insert.on_duplicate_key_update", on=("mariadb",),
            attacks=(lambda db: mysql.insert(numbers).values(**new_number(db, 1)).on_duplicate_key_update(company_id=B),))  # fmt: skip
UPSERTS.add("INSERT OR REPLACE", "`insert().prefix_with('OR REPLACE')`", Does.REFUSED,
            lambda db: insert(numbers).prefix_with("OR REPLACE").values(**new_number(db, 101)), on=("sqlite",), why="REPLACE")  # fmt: skip
UPSERTS.add("INSERT OR IGNORE", "`insert().prefix_with('OR IGNORE')`", STAMPED,
            lambda db: insert(numbers).prefix_with("OR IGNORE").values(**new_number(db, 1)), on=("sqlite",))  # fmt: skip
UPSERTS.add("INSERT IGNORE", "`insert().prefix_with('IGNORE')`", STAMPED,
            lambda db: insert(numbers).prefix_with("IGNORE").values(**new_number(db, 1)), on=("mariadb",))  # fmt: skip
UPSERTS.point("REPLACE INTO, MERGE", "SQL text only: SQLAlchemy has no construct", Does.REFUSED, vectors=("replace_into",),
              tests=("tests/sql/test_writes.py::test_replace_into_is_refused",), why="SQL text")  # fmt: skip

# -- UPDATE and DELETE -------------------------------------------------------------------------------------

CHANGES.add("UPDATE", "`update(t).where().values()`", W, lambda db: update(calls).where(_c.seconds > 0).values(note="x"),
            "update()", "Update", "TableClause.update", "DMLWhereBase.where", "DMLWhereBase.filter", "DMLWhereBase.filter_by")  # fmt: skip
CHANGES.add("DELETE", "`delete(t).where()`", W, lambda db: delete(T["tag_notes"]).where(literal(1) == 1), "delete()",
            "Delete", "TableClause.delete")  # fmt: skip
CHANGES.add("UPDATE of a through table", "`update(child)`", W, lambda db: update(tags).values(tag="x"))
CHANGES.add("DELETE from a through table", "`delete(child)`", W, lambda db: delete(T["call_labels"]))
CHANGES.add("ordered SET", "`.ordered_values()`", W,
            lambda db: update(calls).ordered_values((_c.note, "x"), (_c.seconds, _c.seconds + 1)), "Update.ordered_values",
            "Update.inline")  # fmt: skip
CHANGES.add("SET by a subquery", "`.values(x=select())`", W,
            lambda db: update(calls).values(seconds=select(func.count(users.c.id)).scalar_subquery()))  # fmt: skip
CHANGES.add("many sets of parameters", "`execute(update(t), [...])`", W,
            lambda db: _update_many(db))  # fmt: skip
CHANGES.add("UPDATE ... RETURNING", "`update().returning()`", W,
            lambda db: update(calls).values(note="x").returning(_c.id, _c.note), "ReturningUpdate", on=("sqlite", "postgresql"))  # fmt: skip
CHANGES.add("DELETE ... RETURNING", "`delete().returning()`", W,
            lambda db: delete(T["tag_notes"]).returning(T["tag_notes"].c.id), "ReturningDelete")  # fmt: skip
CHANGES.add("RETURNING of a subquery", "`.returning(select())`", W,
            lambda db: update(calls).values(note="x").returning(_c.id, select(func.count(users.c.id)).scalar_subquery()),
            on=("postgresql",))  # fmt: skip
CHANGES.add("UPDATE ... FROM", "`update(a).where(a.c.x == b.c.y)`", W,
            lambda db: update(calls).where(users.c.id >= _c.id).values(note=users.c.email).where(users.c.id == 2),
            on=("sqlite", "postgresql"))  # fmt: skip
CHANGES.add("UPDATE of several tables", "`update(a).values({a.c.x: ..., b.c.y: ...})`", W,
            lambda db: update(calls).where(_c.number_id == _n.id).values({_c.note: "x", _n.digits: "y"}), on=("mariadb",))  # fmt: skip
CHANGES.add("UPDATE of a join", "`update(a.join(b))`", W,
            lambda db: update(calls.join(numbers, _n.id >= _c.number_id)).values({_c.note: "x"}), on=("mariadb",))  # fmt: skip
CHANGES.add("UPDATE of an outer join", "`update(a.outerjoin(b))`", (W, Does.ON),
            lambda db: update(calls.outerjoin(users, users.c.id == _c.user_id + 100)).values({_c.note: "x"}), on=("mariadb",))  # fmt: skip
CHANGES.add("DELETE ... USING", "`delete(a).where(a.c.x == b.c.y)`", W,
            lambda db: delete(T["tag_notes"]).where(T["tag_notes"].c.tag_id >= users.c.id), "Delete.using",
            on=("postgresql", "mariadb"))  # fmt: skip
CHANGES.add("UPDATE ... LIMIT", "`.with_dialect_options(mysql_limit=1)`, `mysql.limit()`", W,
            lambda db: update(calls).values(note="x").with_dialect_options(mysql_limit=1), "UpdateBase.with_dialect_options",
            "mysql.limit()", "DMLLimitClause", "UpdateBase.with_hint", on=("mariadb",))  # fmt: skip
CHANGES.add("UPDATE of a class", "`session.execute(update(Model))`", W,
            lambda db: db.orm(update(Call).values(note="x"), execution_options={"synchronize_session": "fetch"}))  # fmt: skip
CHANGES.add(
    "UPDATE of a joined base", "`update(Base)`", W, lambda db: db.orm(update(Employee).values(name="x"))
)
CHANGES.add(
    "UPDATE of a joined child", "`update(Child)`", W, lambda db: db.orm(update(Manager).values(level=9))
)
CHANGES.add("UPDATE in bulk by key", "`session.execute(update(Model), [{'id': ...}])`", W,
            lambda db: db.orm(update(Call), [{"id": 1, "note": "x"}, {"id": 2, "note": "y"}]),
            attacks=(lambda db: db.orm(update(Call), [{"id": 101, "note": "x"}]),))  # fmt: skip
CHANGES.add("DELETE of a class", "`session.execute(delete(Model))`", W, lambda db: db.orm(delete(TagNote)))
CHANGES.add("by a unit of work", "`session.flush()`", W, lambda db: _changed(db),
            attacks=(lambda db: _stub(db, Call(id=101), note="stolen"), lambda db: _stub(db, Document(id=101), title="x")))  # fmt: skip
CHANGES.add("deleted by a unit of work", "`session.delete()`", W, lambda db: _deleted(db),
            attacks=(lambda db: _stub_deleted(db, TagNote(id=101, tag_id=101, body="x")),))  # fmt: skip
CHANGES.add("of a shared table", "`update(shared)`, `delete(shared)`", Does.REFUSED,
            lambda db: update(countries).values(name="x"), why="shared rows are written inside")  # fmt: skip


def _update_many(db: Hands) -> Any:
    one = update(calls).where(_c.id == bindparam("key")).values(note=bindparam("text"))
    db.rows(one, [{"key": 1, "text": "a"}, {"key": 101, "text": "b"}])
    return db.rows(select(_c.id, _c.note))


def _changed(db: Hands) -> Any:
    session = db.session()
    call = session.get(Call, 1)
    call.note = "changed"
    call.tags[0].tag = "changed"
    session.flush()
    return plain([call, *call.tags])


def _deleted(db: Hands) -> Any:
    session = db.session()
    session.delete(session.get(TagNote, 1))
    session.flush()
    return db.rows(select(T["tag_notes"].c.id))


def _stub(db: Hands, stub: Any, **values: Any) -> Any:
    session = db.session()
    make_transient_to_detached(stub)
    session.add(stub)
    for name, value in values.items():
        setattr(stub, name, value)
    session.flush()


def _stub_deleted(db: Hands, stub: Any) -> Any:
    session = db.session()
    values = plain(stub)[1:]
    make_transient_to_detached(stub)
    for name, value in values:
        set_committed_value(stub, name, value)
    session.delete(stub)
    session.flush()
