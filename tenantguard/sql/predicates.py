"""The predicate: the condition that a row belongs to the tenant that is bound, as SQLAlchemy elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import LargeBinary, String, and_, cast, exists, literal_column, not_, select
from sqlalchemy.sql.elements import BindParameter, ColumnClause, ColumnElement
from sqlalchemy.sql.expression import FromClause
from sqlalchemy.types import TypeEngine

from tenantguard.context import no_tenant, peek
from tenantguard.errors import NoTenantError
from tenantguard.sql.compiler_elements import Belongs, TenantParameter
from tenantguard.tenancy import Placement, Tenancy

Shape = Literal["tenant", "tenants"]
_TRUST = object()


class Predicates:
    """Build the predicates of one tenancy, for one tenant or for several.

    Args:
        tenancy: how every table belongs.
        shape: whether the parameter is one value or a list.
        exact: compare text byte by byte as well, on a database whose usual collation ignores case and
            trailing spaces, to which two tenants' ids could be one.
    """

    def __init__(self, tenancy: Tenancy, shape: Shape, *, exact: bool = False) -> None:
        self.tenancy = tenancy
        self.shape = shape
        self.exact = exact
        self.comparison = "=" if shape == "tenant" else "IN"
        self._parameters: dict[Any, BindParameter[Any]] = {}

    def parameter(self, placement: Placement) -> BindParameter[Any]:
        """Return the one parameter of the column's type; its value is read from the context at execution."""
        key = (placement.type._static_cache_key, placement.python_type)
        found = self._parameters.get(key)
        if found is None:
            found = TenantParameter(
                "tenantguard",
                callable_=_reader(placement.python_type, self.shape),
                type_=placement.type,
                unique=True,
                expanding=self.shape == "tenants",
            )
            self._parameters[key] = found
        return found

    def owns(self, source: FromClause, placement: Placement, *, read: bool = False) -> ColumnElement[bool]:
        """Return the condition that a row of ``source`` is the tenant's.

        Args:
            source: the table, or an alias of it.
            placement: how the table belongs.
            read: apply the table's row rule, which widens what is read and never what is written.
        """
        if read and placement.visible is not None:
            return self._visible(source, placement)
        return Belongs(source, placement)

    def is_exact(self, placement: Placement) -> bool:
        """Tell whether the tenant column is compared byte by byte as well."""
        return self.exact and isinstance(placement.type, String) and placement.python_type is str

    def differs(self, value: ColumnElement[Any], placement: Placement) -> ColumnElement[bool]:
        """Return the condition that an expression is not the tenant that is bound, NULL included."""
        parameter = self.parameter(placement)
        if self.is_exact(placement):
            value = cast(value, LargeBinary)
        if self.shape == "tenant":
            return value.is_distinct_from(parameter)
        return value.is_(None) | value.not_in(parameter)

    def foreign(
        self, values: Callable[[FromClause], ColumnElement[bool]], parent: Any
    ) -> ColumnElement[bool]:
        """Return the condition that a row of ``parent`` which ``values`` picks is another tenant's."""
        source = trusted(parent.alias())
        placement = self.tenancy.of(parent)
        if placement.kind == "owned":
            other = self.differs(named(source, placement.column or "", placement.type), placement)
        else:
            other = not_(self.owns(source, placement))
        return exists(select(literal_column("1")).select_from(source).where(values(source), other))

    def _visible(self, source: FromClause, placement: Placement) -> ColumnElement[bool]:
        assert placement.visible is not None
        if self.shape == "tenants":
            raise NoTenantError(
                f"{placement.name} has a row rule, which is read for one tenant; bind one tenant"
            )
        return and_(placement.visible(source, self.parameter(placement))).self_group()


def named(source: FromClause, name: str, type_: TypeEngine[Any] | None) -> ColumnClause[Any]:
    """Return a column of ``source`` by its name in the database, whether the mapping knows it or not."""
    return ColumnClause(name, type_, _selectable=source)


def trusted(source: FromClause) -> FromClause:
    """Mark a FROM element of our own making, which the compiler must not guard a second time."""
    source.__dict__["_tenantguard"] = _TRUST
    return source


def is_trusted(source: Any) -> bool:
    """Tell whether we made the FROM element."""
    return getattr(source, "_tenantguard", None) is _TRUST


def _reader(expected: type | None, shape: Shape) -> Callable[[], Any]:
    def one() -> Any:
        binding = peek()
        if binding is None or binding.mode != "tenant":
            raise no_tenant(binding if binding is not None and binding.mode == "closed" else None)
        tenant = binding._tenant
        if type(tenant) is not expected and expected is not None:
            raise _wrong_type(tenant, expected)
        return tenant

    def several() -> Sequence[Any]:
        binding = peek()
        if binding is None or binding.mode == "closed":
            raise no_tenant(binding)
        for tenant in binding.tenants:
            if expected is not None and type(tenant) is not expected:
                raise _wrong_type(tenant, expected)
        return list(binding.tenants)

    return one if shape == "tenant" else several


def _wrong_type(tenant: object, expected: type) -> NoTenantError:
    hint = f"TokenVerifier(..., tenant_type={expected.__name__}) converts once, at the door"
    if expected is UUID:
        hint += "; a UUID as text is another type"
    return NoTenantError(
        f"a tenant of type {type(tenant).__name__} is bound, and the tenant column holds {expected.__name__}; "
        f"bind the id as it is stored. {hint}"
    )
