"""What the guard relies on in SQLAlchemy: where one of these fails after an upgrade, its docstring says what breaks."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from sqlalchemy import Integer, bindparam, create_engine, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine, cursor
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext
from sqlalchemy.engine.result import FrozenResult, Result
from sqlalchemy.ext.compiler import _dispatcher
from sqlalchemy.orm import Session, SessionTransaction, identity, loading
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.sql.compiler import SQLCompiler

from tests.models import Base
from tests.sql.world import TABLES, memory_engine

CALLS = TABLES["calls"]


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_select_is_composed_in_one_method() -> None:
    """Without it no SELECT gets a predicate."""
    assert _parameters(SQLCompiler._compose_select_body)[:6] == [
        "self", "text", "select", "compile_state", "inner_columns", "froms",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("visit_join", {"asfrom", "from_linter"}),
        ("visit_table", {"asfrom", "ashint"}),
        ("visit_insert", {"visited_bindparam", "visiting_cte"}),
        ("visit_update", {"visiting_cte"}),
        ("visit_delete", {"visiting_cte"}),
    ],
)
def test_the_compiler_is_called_with_these(name: str, arguments: set[str]) -> None:
    """The guard's methods take the same keywords; another name would pass them by."""
    assert arguments <= set(_parameters(getattr(SQLCompiler, name)))


def test_an_alias_says_what_it_encloses() -> None:
    """An alias of our own making is not guarded twice: the table is told in which it stands."""
    assert 'kwargs["enclosing_alias"] = alias' in inspect.getsource(SQLCompiler.visit_alias)


@pytest.mark.parametrize(
    "name",
    ["visit_textclause", "visit_textual_select", "escape_literal_column", "visit_function", "visit_collation",
     "visit_extract", "visit_custom_op_binary", "visit_custom_op_unary_operator", "visit_custom_op_unary_modifier",
     "_generate_prefixes", "format_from_hint_text", "get_select_hint_text", "get_statement_hint_text",
     "_truncated_identifier"],
)  # fmt: skip
def test_text_passes_these_methods(name: str) -> None:
    """A method that is gone leaves its kind of text unread."""
    assert callable(getattr(SQLCompiler, name))


def test_a_compile_state_can_be_handed_over() -> None:
    """UPDATE and DELETE are rendered with the state that the guard looked at."""
    statement = update(CALLS).values(note="x")
    state: Any = statement._compile_state_factory(statement, None)  # type: ignore[arg-type]  # no compiler is needed
    assert state.statement is not None
    assert state._extra_froms is not None


def test_parameters_are_there_before_the_cursor() -> None:
    """The tenant is written into compiled_parameters, and those are processed later than create_cursor()."""
    source = inspect.getsource(DefaultExecutionContext._init_compiled)
    assert source.index("construct_params") < source.index("self.cursor = self.create_cursor()")
    assert source.index("self.cursor = self.create_cursor()") < source.index("core_positional_parameters")


def test_text_for_the_driver_makes_its_context_in_one_method() -> None:
    """A known text is sent again by it, with the tenant among its rows; nothing else would look at it."""
    made = _parameters(DefaultExecutionContext._init_statement)
    assert made == [
        "dialect", "connection", "dbapi_connection", "execution_options", "statement", "parameters",
    ]  # fmt: skip
    assert "execution_ctx_cls._init_statement" in inspect.getsource(Connection.exec_driver_sql)


def test_results_are_set_up_in_one_method() -> None:
    """There the fetch strategy is exchanged for one that watches the binding."""
    assert callable(DefaultExecutionContext._setup_result_proxy)
    assert callable(DefaultExecutionContext._setup_dml_or_text_result)
    assert isinstance(cursor._DEFAULT_FETCH, cursor.CursorFetchStrategy)


def test_statements_pass_the_connection() -> None:
    """There the compiler that fits the binding is chosen."""
    assert _parameters(Connection._execute_clauseelement)[1:] == [
        "elem", "distilled_parameters", "execution_options",
    ]  # fmt: skip
    assert callable(Connection._execute_ddl)


def test_an_engine_knows_the_class_of_its_connections() -> None:
    """Engine and copy hand out guarded connections by these attributes."""
    assert Engine._connection_cls is Connection
    assert Engine._option_cls is OptionEngine
    assert "_has_events" in Engine.__dict__ or hasattr(Engine, "_has_events")


