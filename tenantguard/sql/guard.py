"""The guard: the enforcement that is installed on one engine, as a value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

from tenantguard.binding import is_bypass
from tenantguard.context import peek
from tenantguard.errors import ConfigurationError
from tenantguard.sql.part import Part
from tenantguard.sql.row_grants import Grants
from tenantguard.sql.telling.row_security import RowSecurity
from tenantguard.sql.text import Rewritten, Texts
from tenantguard.sql.text.texts import Kept
from tenantguard.sql.ties import Ties
from tenantguard.tenancy import Key, Placement, Tenancy, full_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine  # needs greenlet, which a synchronous application may lack

RawSQL = Literal["refuse", "rewrite", "database"]
Mode = Literal["enforce", "observe"]

permitting: WeakSet[Guard] = WeakSet()  # the guards of tenancies with permissions
showing: WeakSet[Guard] = WeakSet()  # those of tenancies with row rules
_ASKED_AGAIN = 30.0  # seconds; a statement that calls what only the users could have made asks by itself


class Era:
    """A period in which the definitions of a tenancy's tables do not change.

    Attributes:
        alive: it has not ended; what was compiled in one that has is compiled anew.
        used: something was compiled, or kept of a text.
        faults: what is wrong with the tenancy, once it was asked; a first era begins with none.
    """

    __slots__ = ("alive", "faults", "used")

    def __init__(self, faults: tuple[str, ...] | None = None) -> None:
        self.alive, self.used, self.faults = True, False, faults


class Guard:
    """The enforcement that is installed on one engine; ``Guard.of(engine)`` returns it.

    Attributes:
        tenancy: how every table belongs.
        placed: the same; where only some tables are enforced, the others are open.
        ties: its foreign keys, and the columns whose values are verified.
        dialect: the name of the database's dialect.
        raw_sql: what becomes of SQL text: ``"refuse"``, ``"rewrite"`` or ``"database"``.
        unproven: whether the caller insisted on a database on which nobody proved the guard.
        enforces: whether anything is enforced at all.
        grants: what the permission rules of the tenancy answer.
        restricts: there are such rules.
        parent_queries: the look-ups of parents, by what they ask.
        tied: what could tie the rows of two tenants together, by table.
        locking: whether PostgreSQL lets the role lock rows of a table, by its schema and name.
        attributes: the attributes of mapped classes that hold their tenant, by mapper.
        shown: the placements of those that a row rule shows to other tenants, by mapper; ``None`` for the others.
        texts: reads SQL text, and keeps what was read.
        sent: what became of texts that were sent straight to the driver, by text; by text and number where several
            tenants are bound.
        catalogue: what the users of a PostgreSQL server have made, as it was last asked.
        ask_at: when it is to be asked again, on the clock that only goes forward; at first on PostgreSQL and
            SQLite (once), and never on other servers.
        left: a bypass has left something on one of its connections.
        prepared: the tenants that two-phase transactions were prepared for, by their names, until they end.
        era: while it lasts, what was found of the tenancy's tables holds.
        dialects: the compilers of each mode, as dialects, of the engine; they are shared by its copies.
        compiled: the caches of what the engine has compiled.
        row_security: what is sent to PostgreSQL, and how; ``None`` where the caller leaves it alone.
        tells: whether it is told: there are policies that ask, or the caller said so.
        pipelines: the first statement of a transaction travels with what is told.
        maintenance: the engine by whose role a bypass connects, if there is one.
        padding: how many bytes of a statement the server shows to others.
        mode: ``"enforce"``, or ``"observe"``: nothing is enforced, or the tables of ``enforced`` alone.
        enforced: these tables, while the others are observed; ``None`` where all are enforced.
        observer: what looks at the statements of an engine that is observed.
    """

    def __init__(
        self,
        tenancy: Tenancy,
        raw_sql: RawSQL = "refuse",
        *,
        dialect: str,
        unproven: bool = False,
        row_security: RowSecurity | None = None,
        enforced: frozenset[str] | None = None,
        observer: Any = None,
    ) -> None:
        self.tenancy = tenancy
        self.mode: Mode = "enforce" if observer is None else "observe"
        self.enforced = enforced
        self.observer = observer
        self.era = Era(faults=())
        self.dialect = dialect
        self.dialects: dict[Any, Any] = {}
        self.compiled: list[Any] = []
        self.unproven = unproven
        self.raw_sql = raw_sql
        self.enforces = not tenancy.is_unrestricted and (observer is None or bool(enforced))
        self.restricts = any(said.rows is not None for said in tenancy.permissions.values())
        named = [said.read | said.write for said in tenancy.permissions.values()]
        self.permissions = frozenset[str]().union(*named)
        self.left = False
        self.prepared: dict[str, Any] = {}
        self.catalogue: Any = None
        self.ask_at = math.inf
        self.row_security = row_security
        self.pipelines = row_security is not None and row_security.flights == "pipeline"
        maintenance: Any = None if row_security is None else row_security.maintenance
        self.maintenance: Engine | None = getattr(maintenance, "sync_engine", maintenance)
        self.padding = 1024  # PostgreSQL's default
        said = row_security is not None and row_security != RowSecurity()
        self.tells = self.enforces and (raw_sql == "database" or said)
        self._placed: set[Key] = set()
        self._forget()
        if tenancy.permissions and self.enforces:
            permitting.add(self)
        if tenancy.visible and self.enforces:
            showing.add(self)

    def _forget(self) -> None:
        """Start without cached knowledge of the tables."""
        self.placed = self.tenancy if self.enforced is None else Part(self.tenancy, self.enforced)
        self.ties = Ties(self.placed, self.dialect)
        self.grants = Grants(self.tenancy)
        self.texts = Texts(self.placed)
        self.sent = Kept()
        self.probe_cache: Any = LRUCache(500)
        self.parent_queries: dict[Any, Any] = {}
        self.tied: dict[Any, Any] = {}
        self.locking: dict[Any, bool] = {}
        self.attributes: dict[Any, tuple[str, ...]] = {}
        self.shown: dict[Any, Placement | None] = {}
        self._tables = self._count_tables()
        self._placed.update(placement.key for placement in self.tenancy)

    def renew(self) -> None:
        """Forget cached knowledge of the tables after one was defined or altered."""
        self.tenancy.forget()
        self._forget()
        renewed = {dialect: _renewed(dialect) for dialect in self.dialects.values()}
        for mode, dialect in self.dialects.items():
            self.dialects[mode] = renewed[dialect]
        self.era.alive = False
        self.era = Era()
        for cache in self.compiled:
            cache.clear()

    def learn(self, catalogue: Any) -> bool:
        """Keep a server's answer; return whether it changes what is known of statements."""
        changed: bool = self.catalogue != catalogue
        self.catalogue, self.ask_at = catalogue, monotonic() + _ASKED_AGAIN
        if changed and self.era.used:
            self.renew()
        return changed

    def variant(self, binding: Any, dialect: Any) -> Any:
        """Return the dialect whose compiler writes the permission rules for the current principal.

        Args:
            binding: what is bound.
            dialect: the one that serves its mode.
        """
        granted = self.grants.of(binding)
        if granted is None:
            return dialect
        found = granted.shape.dialects.get(dialect)
        if found is None:
            cls = type(dialect)
            members = {"tg_shape": granted.shape, "supports_statement_cache": cls.supports_statement_cache}
            found = _renewed(dialect, type(cls.__name__, (cls,), {**members, "__module__": cls.__module__}))
            found = granted.shape.dialects.setdefault(dialect, found)
        return found

    @property
    def is_lifted(self) -> bool:
        """Return whether nothing is guarded: in a bypass, or because nothing is enforced."""
        return not self.enforces or is_bypass(peek())

    def notice(self) -> None:
        """Start again if a table was removed or a column's type was changed, for which there is no event."""
        if self._count_tables() != self._tables or self.ties.are_altered():
            self.renew()

    def _count_tables(self) -> int:
        return sum([len(metadata.tables) for metadata in self.tenancy.metadata])

    def _missing(self) -> Iterator[str]:
        """Yield the faults of removed tables that foreign keys still reference."""
        for placement in self.tenancy:
            for reference in self.tenancy.references(self.ties.table(placement.key)):
                if (
                    reference.parent_key in self._placed
                    and self.tenancy.find_key(reference.parent_key) is None
                ):
                    name = full_name(reference.parent_key)
                    yield f"{name}, to which {reference.name} leads, was removed from its MetaData"

    def fault(self) -> str | None:
        """Return the faults of the tenancy after later definitions, or ``None``."""
        era = self.era
        if era.faults is None:
            era.faults = (*self.tenancy.misplaced(), *self._missing())
        return "; ".join(era.faults) or None

    @staticmethod
    def of(engine: Engine | AsyncEngine) -> Guard:
        """Return the guard of an engine.

        Raises:
            ConfigurationError: the engine is not guarded.
        """
        found = getattr(engine.dialect, "tg_guard", None)
        if not isinstance(found, Guard):
            raise ConfigurationError("the engine is not guarded; call guard(engine, tenancy)")
        return found

    def leaves(self, tables: Iterable[Key]) -> bool:
        """Tell whether only some tables are enforced, and none of these is among them."""
        return self.enforced is not None and not any(full_name(key) in self.enforced for key in tables)

    def rewrite(self, statement: str, dialect: Any, style: str, several: int = 0) -> Rewritten:
        """Return SQL text with the predicates put in; a text that was seen before costs a look-up.

        Raises:
            Violation: the text cannot be read, or reaches for another tenant's rows; not recorded yet.
        """
        return self.texts.rewrite(
            statement,
            dialect=dialect.name,
            style=style,
            default_schema=dialect.default_schema_name,
            several=several,
        )


def _renewed(dialect: Any, cls: type | None = None) -> Any:
    """Return a dialect that shares the state of one, and is another key in every cache."""
    renewed: Any = object.__new__(cls or type(dialect))
    renewed.__dict__ = dialect.__dict__
    return renewed
