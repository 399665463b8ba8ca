"""Writes: UPDATE and DELETE carry the predicate, INSERT is stamped, and keys of another tenant are refused.

The compiler half decides once per statement shape what a write needs; the execution half is ``verify.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, and_, case, cast, exists, literal_column, or_, select
from sqlalchemy.sql import coercions, operators, roles
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    ClauseList,
    ColumnClause,
    ColumnElement,
    ExpressionClauseList,
    Grouping,
    Null,
)
from sqlalchemy.sql.selectable import Select, TableClause
from sqlalchemy.sql.util import tables_from_leftmost

from tenantguard.errors import CrossTenantError, RawSQLError
from tenantguard.sql.defaults import Named, with_defaults
from tenantguard.sql.leaves import enclosed
from tenantguard.sql.predicates import named
from tenantguard.sql.reads import GuardedReads
from tenantguard.sql.targets import grouped_fault, spelling_fault
from tenantguard.sql.text import orphan
from tenantguard.tenancy import Key, Placement, table_key

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard


_STAMP = "tenantguard_tenant"


@dataclass
class Link:
    """Name the parameters that hold one foreign key's values, a tuple of names per row.

    Attributes:
        parent: the table that the key leads to.
        columns: the columns of the parent.
        rows: the parameters.
        read: a parent that a row rule shows will do; never where the row belongs through it.
        required: the row belongs through this key, which the database lets be NULL.
    """

    parent: Any
    parent_key: Key
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    read: bool = False
    required: bool = False


@dataclass
class Probe:
    """Hold a query that finds a row which a write by expression would give away or steal."""

    statement: Any
    table: str
    what: str


@dataclass
class WritePlan:
    """Say what must be verified when a write is executed.

    Attributes:
        verb: ``"insert"``, ``"update"`` or ``"delete"``.
        table: the table that is written.
        placement: how it belongs.
        tenant: the parameters that hold the tenant column's values.
        links: the foreign keys that are given by parameters.
        probes: the queries that stand for what is given by expressions.
        key: the parameters that pick a row by its primary key, by column.
        late: of these parameters, those that a column's default fills when the statement is about to be sent.
        upserts: an INSERT of one row that updates, on no condition of the user's, the row that holds its key:
            where it does neither, the row is another tenant's.
    """

    verb: str
    table: Any
    placement: Placement
    tenant: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    key: dict[str, str] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    upserts: bool = False

    @property
    def is_idle(self) -> bool:
        """Tell whether the predicates say all: nothing that is given needs a look."""
        return self.placement.kind != "shared" and not (self.tenant or self.links or self.probes)


class GuardedWrites(GuardedReads):
    """Add the data-modifying statements to the guarded compiler."""

    _tg_conflict: dict[
        str, Any
    ] = {}  # what the conflict clause of the INSERT in hand sets, of what is watched

    if TYPE_CHECKING:
        column_keys: Any
        for_executemany: bool
        tg_guard: Guard

        def _get_bind_name_for_col(self, column: Any) -> str: ...

    def visit_update(self, update_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """Render an UPDATE with the predicate of its table and of every table it reads."""
        return self._tg_changed("update", update_stmt, visiting_cte, **kw)

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """Render a DELETE with the predicate of its table and of every table it reads."""
        return self._tg_changed("delete", delete_stmt, visiting_cte, **kw)

    def _tg_changed(self, verb: str, statement: Any, visiting_cte: Any, **kw: Any) -> str:
        state = statement._compile_state_factory(statement, self, **kw)
        core = state.statement
        toplevel = visiting_cte is None and not self.stack
        self._tg_levels.append(set())
        target = [core.table]
        main = set(tables_from_leftmost(core.table))
        extra = [from_ for from_ in state._extra_froms if from_ not in main]
        criteria = self.tg_guarded(target, core._where_criteria, read=False)
        if extra:
            criteria = (*self._tg_extra(target, extra, core._where_criteria), *criteria)
        render = getattr(super(), f"visit_{verb}")
        outer, self._tg_target = self._tg_target, table_key(_base(next(iter(main))))
        text: str = render(_with(core, state, _where_criteria=criteria), visiting_cte=visiting_cte, **kw)
        self._tg_target = outer
        self._tg_levels.pop()
        plans = [
            self._tg_changed_plan(verb, table, core, state, toplevel, criteria)
            for table in _written(core, state)
        ]
        self.tg_writes = (*self.tg_writes, *(plan for plan in plans if plan is not None))
        return text

    def _tg_extra(self, target: list[Any], extra: list[Any], where: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the predicates of the other tables; one that hangs on a row of the target by its key needs none."""
        conditions: list[Any] = list(where)
        around = [leaf for from_ in target for leaf in self._tg_preserved(from_, conditions)]
        leaves = [leaf for from_ in extra for leaf in self._tg_preserved(from_, conditions)]
        return tuple(self._tg_conditions(leaves, around, conditions, read=True))

    def _tg_changed_plan(
        self, verb: str, table: Any, core: Any, state: Any, toplevel: bool, criteria: tuple[Any, ...]
    ) -> WritePlan | None:
        placement = self.tg_placement(table)
        if placement is None:
            return None
        plan = WritePlan(verb, table, placement)
        if placement.kind == "shared":
            return plan
        if toplevel:
            plan.key = self._tg_key(table, core._where_criteria)
        if verb == "update":
            given = self._tg_given(table, state, toplevel, several=bool(state._extra_froms))
            given = self._tg_with_defaults(plan, given)
            sources = [core.table, *(f for f in state._extra_froms if f is not core.table)]
            self._tg_watch(plan, given, lambda condition: _rows_where(sources, criteria, condition))
            if plan.probes:  # they read the target in a SELECT, where a CTE of its name would stand for it
                for from_ in (table, *map(_base, tables_from_leftmost(core.table))):
                    self._tg_rely(from_)
        return plan

    def _tg_given(self, table: Any, state: Any, toplevel: bool, *, several: bool = False) -> dict[str, Any]:
        """Return what a statement gives for each column, by the column's name: an element, or a parameter's name."""
        given: dict[str, Any] = {}
        columns = _columns(table)
        placement = self.tg_guard.tenancy.find(table)
        if placement is not None and placement.kind != "shared":
            keys = state._dict_parameters or ()
            self._tg_no_target(placement, grouped_fault(keys, columns, self._tg_watched_names(placement)))
        if toplevel:
            for key in self.column_keys or ():
                column = columns.get(key)
                if column is not None:
                    given[column.name] = Named(self._get_bind_name_for_col(column))
        for key, value in (state._dict_parameters or {}).items():
            source = getattr(key, "table", None)
            if several and source is not None and table_key(source) != table_key(table):
                continue
            column = columns.get(coercions.expect_as_key(roles.DMLColumnRole, key))
            if column is not None:
                given[column.name] = value
        return given

    def _tg_with_defaults(self, plan: WritePlan, given: Mapping[str, Any], row: int = 0) -> dict[str, Any]:
        """Return what a statement gives, with what the defaults of the columns that are verified give."""
        columns = self._tg_watched(plan.table, plan.placement).values()
        found = with_defaults(self, plan.verb, columns, given, row)
        plan.late |= {
            value.name for key, value in found.items() if key not in given and isinstance(value, Named)
        }
        return found

    def _tg_watch(self, plan: WritePlan, given: Mapping[str, Any], rows: Any) -> None:
        """Fill in a plan what must be verified of the columns that a statement gives."""
        placement, guard = plan.placement, self.tg_guard
        self._tg_spelled(placement, given)
        if placement.kind == "owned" and placement.column is not None and placement.column in given:
            value = given[placement.column]
            name = self._tg_name(value)
            if name is not None:
                plan.tenant.append(name)
            elif not _same_column(value, plan.table, placement.column):
                element = Grouping(_element(value))
                differs = self.tg_predicates.differs(element, placement)
                plan.probes.append(Probe(rows(differs), placement.name, "the tenant column"))
        for parent, pairs in guard.links(placement.key):
            if not given.keys().isdisjoint([ours for ours, _ in pairs]) and not guard.covered(
                placement, parent, pairs
            ):
                self._tg_watch_link(plan, given, parent, pairs, rows)

    def _tg_spelled(self, placement: Placement, names: Iterable[str]) -> None:
        """Refuse a column that is written under another spelling of one that is verified."""
        watched = self._tg_watched_names(placement)
        if watched.issuperset(names):
            return
        self._tg_no_target(
            placement, spelling_fault(names, watched, self.tg_guard.column_names(placement.key))
        )

    def _tg_no_target(self, placement: Placement, fault: str | None) -> None:
        if fault is not None:
            self.tg_refuse(
                CrossTenantError(
                    f"a write to {placement.name} was refused: {fault}", kind="target", table=placement.name
                )
            )

    def _tg_watch_link(
        self, plan: WritePlan, given: Mapping[str, Any], parent: Any, pairs: Any, rows: Any
    ) -> None:
        required = _belongs_by(plan, pairs)
        names = [self._tg_name(given[ours]) if ours in given else None for ours, _ in pairs]
        columns = tuple([theirs for _, theirs in pairs])
        read = self.tg_guard.tenancy.of(parent).visible is not None and plan.placement.link != tuple(pairs)
        if None not in names:
            row = tuple([name for name in names if name is not None])
            plan.links.append(Link(parent, table_key(parent), columns, [row], read, required))
            return
        if any(isinstance(given.get(ours), Null) for ours, _ in pairs):
            if required:
                self.tg_refuse(orphan(plan.placement, ", ".join(ours for ours, _ in pairs)))
            return
        if all(_same_column(given[ours], plan.table, ours) for ours, _ in pairs if ours in given):
            return
        values = [
            _element(given[ours]) if ours in given else named(plan.table, ours, None) for ours, _ in pairs
        ]
        condition = self.tg_predicates.foreign(
            lambda source: and_(
                *(named(source, c, None) == Grouping(v) for c, v in zip(columns, values, strict=True))
            ),
            parent,
            read=read,
        )
        if required:
            condition = or_(condition, *(Grouping(value).is_(None) for value in values))
        plan.probes.append(Probe(rows(condition), plan.placement.name, f"a key of {parent.name}"))

    def _tg_name(self, value: Any) -> str | None:
        """Return the name of the parameter that holds a value, or ``None`` where it is an expression."""
        if isinstance(value, Named):
            return value.name
        if isinstance(value, BindParameter):
            found = self.bind_names.get(value)
            return found or next((n for p, n in self.bind_names.items() if p.key == value.key), None)
        return None

    def _tg_key(self, table: Any, where: Iterable[Any]) -> dict[str, str]:
        """Return the parameters that pick a row by its primary key, where every key column has one."""
        found: dict[str, str] = {}
        for clause in where:
            for part in (
                clause.clauses if isinstance(clause, ClauseList | ExpressionClauseList) else (clause,)
            ):
                if isinstance(part, BinaryExpression) and part.operator is operators.eq:
                    name = self._tg_name(part.right)
                    if isinstance(part.left, ColumnClause) and name is not None:
                        found[part.left.name] = name
        keys = [column.name for column in getattr(table, "primary_key", ())]
        return {key: found[key] for key in keys} if keys and all(key in found for key in keys) else {}

    # -- INSERT ------------------------------------------------------------------------------------------

    def visit_insert(
        self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any
    ) -> str:
        """Render an INSERT, stamped where the tenant is missing."""
        toplevel = visiting_cte is None and not self.stack
        insert_stmt = self._tg_stamped_select(insert_stmt)
        state = insert_stmt._compile_state_factory(insert_stmt, self, **kw)
        core = state.statement
        placement = self.tg_placement(core.table)
        self._tg_count(core.table)
        if state._has_multi_parameters:
            # parameters of our own finding: a literal gets a name that depends on where it stands
            watched = self._tg_watched(core.table, placement) if placement is not None else {}
            rows = [_bound_row(row, watched) for row in state._multi_parameters]
            state._multi_parameters, state._dict_parameters = rows, rows[0]
        if placement is not None and placement.kind == "owned" and not core._select_names:
            self._tg_stamp(core.table, state, placement, toplevel)
        if placement is not None and placement.kind != "shared":
            self._tg_no_replace(core, placement)
        outer, self._tg_conflict, self._tg_upserts = self._tg_conflict, {}, False
        text: str = super().visit_insert(  # type: ignore[misc]  # of the dialect's compiler
            _with(core, state), visiting_cte=visiting_cte, **kw
        )
        conflict, self._tg_conflict = self._tg_conflict, outer
        if placement is not None:
            plan = WritePlan("insert", core.table, placement)
            if placement.kind != "shared":
                self._tg_insert_plan(plan, core, state, toplevel)
                self._tg_watch(plan, conflict, _row_where)
                plan.upserts = (
                    self._tg_upserts and toplevel and not core._select_names and not core._returning
                )
                plan.upserts = plan.upserts and not state._has_multi_parameters
            self.tg_writes = (*self.tg_writes, plan)
        return text

    def _tg_watched(self, table: Any, placement: Placement) -> dict[str, Any]:
        """Return the columns, by key and by name, whose values are verified."""
        names = self._tg_watched_names(placement)
        return {key: column for key, column in _columns(table).items() if column.name in names}

    def _tg_watched_names(self, placement: Placement) -> set[str]:
        names = {ours for _, pairs in self.tg_guard.links(placement.key) for ours, _ in pairs}
        return names | {placement.column} if placement.column is not None else names

    def _tg_stamp(self, table: Any, state: Any, placement: Placement, toplevel: bool) -> None:
        """Give the tenant column the bound tenant, on every row that leaves it out."""
        column = next((c for c in table.c if c.name == placement.column), None)
        if column is None:
            self.tg_refuse(
                CrossTenantError(
                    f"an INSERT into {placement.name} goes through a mapping that leaves out {placement.column}; "
                    "insert through the one that has it",
                    kind="unstamped",
                    table=placement.name,
                )
            )
            return
        if toplevel and column.key in map(str, self.column_keys or ()):
            return
        if self.tg_mode != "tenant":
            self._tg_must_name(placement, state)
            return
        parameter = self.tg_predicates.stamp(placement)
        if state._has_multi_parameters:
            rows = [_stamped_row(row, column, parameter) for row in state._multi_parameters]
            state._multi_parameters, state._dict_parameters = rows, rows[0]
        else:
            state._dict_parameters = _stamped_row(state._dict_parameters or {}, column, parameter)
            state._no_parameters = False

    def _tg_must_name(self, placement: Placement, state: Any) -> None:
        rows = state._multi_parameters if state._has_multi_parameters else [state._dict_parameters or {}]
        for row in rows:
            if not any(coercions.expect_as_key(roles.DMLColumnRole, key) == placement.column for key in row):
                self.tg_refuse(
                    CrossTenantError(
                        f"an INSERT into {placement.name} names no tenant while several are bound; "
                        f"give {placement.column}, or bind the one you mean",
                        kind="unstamped",
                        table=placement.name,
                    )
                )

    def _tg_stamped_select(self, statement: Any) -> Any:
        """Return an INSERT from a SELECT with the tenant among the columns."""
        placement = self.tg_guard.tenancy.find(statement.table) if statement._select_names else None
        if placement is None or placement.kind != "owned":
            return statement
        column = next((c for c in statement.table.c if c.name == placement.column), None)
        names = [coercions.expect(roles.DMLColumnRole, name, as_key=True) for name in statement._select_names]
        if column is None or column.key in names:
            return statement
        parameter = self.tg_predicates.parameter(placement) if self.tg_mode == "tenant" else None
        if parameter is None:
            self.tg_refuse(
                CrossTenantError(f"an INSERT into {placement.name} names no tenant", kind="unstamped")
            )
            return statement
        source = statement.select
        if isinstance(source, Select) and not source._distinct and source._limit_clause is None:
            source = source.add_columns(parameter.label(_STAMP))
        else:
            inner = source.subquery()
            source = select(*inner.c, parameter.label(_STAMP)).select_from(inner)
        clone = statement._clone()
        clone.select, clone._select_names = source, [*statement._select_names, column.key]
        return clone

    def _tg_insert_plan(self, plan: WritePlan, core: Any, state: Any, toplevel: bool) -> None:
        given: dict[str, Any] = {}
        if core._select_names:
            inner = core.select.subquery()
            columns = _columns(core.table)
            for name, value in zip(core._select_names, inner.c, strict=False):
                key = coercions.expect(roles.DMLColumnRole, name, as_key=True)
                if key in columns:
                    given[columns[key].name] = self._tg_typed(value, columns[key])
            given = self._tg_with_defaults(plan, given)
            if plan.placement.kind == "owned" and self._tg_stamp_stands_last(core, plan.placement):
                given.pop(plan.placement.column or "", None)
            self._tg_watch(plan, given, lambda condition: _rows_where([inner], (), condition))
            self._tg_through_given(plan, given)
            return
        rows = state._multi_parameters if state._has_multi_parameters else None
        if rows is None:
            given = self._tg_given(core.table, state, toplevel)
            given = self._tg_with_defaults(plan, given)
            self._tg_watch(plan, given, _row_where)
            self._tg_through_given(plan, given)
            return
        columns = _columns(core.table)
        for number, row in enumerate(rows):
            named_row = {
                columns.get(coercions.expect_as_key(roles.DMLColumnRole, key)): value
                for key, value in row.items()
            }
            given = {column.name: value for column, value in named_row.items() if column is not None}
            given = self._tg_with_defaults(plan, given, number)
            self._tg_watch(plan, given, _row_where)
            self._tg_through_given(plan, given)

    def _tg_typed(self, value: Any, column: Any) -> Any:
        """Return a value of a SELECT; a bare NULL in one is a text to PostgreSQL, until it is cast."""
        bare = value.type._isnull and self.dialect.name == "postgresql"
        return cast(value, column.type) if bare else value

    def _tg_stamp_stands_last(self, core: Any, placement: Placement) -> bool:
        last = list(core.select._all_selected_columns)[-1] if core.select is not None else None
        element = getattr(last, "element", last)
        return element is self.tg_predicates.parameter(placement)

    def _tg_through_given(self, plan: WritePlan, given: Mapping[str, Any]) -> None:
        """Refuse a row of a ``through`` table that names no parent: it would belong to nobody."""
        placement = plan.placement
        if placement.kind != "through":
            return
        missing = [ours for ours, _ in placement.link if ours not in given or isinstance(given[ours], Null)]
        columns = {c.name: c for c in plan.table.c}
        if any(getattr(columns.get(name), "nullable", False) for name in missing):
            self.tg_refuse(orphan(placement, ", ".join(missing)))

    def _tg_no_replace(self, core: Any, placement: Placement) -> None:
        for prefix, _ in core._prefixes:
            if "replace" in str(getattr(prefix, "text", "")).lower():
                self.tg_refuse(
                    RawSQLError(
                        f"INSERT OR REPLACE into {placement.name} deletes whatever row holds the key, another "
                        "tenant's too. Use insert(...).on_conflict_do_update(...)",
                        kind="replace",
                        table=placement.name,
                    )
                )

    # -- upserts -----------------------------------------------------------------------------------------

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
        """Render ON CONFLICT DO UPDATE, which may change the tenant's rows only."""
        table = self.stack[-1]["selectable"].table
        placement = self.tg_placement(table)
        if placement is not None and placement.kind != "shared":
            # SQLAlchemy 2.0 keeps pairs, literals among them, where 2.1 keeps a mapping of elements
            values = _bound_row(dict(on_conflict.update_values_to_set), _columns(table))
            self._tg_upsert_set(table, placement, values)
            where = on_conflict.update_whereclause
            self._tg_upserts = where is None
            clone = on_conflict._clone()
            clone.update_values_to_set = values
            clone.update_whereclause = and_(
                self.tg_predicates.owns(table, placement), *enclosed((where,) if where is not None else ())
            )
            on_conflict = clone
        return super().visit_on_conflict_do_update(on_conflict, **kw)  # type: ignore[misc,no-any-return]

    def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> str:
        """Render ON DUPLICATE KEY UPDATE, each assignment of which keeps another tenant's value as it is."""
        table = self.stack[-1]["selectable"].table
        placement = self.tg_placement(table)
        if placement is not None and placement.kind != "shared":
            self._tg_upsert_set(table, placement, on_duplicate.update)
            columns = _columns(table)
            mine = self._tg_met(table, placement, on_duplicate)
            clone = on_duplicate._clone()
            clone.update = {
                key: case(
                    (mine, _element(value)),
                    else_=columns[coercions.expect_as_key(roles.DMLColumnRole, key)],
                )
                for key, value in on_duplicate.update.items()
            }
            on_duplicate = clone
        quote, outer = self.preparer.quote, self._tg_own_text
        self._tg_own_text = frozenset(f"VALUES({quote(column.name)})" for column in table.c)
        text: str = super().visit_on_duplicate_key_update(on_duplicate, **kw)  # type: ignore[misc]
        self._tg_own_text = outer
        # PyMySQL's executemany() knows no parameters behind VALUES, unless it takes the rows one by one,
        # as it does where it does not recognise the statement
        return f"/* */ {text}" if self.for_executemany and "tenantguard" in text else text

    def _tg_met(self, table: Any, placement: Placement, on_duplicate: Any) -> Any:
        """Return the condition that the row which holds the key is the tenant's.

        The row that was to be inserted is the tenant's, which saves an owned table the parameter.
        """
        columns = _columns(table)
        if placement.kind != "owned" or self.tg_mode != "tenant" or placement.column not in columns:
            return self.tg_predicates.owns(table, placement)
        mine = columns[placement.column]
        new = on_duplicate.inserted_alias.c[mine.key]
        if not self.tg_predicates.is_exact(placement):
            return mine == new
        return and_(mine == new, cast(mine, LargeBinary) == cast(new, LargeBinary))

    def _tg_upsert_set(self, table: Any, placement: Placement, values: Mapping[Any, Any]) -> None:
        """Refuse an upsert whose SET could move a row, or point it at another tenant's, unseen."""
        self._tg_no_target(placement, self._tg_conflict_fault(table, placement, values))
        watched = {placement.column} if placement.kind == "owned" else set()
        for parent, pairs in self.tg_guard.links(placement.key):
            if not self.tg_guard.covered(placement, parent, pairs):
                watched |= {ours for ours, _ in pairs}
        columns = _columns(table)
        for key, value in values.items():
            column = columns.get(coercions.expect_as_key(roles.DMLColumnRole, key))
            if column is None or column.name not in watched or _excluded(value, column.name, table):
                continue
            if isinstance(value, BindParameter):
                self._tg_conflict[column.name] = value  # verified like a value that is inserted
                continue
            self.tg_refuse(
                CrossTenantError(
                    f"the conflict clause of an INSERT into {placement.name} sets {column.name} by an expression; "
                    f"there it may be set to a value, or to excluded.{column.name}",
                    kind="upsert",
                    table=placement.name,
                )
            )

    def _tg_conflict_fault(self, table: Any, placement: Placement, values: Mapping[Any, Any]) -> str | None:
        """Tell what a conflict clause sets under another spelling: names that SQLAlchemy does not know pass there."""
        watched = self._tg_watched_names(placement)
        columns = _columns(table)
        fault = grouped_fault(values, columns, watched)
        names = [str(getattr(key, "name", key)) for key in values]
        return fault or spelling_fault(names, {*watched, *columns}, self.tg_guard.column_names(placement.key))


