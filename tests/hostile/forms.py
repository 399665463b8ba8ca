"""Forms: the ways in which a program may write a value to a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, literal, null, select, text, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from tests.hostile.world import Base

NEW = 3  # the id of a row that acme makes; its others are 1 and 2
Write = Callable[[Session, Any, str, Any], Any]
MODELS: dict[str, Any] = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}


def _row(model: Any, column: str, value: Any, at: int = NEW) -> dict[str, Any]:
    owned = {"company_id": "acme"} if hasattr(model, "company_id") else {}
    more = {"b": 1} if column == "a" else {}
    return {"id": at, **owned, **more, column: value}


def _upsert(session: Session, table: Any, row: dict[str, Any]) -> Any:
    dialect = session.get_bind().dialect.name
    if dialect in ("mysql", "mariadb"):
        made = mysql.insert(table).values(row)
        return made.on_duplicate_key_update({name: row[name] for name in row if name != "id"})
    made = (postgresql if dialect == "postgresql" else sqlite).insert(table).values(row)
    return made.on_conflict_do_update(
        index_elements=["id"], set_={name: row[name] for name in row if name != "id"}
    )


def _insert(session: Session, model: Any, column: str, value: Any) -> None:
    session.connection().execute(insert(model.__table__).values(_row(model, column, value)))


def _insert_by_parameters(session: Session, model: Any, column: str, value: Any) -> None:
    session.connection().execute(insert(model.__table__), _row(model, column, value))


def _insert_many(session: Session, model: Any, column: str, value: Any) -> None:
    rows = [_row(model, column, 1 if column == "call_id" else None, 4), _row(model, column, value)]
    session.connection().execute(insert(model.__table__), rows)


def _insert_values(session: Session, model: Any, column: str, value: Any) -> None:
    rows = [_row(model, column, value), _row(model, column, value, 4)]
    session.connection().execute(insert(model.__table__).values(rows))


def _insert_unstamped(session: Session, model: Any, column: str, value: Any) -> None:
    row = {name: one for name, one in _row(model, column, value).items() if name != "company_id"}
    owned = {"company_id": "acme"} if hasattr(model, "company_id") else {}
    session.execute(insert(model), {**owned, **row})


def _insert_from_select(session: Session, model: Any, column: str, value: Any) -> None:
    row = _row(model, column, value)
    types = {c.name: c.type for c in model.__table__.c}
    values = [literal(v, types[k]) if not hasattr(v, "__clause_element__") and not hasattr(v, "_propagate_attrs") else v
              for k, v in row.items()]  # fmt: skip
    session.connection().execute(insert(model.__table__).from_select(list(row), select(*values)))


def _insert_returning(session: Session, model: Any, column: str, value: Any) -> Any:
    table = model.__table__
    made = insert(table).values(_row(model, column, value))
    return session.connection().execute(made.returning(table.c.id, table.c[column])).all()


def _flush(session: Session, model: Any, column: str, value: Any) -> None:
    session.add(model(**_row(model, column, value)))
    session.flush()


def _flush_many(session: Session, model: Any, column: str, value: Any) -> None:
    session.add_all([model(**_row(model, column, value, at)) for at in (NEW, 4, 5)])
    session.flush()


def _bulk_save(session: Session, model: Any, column: str, value: Any) -> None:
    session.bulk_save_objects([model(**_row(model, column, value))])


def _bulk_insert(session: Session, model: Any, column: str, value: Any) -> None:
    session.execute(insert(model), [_row(model, column, value), _row(model, column, value, 4)])


def _attribute(session: Session, model: Any, column: str, value: Any) -> None:
    found = session.get_one(model, 1)
    if column == "a":
        found.b = 1
    setattr(found, column, value)
    session.flush()


def _merge(session: Session, model: Any, column: str, value: Any) -> None:
    session.merge(model(**_row(model, column, value, 1)))
    session.flush()


def _update(session: Session, model: Any, column: str, value: Any) -> int:
    table = model.__table__
    more = {"b": 1} if column == "a" else {}
    changed = update(table).where(table.c.id == 1).values({column: value, **more})
    return int(session.connection().execute(changed).rowcount)


def _update_part(session: Session, model: Any, column: str, value: Any) -> None:
    """Set the column alone: a key of two columns was given in part before."""
    table = model.__table__
    if column == "a":
        session.connection().execute(update(table).where(table.c.id == 1).values(b=1))
    session.connection().execute(update(table).where(table.c.id == 1).values({column: value}))


def _update_all(session: Session, model: Any, column: str, value: Any) -> None:
    more = {"b": 1} if column == "a" else {}
    session.execute(update(model).values({column: value, **more}))


def _update_many(session: Session, model: Any, column: str, value: Any) -> None:
    table = model.__table__
    more = {"b": 1} if column == "a" else {}
    changed = update(table).where(table.c.id == bindparam("at")).values({column: bindparam("given"), **more})
    session.connection().execute(changed, [{"at": 1, "given": value}, {"at": 2, "given": value}])


def _update_by_key(session: Session, model: Any, column: str, value: Any) -> None:
    more = {"b": 1} if column == "a" else {}
    session.execute(update(model), [{"id": 1, column: value, **more}])


def _upsert_new(session: Session, model: Any, column: str, value: Any) -> None:
    session.connection().execute(_upsert(session, model.__table__, _row(model, column, value)))


def _upsert_old(session: Session, model: Any, column: str, value: Any) -> None:
    session.connection().execute(_upsert(session, model.__table__, _row(model, column, value, 1)))


def _text(session: Session, model: Any, column: str, value: Any) -> None:
    row = _row(model, column, value)
    names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
    session.execute(text(f"INSERT INTO {model.__tablename__} ({names}) VALUES ({places})"), row)


def _text_update(session: Session, model: Any, column: str, value: Any) -> None:
    changed = f"UPDATE {model.__tablename__} SET {column} = :given WHERE id = 1"
    session.execute(text(changed), {"given": value})


def _inside_out(session: Session, model: Any, column: str, value: Any) -> None:
    """Write what is right, and then what is asked for, in one transaction."""
    _insert(session, model, column, 1 if column == "call_id" else null())
    table = model.__table__
    more = {"b": 1} if column == "a" else {}
    session.connection().execute(update(table).where(table.c.id == NEW).values({column: value, **more}))


FORMS: dict[str, Write] = {
    "insert": _insert,
    "insert by parameters": _insert_by_parameters,
    "insert of many": _insert_many,
    "insert of several values": _insert_values,
    "insert without the tenant": _insert_unstamped,
    "insert from select": _insert_from_select,
    "insert returning": _insert_returning,
    "flush": _flush,
    "flush of many": _flush_many,
    "bulk save": _bulk_save,
    "bulk insert": _bulk_insert,
    "attribute": _attribute,
    "merge": _merge,
    "update": _update,
    "update of a part": _update_part,
    "update of all": _update_all,
    "update of many": _update_many,
    "update by key": _update_by_key,
    "upsert of a new row": _upsert_new,
    "upsert of an old row": _upsert_old,
    "text": _text,
    "update by text": _text_update,
    "written twice": _inside_out,
}


def begin(connection: Connection) -> None:
    """Begin the transaction that a state starts in."""
    connection.execute(select(literal(1)))
