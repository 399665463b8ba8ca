"""The guard: install enforcement on an engine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import Table, schema
from sqlalchemy.engine import Engine
from sqlalchemy.orm import mapperlib
from sqlalchemy.util import LRUCache

from tenantguard.audit import refuse
from tenantguard.errors import ConfigurationError, CrossTenantError
from tenantguard.sql.compile.changes import GuardedWrites
from tenantguard.sql.compile.identifiers import guarded_preparer, guarded_type_compiler
from tenantguard.sql.execute.connections import GuardedEngine, guarded_pool, trusting
from tenantguard.sql.execute.execution import guarded_context, guarded_do
from tenantguard.sql.execute.sent import LONGEST_KEPT, Sent
from tenantguard.sql.mixing import mixed
from tenantguard.sql.predicates import Predicates
from tenantguard.sql.servers.row_security import verify_row_security
from tenantguard.sql.servers.versions import verified, verify_server
from tenantguard.sql.sessions.events import hook
from tenantguard.sql.text import Rewritten, rewrite
from tenantguard.tenancy import Key, Placement, Tenancy, full_name, table_key

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine  # needs greenlet, which a synchronous application may lack

EngineT = TypeVar("EngineT", Engine, "AsyncEngine")
RawSQL = Literal["refuse", "rewrite", "database"]
PROVEN = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
_TRUSTED_METHODS = (
    "initialize", "has_table", "has_multi_table", "has_index", "has_schema", "has_sequence", "has_type",
    "get_columns", "get_multi_columns", "get_pk_constraint", "get_multi_pk_constraint", "get_foreign_keys",
    "get_multi_foreign_keys", "get_table_names", "get_temp_table_names", "get_view_names",
    "get_materialized_view_names", "get_temp_view_names", "get_view_definition", "get_indexes", "get_multi_indexes",
    "get_unique_constraints", "get_multi_unique_constraints", "get_check_constraints",
    "get_multi_check_constraints", "get_table_comment", "get_multi_table_comment", "get_table_options",
    "get_multi_table_options", "get_sequence_names", "get_schema_names", "_get_foreign_table_names",
    "get_table_oid", "get_domains", "get_enums", "_load_domains", "_load_enums", "do_begin_twophase",
    "do_prepare_twophase", "do_rollback_twophase", "do_commit_twophase", "do_recover_twophase", "do_savepoint",
    "do_rollback_to_savepoint", "do_release_savepoint",
)  # fmt: skip
_KEPT = 1024  # texts


class Guard:
    """Be the enforcement that is installed on one engine; ``Guard.of(engine)`` returns it.

    Attributes:
        tenancy: how every table belongs.
        raw_sql: what becomes of SQL text: ``"refuse"``, ``"rewrite"`` or ``"database"``.
        unproven: whether the caller insisted on a database on which nobody proved the guard.
        sent: what became of texts that were sent straight to the driver: by dialect, text and number of tenants.
        repeats: of these, what needs nothing but its one tenant; each was let through in ``"rewrite"`` mode.
    """

    def __init__(self, tenancy: Tenancy, raw_sql: RawSQL = "refuse", *, unproven: bool = False) -> None:
        self.tenancy = tenancy
        self.unproven = unproven
        self.raw_sql = raw_sql
        self.enforces = not tenancy.is_unrestricted
        # row security is told the tenant in each transaction, so there each execution gets a second look
        self.is_prompt = self.enforces and raw_sql != "database"
        self.probe_cache: Any = LRUCache(500)
        self.parent_queries: dict[Any, Any] = {}
        self._columns: dict[Key, frozenset[str]] = {}
        self._watched: dict[Key, frozenset[str]] = {}
        self._links: dict[Key, list[tuple[Any, tuple[tuple[str, str], ...]]]] = {}
        self._attributes: dict[Any, tuple[str, ...]] = {}
        self._classes: dict[Any, tuple[type, ...]] = {}
        self.sent = lru_cache(maxsize=_KEPT)(partial(Sent, self))
        self.repeats: dict[Any, Sent] = {}

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

    def keep(self, statement: str, sent: Sent) -> None:
        """Let a text be repeated without a second look, unless each execution has to be given one."""
        if self.is_prompt and len(statement) <= LONGEST_KEPT:
            if len(self.repeats) >= _KEPT:
                self.repeats.clear()  # each comes back with its next execution
            self.repeats[statement] = sent

    def table(self, key: Key) -> Table:
        """Return the metadata's own table, by schema and name."""
        return next(
            t for metadata in self.tenancy.metadata for t in metadata.tables.values() if table_key(t) == key
        )

    def column_names(self, key: Key) -> frozenset[str]:
        """Return the names of a table's columns, of every mapping of it."""
        names = self._columns.get(key)
        if names is None:
            found = (metadata.tables.get(full_name(key)) for metadata in self.tenancy.metadata)
            names = frozenset(column.name for table in found if table is not None for column in table.c)
            self._columns[key] = names
        return names

    def watched(self, placement: Placement) -> frozenset[str]:
        """Return the names of a table's columns whose values are verified: the tenant column, and the keys'."""
        names = self._watched.get(placement.key)
        if names is None:
            names = frozenset(ours for _, pairs in self.links(placement.key) for ours, _ in pairs)
            if placement.column is not None:
                names |= {placement.column}
            self._watched[placement.key] = names
        return names

    def links(self, key: Key) -> list[tuple[Any, tuple[tuple[str, str], ...]]]:
        """Return the foreign keys of a table that lead to owned or through tables: parent, and column pairs."""
        found = self._links.get(key)
        if found is None:
            mappings = [
                t
                for metadata in self.tenancy.metadata
                for t in metadata.tables.values()
                if table_key(t) == key
            ]
            found = [link for table in mappings for link in self._foreign_keys(table)]
            self._links[key] = found
        return found

    def _foreign_keys(self, table: Table) -> Iterable[tuple[Any, tuple[tuple[str, str], ...]]]:
        for constraint in table.foreign_key_constraints:
            try:
                parent = constraint.referred_table
            except Exception:  # noqa: S112 - the parent is outside the metadata; SQLAlchemy raises several kinds
                continue
            placement = self.tenancy.find(parent)
            if placement is not None and placement.kind != "shared":
                yield parent, tuple((e.parent.name, e.column.name) for e in constraint.elements)

    def covered(self, placement: Placement, parent: Any, pairs: Iterable[tuple[str, str]]) -> bool:
        """Tell whether a foreign key includes the tenant on both sides, so that the database itself checks it."""
        owner = self.tenancy.find(parent)
        return (
            owner is not None
            and placement.kind == owner.kind == "owned"
            and (placement.column, owner.column) in tuple(pairs)
        )

    def classes_by_key(self, parent: Key, columns: tuple[str, ...]) -> tuple[type, ...]:
        """Return the mapped classes whose identity is the given columns of a table."""
        cached = self._classes.get((parent, columns))
        if cached is None:
            mappers = [m for registry in mapperlib._all_registries() for m in registry.mappers]
            cached = tuple(
                {
                    m.base_mapper.class_
                    for m in mappers
                    if isinstance(m.local_table, Table)
                    and table_key(m.local_table) == parent
                    and tuple(c.name for c in m.local_table.primary_key) == columns
                }
            )
            self._classes[parent, columns] = cached
        return cached

    def stamped_attributes(self, mapper: Any) -> tuple[str, ...]:
        """Return the attributes of a mapped class that hold its tenant."""
        cached = self._attributes.get(mapper)
        if cached is None:
            columns = [c for table in mapper.tables for c in table.c if self._is_tenant_column(table, c)]
            mapped = {id(column) for column in mapper.columns.values()}
            cached = tuple(mapper.get_property_by_column(c).key for c in columns if id(c) in mapped)
            self._attributes[mapper] = cached
        return cached

    def _is_tenant_column(self, table: Any, column: Any) -> bool:
        placement = self.tenancy.find(table)
        return placement is not None and placement.kind == "owned" and column.name == placement.column

    def rewrite(self, statement: str, dialect: Any, style: str, several: int = 0) -> Rewritten:
        """Return SQL text with the predicates put in; a text that was seen before costs a look-up.

        Raises:
            Violation: the text cannot be read, or reaches for another tenant's rows; not recorded yet.
        """
        return rewrite(
            statement,
            tenancy=self.tenancy,
            dialect=dialect.name,
            style=style,
            default_schema=dialect.default_schema_name,
            several=several,
        )

    def any_owned(self, tables: Iterable[Key]) -> Placement:
        """Return the placement of an owned table that the tables are, or belong through."""
        for key in tables:
            placement = self.tenancy.find_key(key)
            while placement is not None and placement.kind == "through" and placement.parent is not None:
                placement = self.tenancy.find(placement.parent)
            if placement is not None and placement.kind == "owned":
                return placement
        raise ConfigurationError("none of the tables belongs to a tenant")

    def is_schema_ddl(self, element: Any) -> bool:
        """Tell whether a DDL element is one of a schema's own, which an application may run before it serves."""
        if isinstance(element, schema.DDL) or hasattr(element, "selectable"):
            return False
        return type(element).__module__.startswith("sqlalchemy.")

    def verify_translation(self, compiled: Any, options: Any) -> None:
        """Refuse a schema translation that turns a table into one which belongs in another way."""
        names = options.get("schema_translate_map") or {}
        for key, placement in compiled.tg_tables.items():
            translated = (names.get(key[0], key[0]), key[1])
            other = self.tenancy.find_key(translated)
            if other is not None and _way(other) != _way(placement):
                refuse(
                    CrossTenantError(
                        f"schema_translate_map turns {placement.name} into {full_name(translated)}, which belongs "
                        "in another way",
                        kind="schema_translate",
                        table=full_name(translated),
                    )
                )


