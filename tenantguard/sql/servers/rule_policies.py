"""Row rules as PostgreSQL policies, and the mark that identifies a policy made from one."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import String, literal_column, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from tenantguard.errors import ConfigurationError
from tenantguard.sql.exactness import name_of
from tenantguard.sql.text.resolution.catalog import SETTING
from tenantguard.tenancy import Placement

# "named" leaves a percent sign as it is, which "pyformat" would double
DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy's
OWN = "tenantguard"  # the schema of what we install, and the beginning of our names elsewhere
TOLD = f"current_setting('{SETTING}', true)"
# what a policy says, as the catalogue tells it while the search path is the system's alone
CONTENT = (
    "md5(concat_ws('|', p.polcmd::text, p.polpermissive::text, p.polroles::text, "
    "coalesce(pg_get_expr(p.polqual, p.polrelid), '-'), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '-')))"
)


def digest(*parts: str) -> str:
    """Return a digest of several texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def read_once(tenant: str, type_: TypeEngine[Any]) -> str:
    """Return the tenant in the setting, in a column's type, read once for each table in a statement."""
    cast = _cast(type_)
    return f"(SELECT {tenant})" if cast is None else f"(SELECT {tenant}::{cast})"


def _cast(type_: TypeEngine[Any]) -> str | None:
    """Return the type that the setting is cast to; one with a length would cut a longer tenant to another's id."""
    kind = type_._unwrapped_dialect_impl(DIALECT)
    is_text = isinstance(kind, String) and not isinstance(kind, postgresql.ENUM)
    return None if is_text else name_of(type_, DIALECT.name)


def ruled(placement: Placement, told: str = TOLD) -> str:
    """Return the row rule's condition for the tenant in the setting.

    Args:
        placement: how the table belongs.
        told: the tenant, as an expression of text.

    Raises:
        ConfigurationError: a value in it cannot be written into a policy.
    """
    assert placement.visible is not None
    assert placement.mapping is not None
    tenant: Any = literal_column(read_once(told, placement.type), placement.type)
    query: Any = select(literal_column("1")).select_from(placement.mapping)
    try:
        asked = query.where(placement.visible(placement.mapping, tenant))
        told = str(asked.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError, AttributeError) as error:
        raise ConfigurationError(
            f"the row rule of {placement.name} cannot be written as a policy: {error}"
        ) from error
    return told.removeprefix(f"{query.compile(dialect=DIALECT)} \nWHERE ")


def rule_mark(placement: Placement) -> str:
    """Return the mark of the row rule that a table's policies were written from; empty without a rule."""
    if placement.visible is None or placement.mapping is None:
        return ""
    return digest(placement.kind, str(placement.column), str(placement.link), ruled(placement))


def follows(comment: str | None, content: str, placement: Placement | None) -> bool:
    """Return whether a policy was written from a table's row rule and is unchanged.

    Only the table's owner can write the comment, who could as well drop the policy.

    Args:
        comment: that of the policy.
        content: what it says now, as ``CONTENT`` tells it.
        placement: how the table belongs.
    """
    if placement is None or placement.visible is None:
        return False
    said = (comment or "").split(" ")
    return len(said) == 4 and said[0] == OWN and said[2:] == [content, rule_mark(placement)]
