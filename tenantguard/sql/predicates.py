"""The predicate: the condition that a row belongs to the bound tenant, as SQLAlchemy elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import case, exists, literal_column, not_, or_, select
from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.sql.elements import BindParameter, ColumnClause, ColumnElement, Grouping
from sqlalchemy.sql.expression import FromClause
from sqlalchemy.types import TypeEngine

from tenantguard.audit import refuse
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import NoTenantError
from tenantguard.sql.elements import UNSET, Belongs, Exact, Ruled, TenantParameter
from tenantguard.sql.exactness import exact_column, uncut
from tenantguard.sql.rules import Rule, write_values
from tenantguard.tenancy import Placement, Tenancy

Shape = Literal["tenant", "tenants"]
_TRUST = object()
MANY = 16  # how many tenants that are bound together a row rule, or many sets of parameters, can serve


class Predicates:
    """The predicates of one tenancy, for one tenant or for several.

    Args:
        tenancy: how every table belongs.
        shape: whether the parameter is one value or a list.
        dialect: the name of the database's dialect.
    """

    def __init__(self, tenancy: Tenancy, shape: Shape, dialect: str) -> None:
        self.tenancy = tenancy
        self.shape = shape
        self.dialect = dialect
        self.comparison = "=" if shape == "tenant" else "IN"
        self._parameters: dict[Any, BindParameter[Any]] = {}

    def parameter(self, placement: Placement, place: int | None = None) -> BindParameter[Any]:
        """Return the one parameter of the column's type; its value is read from the context at execution.

        Args:
            placement: how the table belongs.
            place: ask for one of several tenants that are bound, instead of for the list of them.
        """
        same = placement.type._static_cache_key
        key = (placement.type if same is NO_CACHE else same, placement.python_type, place)
        found = self._parameters.get(key)
        if found is None:
            self._parameters[key] = found = self.stamp(placement, place)
        return found

    def stamp(self, placement: Placement, place: int | None = None) -> BindParameter[Any]:
        """Return another such parameter, for the VALUES of one INSERT.

        A batch of rows gets a parameter for each row in its place, and the predicate of an upsert keeps its own.
        """
        several = self.shape == "tenants" and place is None
        made = TenantParameter(
            "tenantguard", UNSET, type_=uncut(placement.type), unique=True, expanding=several
        )
        made.place = place
        made.tg_read = _reader(placement.python_type, self.shape, place)
        made.tg_expected = placement.python_type
        return made

    def owns(self, source: FromClause, placement: Placement, *, read: bool = False) -> ColumnElement[bool]:
        """Return the condition that a row of ``source`` is the tenant's.

        Args:
            source: the table, or an alias of it.
            placement: how the table belongs.
            read: apply the table's row rule, which widens what is read and never what is written.
        """
        if placement.visible is not None and (read or placement.kind == "shown"):
            return self._visible(source, placement)
        if read and placement.kind == "through" and self.follows_rule(placement):
            return self._shown_through(source, placement)
        return Belongs(source, placement)

    def follows_rule(self, placement: Placement) -> bool:
        """Tell whether a through table leads to one with a row rule."""
        while placement.kind == "through" and placement.parent is not None:
            placement = self.tenancy.of(placement.parent)
        return placement.visible is not None

    def _shown_through(self, source: FromClause, placement: Placement) -> ColumnElement[bool]:
        """Return the condition that the parent of a row is shown: who reads the one reads the other."""
        parent: Any = placement.parent
        above = trusted(parent.alias())
        pairs = [named(above, theirs, None) == named(source, ours, None) for ours, theirs in placement.link]
        shown = self.owns(above, self.tenancy.of(parent), read=True)
        return Ruled(exists(select(literal_column("1")).select_from(above).where(*pairs, shown)), source)

    def exactly(self, placement: Placement) -> str | None:
        """Return the tenant column's exact form, or ``None`` if a plain comparison is exact."""
        return exact_column(placement.type, placement.python_type, self.dialect)

    def differs(self, value: ColumnElement[Any], placement: Placement) -> ColumnElement[bool]:
        """Return the condition that an expression is not the tenant that is bound, NULL included."""
        parameter = self.parameter(placement)
        if self.exactly(placement) is not None:
            value = Exact(value)
        if self.shape == "tenant":
            return value.is_distinct_from(parameter)
        return value.is_(None) | value.not_in(parameter)

    def foreign(
        self, values: Callable[[FromClause], ColumnElement[bool]], parent: Any, *, read: bool = False
    ) -> ColumnElement[bool]:
        """Return the condition that a row of ``parent`` which ``values`` picks is another tenant's.

        Args:
            values: picks the row.
            parent: the table.
            read: a row that the table's row rule shows will do.
        """
        source = trusted(parent.alias())
        placement = self.tenancy.of(parent)
        if read:
            shown = case(
                (self.owns(source, placement, read=True), literal_column("1")), else_=literal_column("0")
            )
            other: ColumnElement[bool] = shown == literal_column("0")
        elif placement.kind == "owned":
            other = self.differs(named(source, placement.column or "", placement.type), placement)
        else:
            other = not_(self.owns(source, placement))
        return exists(select(literal_column("1")).select_from(source).where(values(source), other))

    def _visible(self, source: FromClause, placement: Placement) -> ColumnElement[bool]:
        """Return the row rule; of several tenants that are bound, a row need be visible to one.

        The rule is the user's own function of one tenant, so it is asked once for each place that a set may fill:
        the text does not depend on how many are bound, and the last of them fills the places that are left.
        """
        if self.shape == "tenant":
            return self._rule(source, placement)
        return Grouping(or_(*(self._rule(source, placement, place) for place in range(MANY))))

    def _rule(
        self, source: FromClause, placement: Placement, place: int | None = None
    ) -> ColumnElement[bool]:
        parameter: Any = self.parameter(placement, place)
        return Rule(source, placement, parameter).condition(self.dialect)


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