def _with(statement: Any, state: Any, **changed: Any) -> Any:
    """Return a copy of a statement that keeps the compile state it was given, instead of making another."""
    clone = statement._clone()
    clone.__dict__.update(changed)
    state.statement = clone
    clone.__dict__["_compile_state_factory"] = lambda *args, **kw: state
    return clone


def _columns(table: Any) -> dict[str, Any]:
    """Return the columns by key and by name."""
    columns = list(table.c)
    found = {column.name: column for column in columns}
    found.update({column.key: column for column in columns if column.key != column.name})
    return found


def _written(core: Any, state: Any) -> list[Any]:
    """Return the tables that a statement writes: its own, and on MariaDB each that a column of SET belongs to."""
    main = next(iter(tables_from_leftmost(core.table)))
    found = {table_key(_base(main)): _base(main)}
    if getattr(state, "isupdate", False):
        for key in state._dict_parameters or ():
            table = getattr(key, "table", None)
            if table is not None and isinstance(_base(table), TableClause):
                found.setdefault(table_key(_base(table)), _base(table))
    return list(found.values())


def _base(from_: Any) -> Any:
    while not isinstance(from_, TableClause) and hasattr(from_, "element"):
        from_ = from_.element
    return from_


def _stamped_row(row: Mapping[Any, Any], column: Any, parameter: Any) -> dict[Any, Any]:
    """Return a row of VALUES with the tenant; one that names ``None`` is stamped like one that names nothing."""
    stamped = dict(row)
    for key, value in row.items():
        if coercions.expect_as_key(roles.DMLColumnRole, key) == column.key:
            if isinstance(value, Null):
                stamped[key] = parameter
            return stamped
    stamped[column] = parameter
    return stamped


