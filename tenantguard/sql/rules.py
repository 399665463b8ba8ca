"""Row rules: a condition that the tenancy's author wrote, adapted to any statement.

A rule is a function of the application's own. What it returns is compiled once, and asked for again at each execution:
its values are then written in anew, and a rule that has become another condition is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import and_
from sqlalchemy.sql import coercions, operators, roles, visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnClause, ColumnElement
from sqlalchemy.sql.expression import FromClause
from sqlalchemy.types import TypeEngine

from tenantguard.audit import refuse
from tenantguard.errors import RawSQLError
from tenantguard.sql.elements import Exact, ExactTenant, Ruled, RuleParameter, TenantParameter
from tenantguard.sql.exactness import exact_column
from tenantguard.tenancy import Placement


class Rule:
    """A row rule's answer for one FROM element.

    Args:
        source: the FROM element.
        placement: how its table belongs, with the rule.
        parameter: the tenant that the rule is given.
    """

    def __init__(self, source: FromClause, placement: Placement, parameter: TenantParameter) -> None:
        self.placement = placement
        self._view = view_of(source, placement)
        self._parameter = parameter
        self.expression = self._asked()
        self._shape, self._values = self._read(self.expression)

    def condition(self, dialect: str) -> Ruled:
        """Return the rule's condition, with parameters of our own for its values.

        Args:
            dialect: the name of the database's dialect, which may have to compare the tenant exactly.
        """
        places = {value.key: place for place, value in enumerate(self._values)}
        columns = [one.type for one in visitors.iterate(self.expression) if isinstance(one, ColumnClause)]
        exact = any(self._is_loose(type_, dialect) for type_ in (self.placement.type, *columns))

        def fit(element: Any, **_kw: Any) -> Any:
            if isinstance(element, TenantParameter):
                return ExactTenant(element) if exact else None
            if isinstance(element, BindParameter):
                return RuleParameter.of(element, self, places[element.key])
            if exact and isinstance(element, BinaryExpression) and element.operator is operators.eq:
                return self._equal(element, fit, dialect)
            return None

        return Ruled(visitors.replacement_traverse(self.expression, {}, fit), self._view.source, self)

    def _is_loose(self, type_: TypeEngine[Any], dialect: str) -> bool:
        return exact_column(type_, self.placement.python_type, dialect) is not None

    def _equal(self, element: Any, fit: Any, dialect: str) -> Any:
        """Compare the tenant as the database does, which may use an index, and exactly besides."""
        for mine, theirs in ((element.left, element.right), (element.right, element.left)):
            if isinstance(theirs, TenantParameter) and self._is_loose(mine.type, dialect):
                column = visitors.replacement_traverse(mine, {}, fit)
                return and_(Exact(column) == theirs, column == theirs).self_group()
        return None

    def values(self) -> list[Any]:
        """Ask the rule again, and return its values of this moment.

        Raises:
            RawSQLError: it has become another condition than the one that was compiled.
        """
        shape, values = self._read(self._asked())
        if shape != self._shape:
            refuse(
                RawSQLError(
                    f"the row rule of {self.placement.name} returns another condition than when the statement was "
                    "compiled. What it reads may change a value in the condition, but not its form",
                    kind="row_rule",
                    table=self.placement.name,
                )
            )
        return [value.effective_value for value in values]

    def _asked(self) -> ColumnElement[bool]:
        rule: Any = self.placement.visible
        try:
            condition: Any = rule(self._view.table, self._parameter)
            asked: ColumnElement[bool] = coercions.expect(roles.WhereHavingRole, condition)
            return asked
        except AttributeError as error:
            refuse(
                RawSQLError(
                    f"the row rule of {self.placement.name} cannot be asked: {error}",
                    kind="row_rule",
                    table=self.placement.name,
                )
            )

    def _read(self, expression: Any) -> tuple[Any, list[Any]]:
        """Return what two conditions have in common that differ in their values only, and the values."""
        key = expression._generate_cache_key()
        if key is None:
            refuse(
                RawSQLError(
                    f"the row rule of {self.placement.name} holds a construct of your own that SQLAlchemy cannot "
                    "cache (inherit_cache), so it cannot be compared from one execution to the next",
                    kind="row_rule",
                    table=self.placement.name,
                )
            )
        return key.key, [value for value in key.bindparams if not isinstance(value, TenantParameter)]


def view_of(source: FromClause, placement: Placement) -> Any:
    """Return the table that a rule is called with: it has every column of the metadata, whatever ``source`` lists."""
    table = placement.mapping
    if table is None or all(column.key in source.c for column in table.c):
        return SimpleNamespace(table=source, source=source)
    columns = Columns({c.key: ColumnClause(c.name, c.type, _selectable=source) for c in table.c})
    name = getattr(source, "name", None)
    return SimpleNamespace(table=SimpleNamespace(c=columns, columns=columns, name=name), source=source)


class Columns:
    """All of a table's columns, for a FROM element that lists fewer."""

    def __init__(self, columns: Mapping[str, ColumnClause[Any]]) -> None:
        self._columns = columns

    def __getattr__(self, name: str) -> ColumnClause[Any]:
        """Return a column by its key."""
        try:
            return self._columns[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> ColumnClause[Any]:
        """Return a column by its key."""
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a column."""
        return name in self._columns

    def __iter__(self) -> Iterator[ColumnClause[Any]]:
        """Yield the columns."""
        return iter(self._columns.values())


def write_values(rows: Iterable[Any], rules: Iterable[Rule], names: Iterable[tuple[str, Rule, int]]) -> None:
    """Ask the rules again, and write their values over whatever a caller gave under the names of their parameters.

    Args:
        rows: the sets of parameters.
        rules: the rules that stand in the statement; one is asked once, in whatever places it stands.
        names: the parameters: name, rule, and which of its values each holds.
    """
    asked: dict[int, list[Any]] = {}
    for rule in rules:
        if id(rule.placement) not in asked:
            asked[id(rule.placement)] = rule.values()
    for name, rule, place in names:
        for row in rows:
            row[name] = asked[id(rule.placement)][place]
