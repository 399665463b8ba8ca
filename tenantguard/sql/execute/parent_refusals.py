"""The error for a foreign key to another tenant's row or to a missing row, which does not reveal which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from tenantguard.audit import refuse
from tenantguard.context import Binding
from tenantguard.errors import ParentError
from tenantguard.sql.execute.lookups import Key, find_each
from tenantguard.sql.execute.storable import is_strange
from tenantguard.sql.refusals import sent, told

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link


def refuse_parent(context: Any, link: Link, key: Key, tried: str, binding: Binding) -> NoReturn:
    """Record whether the row is another tenant's, and raise an error that does not reveal it."""
    foreign = not is_strange(key) and find_each(context, [(link, key)], owned=False)[0]
    refuse(
        parent_error(context, tried, [link.parent.name], binding),
        reason="the row is another tenant's" if foreign else "the row is not there",
    )


def parent_error(context: Any, tried: str, parents: Sequence[str], binding: Binding | None) -> ParentError:
    """Return the error, which does not distinguish another tenant's row from a missing one.

    Args:
        context: SQLAlchemy's execution context.
        tried: the action, for the message.
        parents: the tables that the key may lead to.
        binding: the binding in force.
    """
    bound = told(binding)
    return ParentError(
        f"{tried} references a row of {' or '.join(parents)} that does not exist for tenant {bound}, which is bound. "
        "Use the key of a row that this tenant can read",
        tenant=bound,
        table=parents[0],
        statement=sent(context),
    )
