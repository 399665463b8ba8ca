"""The guard: the enforcement that is installed on one engine, as a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

from tenantguard.errors import ConfigurationError
from tenantguard.sql.text import Rewritten, Texts
from tenantguard.sql.text.texts import Kept
from tenantguard.sql.ties import Ties
from tenantguard.tenancy import Placement, Tenancy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine  # needs greenlet, which a synchronous application may lack

RawSQL = Literal["refuse", "rewrite", "database"]


class Guard:
    """The enforcement that is installed on one engine; ``Guard.of(engine)`` returns it.

    Attributes:
        tenancy: how every table belongs.
        ties: its foreign keys, and the columns whose values are verified.
        raw_sql: what becomes of SQL text: ``"refuse"``, ``"rewrite"`` or ``"database"``.
        unproven: whether the caller insisted on a database on which nobody proved the guard.
        enforces: whether anything is enforced at all.
        parent_queries: the look-ups of parents, by what they ask.
        locking: whether PostgreSQL lets the role lock rows of a table, by its schema and name.
        attributes: the attributes of mapped classes that hold their tenant, by mapper.
        shown: the placements of those that a row rule shows to other tenants, by mapper; ``None`` for the others.
        texts: reads SQL text, and keeps what was read.
        sent: what became of texts that were sent straight to the driver: by dialect, text and number of tenants.
        catalogue: what the users of a PostgreSQL server have made, once it was asked.
        prepared: the tenants that two-phase transactions were prepared for, by their names, until they end.
        look_up: the short way of a look-up, where the shortcuts are installed.
    """

    def __init__(self, tenancy: Tenancy, raw_sql: RawSQL = "refuse", *, unproven: bool = False) -> None:
        self.tenancy = tenancy
        self.ties = Ties(tenancy)
        self.unproven = unproven
        self.raw_sql = raw_sql
        self.enforces = not tenancy.is_unrestricted
        self.probe_cache: Any = LRUCache(500)
        self.parent_queries: dict[Any, Any] = {}
        self.locking: dict[Any, bool] = {}
        self.attributes: dict[Any, tuple[str, ...]] = {}
        self.shown: dict[Any, Placement | None] = {}
        self.look_up: Callable[..., Any] | None = None
        self.prepared: dict[str, Any] = {}
        self.catalogue: Any = None
        self.texts = Texts(tenancy)
        self.sent = Kept()

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
