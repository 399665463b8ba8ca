"""Rows of the table: text, and what could hide a table from the compiler."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy import (
    DDL,
    Integer,
    Sequence,
    column,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.schema import CreateTable, DropTable

from tests.models import Call
from tests.sql.forms.form import Does, Group, Hands
from tests.sql.forms.reading import calls, countries, numbers, tags

W, REFUSED, NOTHING = Does.WHERE, Does.REFUSED, Does.NOTHING
_c = calls.c

TEXT = Group('Text (`raw_sql="refuse"`, the default)')
DEFINITIONS = Group("Schema changes")
DOORS = Group("Engines, connections and sessions")
CACHES = Group("Compiled, cached and carried statements")

TEXT.add("a statement", "`text()`", REFUSED, lambda db: text("SELECT * FROM calls"), "text()", "TextClause",
         "AbstractTextClause", why="SQL text was refused")  # fmt: skip
TEXT.add("a statement with columns", "`text().columns()`", REFUSED,
         lambda db: text("SELECT id FROM calls").columns(column("id")), "TextualSelect", "AbstractTextClause.columns",
         "TextualSelect.bindparams", why="SQL text was refused")  # fmt: skip
TEXT.add("in a subquery or a CTE", "`text().columns().cte()`", REFUSED,
         lambda db: select(text("SELECT id FROM calls").columns(column("id")).cte()), why="SQL text was refused")  # fmt: skip
TEXT.add("objects from text", "`select(Model).from_statement(text())`", REFUSED,
         lambda db: select(Call).from_statement(text("SELECT * FROM calls")), "Query.from_statement", why="SQL text was refused")  # fmt: skip
TEXT.add("a template string", "`tstring(t'...')`", REFUSED, lambda db: _tstring("SELECT * FROM calls"), "tstring()", "TString",
         "_TStringText", why="SQL text was refused", lines=("2.1",))  # fmt: skip
TEXT.add("a template string as a fragment", "`.where(tstring(t'...'))`", REFUSED,
         lambda db: select(_c.id).where(_tstring("id IN (SELECT id FROM calls)")), why="query", lines=("2.1",))  # fmt: skip
TEXT.add("a harmless fragment", "`.where(text('seconds > :n'))`", W,
         lambda db: select(_c.id).where(text("seconds > :n").bindparams(n=10)).order_by(text("id DESC")),
         "AbstractTextClause.bindparams", "TextClause.bindparams", ordered=True)  # fmt: skip
TEXT.add(
    "a harmless column",
    "`literal_column('1 + 1')`",
    W,
    lambda db: select(_c.id, literal_column("1 + 1")),
    "literal_column()",
)
TEXT.add("a fragment with a query", "`.where(text('id IN (SELECT ...)'))`", REFUSED,
         lambda db: select(tags).where(text("id IN (SELECT id FROM calls)")), why="query")  # fmt: skip
TEXT.add("a fragment that breaks out of its place", "`.where(text('1 = 1) OR (1 = 1'))`", REFUSED,
         lambda db: select(_c.id).where(text("1 = 1) OR (1 = 1")), why="text inside a statement")  # fmt: skip
TEXT.add("a table as text", "`.select_from(text('calls'))`", REFUSED,
         lambda db: select(literal_column("id")).select_from(text("calls")), why="is used in place of a table")  # fmt: skip
TEXT.add("a custom operator", "`.op('...')`", REFUSED,
         lambda db: select(_c.id).where(_c.id.op("IN (SELECT id FROM calls) OR 1 =")(1)), why="text inside a statement")  # fmt: skip
TEXT.add("straight to the driver", "`connection.exec_driver_sql()`", REFUSED,
         lambda db: db.connection.exec_driver_sql("SELECT * FROM calls"), why="straight to the driver")  # fmt: skip
TEXT.point("custom constructs", "`@compiles`", REFUSED, vectors=("custom_construct", "custom_construct_beside_its_table", "custom_from_construct",
           "custom_executable", "custom_function", "custom_type_in_cast"), why="if they name a table themselves")  # fmt: skip
TEXT.point("custom statement syntax", "`SyntaxExtension`, `.ext()`", REFUSED, "HasSyntaxExtensions.ext", "Query.ext",
           "HasSyntaxExtensions.apply_syntax_extension_point",
           tests=("tests/sql/test_hidden.py::test_a_syntax_extension_of_ones_own_is_read",), why="if it names a table itself")  # fmt: skip
TEXT.point("columns and types by name", "`quoted_name(quote=False)`, `collate()`, `UserDefinedType`", REFUSED,
           vectors=("quoted_name_unquoted", "collation_with_query", "type_with_bind_expression"), why="if the name is not an identifier")  # fmt: skip
TEXT.point("`BEGIN` of SQLite's driver", "`exec_driver_sql('BEGIN')` in a `begin` listener", NOTHING,
           tests=("tests/sql/test_hidden.py::test_the_begin_recipe_of_sqlite_works",))  # fmt: skip


def _tstring(written: str) -> Any:
    from sqlalchemy.util.compat import Template

    return sqlalchemy.tstring(Template(written))


# -- schema changes ------------------------------------------------------------------------------------------

_UNDER = "under a tenant"
DEFINITIONS.add("CREATE TABLE", "`CreateTable()`, `metadata.create_all()`", REFUSED, lambda db: CreateTable(numbers), "CreateTable",
                "TableCreateDDL", "Table.create", why=_UNDER)  # fmt: skip
DEFINITIONS.add(
    "DROP TABLE",
    "`DropTable()`",
    REFUSED,
    lambda db: DropTable(numbers),
    "DropTable",
    "TableDropDDL",
    "Table.drop",
    why=_UNDER,
)
DEFINITIONS.add("CREATE TABLE AS", "`CreateTableAs()`, `.into()`", REFUSED, lambda db: select(calls).into("stolen"), "CreateTableAs",
                "_TableViaSelect", "SelectBase.into", why=_UNDER, lines=("2.1",))  # fmt: skip
DEFINITIONS.add(
    "CREATE VIEW",
    "`CreateView()`",
    REFUSED,
    lambda db: _view(),
    "CreateView",
    "DropView",
    why=_UNDER,
    lines=("2.1",),
)
DEFINITIONS.add(
    "DDL as text",
    "`DDL()`",
    REFUSED,
    lambda db: _ddl("CREATE TABLE stolen AS SELECT * FROM calls"),
    "DDL",
    why=_UNDER,
)
DEFINITIONS.point("every other element", "`CreateIndex()`, `AddConstraint()`, ...", REFUSED, "BaseDDLElement", "ExecutableDDLElement",
                  "_CreateBase", "_CreateDropBase", "_DropBase", "AddConstraint", "CreateColumn", "CreateConstraint", "CreateIndex",
                  "CreateSchema", "CreateSequence", "DropColumnComment", "DropConstraint", "DropConstraintComment", "DropIndex",
                  "DropSchema", "DropSequence", "DropTableComment", "SetColumnComment", "SetConstraintComment", "SetTableComment",
                  "CreateDomainType", "CreateEnumType", "DropDomainType", "DropEnumType",
                  vectors=("ddl_text", "ddl_own_element", "ddl_default_with_query", "ddl_select_into"), why="under a tenant")  # fmt: skip
DEFINITIONS.point("with no tenant bound", "`metadata.create_all(engine)` as an application starts", NOTHING,
                  tests=("tests/sql/test_guard.py::test_an_application_may_create_its_schema_before_it_serves",))  # fmt: skip
DEFINITIONS.point("reflection", "`Table(..., autoload_with=engine)`, `inspect(engine)`", W, "inspect()", vectors=("reflected_table",),
                  tests=("tests/sql/test_guard.py::test_the_schema_can_be_inspected_under_a_tenant",))  # fmt: skip


_ddl: Any = DDL


def _view() -> Any:
    return sqlalchemy.CreateView(select(calls), "stolen")


# -- doors ---------------------------------------------------------------------------------------------------

DOORS.point("driver's connection", "`raw_connection()`, `connection.connection`, `pool.connect()`", REFUSED,
            vectors=("raw_connection", "dbapi_connection", "driver_connection", "pool_connection", "detached_connection"),
            why="outside a bypass")  # fmt: skip
DOORS.point(
    "a result's cursor",
    "`result.cursor`",
    Does.LIMIT,
    vectors=("cursor_of_result",),
    why="it is the driver's own",
)
DOORS.point("options of a connection", "`connection.execution_options()`", W, "Executable.execution_options",
            "Executable.get_execution_options", vectors=("connection_with_options", "autocommit_isolation"))  # fmt: skip
DOORS.point("copy of the engine", "`engine.execution_options()`, `copy.copy(engine)`", W,
            vectors=("engine_copy_with_options", "engine_copy_of_copy", "engine_copied_by_copy"))  # fmt: skip
DOORS.point("copy made before the guard", "`engine.execution_options()`, then `guard(engine)`", W,
            tests=("tests/sql/test_guard.py::test_a_copy_made_before_the_guard_is_not_a_way_around",
                   "tests/sql/test_guard.py::test_a_connection_opened_before_the_guard_is_not_a_way_around"))  # fmt: skip
DOORS.point("second engine on the same pool", "`create_engine(url, pool=engine.pool)`", REFUSED,
            vectors=("second_engine_on_pool", "second_engine_on_pool_without_listeners"))  # fmt: skip
DOORS.point("constructed by hand", "`Connection(engine)`, `Engine(pool, dialect, url)`", REFUSED,
            vectors=("engine_constructed_by_hand", "connection_constructed_by_hand"))  # fmt: skip
DOORS.point("pickled engine", "`pickle.dumps(engine)`", REFUSED, vectors=("pickled_engine_url",),
            tests=("tests/sql/test_hidden.py::test_an_engine_cannot_be_pickled",), why="by Python: it holds connections")  # fmt: skip
DOORS.point(
    "after a fork",
    "`os.fork()`, `engine.dispose(close=False)`",
    W,
    tests=("tests/sql/test_guard.py::test_the_guard_survives_a_fork",),
)
DOORS.point("in a worker process", "a function sent to a process with `spawn`", W,
            tests=("tests/sql/test_hidden.py::test_a_worker_process_guards_the_engine_that_it_imports",))  # fmt: skip
DOORS.point("connection hooks", "`creator=`, `do_connect`", W, vectors=("creator_of_ones_own", "listener_on_connect"),
            tests=("tests/sql/test_hidden.py::test_a_do_connect_hook_is_no_way_around",))  # fmt: skip
DOORS.point("another pool", "`engine.dispose()`, `engine.pool.recreate()`, `NullPool`", W,
            vectors=("disposed_and_reused", "disposed_and_raw", "pool_replaced", "null_pool", "queue_pool_hand_over"))  # fmt: skip
DOORS.point(
    "translated schema",
    "`schema_translate_map`",
    W,
    vectors=("translated_schema", "translated_twin", "translated_update"),
)
DOORS.point("server-side cursor across tenants", "`stream_results`, fetched under another tenant", REFUSED,
            vectors=("server_side_cursor", "switch_inside_stream", "switch_inside_result"))  # fmt: skip
DOORS.point("events that rewrite a statement", "`before_execute`, `before_cursor_execute`, `do_execute`", REFUSED,
            vectors=("statement_rewritten_by_event", "parameters_rewritten_by_event", "statement_replaced_before_execute",
                     "orm_execute_replaced", "dialect_do_execute"))  # fmt: skip
DOORS.point("savepoints", "`begin_nested()`", NOTHING, "SavepointClause", "ReleaseSavepointClause", "RollbackToSavepointClause",
            vectors=("savepoint_isolation",))  # fmt: skip
DOORS.point(
    "two-phase transactions",
    "`begin_twophase()`, `Session(twophase=True)`",
    W,
    vectors=("session_two_phase",),
)
DOORS.point("sessions of several engines", "`Session(binds=...)`, `get_bind()`, `bind_arguments`", W,
            vectors=("session_binds", "session_get_bind", "bind_arguments", "session_bound_to_connection", "session_factory_reconfigured"))  # fmt: skip
DOORS.point(
    "horizontal sharding",
    "`ShardedSession`",
    W,
    tests=("tests/sql/test_hidden.py::test_shards_are_guarded_each",),
)
DOORS.point("another tenant's session", "`session.get()`, a lazy load, a refresh or a merge after a switch", REFUSED, "orm.object_session()",
            vectors=("switch_then_get", "switch_then_lazy_load", "switch_then_refresh", "switch_then_merge", "switch_then_flush_pending"))  # fmt: skip

# -- caches --------------------------------------------------------------------------------------------------

CACHES.point("one statement for two tenants", "the engine's compiled cache", W,
             vectors=("alternating_tenants", "alternating_tenants_orm", "alternating_tenants_through", "lambda_alternating", "baked_query"))  # fmt: skip
CACHES.point("cached in a bypass", "and executed under a tenant", W, vectors=("bypass_then_tenant", "bypass_then_tenant_orm",
             "get_cached_in_bypass", "flush_cached_in_bypass", "lazy_load_cached_in_bypass"))  # fmt: skip
CACHES.point("custom compiled cache", "`execution_options(compiled_cache={})`", W, vectors=("own_compiled_cache",
             "own_compiled_cache_of_bare_engine", "no_compiled_cache"))  # fmt: skip
CACHES.point("compiled by hand", "`statement.compile()`, then executed", REFUSED, "CompilerElement.compile", vectors=("text_of_compiled",),
             tests=("tests/sql/test_hidden.py::test_a_statement_compiled_by_hand_is_refused",))  # fmt: skip
CACHES.point("pickled statement", "`pickle`, `sqlalchemy.ext.serializer`", W, vectors=("pickled_statement", "pickled_own_statement"),
             tests=("tests/sql/test_hidden.py::test_a_serialized_statement_is_guarded",))  # fmt: skip
CACHES.point("frozen result", "`result.freeze()`, `merge_frozen_result()`", REFUSED, "orm.merge_frozen_result()", "orm.merge_result()",
             "Query.merge_result", tests=("tests/sql/test_hidden.py::test_a_frozen_result_is_not_thawed_for_another_tenant",),
             why="under another tenant")  # fmt: skip
CACHES.point(
    "mock engine", "`create_mock_engine()`", NOTHING, "create_mock_engine()", vectors=("mock_engine_dump",)
)
CACHES.point("parameters with the guard's name", "`{'tenantguard_1': 'other'}`", W, "Immutable.params", "ExecutableStatement.params",
             "Immutable.unique_params", "UpdateBase.params", "Query.params",
             tests=("tests/sql/test_reads.py::test_a_caller_cannot_give_the_guards_parameter",))  # fmt: skip
CACHES.add(
    "a sequence",
    "`Sequence('s').next_value()`",
    NOTHING,
    lambda db: _sequence(db),
    "Sequence",
    "next_value",
    on=("postgresql", "mariadb"),
)
CACHES.add(
    "functions without a table",
    "`func.now()`, `func.coalesce()`",
    W,
    lambda db: select(_c.id, func.coalesce(_c.note, "x")),
)
CACHES.add(
    "a shared table's function",
    "`func.count()`",
    NOTHING,
    lambda db: select(func.count()).select_from(countries),
)


def _sequence(db: Hands) -> Any:
    return len(db.rows(select(Sequence("forms_seq", data_type=Integer).next_value())))
