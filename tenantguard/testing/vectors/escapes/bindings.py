"""Bindings that are missing, nonsense or stale."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from sqlalchemy import insert, select, update

from tenantguard.context import bind
from tenantguard.errors import TenantGuardError
from tenantguard.testing.kinds import takes
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.table import NotApplicable, attack


@attack("context", bound=False)
def nothing_bound_select(lab: Lab) -> Any:
    """Select with nothing bound."""
    return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def nothing_bound_get(lab: Lab) -> Any:
    """Get an object with nothing bound."""
    o = lab.owned
    return lab.session().get(o.cls, o.ident(o.b[0]))


@attack("context", bound=False)
def nothing_bound_insert(lab: Lab) -> Any:
    """Insert with nothing bound."""
    lab.write(insert(lab.leaf.table).values(lab.leaf.new("b")))


@attack("context", bound=False)
def nothing_bound_update(lab: Lab) -> Any:
    """Update with nothing bound."""
    lab.write(update(lab.owned.table).values(lab.owned.set(text="taken")))


@attack("context", bound=False)
def nothing_bound_flush(lab: Lab) -> Any:
    """Flush with nothing bound, as the first thing a session does."""
    lab.flush(lab.leaf.object(lab.leaf.new("b")))


@attack("context", bound=False)
def nothing_bound_through(lab: Lab) -> Any:
    """Select a table without a tenant column with nothing bound."""
    return lab.rows(select(lab.part.child.table))


def _bind_or_not(who: Any) -> Any:
    """Bind what may not be a tenant; go on as a program would that swallows the refusal."""
    stack = contextlib.ExitStack()
    with contextlib.suppress(TenantGuardError, TypeError):
        stack.enter_context(bind(who))
    return stack


@attack("context", bound=False)
def bind_empty_text(lab: Lab) -> Any:
    """Bind an empty string and go on."""
    with _bind_or_not(""):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_none(lab: Lab) -> Any:
    """Bind None and go on."""
    with _bind_or_not(None):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_empty_list(lab: Lab) -> Any:
    """Bind an empty list and go on."""
    with _bind_or_not([]):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_list_with_empty(lab: Lab) -> Any:
    """Bind a list that contains an empty string and go on."""
    with _bind_or_not([lab.a, ""]):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_wildcard(lab: Lab) -> Any:
    """Bind a wildcard as the tenant."""
    with _bind_or_not("%"):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_quoted_text(lab: Lab) -> Any:
    """Bind a tenant id that closes a quote."""
    with _bind_or_not("x' OR '1'='1"):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_expression(lab: Lab) -> Any:
    """Bind an SQL expression as the tenant."""
    with _bind_or_not(lab.owned.tenant):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_other_type(lab: Lab) -> Any:
    """Bind a tenant id of another type than the column's."""
    other = 0 if isinstance(lab.a, str) else str(lab.b)
    if lab.owned.placed.python_type is None and takes(lab.owned.tenant.type, other, lab.admin.dialect):
        raise NotApplicable("the type of the tenant column takes ids of either type by itself")
    with _bind_or_not(other):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_true(lab: Lab) -> Any:
    """Bind True as the tenant."""
    with _bind_or_not(True):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_padded(lab: Lab) -> Any:
    """Bind the victim's id with a trailing space, which some collations ignore, and compare the count."""
    if not isinstance(lab.b, str):
        raise NotApplicable("the tenant ids are no texts")
    with _bind_or_not(f"{lab.b} "):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_other_case(lab: Lab) -> Any:
    """Bind the victim's id in upper case, which some collations ignore."""
    if not isinstance(lab.b, str):
        raise NotApplicable("the tenant ids are no texts")
    with _bind_or_not(lab.b.upper()):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def bind_lying_text(lab: Lab) -> Any:
    """Bind a string that equals everything."""

    class Liar(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            return True

    with _bind_or_not(Liar("nobody")):
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def after_the_block(lab: Lab) -> Any:
    """Go on after the block of the binding has ended."""
    with bind(lab.b):
        session = lab.session()
    return session.scalars(select(lab.owned.cls)).all()


@attack("context", bound=False)
def after_an_exception(lab: Lab) -> Any:
    """Go on after a block that an exception left."""
    with contextlib.suppress(ValueError), lab.lifted():
        raise ValueError
    return lab.rows(select(lab.owned.table))


@attack("context")
def after_nested_bypass(lab: Lab) -> Any:
    """Go on after a nested bypass that an exception left."""
    with contextlib.suppress(ValueError), lab.lifted(), bind(lab.b), lab.lifted():
        raise ValueError
    return lab.rows(select(lab.owned.table))


@attack("context")
def after_bypass_in_generator(lab: Lab) -> Any:
    """Leave a generator suspended inside its bypass and go on."""

    def work() -> Generator[int]:
        with lab.lifted():
            yield 1

    step = work()
    next(step)
    step.close()
    return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def generator_closed_late(lab: Lab) -> Any:
    """Close the victim's generator after the attacker's block was entered."""

    def work() -> Generator[int]:
        with bind(lab.b):
            yield 1

    step = work()
    next(step)
    with bind(lab.a):
        step.close()
        return lab.rows(select(lab.owned.table))


@attack("context", bound=False)
def generators_closed_crosswise(lab: Lab) -> Any:
    """End two blocks in the wrong order."""

    def work(who: Any) -> Generator[int]:
        with bind(who):
            yield 1

    theirs, mine = work(lab.b), work(lab.a)
    next(theirs)
    next(mine)
    theirs.close()
    found = lab.rows(select(lab.owned.table))
    mine.close()
    return found