def test_classes_of_engine_dialect_and_pool_can_be_exchanged() -> None:
    """Installation swaps classes and keeps objects."""
    engine = memory_engine()
    for part in (engine, engine.dialect, engine.pool):
        held: Any = part
        held.__class__ = type("Swapped", (type(part),), {"supports_statement_cache": True})
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_the_dialect_is_part_of_the_cache_key() -> None:
    """One tenant, several, and a bypass are told apart in the cache by the dialect object."""
    from sqlalchemy.sql.elements import ClauseElement

    assert "dialect," in inspect.getsource(ClauseElement._compile_w_cache)


def test_a_parameter_reads_its_value_at_execution() -> None:
    """The compiled statement holds no tenant."""
    values = iter(["acme", "globex"])
    parameter: Any = bindparam("who", callable_=lambda: next(values))
    with create_engine("sqlite://").connect() as connection:
        assert [connection.scalar(select(parameter)) for _ in range(2)] == ["acme", "globex"]


def test_a_sessions_map_is_made_by_this_name() -> None:
    """The guard puts its own class there, which refuses hits."""
    base = getattr(identity, "_WeakInstanceDict", None) or identity.WeakInstanceDict  # type: ignore[attr-defined]
    with Session() as session:
        assert type(session.identity_map) is base
        session.expunge_all()
        assert type(session.identity_map) is base
    for name in ("get", "add", "replace", "fast_get_state", "_manage_removed_state", "_add_unpresent"):
        assert callable(getattr(base, name))


def test_an_object_holds_a_reference_to_its_map() -> None:
    """Another one, to the same map, tells that the object came in a bypass."""
    base = getattr(identity, "_WeakInstanceDict", None) or identity.WeakInstanceDict  # type: ignore[attr-defined]
    for name in ("_add_unpresent", "_manage_incoming_state"):
        assert "state._instance_dict = self._wr" in inspect.getsource(
            getattr(base, name, None) or getattr(base.__base__, name)
        )
    for name in ("_expire", "_expire_attributes", "unmodified", "_instance_dict", "runid"):
        assert hasattr(InstanceState, name)


def test_custom_constructs_pass_one_dispatcher() -> None:
    """@compiles is noticed there."""
    assert "compiler" in _parameters(_dispatcher.__call__)


def test_a_dialect_sends_by_these_methods() -> None:
    """What listeners made of a statement is looked at in them."""
    assert _parameters(DefaultDialect.do_execute)[1:5] == ["cursor", "statement", "parameters", "context"]
    assert _parameters(DefaultDialect.do_executemany)[1:5] == ["cursor", "statement", "parameters", "context"]


def test_an_annotated_table_has_the_hash_of_the_table() -> None:
    """Columns of a join are matched to FROM elements by it."""
    annotated = CALLS._annotate({"x": 1})
    assert hash(annotated) == hash(CALLS)
    assert Base.metadata.tables["calls"] is CALLS


def test_every_merge_passes_one_method() -> None:
    """`merge()` and the functions that thaw cached results call it, with `load` by keyword."""
    assert "load" in inspect.signature(Session._merge).parameters
    for function in (loading.merge_frozen_result, loading.merge_result):
        assert "load=load" in inspect.getsource(function)


def test_the_value_of_a_parameter_of_our_own_is_read_as_it_is() -> None:
    """A parameter without a callable costs no call: the tenant is written over its value before it is processed."""
    source = inspect.getsource(SQLCompiler.construct_params)
    assert "bindparam.callable" in source
    assert "value_param.value" in source


def test_a_fetch_strategy_stands_on_the_class_of_the_execution() -> None:
    """The guarded one replaces it there; only a result that streams is exchanged one by one."""
    assert DefaultExecutionContext.cursor_fetch_strategy is cursor._DEFAULT_FETCH
    source = inspect.getsource(DefaultExecutionContext._setup_result_proxy)
    assert 'self._is_server_side or exec_opt.get("stream_results", False)' in source


def test_a_fetch_strategy_is_asked_by_these_methods() -> None:
    """The guarded one looks at the binding in each of them."""
    strategy = cursor.CursorFetchStrategy
    assert _parameters(strategy.fetchone) == ["self", "result", "dbapi_cursor", "hard_close"]
    assert _parameters(strategy.fetchmany) == ["self", "result", "dbapi_cursor", "size"]
    assert _parameters(strategy.fetchall) == ["self", "result", "dbapi_cursor"]
    assert _parameters(strategy.yield_per) == ["self", "result", "dbapi_cursor", "num"]


