"""Granted rows: the rows of a table with a permission rule that the current principal may reach.

A rule is a function of the application's own, of principal and table. It is asked once for each binding. Conditions
that differ in their values only have one shape: a statement is compiled once for each shape, and the values of whoever
acts are written in when it is executed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.sql import coercions, roles, visitors
from sqlalchemy.sql.elements import BindParameter, ColumnClause, ColumnElement, TextClause, True_
from sqlalchemy.sql.expression import FromClause, TableClause

from tenantguard.audit import refuse
from tenantguard.context import Binding, Principal, peek
from tenantguard.errors import PermissionDeniedError
from tenantguard.sql.elements import UNSET, Ruled, RuleParameter
from tenantguard.tenancy import Key, Placement, Tenancy, table_key

_SHAPES = 64  # that are kept; one that comes again later is compiled again
_ROW = "tenantguard_row"


class GrantedParameter(RuleParameter):
    """A permission rule's parameter: it is set at execution and overrides a caller's value.

    Attributes:
        rule: the grants that know the values.
        table: the table of the rule.
        place: which of its values it holds.
    """

    inherit_cache = True
    table: Key

    @property
    def effective_value(self) -> Any:
        """Return the value for the current principal."""
        granted = self.rule.of(peek())
        return UNSET if granted is None else granted.values[self.table][self.place]


class Shape:
    """The common form of several principals' conditions, and the dialects whose compilers write it.

    Attributes:
        conditions: the condition of each table with a rule, on a stand-in for the table.
        dialects: one for each mode, made when it is first needed.
    """

    __slots__ = ("conditions", "dialects")

    def __init__(self, conditions: dict[Key, tuple[FromClause, ColumnElement[bool]]]) -> None:
        self.conditions = conditions
        self.dialects: dict[Any, Any] = {}

    def condition(self, source: FromClause, placement: Placement) -> Ruled:
        """Return the condition on a FROM element."""
        row, condition = self.conditions[placement.key]
        mark = hash(row)  # which an annotated copy, as ``aliased()`` makes one, has too

        def fit(element: Any, **_kw: Any) -> Any:
            if (
                isinstance(element, ColumnClause)
                and element.table is not None
                and hash(element.table) == mark
            ):
                return ColumnClause(element.name, element.type, _selectable=source)
            return source if hash(element) == mark else None

        return Ruled(visitors.replacement_traverse(condition, {}, fit), source)

    def depends_on(self, table: Key, columns: Iterable[str] | None) -> bool:
        """Tell whether a row may be granted no more once it is written.

        Args:
            table: the table of the row.
            columns: the columns that are set, ``None`` where the row is new.
        """
        row, condition = self.conditions[table]
        if isinstance(condition, True_):
            return False
        known = {column.name for column in row.c}
        if columns is None or not known.issuperset(
            columns
        ):  # another spelling may be the same to the database
            return True
        looked_at = set[str]()
        for element in visitors.iterate(condition):
            if isinstance(element, TextClause) or getattr(element, "is_literal", False):
                return True
            if isinstance(element, TableClause) and table_key(element) == table:
                return True  # it looks at other rows of the table, of which this one may be one
            if isinstance(element, ColumnClause) and hash(element.table) == hash(row):
                looked_at.add(element.name.lower())
        return not looked_at.isdisjoint(name.lower() for name in columns)


class Granted:
    """The rules' answers for one binding: the shape of the conditions, and their values by table."""

    __slots__ = ("shape", "values")

    def __init__(self, shape: Shape, values: dict[Key, list[Any]]) -> None:
        self.shape, self.values = shape, values


class Grants:
    """The permission rules of a tenancy, and their answers.

    Args:
        tenancy: how every table belongs, and who may reach which rows.
    """

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy
        self._answered: WeakKeyDictionary[Binding, Granted] = WeakKeyDictionary()
        self._shapes: OrderedDict[Any, Shape] = OrderedDict()
        self._rows: dict[Key, tuple[Placement, FromClause]] | None = None
        self._lock = Lock()

    def of(self, binding: Binding | None) -> Granted | None:
        """Return the rules' answers for the current principal, or ``None`` without one."""
        if binding is None or binding.principal is None:
            return None
        granted = self._answered.get(binding)
        if granted is None:
            self._answered[binding] = granted = self._ask(binding.principal)
        return granted

    def are_alike(self, one: Binding, other: Binding, tables: Iterable[Key]) -> bool:
        """Return whether the rules grant the principals of two bindings the same rows of some tables."""
        mine, theirs = self.of(one), self.of(other)
        if mine is None or theirs is None:
            return False
        return mine.shape is theirs.shape and all(mine.values[key] == theirs.values[key] for key in tables)

    def _ask(self, principal: Principal) -> Granted:
        if self._rows is None:
            self._rows = {
                one.key: (one, one.mapping.alias(_ROW))
                for one in self._tenancy
                if one.has_rows and one.mapping is not None
            }
        asked = {key: _asked(placement, row, principal) for key, (placement, row) in self._rows.items()}
        keys = {key: _key_of(self._rows[key][0], condition) for key, condition in asked.items()}
        with self._lock:
            name = tuple([(key, found.key) for key, found in keys.items()])
            shape = self._shapes.get(name)
            if shape is None:
                conditions = {
                    key: (self._rows[key][1], self._emptied(key, condition, keys[key].bindparams))
                    for key, condition in asked.items()
                }
                self._shapes[name] = shape = Shape(conditions)
                if len(self._shapes) > _SHAPES:
                    self._shapes.popitem(last=False)
            self._shapes.move_to_end(name)
        return Granted(
            shape, {key: [value.effective_value for value in found.bindparams] for key, found in keys.items()}
        )

    def _emptied(self, table: Key, condition: Any, values: list[BindParameter[Any]]) -> Any:
        """Return a condition with our own, empty parameters."""
        places: dict[str, int] = {}
        for place, value in enumerate(values):
            places.setdefault(value.key, place)

        def fit(element: Any, **_kw: Any) -> Any:
            if not isinstance(element, BindParameter):
                return None
            made = GrantedParameter.of(element, self, places[element.key])
            made.table = table
            return made

        return visitors.replacement_traverse(condition, {}, fit)


def _asked(placement: Placement, row: FromClause, principal: Principal) -> ColumnElement[bool]:
    """Call a rule; an answer that is not a condition is refused.

    Raises:
        PermissionDeniedError: the rule gives no condition.
    """
    assert placement.permitted is not None
    assert placement.permitted.rows is not None
    answer = placement.permitted.rows(principal, row)
    if not isinstance(answer, bool) and not isinstance(answer, ColumnElement):
        refuse(
            PermissionDeniedError(
                f"the permission rule of {placement.name} gives {type(answer).__name__}, which is no condition; let it "
                "return one, or True or False",
                table=placement.name,
            )
        )
    return coercions.expect(roles.WhereHavingRole, answer)


def _key_of(placement: Placement, condition: Any) -> Any:
    key = condition._generate_cache_key()
    if key is None:
        refuse(
            PermissionDeniedError(
                f"the permission rule of {placement.name} holds a construct of your own that SQLAlchemy cannot cache "
                "(inherit_cache), so it cannot be distinguished from another principal's",
                table=placement.name,
            )
        )
    return key
