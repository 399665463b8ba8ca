"""Threads, tasks and copies of a context, and parameters named as the guard's own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import bindparam, event, func, insert, literal, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from tenantguard.context import Principal, bind, current
from tenantguard.errors import TenantGuardError
from tenantguard.handover import carry
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import attack


@attack("context")
def thread_without_carry(lab: Lab) -> Any:
    """Work in a thread that was not given the binding."""
    lab.synchronous()
    found: list[Any] = []

    def work() -> None:
        with contextlib.suppress(TenantGuardError):
            found.extend(_in_thread(lab, lab.new_engine()))

    thread = threading.Thread(target=contextvars.Context().run, args=(work,))
    thread.start()
    thread.join()
    return found


def _in_thread(lab: Lab, engine: Any) -> list[Any]:
    """Read in the thread itself: a connection of SQLite stays in the thread that made it."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(lab.owned.table)).all()]


@attack("context")
def executor_without_carry(lab: Lab) -> Any:
    """Work in an executor that was not given the binding."""
    lab.synchronous()
    engine = lab.new_engine()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(_in_thread, lab, engine).result()


@attack("context")
def executor_reused(lab: Lab) -> Any:
    """Work in an executor's thread that worked for the victim before."""
    lab.synchronous()
    engine = lab.new_engine()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with lab.victim():
            pool.submit(carry(_in_thread), lab, engine).result()
        return pool.submit(_in_thread, lab, engine).result()


@attack("context")
async def task_outlives_bypass(lab: Lab) -> Any:
    """Go on in a task after the bypass that it was started in."""
    go, engine = asyncio.Event(), lab.new_async_engine()

    async def work() -> Any:
        await go.wait()
        async with engine.connect() as connection:
            return (await connection.execute(select(lab.owned.table))).all()

    try:
        with lab.lifted():
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
        go.set()
        return await task
    finally:
        await engine.dispose()


@attack("context")
async def task_beside_bypass(lab: Lab) -> Any:
    """Work in a task beside another one that is inside a bypass."""
    inside, done, engine = asyncio.Event(), asyncio.Event(), lab.new_async_engine()

    async def lifted() -> None:
        with lab.lifted():
            inside.set()
            await done.wait()

    async def work() -> Any:
        await inside.wait()
        async with engine.connect() as connection:
            return (await connection.execute(select(lab.owned.table))).all()

    try:
        other = asyncio.create_task(lifted())
        found = await asyncio.create_task(work())
        done.set()
        await other
        return found
    finally:
        await engine.dispose()


@attack("context")
async def async_generator_closed_late(lab: Lab) -> Any:
    """Close the victim's asynchronous generator late, during the attacker's request."""
    engine = lab.new_async_engine()

    async def work() -> AsyncIterator[int]:
        with bind(lab.b):
            yield 1

    try:
        step = work()
        await anext(step)
        with bind(lab.a):
            await step.aclose()  # type: ignore[attr-defined]  # an async generator
            async with AsyncSession(engine) as session:
                return (await session.scalars(select(lab.owned.cls))).all()
    finally:
        await engine.dispose()


@attack("context")
def carried_bypass(lab: Lab) -> Any:
    """Call a function that was carried out of a bypass after it has ended."""
    with lab.lifted():
        work = carry(lambda: lab.rows(select(lab.owned.table)))
    return work()


@attack("context")
def copied_context_of_bypass(lab: Lab) -> Any:
    """Run in a copy of the context of a bypass that has ended."""
    with lab.lifted():
        copied = contextvars.copy_context()
    return copied.run(lab.rows, select(lab.owned.table))


@attack("context")
def principal_changed(lab: Lab) -> Any:
    """Change the tenant of a principal that is bound."""
    who = Principal(subject="mallory", tenant=lab.a)
    with bind(who):
        with contextlib.suppress(AttributeError, TypeError):
            who.tenant = lab.b  # type: ignore[misc]  # frozen; that is the point
        with contextlib.suppress(AttributeError, TypeError):
            current().principal.tenant = lab.b  # type: ignore[misc,union-attr]  # the same
        return lab.rows(select(lab.owned.table).where(lab.owned.tenant == lab.b))