def _way(placement: Placement) -> tuple[Any, ...]:
    """Return what the predicate of a table was made from."""
    return placement.kind, placement.column, placement.visible


def guard(
    engine: EngineT,
    tenancy: Tenancy,
    *,
    raw_sql: RawSQL = "refuse",
    dialect_unproven: bool = False,
) -> EngineT:
    """Install enforcement on an engine, sync or async, and return the same object.

    Args:
        engine: the engine of the application.
        tenancy: how every table belongs.
        raw_sql: what becomes of SQL text: it is refused, or rewritten with the predicates, or let through to
            a database whose row security stands underneath.
        dialect_unproven: accept a database, or a version of one, on which nobody proved the guard.

    Raises:
        ConfigurationError: the tenancy has faults (all are listed), the engine is guarded already, or the
            database is not one of SQLite, PostgreSQL and MariaDB. The first connection raises it where the
            server is too old.

    Example:
        >>> from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
        >>> metadata = MetaData()
        >>> calls = Table("calls", metadata, Column("id", Integer, primary_key=True),
        ...               Column("company_id", String, nullable=False))
        >>> engine = guard(create_engine("sqlite://"), Tenancy(metadata, column="company_id"))
    """
    sync: Any = getattr(engine, "sync_engine", engine)
    _verify_start(sync, tenancy, raw_sql, dialect_unproven)
    if not dialect_unproven:
        verify_server(sync.dialect)
    if raw_sql == "database":
        verify_row_security(engine, tenancy)
    _install(sync, Guard(tenancy, raw_sql, unproven=dialect_unproven))
    if raw_sql != "refuse":
        import_module(
            "tenantguard.sql.text.second"
        )  # loaded now, and not by the first request that sends text
    return engine