def _belongs_by(plan: WritePlan, pairs: Any) -> bool:
    """Tell whether a row belongs through a key that the database lets be NULL."""
    if plan.placement.link != tuple(pairs):
        return False
    columns = _columns(plan.table)
    return any(getattr(columns.get(ours), "nullable", False) for ours, _ in pairs)


def _bound_row(row: Mapping[Any, Any], columns: Mapping[str, Any]) -> dict[Any, Any]:
    """Return a row of VALUES whose literals are parameters."""
    bound = {}
    for key, value in row.items():
        column = columns.get(coercions.expect_as_key(roles.DMLColumnRole, key))
        literal = column is not None and (value is None or coercions._is_literal(value))
        bound[key] = (
            BindParameter(None, value, type_=column.type, unique=True)
            if literal and column is not None
            else value
        )
    return bound


def _element(value: Any) -> ColumnElement[Any]:
    if isinstance(value, Named):
        return BindParameter(value.name, required=True)
    found: ColumnElement[Any] = coercions.expect(roles.ExpressionElementRole, value)
    return found


def _same_column(value: Any, table: Any, name: str | None) -> bool:
    """Tell whether an expression is the row's own column, so that nothing changes."""
    return (
        isinstance(value, ColumnClause)
        and not value.is_literal
        and value.name == name
        and value.table is not None
        and hash(value.table) == hash(table)
    )


def _excluded(value: Any, name: str, table: Any) -> bool:
    """Tell whether an expression is the inserted value, or the row's own."""
    return (
        isinstance(value, ColumnClause)
        and not value.is_literal
        and value.name == name
        and value.table is not None
        and table_key(_base(value.table)) == table_key(table)
    )


def _rows_where(sources: list[Any], criteria: tuple[Any, ...], condition: Any) -> Any:
    """Return a query that tells whether any row that a statement reaches meets a condition."""
    inner: Any = select(literal_column("1")).select_from(*sources).where(*enclosed(criteria), condition)
    return select(exists(inner.correlate(None)))


def _row_where(condition: Any) -> Any:
    """Return a query that tells whether the values of one new row meet a condition."""
    return select(exists(select(literal_column("1")).where(condition)))
