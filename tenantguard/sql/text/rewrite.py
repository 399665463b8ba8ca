"""Rewrite SQL text so that it reaches the bound tenant's rows only, or refuse it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenantguard.sql.text.composition import Composer
from tenantguard.sql.text.grammar.cursor import Cursor
from tenantguard.sql.text.grammar.queries import statement
from tenantguard.sql.text.parameters import PARAMETER, Numbering, Recipe, own_name_fault
from tenantguard.sql.text.resolution.catalog import OWN, Catalog, refusal
from tenantguard.sql.text.resolution.predicate_tokens import RuledRows
from tenantguard.sql.text.resolution.writes import Statement
from tenantguard.sql.text.settings import setting_checks
from tenantguard.sql.text.tokens import Unreadable
from tenantguard.sql.text.values import Check, parameter_sets
from tenantguard.tenancy import Key, Tenancy


@dataclass(frozen=True)
class Rewritten:
    """A text that was rewritten.

    Attributes:
        text: the SQL to execute.
        tables: the tables it names.
        verbs: its acts in order, ``"select"``, ``"insert"``, ``"update"`` or ``"delete"``.
        checks: checks on the parameters before execution.
        recipe: the order of positional parameters; ``None`` if parameters have names.
        tenanted: whether the text has a parameter for the tenant.
        given: the number of positional parameters in the user's text.
        names: the names of parameters.
        several: the number of tenants if a set is bound, otherwise 0.
        asked: the permissions that the principal needs, by table and act.
        rows: the places of permission rules, which the compiler writes.
        ctes: the names of its common table expressions.
        stores: the written tables that have a permission rule, with the columns it sets; ``None`` for new rows.
    """

    text: str
    tables: frozenset[Key]
    verbs: tuple[str, ...]
    checks: tuple[Check, ...]
    recipe: Recipe | None
    tenanted: bool
    given: int
    several: int = 0
    asked: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    rows: tuple[RuledRows, ...] = ()
    ctes: frozenset[str] = frozenset()
    stores: tuple[tuple[Key, frozenset[str] | None], ...] = ()
    names: frozenset[str] = frozenset()

    def bind(self, parameters: Any, tenant: Any) -> Any:
        """Return the parameters with the tenant put in.

        Args:
            parameters: one set (a mapping, a tuple or ``None``), or a list of sets.
            tenant: what the tenant column is compared with, or a sequence of it where the tenants are a set.

        Raises:
            RawSQLError: their number or kind does not fit the text.

        Example:
            >>> from sqlalchemy import Column, MetaData, String, Table
            >>> metadata = MetaData()
            >>> _ = Table("calls", metadata, Column("company_id", String, nullable=False))
            >>> tenancy = Tenancy(metadata, column="company_id")
            >>> rewrite("SELECT ? FROM calls", tenancy=tenancy, dialect="sqlite", style="qmark").bind((1,), "acme")
            (1, 'acme')
        """
        if isinstance(parameters, list):
            return [self._bind(one, tenant) for one in parameter_sets(parameters)]
        return self._bind(parameters, tenant)

    def _bind(self, parameters: Any, tenant: Any) -> Any:
        if self.recipe is None:
            if parameters and not isinstance(parameters, Mapping):
                raise refusal(
                    "its parameters are named, but a sequence of values was given", kind="parameters"
                )
            if any(str(name).lower().startswith(OWN) for name in parameters or ()):
                raise refusal(
                    f"a parameter begins with {OWN!r}, which is the guard's own", kind="reserved_name"
                )
            return {**(parameters or {}), **self._named(tenant)} if self.tenanted else parameters
        if type(parameters) is not tuple and isinstance(parameters, Mapping) and parameters:
            raise refusal("its parameters are positional, but a mapping was given", kind="parameters")
        given: Sequence[Any] = parameters or ()
        if len(given) != self.given:
            raise refusal(f"it has {self.given} parameters, and {len(given)} were given", kind="parameters")
        if not self.several:
            return tuple([tenant if place is None else given[place] for place in self.recipe])
        values = tuple(tenant)
        return tuple(
            value for place in self.recipe for value in (values if place is None else (given[place],))
        )

    def _named(self, tenant: Any) -> dict[str, Any]:
        if not self.several:
            return {PARAMETER: tenant}
        return {f"{PARAMETER}_{at}": value for at, value in enumerate(tenant)}


def rewrite(
    sql: str,
    *,
    tenancy: Tenancy,
    dialect: str,
    style: str,
    default_schema: str | None = None,
    several: int = 0,
    catalog: Catalog | None = None,
) -> Rewritten:
    """Return the text with predicates for all tables and the tenant in new rows, and the checks it needs.

    Args:
        sql: one statement.
        tenancy: how every table belongs.
        dialect: SQLAlchemy's name of the dialect.
        style: ``"named"`` for SQLAlchemy's ``text()``, or the driver's ``paramstyle``.
        default_schema: the schema that a table's name without one means.
        several: the number of tenants if a set is bound; any number with ``"named"``, as SQLAlchemy expands the
            parameter.
        catalog: the meaning of names, if it is known from before.

    Raises:
        RawSQLError: the text cannot be read with certainty, or is of a kind that is refused.
        UnknownTableError: it names a table outside the tenancy.
        CrossTenantError: it writes what no tenant may write.

    Example:
        >>> from sqlalchemy import Column, MetaData, String, Table
        >>> metadata = MetaData()
        >>> _ = Table("calls", metadata, Column("company_id", String, nullable=False))
        >>> tenancy = Tenancy(metadata, column="company_id")
        >>> rewrite("SELECT count(*) FROM calls", tenancy=tenancy, dialect="sqlite", style="named").text
        'SELECT count(*) FROM calls WHERE calls."company_id" = :tenantguard'
    """
    try:
        cursor = Cursor(sql, dialect, style, tenancy)
        tokens, which = cursor.tokens, cursor.which
        if not tokens:
            raise refusal("it is empty")
        if OWN in sql.lower() and (own := own_name_fault(tokens)):
            raise refusal(own, kind="reserved_name")
        query = statement(cursor)
        numbering = Numbering(tokens, which, style, several)
        resolution = Statement(
            cursor,
            catalog or Catalog(tenancy, which, default_schema),
            numbering.known,
            several=several > 0,
            compiled=style == "named",
        )
        resolution.statement(query)
        checks = (*resolution.given.checks, *setting_checks(cursor, numbering.known))
    except Unreadable as fault:
        raise refusal(str(fault)) from None
    except RecursionError:
        raise refusal("it nests too deep") from None
    composer = Composer(sql, cursor, numbering, escaped=style == "named")
    text = composer.compose(resolution.edits, resolution.cuts, resolution.named)
    return Rewritten(
        text,
        frozenset(resolution.tables | resolution.predicates.tables),
        tuple(resolution.verbs),
        checks,
        numbering.recipe(composer.order),
        None in composer.order,
        numbering.given,
        0 if numbering.expanded else several,
        resolution.asked,
        tuple(resolution.predicates.rows),
        frozenset(resolution.cte_names),
        tuple(resolution.stores),
        frozenset(name for name in numbering.known.values() if isinstance(name, str)),
    )