def _verify_start(engine: Engine, tenancy: Tenancy, raw_sql: str, unproven: bool) -> None:
    if not isinstance(engine, Engine):
        raise ConfigurationError(f"guard() takes an Engine or an AsyncEngine, not {type(engine).__name__}")
    if hasattr(engine.dialect, "tg_guard"):
        raise ConfigurationError("the engine is guarded already; call guard() once, where the engine is made")
    if raw_sql not in ("refuse", "rewrite", "database"):
        raise ConfigurationError(f'raw_sql is "refuse", "rewrite" or "database", not {raw_sql!r}')
    if engine.dialect.name not in PROVEN and not unproven:
        raise ConfigurationError(
            f"the guard is proven on SQLite, PostgreSQL and MariaDB, and not on {engine.dialect.name!r}; say "
            "dialect_unproven=True to use it all the same"
        )
    tenancy.verify()
    faults = [fault for placement in tenancy if (fault := _collation_fault(placement, engine.dialect.name))]
    if faults:
        raise ConfigurationError("the tenancy cannot be enforced:\n" + "\n".join(f"  - {f}" for f in faults))


def _collation_fault(placement: Placement, dialect: str) -> str | None:
    """Tell why two tenants' ids would be one to the database, or return ``None``."""
    collation = str(getattr(placement.type, "collation", None) or "").upper()
    loose = dialect == "sqlite" and collation in ("NOCASE", "RTRIM")
    if loose or type(placement.type).__name__ == "CITEXT":
        return (
            f"the tenant column {placement.name}.{placement.column} ignores case or spaces ({collation or 'CITEXT'}), "
            "so two tenants could be one; give it an exact collation"
        )
    return None


