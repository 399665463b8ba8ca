"""A statement during compilation: what it names, what must be added, and why it is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.sql.elements import BindParameter

from tenantguard.errors import RawSQLError, UnknownTableError, Violation
from tenantguard.placements.permissions import Act
from tenantguard.sql.elements import RuleParameter, TenantParameter
from tenantguard.sql.row_grants import GrantedParameter
from tenantguard.tenancy import Key, Placement, full_name, table_key

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard
    from tenantguard.sql.plans import ReadBack, WritePlan


_MOST_TOLD = 20_000  # characters of a text that a refusal keeps
_IDS = frozenset({str, int, UUID})  # what a tenant may be


class Statement:
    """The guard's data about one compiled statement, kept as ``compiled.tg``.

    The execution reads:

    Attributes:
        era: the tables were so defined when it was compiled.
        fault: the refusal that awaits the execution, if any.
        serves: the types of a tenant for whom the statement needs no second look when it executes; none where each
            execution does, since a refusal or a check of its text awaits it.
        verified: what it writes must be verified.
        calls: it has a call, an operator, a field or a cast that only the users of the server could have made, of
            which the server is asked in each transaction.
        writes: what must be verified at the execution of each write.
        checks: what must be verified of the parameters of SQL text.
        changes: it is SQL text that writes.
        tables: the placements of the tables that it names.
        parameters: the names of the parameters that hold the tenant.
        places: the names of those that hold one of several tenants, and which one.
        rules: the row rules that stand in it.
        ruled: the names of the parameters that hold values of row rules, with the rules, and which value each.
        asks: the permissions that whoever acts needs for it; ``None`` where it names no table that takes any.
        asked: the same by table and act.
        granted: the names of the parameters that hold values of permission rules, with the table, and which value.
        kinds: the types that the tenant must have for them, ``None`` where a column does not tell.
        expected: the one of these that there usually is.
        stored: what it returns of the rows that it stores, to be verified.
        row: where a row of its parameters holds the tenant and the keys, once an execution has asked.

    Only the compilation reads:

    Attributes:
        changing: the FROM element that an UPDATE or DELETE writes, while its predicates are put in.
        levels: the FROM elements, by identity, that each SELECT in hand has found a predicate for.
        rendered: how many times each table was rendered, by name.
        custom: a construct of the user's own (``@compiles``) takes part.
        within: the one that is being rendered.
        conflicts: how many conflict clauses the compiler itself has rendered.
        unions: how many set operations it has.
        relied: the tables, by name, that a predicate reads beside the one it stands for.
        ctes: the names of common table expressions.
        hidden: the tables whose name a CTE has taken.
        target: the table that the UPDATE or DELETE in hand writes.
        conflict: what the conflict clause of the INSERT in hand sets, of the columns that are verified.
        upserts: the conflict clause of the INSERT in hand updates on no condition of the user's.
        read: text that was read as a whole statement already.
        operator: the text of a user's own operator, which has rules of its own.
        methods: the method of the TABLESAMPLE in hand, which is written as a function is.
        own_text: what SQLAlchemy itself writes as literal columns.
        rule_names: the names of the FROM elements of a row rule in hand, ``None`` outside of one.
        rule_ctes: the names of common table expressions of row rules.
    """

    __slots__ = (
        "asked",
        "asks",
        "calls",
        "changes",
        "changing",
        "checks",
        "conflict",
        "conflicts",
        "ctes",
        "custom",
        "era",
        "expected",
        "fault",
        "granted",
        "guard",
        "hidden",
        "kinds",
        "levels",
        "methods",
        "mode",
        "operator",
        "own_text",
        "parameters",
        "places",
        "read",
        "relied",
        "rendered",
        "row",
        "rule_ctes",
        "rule_names",
        "ruled",
        "rules",
        "serves",
        "stored",
        "tables",
        "target",
        "unions",
        "upserts",
        "verified",
        "within",
        "writes",
    )  # fmt: skip

    def __init__(self, guard: Guard, mode: str, hidden: frozenset[str] = frozenset()) -> None:
        self.guard = guard
        self.era = guard.era
        self.mode = mode
        self.fault: Violation | None = None
        self.serves: frozenset[type] = frozenset()
        self.verified = self.calls = self.changes = False
        self.writes: tuple[WritePlan, ...] = ()
        self.checks: tuple[Any, ...] = ()
        self.tables: dict[Key, Placement] = {}
        self.parameters: list[str] = []
        self.places: list[tuple[str, int]] = []
        self.kinds: set[type | None] = set()
        self.rules: list[Any] = []
        self.ruled: list[tuple[str, Any, int]] = []
        self.asked: dict[tuple[str, str], frozenset[str]] = {}
        self.asks: frozenset[str] | None = None
        self.granted: tuple[tuple[str, Key, int], ...] = ()
        self.changing: Any = None
        self.rule_names: set[str] | None = None
        self.rule_ctes: set[str] = set()
        self.expected: type | None = None
        self.stored: ReadBack | None = None
        self.row: Any = None

        self.levels: list[set[int]] = []
        self.rendered: dict[str, int] = {}
        self.custom = False
        self.within: Any = None
        self.conflicts = self.unions = 0
        self.relied: set[str] = set()
        self.ctes: set[str] = set()
        self.hidden = hidden
        self.target: Key | None = None
        self.conflict: dict[str, Any] = {}
        self.upserts = False
        self.read: Any = None
        self.operator: Any = None
        self.methods: frozenset[str] = frozenset()
        self.own_text: frozenset[str] = frozenset()

    def refuse(self, violation: Violation) -> None:
        """Keep the first refusal, which is recorded and raised when the statement executes."""
        if self.fault is None:
            self.fault = violation

    def refuse_fragment(self, fault: str | None, text: str) -> None:
        """Refuse the statement if a text fragment in it has a fault."""
        if fault is not None:
            self.refuse(
                RawSQLError(
                    f"text inside a statement was refused: {fault}. Write it with SQLAlchemy's constructs, or run "
                    'it inside `with bypass(reason="..."):`',
                    kind="raw_sql_fragment",
                    statement=text[:_MOST_TOLD],
                )
            )

    def place(self, table: Any) -> Placement | None:
        """Return the placement of a table, or refuse the statement and return ``None``."""
        key = table_key(table)
        placement = self.tables.get(key) or self.guard.placed.find_key(key)
        if placement is None:
            name = full_name(key)
            self.refuse(
                UnknownTableError(
                    f"table {name!r} is outside the tenancy. Place it in Tenancy(...), or read it inside "
                    '`with bypass(reason="..."):`',
                    table=name,
                )
            )
            return None
        self.tables[key] = placement
        return placement

    def ask(self, placement: Placement, act: Act) -> None:
        """Record the permissions needed for one action on one table."""
        if placement.permitted is not None:
            self.asked[placement.name, act] = placement.permitted.needed(act)

    def count(self, table: Any) -> None:
        """Record that a table was rendered."""
        name = str(table.name)
        self.rendered[name] = self.rendered.get(name, 0) + 1

    def finish(self, bind_names: Iterable[tuple[Any, str]], *, translated: bool) -> None:
        """Prepare the results of the compilation for the execution.

        Args:
            bind_names: the statement's parameters and their names.
            translated: a ``schema_translate_map`` is in force.
        """
        for parameter, name in bind_names:
            if type(parameter) is BindParameter:
                continue  # the user's, as most are
            if isinstance(parameter, TenantParameter):
                self.kinds.add(parameter.tg_expected)
                if parameter.place is None:
                    self.parameters.append(name)
                else:
                    self.places.append((name, parameter.place))
            elif isinstance(parameter, GrantedParameter):
                self.granted = (*self.granted, (name, parameter.table, parameter.place))
            elif isinstance(parameter, RuleParameter):
                self.ruled.append((name, parameter.rule, parameter.place))
        if self.asked:
            self.asks = frozenset[str]().union(*self.asked.values())
        expected = self.kinds - {None}
        if expected:
            (self.expected, *_) = expected
        for plan in self.writes:
            plan.settle()
        self.verified = any(not plan.is_idle for plan in self.writes)
        self.settle(translated=translated)

    def settle(self, *, translated: bool) -> None:
        """Decide whether each execution needs further checks."""
        plain = (
            self.mode == "tenant"
            and self.fault is None
            and len(self.kinds - {None}) <= 1
            and not self.checks
            and not self.changes
            and not self.calls
            and not self.rules
            and not translated
        )
        types = _IDS if self.expected is None else frozenset({self.expected})
        self.serves = types if plain else frozenset()


def set_apart(compiler: Any) -> None:
    """Keep SQLAlchemy from looking up the tenant's parameter at each execution, because the guard sets it.

    Where it was not written in, there is no value to send. A statement whose parameters are expanded, an INSERT, and
    a driver that is told of types, go through the names of all parameters once more, so they keep it.
    """
    tg = compiler.tg
    expanded = compiler.literal_execute_params or compiler.post_compile_params
    told = compiler.dialect.bind_typing is BindTyping.SETINPUTSIZES
    if tg.mode == "tenant" and tg.parameters and not (expanded or told or compiler.isinsert):
        _ = compiler._bind_processors  # which are found by these names, once
        names = compiler.bind_names
        compiler.bind_names = {one: names[one] for one in names if type(one) is not TenantParameter}


def verify_definitions(statement: Statement) -> None:
    """Refuse a statement where a table that was defined after ``guard()`` has left the tenancy with faults."""
    statement.era.used = True
    fault = statement.guard.fault()
    if fault is not None:
        statement.refuse(
            UnknownTableError(
                f"the tenancy can no longer be enforced, because a table was defined after guard(): {fault}",
                kind="definition",
            )
        )
