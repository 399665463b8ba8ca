"""The judge: what a write does beside another company's rows is what it does in the world of one."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from tenantguard import TenantGuardError, bind, guard
from tests.hostile.forms import FORMS, MODELS
from tests.hostile.spellings import PLAIN, TARGETS
from tests.hostile.states import STATES
from tests.hostile.world import Base, Content, content, refill, split, tenancy
from tests.servers import Database

# what is refused before it is sent: a text that gives a part of a key, a conflict clause that sets a query, and what
# cannot be read back (an UPDATE by an expression on MariaDB) or taken back (MariaDB under AUTOCOMMIT)
_DECLARED = ("refused, raw_sql", "refused, upsert", "refused, unverifiable", "refused, autocommit")
WHOSE = ("acme", "globex", "nobody")


@dataclass(frozen=True)
class Program:
    """One write: to which column, whose row it names, in which spelling, form and state."""

    target: str
    whose: str
    spelling: str
    form: str
    state: str

    def run(self, engine: Engine) -> str:
        """Run it for acme, and return what became of it."""
        table, column, spellings, value_of = TARGETS[self.target]
        with warnings.catch_warnings(), bind("acme"):
            warnings.simplefilter("ignore")
            try:
                value = spellings[self.spelling](value_of(self.whose))
                with STATES[self.state](engine) as session:
                    FORMS[self.form](session, MODELS[table], column, value)
            except TenantGuardError as error:
                return f"refused, {getattr(error, 'kind', type(error).__name__)}"
            except Exception as error:
                return f"failed, {type(error).__name__}"
        return "written"


def programs(seed: int, count: int) -> Iterator[Program]:
    """Yield random programs; the same seed yields the same."""
    chance = random.Random(seed)
    for _ in range(count):
        target = chance.choice(list(TARGETS))
        spellings = [PLAIN, *TARGETS[target][2]]
        yield Program(
            target,
            chance.choice(WHOSE),
            chance.choice(spellings),
            chance.choice(list(FORMS)),
            chance.choice(list(STATES)),
        )


class Judge:
    """Two worlds on one kind of database, in which programs are run and compared.

    Args:
        alone: an empty database, for acme's rows alone, without a guard.
        shared: an empty database, for the rows of both companies.
    """

    def __init__(self, alone: Database, shared: Database) -> None:
        self.alone, self.plain = alone.create_engine(), shared.create_engine()
        for engine in (self.alone, self.plain):
            Base.metadata.drop_all(engine)
            Base.metadata.create_all(engine)
        source = shared.create_engine() if shared.url != "sqlite://" else self._beside()
        self.guarded = guard(source, tenancy(), raw_sql="rewrite")
        self.counts: dict[str, int] = {}
        self._reset(alone=True, shared=True)

    def _beside(self) -> Engine:
        raise ValueError("a database in memory has one connection, and the judge needs two engines on it")

    def close(self) -> None:
        """Let go of the databases."""
        for engine in (self.alone, self.plain, self.guarded):
            engine.dispose()

    def fault(self, program: Program) -> str | None:
        """Return what a program does beside globex's rows that it does not do alone, or ``None``."""
        right, single = program.run(self.alone), content(self.alone)
        got, both = program.run(self.guarded), content(self.plain)
        ours, theirs = split(both)
        self._count(right, got)
        fault = _compare(right, single, got, ours, theirs, self.acme, self.globex)
        self._reset(alone=single != self.acme, shared=both != self.both)
        return None if fault is None else f"{program}: {fault}; alone: {right}; beside: {got}"

    def _count(self, right: str, got: str) -> None:
        declared = got if got in _DECLARED else got.split(",")[0]
        what = f"{right.split(',')[0]} alone, {declared} beside globex"
        self.counts[what] = self.counts.get(what, 0) + 1

    def _reset(self, *, alone: bool, shared: bool) -> None:
        if alone:
            refill(self.alone, "acme")
            self.acme = content(self.alone)
        if shared:
            refill(self.plain, "acme", "globex")
            self.both = content(self.plain)
            self.globex = split(self.both)[1]


def _compare(
    right: str, single: Content, got: str, ours: Content, theirs: Content, before: Content, globex: Content
) -> str | None:
    if theirs != globex:
        return f"globex's rows changed: {_difference(globex, theirs)}"
    if right == "written":
        if got in _DECLARED:
            return None
        if got != "written":
            return "what is written alone is not written"
        return None if ours == single else f"other rows: {_difference(single, ours)}"
    if got == "written":
        return "what fails alone is written"
    return None if ours in (single, before) else f"rows after an error: {_difference(single, ours)}"


def _difference(wanted: Content, found: Content) -> dict[str, Any]:
    return {name: (wanted[name], found[name]) for name in wanted if wanted[name] != found[name]}
