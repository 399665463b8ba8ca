"""The one answer: what is said of a key that leads to another tenant's row, or to none."""

from __future__ import annotations

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
    """Record whether the row is another tenant's, and raise what does not tell."""
    foreign = not is_strange(key) and find_each(context, [(link, key)], owned=False)[0]
    refuse(
        ParentError(
            f"{tried} points at a row of {link.parent.name} that is not there for {told(binding)}, which is bound",
            tenant=told(binding),
            table=link.parent.name,
            statement=sent(context),
        ),
        reason="the row is another tenant's" if foreign else "the row is not there",
    )
