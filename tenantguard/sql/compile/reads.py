"""The compiler: every FROM element of every statement carries its predicate, or the statement is refused.

This module, ``fragments.py`` and what writes are the parts of one compiler, and all that relies on SQLAlchemy's
``SQLCompiler``, an extension point and not a promised API; ``tests/sql/test_reliance.py`` says what is relied on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import (
    BooleanClauseList,
    ColumnElement,
    _truncated_label,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    FromGrouping,
    Join,
    ScalarValues,
    SelectBase,
    TableClause,
    Values,
)

from tenantguard.errors import RawSQLError, UnknownTableError
from tenantguard.sql.compile.fragments import GuardedFragments
from tenantguard.sql.compile.leaves import Filtered, Leaf, enclosed, equalities, linked, root_first
from tenantguard.sql.elements import BYTES, NamedColumn, TenantParameter
from tenantguard.sql.predicates import is_trusted
from tenantguard.tenancy import Key, Placement, full_name, table_key

if TYPE_CHECKING:
    from tenantguard.sql.plans import WritePlan

_NO_TABLE = (SelectBase, UpdateBase, FunctionElement, Values, ScalarValues)


class GuardedReads(GuardedFragments):
    """Mix into a dialect's statement compiler; see the module's docstring.

    Attributes:
        tg_writes: what must be verified at its execution.
        tg_tables: the placements that it names.
        tg_parameters: the names of the parameters that hold the tenant.
        tg_places: the names of those that hold one of several, and which one.
        tg_kinds: the types that the tenant must have for them, ``None`` where a column does not tell.
        tg_expected: the one of these that there usually is.
        tg_quick: it carries its predicates, and no refusal or check of its text awaits its execution.
        tg_verified: what it writes must be verified.
    """

    tg_quick = False
    tg_verified = False
    tg_parameters: Sequence[str] = ()
    tg_places: Sequence[tuple[str, int]] = ()
    tg_kinds: set[type | None]
    tg_expected: type | None = None
    tg_writes: Sequence[WritePlan] = ()
    tg_tables: dict[Key, Placement]
    _tg_levels: list[set[int]]
    _tg_relied: set[str]  # the tables, by name, that a predicate reads beside the one it stands for
    _tg_ctes: set[str]
    _tg_hidden: frozenset[str]  # the tables whose name a CTE has taken
    _tg_target: Key | None = None  # the table that the UPDATE or DELETE in hand writes

    if TYPE_CHECKING:
        dialect: Any
        stack: list[Any]
        preparer: Any
        schema_translate_map: Any
        ctes: Any
        bind_names: dict[Any, str]
        string: str

        def process(self, obj: Any, **kw: Any) -> str: ...
        def visit_column(self, column: Any, **kw: Any) -> str: ...
        def visit_bindparam(self, bindparam: Any, **kw: Any) -> str: ...
        def _truncated_identifier(self, ident_class: str, name: Any) -> str: ...

    def __init__(self, dialect: Any, statement: Any, *args: Any, **kw: Any) -> None:
        self._tg_begin(frozenset())
        super().__init__(dialect, statement, *args, **kw)  # type: ignore[call-arg]  # of the dialect's compiler
        hidden = self._tg_ctes & self._tg_relied
        if hidden and dialect.default_schema_name:
            self.__dict__.clear()  # what was compiled reads a CTE for a table: once more, with the table's schema
            self._tg_begin(frozenset(hidden))
            super().__init__(dialect, statement, *args, **kw)  # type: ignore[call-arg]
        if self.tg_custom:
            self._tg_verify_custom()
        if self._tg_ctes & self._tg_relied:
            self._tg_shadowed()
        self.tg_parameters, self.tg_places, self.tg_kinds = [], [], set()
        for parameter, name in self.bind_names.items():
            if isinstance(parameter, TenantParameter):
                self.tg_kinds.add(parameter.tg_expected)
                if parameter.place is None:
                    self.tg_parameters.append(name)
                else:
                    self.tg_places.append((name, parameter.place))
        expected = self.tg_kinds - {None}
        if expected:
            (self.tg_expected, *_) = expected
        for plan in self.tg_writes:
            self.tg_verified = self.tg_verified or not plan.is_idle
        self.tg_quick = (
            self.tg_mode == "tenant"
            and self.tg_fault is None
            and len(expected) <= 1
            and not self.tg_checks
            and not self.schema_translate_map
        )

    def _tg_begin(self, hidden: frozenset[str]) -> None:
        self.tg_tables = {}
        self._tg_levels = []
        self._tg_rendered = {}
        self._tg_relied, self._tg_ctes, self._tg_hidden = set(), set(), hidden

    # -- predicates -------------------------------------------------------------------------------------

    def _compose_select_body(  # type: ignore[no-untyped-def]  # the signature is SQLAlchemy's
        self, text, select, compile_state, inner_columns, froms, *args, **kw
    ):
        self._tg_levels.append(set())
        criteria = self.tg_guarded(froms, select._where_criteria, read=True)
        if criteria is not select._where_criteria:
            select = select._clone()
            select._where_criteria = criteria
        composed = super()._compose_select_body(  # type: ignore[misc]  # of the dialect's compiler
            text, select, compile_state, inner_columns, froms, *args, **kw
        )
        self._tg_levels.pop()
        return composed

    def tg_guarded(self, froms: Iterable[Any], where: tuple[Any, ...], *, read: bool) -> tuple[Any, ...]:
        """Return the WHERE criteria with the predicates of every FROM element that stands for itself."""
        conditions: list[Any] = list(where)
        leaves = [leaf for from_ in froms for leaf in self._tg_preserved(from_, conditions)]
        predicates = self._tg_conditions(leaves, [], conditions, read=read)
        if not predicates:
            return where
        return (*predicates, *enclosed(where))

    def visit_join(self, join: Any, asfrom: bool = False, from_linter: Any = None, **kw: Any) -> str:
        """Render a join; the null-extended side of an outer one carries its predicate in ON."""
        if join.full:
            join = self._tg_derived(join)
        elif join.isouter:
            conditions = [join.onclause]
            right = self._tg_preserved(join.right, conditions)
            left = self._tg_preserved(join.left, []) if right else []
            predicates = self._tg_conditions(right, left, conditions, read=True)
            if predicates:
                join = join._clone()
                join.onclause = BooleanClauseList._construct_raw(
                    operators.and_, (*predicates, *enclosed((join.onclause,)))
                )
        return super().visit_join(join, asfrom=asfrom, from_linter=from_linter, **kw)  # type: ignore[misc,no-any-return]

    def visit_tenantguard_filtered(self, element: Filtered, **kw: Any) -> str:
        """Render a table of a FULL JOIN as a derived table of the same name."""
        source = element.leaf.source
        if isinstance(source, TableClause) and self.preparer.schema_for_object(source):
            self.tg_refuse(
                RawSQLError(
                    f"FULL JOIN of {element.leaf.placement.name}: a table with a schema cannot keep its name as a "
                    "derived table. Use aliased(...) or .alias() in the join",
                    kind="full_join",
                    table=element.leaf.placement.name,
                )
            )
        inner = source._compiler_dispatch(self, asfrom=True)
        where = self.process(self.tg_predicates.owns(source, element.leaf.placement, read=True))
        name = self._tg_alias_name(source)
        return f"(SELECT * FROM {inner} WHERE {where}) AS {name}"  # noqa: S608 - rendered by the compiler itself

    def _tg_alias_name(self, source: Any) -> str:
        if isinstance(source.name, _truncated_label):
            return str(self.preparer.quote(self._truncated_identifier("alias", source.name)))
        return str(self.preparer.quote(source.name))

    def _tg_from_name(self, source: Any) -> str:
        """Return the name of a FROM element as databases compare names."""
        name = source.name
        if isinstance(name, _truncated_label):
            name = self._truncated_identifier("alias", name)
        return str(name).lower()

    def _tg_table(self, table: Any) -> str:
        """Return a table's name as a predicate reads it, with its schema where a CTE has the name."""
        name = str(self.preparer.format_table(table))
        if self._tg_is_hidden(table):
            return f"{self.preparer.quote_schema(self.dialect.default_schema_name)}.{name}"
        self._tg_rely(table)
        return name

    def _tg_is_hidden(self, table: Any) -> bool:
        return (
            bool(self._tg_hidden)
            and not self.preparer.schema_for_object(table)
            and self._tg_from_name(table) in self._tg_hidden
        )

    def _tg_rely(self, table: Any) -> None:
        """Note that a predicate holds only if a name in FROM means the table."""
        if not self.preparer.schema_for_object(table):
            self._tg_relied.add(self._tg_from_name(table))

    def visit_cte(self, cte: Any, *args: Any, **kw: Any) -> Any:
        """Render a CTE, whose name hides the table of that name."""
        self._tg_ctes.add(self._tg_from_name(cte))
        return super().visit_cte(cte, *args, **kw)  # type: ignore[misc]  # of the dialect's compiler

    def _tg_shadowed(self) -> None:
        name = min(self._tg_ctes & self._tg_relied)
        self.tg_refuse(
            RawSQLError(
                f"a CTE is named {name!r}, as a table is that a predicate has to read. Give it another name",
                kind="shadowed",
                table=name,
            )
        )

    def visit_tenantguard_belongs(self, element: Any, ambiguous_table_name_map: Any = None, **kw: Any) -> str:
        """Render a predicate: an equality, or for a ``through`` table the EXISTS that leads to one."""
        source, placement = element.source, element.placement

        def column(name: str) -> str:
            return self.visit_column(
                NamedColumn(name, source), ambiguous_table_name_map=ambiguous_table_name_map
            )

        return self._tg_belongs(column, placement, self._tg_from_name(source))

    def visit_tenantguard_bytes(self, element: Any, **kw: Any) -> str:
        """Render the bytes of a text."""
        return BYTES.format(self.process(element.element, **kw))

    def _tg_belongs(
        self, column: Callable[[str], str], placement: Placement, name: str, depth: int = 0
    ) -> str:
        if placement.kind == "owned":
            parameter = self.visit_bindparam(self.tg_predicates.parameter(placement))
            mine, comparison = column(placement.column or ""), self.tg_predicates.comparison
            if self.tg_predicates.is_exact(placement):
                return f"({mine} {comparison} {parameter} AND {BYTES.format(mine)} {comparison} {parameter})"
            return f"{mine} {comparison} {parameter}"
        assert placement.parent is not None
        # by depth, so that an expression which is written twice (DISTINCT ON, GROUP BY) is rendered twice the same;
        # the user's own name is left to the user, whose columns would be taken for ours
        depth += name == f"tenantguard_{depth + 1}"
        alias = f"tenantguard_{depth + 1}"
        self._tg_count(placement.parent)
        quote = self.preparer.quote
        link = " AND ".join(f"{alias}.{quote(theirs)} = {column(ours)}" for ours, theirs in placement.link)
        owned = self._tg_belongs(
            lambda name: f"{alias}.{quote(name)}",
            self.tg_guard.tenancy.of(placement.parent),
            alias,
            depth + 1,
        )
        table = self._tg_table(placement.parent)
        if self.tg_predicates.exact and table_key(placement.parent) == self._tg_target:
            # MariaDB reads the table that it writes in a derived table only, and in one that it has to keep
            table = f"(SELECT DISTINCT * FROM {table})"  # noqa: S608 - a name only, quoted
        return f"EXISTS (SELECT 1 FROM {table} AS {alias} WHERE {link} AND {owned})"  # noqa: S608 - names only, quoted

    def _tg_preserved(self, from_: Any, conditions: list[Any]) -> list[Leaf]:
        """Return the leaves whose predicate stands above ``from_``, and collect the conditions that hold there."""
        if isinstance(from_, Join):
            if from_.full:
                return []
            left = self._tg_preserved(from_.left, conditions)
            if from_.isouter:
                return left
            conditions.append(from_.onclause)
            return left + self._tg_preserved(from_.right, conditions)
        if isinstance(from_, FromGrouping):
            return self._tg_preserved(from_.element, conditions)
        if isinstance(from_, Filtered):
            return []
        leaf = self._tg_leaf(from_)
        return [leaf] if leaf is not None else []

    def _tg_leaf(self, from_: Any) -> Leaf | None:
        """Return the leaf of a FROM element that is a table; refuse what the guard does not know."""
        level = self._tg_levels[-1]
        level.add(id(from_))
        element = from_
        while isinstance(element, AliasedReturnsRows):
            if is_trusted(element):
                return None
            element = element.element
            level.add(id(element))
        if isinstance(element, TableClause):
            placement = self.tg_placement(element)
            return Leaf(from_, placement) if placement is not None and placement.kind != "shared" else None
        if isinstance(element, Join):
            return None  # an alias of a join renders the join, which guards itself
        if not isinstance(element, _NO_TABLE):
            name = type(element).__name__
            self.tg_refuse(
                RawSQLError(f"a {name} stands where a table belongs; the guard cannot read it", kind="from")
            )
        return None

    def tg_placement(self, table: Any) -> Placement | None:
        """Return the placement of a table, or refuse the statement and return ``None``."""
        key = table_key(table)
        placement = self.tg_tables.get(key) or self.tg_guard.tenancy.find_key(key)
        if placement is None:
            name = full_name(key)
            self.tg_refuse(
                UnknownTableError(
                    f"table {name!r} is outside the tenancy. Place it in Tenancy(...), or read it inside "
                    '`with bypass(reason="..."):`',
                    table=name,
                )
            )
            return None
        self.tg_tables[key] = placement
        return placement

    def _tg_conditions(
        self, leaves: list[Leaf], around: list[Leaf], conditions: Sequence[Any], *, read: bool
    ) -> list[ColumnElement[bool]]:
        """Return the predicates; a ``through`` table that is joined to a guarded parent on its key needs none."""
        pending = [leaf for leaf in leaves if leaf.placement.kind == "through"]
        if not pending:
            return [self.tg_predicates.owns(leaf.source, leaf.placement, read=read) for leaf in leaves]
        guarded = [
            leaf for leaf in leaves if leaf.placement.kind == "owned" and leaf.placement.visible is None
        ]
        known = [*guarded, *(leaf for leaf in around if leaf.placement.visible is None)]
        equal = equalities(conditions) if known or len(pending) > 1 else set()
        free: list[Leaf] = []
        progress = True
        while progress and pending:
            progress = False
            for leaf in tuple(pending):
                above = leaf.placement.parent
                if not self._tg_is_hidden(above) and any(linked(leaf, p, equal) for p in known):
                    self._tg_rely(above)
                    pending.remove(leaf)
                    known.append(leaf)
                    progress = True
            if not progress and pending:
                leaf = root_first(pending)
                pending.remove(leaf)
                free.append(leaf)
                known.append(leaf)
                progress = True
        owned = [leaf for leaf in leaves if leaf.placement.kind == "owned"]
        return [self.tg_predicates.owns(leaf.source, leaf.placement, read=read) for leaf in (*owned, *free)]

    def _tg_derived(self, join: Any) -> Any:
        """Return a FULL JOIN whose tables, at every depth, are derived tables of the tenant's rows."""
        clone = join._clone()
        clone.left, clone.right = self._tg_derive(join.left), self._tg_derive(join.right)
        return clone

    def _tg_derive(self, from_: Any) -> Any:
        if isinstance(from_, Join):
            return self._tg_derived(from_)
        if isinstance(from_, FromGrouping):
            return FromGrouping(self._tg_derive(from_.element))
        if isinstance(from_, Filtered):
            return from_
        leaf = self._tg_leaf(from_)
        return Filtered(leaf) if leaf is not None else from_

    def visit_table(
        self, table: Any, asfrom: bool = False, ashint: bool = False, enclosing_alias: Any = None, **kw: Any
    ) -> str:
        """Render a table; one that no predicate was found for means a form that the guard does not know."""
        if asfrom and not ashint:
            self._tg_count(table)
            known = self._tg_levels[-1] if self._tg_levels else ()
            if is_trusted(enclosing_alias):
                self._tg_rely(table)
            if id(table) not in known and not is_trusted(enclosing_alias):
                placement = self.tg_placement(table)
                if placement is not None and placement.kind != "shared":
                    self.tg_refuse(
                        RawSQLError(
                            f"table {placement.name} stands in a place that the guard does not know",
                            kind="form",
                            table=placement.name,
                        )
                    )
        return super().visit_table(  # type: ignore[misc,no-any-return]
            table, asfrom=asfrom, ashint=ashint, enclosing_alias=enclosing_alias, **kw
        )

    def _tg_count(self, table: Any) -> None:
        name = str(table.name)
        self._tg_rendered[name] = self._tg_rendered.get(name, 0) + 1