def _install(engine: Engine, installed: Guard) -> None:
    """Swap the classes of dialect, engine and pool for guarded ones; the objects stay the same."""
    dialect: Any = engine.dialect
    variants: dict[Any, Any] = {
        mode: _variant(dialect, mode, installed) for mode in ("tenant", "tenants", "bypass")
    }
    only = variants["tenant"]
    dialect.tg_variants = {**variants, "closed": only, None: only}
    if installed.tenancy.is_unrestricted:
        dialect.tg_variants = dict.fromkeys(dialect.tg_variants, only)
    # copies of the engine may hold the dialect already; the engine gets another, since what was compiled
    # before stands in caches under the old one
    dialect.__class__ = type(only)
    engine.dialect = only
    engine.pool.__class__ = guarded_pool(_class_of(engine.pool))
    if installed.enforces:
        for name, guarded in (
            ("identifier_preparer", guarded_preparer),
            ("type_compiler_instance", guarded_type_compiler),
        ):
            part = getattr(dialect, name)
            part.__class__ = guarded(_class_of(part))
    engine.__class__ = GuardedEngine
    hook()


def _class_of(thing: object) -> Any:
    return type(thing)


def _variant(dialect: Any, mode: str, installed: Guard) -> Any:
    """Return the same dialect with another compiler: it shares all state, and is another key in every cache."""
    variant = object.__new__(_dialect_class(type(dialect), mode, installed))
    variant.__dict__ = dialect.__dict__
    return variant


def _dialect_class(cls: Any, mode: str, installed: Guard) -> Any:
    compiler = mixed(
        f"Guarded{cls.statement_compiler.__name__}",
        cls.statement_compiler,
        object if mode == "bypass" else GuardedWrites,
        {
            "tg_guard": installed,
            "tg_mode": mode,
            "tg_predicates": Predicates(
                installed.tenancy,
                "tenants" if mode == "tenants" else "tenant",
                exact=cls.name in ("mysql", "mariadb"),
            ),
            "tg_writes": (),
        },
    )
    context = guarded_context(cls.execution_ctx_cls)
    members: dict[str, Any] = {
        "statement_compiler": compiler,
        "execution_ctx_cls": context,
        "tg_guard": installed,
        "supports_statement_cache": cls.__dict__.get("supports_statement_cache", False),
    }
    members |= {name: guarded_do(getattr(cls, name)) for name in ("do_execute", "do_executemany")}
    for name in _TRUSTED_METHODS:
        method = getattr(cls, name, None)
        if callable(method):
            members[name] = trusting(method)
    if not installed.unproven:
        members["initialize"] = verified(members["initialize"])
    return type(f"Guarded{cls.__name__}", (cls,), members)
