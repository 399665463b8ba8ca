"""Elements that only the guarded compiler renders: the tenant's parameter and the predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from sqlalchemy import Boolean, String
from sqlalchemy.sql.elements import BindParameter, ColumnClause, ColumnElement
from sqlalchemy.sql.expression import FromClause
from sqlalchemy.sql.visitors import InternalTraversal

from tenantguard.sql.exactness import EXACT_COLUMN, EXACT_TENANT
from tenantguard.tenancy import Placement


class _Unset:
    """A placeholder for a missing tenant, which no driver accepts."""

    def __repr__(self) -> str:
        return "<tenant>"


UNSET = _Unset()


class TenantParameter(BindParameter[Any]):
    """The parameter that holds the tenant: it is set at execution and overrides a caller's value.

    Attributes:
        place: which of the tenants that are bound it holds, where a row rule is asked for each of them.
        tg_read: reads the tenant from the context, for whoever renders or binds the parameter elsewhere.
        tg_expected: the type that the tenant must have, if the column tells.
    """

    inherit_cache = True
    place: int | None = None
    tg_read: Callable[[], Any]
    tg_expected: type | None = None

    @property
    def effective_value(self) -> Any:
        """Return the tenant that is bound."""
        return self.tg_read()


class RuleParameter(BindParameter[Any]):
    """A row rule's parameter: it is set at execution and overrides a caller's value.

    Attributes:
        rule: the rule.
        place: which of its values it holds.
    """

    inherit_cache = True
    rule: Any = None
    place: int = 0

    @classmethod
    def of(cls, value: BindParameter[Any], rule: Any, place: int) -> Self:
        """Return a parameter of our own in place of one of the rule's."""
        made = cls(
            "tenantguard_rule",
            UNSET,
            type_=value.type,
            unique=True,
            expanding=value.expanding,
            literal_execute=value.literal_execute,
        )
        made.expand_op = value.expand_op
        made.rule, made.place = rule, place
        return made

    @property
    def effective_value(self) -> Any:
        """Return the rule's value of this moment."""
        return self.rule.values()[self.place]


class Exact(ColumnElement[Any]):
    """A column compared exactly, for a database that could treat two tenants' ids as equal.

    It renders itself, in whatever compiler: that of a bypass knows no elements of ours.
    """

    _traverse_internals = [("element", InternalTraversal.dp_clauseelement)]
    type = String()
    forms = EXACT_COLUMN

    def __init__(self, element: ColumnElement[Any]) -> None:
        self.element = element

    @property
    def _from_objects(self) -> list[FromClause]:
        return list(self.element._from_objects)

    def self_group(self, against: Any = None) -> Any:
        """Return itself: a function and parentheses need no others."""
        return self

    def _compiler_dispatch(self, visitor: Any, **kw: Any) -> str:
        return self.forms[visitor.dialect.name].format(visitor.process(self.element, **kw))


class ExactTenant(Exact):
    """The tenant, compared exactly wherever a row rule uses it."""

    inherit_cache = True
    forms = EXACT_TENANT


class Ruled(ColumnElement[bool]):
    """A row rule's condition on one FROM element; its subqueries are left as the author wrote them."""

    __visit_name__ = "tenantguard_ruled"
    _traverse_internals = [
        ("element", InternalTraversal.dp_clauseelement),
        ("source", InternalTraversal.dp_clauseelement),
    ]
    type = Boolean()

    hidden: frozenset[str] = frozenset()  # names that mean something else where it stands, in lower case

    def __init__(self, element: ColumnElement[bool], source: FromClause, rule: Any = None) -> None:
        self.element = element
        self.source = source
        self.rule = rule

    @property
    def _from_objects(self) -> list[FromClause]:
        return list(self.source._from_objects)

    def self_group(self, against: Any = None) -> Any:
        """Return itself: it is rendered in parentheses."""
        return self


class NamedColumn:
    """The parts of a column that the compiler's ``visit_column`` reads: its name and its FROM element.

    A ``ColumnClause`` answers each of these through ``__getattr__``, and most of the predicate's cost would be that.
    """

    __slots__ = ("name", "table")

    is_literal = False

    def __init__(self, name: str, table: FromClause) -> None:
        self.name = name
        self.table = table

    def __getattr__(self, name: str) -> Any:
        """Answer the compiler of a dialect of the user's own, which may read more."""
        return getattr(ColumnClause(self.name, _selectable=self.table), name)


class Belongs(ColumnElement[bool]):
    """The predicate of one FROM element, which the guarded compiler renders as text.

    Its own subqueries name the enclosing table's columns and never its FROM element, so the condition cannot
    turn into one that any row satisfies.
    """

    __visit_name__ = "tenantguard_belongs"
    _traverse_internals = [
        ("source", InternalTraversal.dp_clauseelement),
        ("placement", InternalTraversal.dp_plain_obj),
    ]
    type = Boolean()

    def __init__(self, source: FromClause, placement: Placement) -> None:
        self.source = source
        self.placement = placement

    @property
    def _from_objects(self) -> list[FromClause]:
        return list(self.source._from_objects)

    def self_group(self, against: Any = None) -> Any:
        """Return itself: an equality or an EXISTS needs no parentheses next to AND and NOT."""
        return self
