"""Events, and the ways a session finds its engine."""

# ruff: noqa: S608 - these texts are the attacks; every name in them is the schema's own

from __future__ import annotations

from typing import Any

from sqlalchemy import event, insert, inspect, select, update
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Session, sessionmaker

from tenantguard.testing.vectors.escapes.helpers import text_of
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("pool")
def statement_rewritten_by_event(lab: Lab) -> Any:
    """Replace the statement's text in an event that runs after the guard's."""
    o, s, engine = lab.owned, lab.shared, lab.engine
    name = lab.admin.dialect.identifier_preparer.format_table(o.table)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def replace(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return f"SELECT {o.text.name} FROM {name}", ()

    return lab.rows(select(s.text))


@attack("pool")
def parameters_rewritten_by_event(lab: Lab) -> Any:
    """Replace the attacker's tenant id with the victim's in an event that runs after the guard's."""
    engine = lab.engine

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def replace(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return statement, _swapped(parameters, lab.a, lab.b)

    o = lab.owned
    return lab.rows(select(o.table).where(o.tenant == lab.a))


@attack("pool")
def parameters_rewritten_by_connection_event(lab: Lab) -> Any:
    """Do the same in an event of one connection only."""
    connection, o = lab.connect(), lab.owned

    @event.listens_for(connection, "before_cursor_execute", retval=True)
    def replace(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return statement, _swapped(parameters, lab.a, lab.b)

    return connection.execute(select(o.table).where(o.tenant == lab.a)).all()


@attack("pool")
def listener_of_reflection(lab: Lab) -> Any:
    """Read in an event of one of SQLAlchemy's own statements, such as those that inspect the schema."""
    connection = lab.connect()
    found: list[Any] = []

    @event.listens_for(connection, "before_cursor_execute")
    def listen(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not found:
            found.append("asked")
            found.extend(conn.exec_driver_sql(f"SELECT {text_of(lab, lab.owned)}").scalars())

    inspect(connection).get_table_names()
    return found


@attack("pool")
def execution_context_replaced(lab: Lab) -> Any:
    """Give the dialect SQLAlchemy's own class of execution contexts, which admits nothing."""
    connection = lab.connect()
    connection.dialect.execution_ctx_cls = DefaultExecutionContext
    return connection.exec_driver_sql(f"SELECT {text_of(lab, lab.owned)}").scalars().all()


@attack("pool")
def execution_context_subclassed(lab: Lab) -> Any:
    """Give the dialect a subclass of its execution contexts that takes its cursor from the driver itself."""
    connection = lab.connect()
    members = {"create_cursor": DefaultExecutionContext.create_cursor}
    connection.dialect.execution_ctx_cls = type("Own", (connection.dialect.execution_ctx_cls,), members)
    return connection.exec_driver_sql(f"SELECT {text_of(lab, lab.owned)}").scalars().all()


def _swapped(parameters: Any, old: Any, new: Any) -> Any:
    if isinstance(parameters, dict):
        return {key: new if value == old else value for key, value in parameters.items()}
    return tuple(new if value == old else value for value in parameters)


@attack("pool")
def statement_replaced_before_execute(lab: Lab) -> Any:
    """Replace the whole statement in `before_execute`."""
    o, s, engine = lab.owned, lab.shared, lab.engine

    @event.listens_for(engine, "before_execute", retval=True)
    def replace(conn: Any, clause: Any, multiparams: Any, params: Any, options: Any) -> Any:
        return select(o.table), multiparams, params

    return lab.rows(select(s.table))


@attack("pool")
def orm_execute_replaced(lab: Lab) -> Any:
    """Replace the statement in `do_orm_execute`."""
    o, s, session = lab.owned, lab.shared, lab.session()

    @event.listens_for(session, "do_orm_execute")
    def replace(state: Any) -> Any:
        state.statement = select(o.cls)

    return session.execute(select(s.cls)).all()


@attack("pool")
def session_binds(lab: Lab) -> Any:
    """Give a session its engine per class."""
    session = lab.hold(Session(binds={lab.owned.cls: lab.engine}))
    return session.scalars(select(lab.owned.cls)).all()


@attack("pool")
def session_bound_to_connection(lab: Lab) -> Any:
    """Bind a session to a connection."""
    return lab.hold(Session(lab.connect())).scalars(select(lab.owned.cls)).all()


@attack("pool")
def session_two_phase(lab: Lab) -> Any:
    """Update in a two-phase session."""
    lab.only("mysql", "mariadb")
    o = lab.owned
    session = lab.session(twophase=True)
    session.execute(update(o.table).where(o.match(o.b[0])).values(o.set(text="taken")))
    session.commit()


@attack("pool")
def session_get_bind(lab: Lab) -> Any:
    """Route a session's statements with a custom `get_bind`."""
    engine = lab.engine  # made before the session, and disposed of after it

    class Routed(Session):
        def get_bind(self, *args: Any, **kwargs: Any) -> Any:
            return engine.execution_options(routed=True)

    return lab.hold(Routed()).scalars(select(lab.owned.cls)).all()


@attack("pool")
def bind_arguments(lab: Lab) -> Any:
    """Name the engine in the arguments of one execution."""
    engine = lab.engine  # made before the session, and disposed of after it
    session = lab.hold(Session())
    return session.execute(select(lab.owned.table), bind_arguments={"bind": engine}).all()


@attack("pool")
def session_factory_reconfigured(lab: Lab) -> Any:
    """Point a session factory at a copy of the engine later."""
    factory = sessionmaker()
    factory.configure(bind=lab.engine.execution_options(later=True))
    return lab.hold(factory()).scalars(select(lab.owned.cls)).all()


@attack("pool")
def insertmanyvalues_batches(lab: Lab) -> Any:
    """Insert in batches with RETURNING, the last row for the victim."""
    o = lab.leaf
    rows = [o.new("a", n) for n in range(100, 110)] + [o.new("b", 110)]
    statement = insert(o.cls).returning(o.attr(o.pk), sort_by_parameter_order=True)
    lab.only("sqlite", "postgresql", "mariadb")
    lab.orm_write(statement, rows, execution_options={"insertmanyvalues_page_size": 4})