@attack("context")
def binding_changed(lab: Lab) -> Any:
    """Change the tenants of the binding in force."""
    with contextlib.suppress(AttributeError, TypeError, TenantGuardError):
        current().tenant = lab.b  # type: ignore[misc]  # read-only; that is the point
    return lab.rows(select(lab.owned.table))


@attack("context")
def tenant_list_changed(lab: Lab) -> Any:
    """Append the victim to the list that was bound."""
    who = [lab.a]
    with bind(who):
        who.append(lab.b)
        return lab.rows(select(lab.owned.table))


@attack("context")
def set_of_tenants_then_one(lab: Lab) -> Any:
    """Use a statement for one tenant that was first used for both."""
    statement = select(lab.owned.table)
    with bind([lab.a, lab.b]):
        lab.rows(statement)
    return lab.rows(statement)


@attack("context")
def set_of_tenants_inserts_third(lab: Lab) -> Any:
    """Insert a row for the victim under a set that does not name it."""
    with bind([lab.a, lab.a]):
        lab.write(insert(lab.leaf.table).values(lab.leaf.new("b")))


def _guards_parameter(lab: Lab) -> list[str]:
    """Return the names of the parameters that a statement has beside the user's own."""
    compiled = select(lab.owned.table).compile(lab.engine)
    return [
        *compiled.params,
        "tenant",
        "tenant_1",
        "tg_tenant",
        "tenantguard",
        "tg_tenant_1",
        f"{lab.owned.tenant.key}_1",
    ]


@attack("context")
def parameter_overrides_guard(lab: Lab) -> Any:
    """Pass the victim's id for every parameter name that the guard may use."""
    found: list[Any] = []
    statement = select(lab.owned.table)
    for name in _guards_parameter(lab):
        with contextlib.suppress(TenantGuardError, SQLAlchemyError):
            found += lab.rows(statement, {name: lab.b})
    return found


@attack("context")
def bindparam_named_as_guards(lab: Lab) -> Any:
    """Use parameters with every name that the guard may use."""
    o, found = lab.owned, []
    for name in _guards_parameter(lab):
        own = bindparam(name, lab.b, type_=o.tenant.type)
        with contextlib.suppress(TenantGuardError, SQLAlchemyError):
            found += lab.rows(select(o.table).where(o.tenant == own))
            found += lab.rows(select(o.table).where(literal(lab.b) == own))
    return found


@attack("context")
def update_parameter_named_as_guards(lab: Lab) -> Any:
    """Pass the victim's id in the parameters of an update under every name that the guard may use."""
    o = lab.owned
    for name in _guards_parameter(lab):
        with contextlib.suppress(TenantGuardError, SQLAlchemyError):
            statement = update(o.table).where(o.match(o.b[0])).values({o.text.key: bindparam("t")})
            lab.write(statement, {"t": "taken", name: lab.b})


@attack("context")
def event_changes_binding(lab: Lab) -> Any:
    """Bind the victim in an event, in the middle of one of the attacker's statements."""
    stack = contextlib.ExitStack()
    engine = lab.engine

    @event.listens_for(engine, "before_execute")
    def switch(*args: Any) -> None:
        stack.enter_context(bind(lab.a))

    with stack:
        return lab.rows(select(func.max(lab.owned.text)))


@attack("context")
def context_of_victim_entered(lab: Lab) -> Any:
    """Read in the attacker's context what a copy of it wrote for the victim."""
    session = lab.session()
    other = contextvars.copy_context()
    held = other.run(_load_as_victim, lab, session)
    assert held is not None
    return session.get(lab.owned.cls, lab.owned.ident(lab.owned.b[0]))


def _load_as_victim(lab: Lab, session: Any) -> Any:
    with lab.victim():
        return session.get(lab.owned.cls, lab.owned.ident(lab.owned.b[0]))
