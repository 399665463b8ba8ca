"""The oracle: run one program among all tenants, guarded, and in a database of one tenant alone, and compare.

The second database holds the tenant's rows and the shared ones and has no guard: it says what is right.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, event
from sqlalchemy.orm import Session

from tenantguard.context import bind
from tenantguard.errors import TenantId
from tenantguard.sql.install import guard
from tenantguard.tenancy import Tenancy
from tenantguard.testing.comparison import Outcome, Verdict, compare
from tenantguard.testing.data import Data, generate, keys_of
from tenantguard.testing.databases import Database
from tenantguard.testing.generator.program import Program, script
from tenantguard.testing.generator.schema import Schema
from tenantguard.testing.places import recipe
from tenantguard.testing.samples import samples_of
from tenantguard.testing.steady import steady
from tenantguard.testing.unguarded import unwatched
from tenantguard.testing.witness import Witness, raised

Function = Callable[..., Any]
Protect = Callable[[Engine, Tenancy], object]


class Oracle:
    """A comparison of what a tenant's code sees and does among all tenants with what it does alone.

    Args:
        metadata: the MetaData of the models, one or several.
        tenancy: how the tables belong.
        models: the declarative base or the registry, where programs of the ORM are wanted.
        url: a server on which databases may be made (they are dropped again), or ``sqlite://``.
        samples: values for columns whose type is unknown here, ``{"calls.started_at": [...]}``.
        protect: what makes the engine safe; ``None`` leaves it unguarded, which shows that the oracle notices.

    Example:
        >>> from tenantguard.testing.generator import models
        >>> with Oracle(models.metadata, models.tenancy, models.Base) as oracle:
        ...     def program(db, see, own, other, tenant):
        ...         see(db.execute(models.Call.__table__.select()))
        ...     oracle.run(program).agrees
        True
    """

    def __init__(
        self,
        metadata: MetaData | tuple[MetaData, ...],
        tenancy: Tenancy,
        models: Any = None,
        *,
        url: str | URL = "sqlite://",
        samples: Mapping[str, Sequence[Any]] | None = None,
        protect: Protect | None = guard,
    ) -> None:
        self.tenancy = tenancy
        self.models = models
        self.samples = samples or {}
        self.protect = protect
        self.schema = Schema(metadata, tenancy, models, samples=samples)
        self.data: Data = generate(self.schema)
        self.names = {**self.schema.namespace(), "sample": self._sample}
        self.together = Database(url, "all")
        self.together.fill(self.schema, self.data, self.data.tenants)
        self.alone = {tenant: self._alone(url, n, tenant) for n, tenant in enumerate(self.data.tenants)}
        self.pair = self.data.tenants[:2]
        self.paired = Database(url, "pair")
        self.paired.fill(self.schema, self.data, self.pair)
        self.before = self.together.state(self.schema)
        self.others = {tenant: self._others(tenant) for tenant in self.data.tenants}
        if protect is not None:
            protect(self.together.engine, tenancy)

    @property
    def dialect(self) -> str:
        """Return the dialect to write programs for."""
        return self.together.dialect

    def _alone(self, url: str | URL, number: int, tenant: TenantId) -> Database:
        made = Database(url, f"tenant_{number}")
        made.fill(self.schema, self.data, [tenant], default=tenant)
        return made

    def _others(self, tenant: TenantId) -> dict[str, Counter[str]]:
        mine = self.alone[tenant].state(self.schema)
        return {name: Counter(rows) - Counter(mine[name]) for name, rows in self.before.items()}

    def close(self) -> None:
        """Drop the databases."""
        for database in (self.together, self.paired, *self.alone.values()):
            database.close()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, program: Program | Function, **options: Any) -> Verdict:
        """Run a program as each of its tenants in turn, on both sides, and compare.

        Args:
            program: generated, or a function ``program(db, see, own, other, tenant)``.
            options: of a function: ``orm=True`` hands it a Session, ``writes=True`` compares the state
                afterwards, ``tenants=(0, 1)`` says as whom it runs, ``several=True`` that it is run for two
                tenants at once as well.
        """
        made = program if isinstance(program, Program) else Program((), (), **options)
        function = program.function(self.names) if isinstance(program, Program) else program
        verdicts = [self._compare(made, function, self.data.tenants[n]) for n in made.tenants]
        if made.several:
            verdicts.append(self._compare_pair(made, function))
        return Verdict(
            made if isinstance(program, Program) else None,
            tuple(told for v in verdicts for told in v.disagreements),
            tuple(told for v in verdicts for told in v.refusals),
            tuple(told for v in verdicts for told in v.errors),
        )

    def check(self, program: Program | Function, **options: Any) -> Verdict:
        """Run a program and raise where the promise is not kept.

        Raises:
            AssertionError: with what differs and, for a generated program, the code that shows it.
        """
        verdict = self.run(program, **options)
        if not verdict.agrees:
            raise AssertionError(self.report(verdict))
        return verdict

    def report(self, verdict: Verdict) -> str:
        """Return what differs, and a script that shows it again."""
        told = "\n".join((*verdict.disagreements, *verdict.refusals))
        if verdict.program is None:
            return told
        code = script(verdict.program, self.schema.tables, self.schema.classes, recipe(self))
        return f"{told}\n\n{code}"

    def _compare(self, program: Program, function: Function, tenant: TenantId) -> Verdict:
        with bind(tenant):
            guarded = self.execute(self.together, program, function, tenant)
        return compare(guarded, self.right(program, function, tenant), self.others[tenant], str(tenant))

    def right(self, program: Program, function: Function, tenant: TenantId) -> Outcome:
        """Run a program in a tenant's own database, which says what is right."""
        with stamping(program, self.schema, tenant):
            return self.execute(self.alone[tenant], program, function, tenant)

    def _compare_pair(self, program: Program, function: Function) -> Verdict:
        """Compare what is seen for two tenants at once with a database of these two."""
        first = self.pair[0]
        with bind(self.pair):
            guarded = self.execute(self.together, program, function, first)
        reference = self.execute(self.paired, program, function, first)
        return compare(guarded, reference, {}, " and ".join(map(str, self.pair)))

    def execute(
        self,
        database: Database,
        program: Program,
        function: Function,
        tenant: TenantId,
        *,
        engine: Engine | None = None,
        within: Callable[[Connection], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> Outcome:
        """Run a program in one database as one tenant, inside a transaction that is rolled back.

        Args:
            engine: another engine on the same database.
            within: what the program runs within, in the transaction; the rows afterwards are read outside of it.
        """
        own = functools.partial(self._key, tenant)
        position = self.data.tenants.index(tenant)
        other = functools.partial(self._key, self.data.tenants[position - 1])
        connect = (engine or database.engine).connect
        with unwatched(), steady(self.schema), connect() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transaction = connection.begin()
            try:
                with within(connection):
                    seen = _observe(program, function, connection, (own, other, tenant))
                return Outcome(seen, database.state(self.schema) if program.writes else None)
            finally:
                transaction.rollback()

    def _sample(self, table: str, column: str, number: int) -> Any:
        """Return a value that has no literal, such as a member of an enumeration."""
        return samples_of(self.schema.tables[table].named(column))[number]

    def _key(self, tenant: TenantId, name: str, number: int) -> Any:
        """Return the key of a tenant's n-th row of a table or a class; where there is none, one that nobody has."""
        cls = self.schema.classes.get(name)
        info = self.schema.tables[cls.table if cls is not None else name]
        owner = None if info.placement.kind == "shared" else tenant
        rows = self.data.rows[owner][info.name]
        if cls is not None:
            rows = self.schema.rows_of_class(cls, rows)
        keys = keys_of(info, rows)
        if keys:
            return keys[number % len(keys)]
        return -1 if len(info.key) == 1 else tuple(-1 for _ in info.key)


def _observe(
    program: Program, function: Function, connection: Connection, arguments: tuple[Any, ...]
) -> list[Any]:
    session = Session(connection, join_transaction_mode="create_savepoint") if program.orm else None
    with contextlib.closing(session) if session is not None else contextlib.nullcontext():
        db = session if session is not None else connection
        witness = Witness(db)
        try:
            function(db, witness, *arguments)
        except Exception as error:
            witness.note(raised(error))
        return witness.seen


@contextlib.contextmanager
def stamping(program: Program, schema: Schema, tenant: TenantId) -> Iterator[None]:
    """Fill the tenant of new objects in the unguarded database: its developer has no such column to fill."""
    if not (program.orm and program.writes):
        yield
        return
    attributes: Mapping[type[Any], str] = {
        c.cls: name
        for c in schema.classes.values()
        for name, info in c.attributes
        for table in (schema.tables[schema.name(info.column.table)],)
        if info.name == table.tenant_column and not table.roots
    }

    def stamp(session: Session, *_: object) -> None:
        for new in session.new:
            name = attributes.get(type(new))
            if name is not None and getattr(new, name) is None:
                setattr(new, name, tenant)

    event.listen(Session, "before_flush", stamp)
    try:
        yield
    finally:
        event.remove(Session, "before_flush", stamp)