def test_parameters_are_given_values_by_their_names() -> None:
    """The tenant's is taken from these names once it is compiled, and is written in by the guard at each execution."""
    source = inspect.getsource(SQLCompiler.construct_params)
    assert "in self.bind_names.items()" in source
    assert "for bindparam in self.bind_names" in inspect.getsource(SQLCompiler._bind_processors.fget)
    assert "for key in positiontup" in inspect.getsource(DefaultExecutionContext._init_compiled)
    assert "for key in compiled_params" in inspect.getsource(DefaultExecutionContext._init_compiled)


def test_names_are_quoted_once() -> None:
    """The guarded preparer looks into the same cache as the default one."""
    preparer = create_engine("sqlite://").dialect.identifier_preparer
    assert preparer.quote("order") == '"order"'
    assert preparer._strings["order"] == '"order"'


def test_a_session_gets_each_connection_by_one_method() -> None:
    """There the session that executes is judged; a flush asks its transaction, and an execution asks it too."""
    assert _parameters(SessionTransaction._connection_for_bind) == ["self", "bind", "execution_options"]
    assert "trans._connection_for_bind(" in inspect.getsource(Session._connection_for_bind)
    assert "self._connection_for_bind(" in inspect.getsource(Session._execute_internal)
    assert "self._connection_for_bind(" in inspect.getsource(SessionTransaction.connection)
    assert "_parent" in inspect.getsource(SessionTransaction.__init__)


def test_every_new_object_is_registered_by_one_method() -> None:
    """There it is noted whose code has added it."""
    assert _parameters(Session._save_impl) == ["self", "state"]


def test_every_object_that_was_loaded_before_is_attached_by_one_method() -> None:
    """There the map of the session becomes a guarded one, where it is not."""
    assert _parameters(Session._update_impl) == ["self", "state", "revert_deletion"]


def test_an_object_pickles_its_own_state() -> None:
    """The owner goes along in the dictionary, and comes back with it."""
    assert "state_dict" in inspect.getsource(InstanceState.__getstate__)
    assert _parameters(InstanceState.__setstate__) == ["self", "state_dict"]


def test_a_frozen_result_is_given_out_by_few_methods() -> None:
    """Each of them is watched."""
    rewrites = "_rewrite_rows" if hasattr(FrozenResult, "_rewrite_rows") else "rewrite_rows"
    assert "FrozenResult(self)" in inspect.getsource(Result.freeze)
    assert f".{rewrites}()" in inspect.getsource(loading.merge_frozen_result)
    assert ".with_new_rows(" in inspect.getsource(loading.merge_frozen_result)
    assert {
        name for name in vars(FrozenResult) if callable(getattr(FrozenResult, name)) and name[:1] != "_"
    } <= {
        "with_new_rows",
        "rewrite_rows",
    }


def test_a_returning_clause_is_rendered_in_one_method() -> None:
    """Without it, what the guard reads back stands beside the clause instead of in it."""
    found = inspect.signature(SQLCompiler.returning_clause).parameters
    assert found["populate_result_map"].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_result_asks_its_cursor_what_it_returns() -> None:
    """A cursor of ours shows the author's columns only: the result is made of its description and its rows."""
    source = inspect.getsource(DefaultExecutionContext._setup_dml_or_text_result)
    assert "self.cursor.description" in source
    assert "cursor.fetchall()" in inspect.getsource(DefaultExecutionContext.fetchall_for_returning)


def test_the_cursor_is_asked_for_after_pre_exec() -> None:
    """Before it is executed, the guard exchanges the cursor for one that verifies what is stored."""
    single = inspect.getsource(Connection._execute_context)
    assert single.index("context.pre_exec()") < single.index("self._exec_single_context")
    assert "context.cursor," in inspect.getsource(Connection._exec_single_context)
    assert callable(DefaultExecutionContext.create_default_cursor)


def test_a_compiler_says_which_key_the_driver_tells() -> None:
    """MariaDB's drivers tell no generated key beside RETURNING, so that it has to be returned as well."""
    compiled = CALLS.insert().compile(dialect=sqlite.dialect())
    assert isinstance(compiled.postfetch_lastrowid, bool)
    assert CALLS._autoincrement_column is CALLS.c.id


def test_a_type_tells_how_it_binds() -> None:
    """A parameter with a type of its own is plain where that stores what the column's type would."""
    type_ = Integer()
    assert type_._cached_bind_processor(sqlite.dialect()) is None
    assert type_._static_cache_key == Integer()._static_cache_key
    assert type_._type_affinity is Integer
    assert type_._has_bind_expression is False