def filled(tenants: Sequence[Any], place: int) -> Any:
    """Return the tenant that fills a place; the last of them fills those that are left.

    Raises:
        NoTenantError: there are more tenants than places.
    """
    if len(tenants) > MANY:
        refuse(
            NoTenantError(
                f"{len(tenants)} tenants are bound; a table with a row rule, and a statement with many sets of "
                f"parameters, serve {MANY} at most. Bind fewer"
            )
        )
    return tenants[min(place, len(tenants) - 1)]


def _reader(expected: type | None, shape: Shape, place: int | None) -> Callable[[], Any]:
    def read() -> Any:
        tenant = tenant_value(peek(), shape, expected)
        return tenant if place is None else filled(tenant, place)

    return read


def tenant_value(binding: Binding | None, shape: str, expected: type | None) -> Any:
    """Return the value of the tenant's parameter under a binding.

    Args:
        binding: what is bound.
        shape: ``"tenant"`` for one value, ``"tenants"`` for a list.
        expected: the type that a tenant must have, or ``None``.

    Raises:
        NoTenantError: nothing of that shape is bound, or it is of another type.
    """
    closed = binding is None or binding.mode == "closed"
    if binding is None or closed or (shape == "tenant" and binding.mode != "tenant"):
        refuse(no_tenant(binding if closed else None))
    for tenant in binding.tenants:
        if expected is not None and type(tenant) is not expected:
            refuse(_wrong_type(tenant, expected))
    return binding._tenant if shape == "tenant" else list(binding.tenants)


def _wrong_type(tenant: object, expected: type) -> NoTenantError:
    hint = f"TokenVerifier(..., tenant_type={expected.__name__}) converts the id when the token is verified"
    if expected is UUID:
        hint += "; a UUID as text is another type"
    return NoTenantError(
        f"a tenant of type {type(tenant).__name__} is bound, and the tenant column holds {expected.__name__}; "
        f"bind the id as it is stored. {hint}"
    )


def set_tenants(rows: Iterable[Any], compiled: Any, binding: Binding | None) -> None:
    """Write the tenant over whatever a caller gave under the name of the guard's parameter.

    Args:
        rows: the sets of parameters.
        compiled: the statement.
        binding: what is bound.

    Raises:
        NoTenantError: nothing that fits is bound.
    """
    for kind in compiled.tg.kinds:
        value = tenant_value(binding, compiled.tg_mode, kind)
    for row in rows:
        for name in compiled.tg.parameters:
            row[name] = value
        for name, place in compiled.tg.places:
            row[name] = filled(value, place)
    if compiled.tg.rules:
        write_values(rows, compiled.tg.rules, compiled.tg.ruled)
