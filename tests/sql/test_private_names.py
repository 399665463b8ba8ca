"""Private names of SQLAlchemy: each one that the guard relies on is listed here, with where it is expected."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tenantguard

ROOT = Path(tenantguard.__file__).parent
# by the module of SQLAlchemy that defines them
RELIED = {
    "engine.base": """
        _commit_impl _compiled_cache _cursor_execute _dbapi_connection _echo _execute_clauseelement _execute_ddl
        _exec_insertmany_context _exec_single_context
        _execute_default _execution_options _handle_dbapi_exception _has_events _is_autocommit_isolation _is_prepared
        _autobegin
        _log_info _nested_transaction _option_cls _connection_cls _prepare_twophase_impl _rollback_impl
        _release_savepoint_impl _savepoint_impl _previous_nested
        _safe_close_cursor _still_open_and_dbapi_connection_is_valid _transaction""",
    "engine.cursor": "_DEFAULT_FETCH _soft_close",
    "engine.default": """
        _deliver_insertmanyvalues_batches _exec_default_clause_element _execute_scalar _expanded_parameters
        _is_server_side _process_execute_defaults _setup_dml_or_text_result _setup_result_proxy
        _backslash_escapes""",
    "engine.result": """
        _fetchall_impl _fetchiter_impl _fetchmany_impl _fetchone_impl _iter_impl _raw_row_iterator _real_result""",
    "engine.row": "_mapping",
    "ext.compiler": "_dispatcher",
    "orm.bulk_persistence": "_BulkUDCompileState",
    "orm.identity": "_add_unpresent _dict _manage_removed_state _modified _wr _kill",
    "orm.decl_api": "_managers",
    "orm.mapper": "_all_registries",
    "orm.session": "_new _parent _sessions",
    "orm.state": "_expire _expire_attributes _instance_dict",
    "pool.base": "_dialect",
    "sql.annotation": "_deannotate",
    "sql.base": "_generate _singleton",
    "sql.cache_key": "_generate_cache_key",
    "sql.coercions": "_is_literal",
    "sql.compiler": """
        _bind_processors _compose_select_body _default_stack_entry _double_percents _generate_prefixes
        _get_bind_name_for_col _insertmanyvalues _numeric_binds
        _process_parameters_for_postcompile _strings _truncated_identifier""",
    "sql.dml": """
        _dict_parameters _extra_froms _has_multi_parameters _multi_parameters _no_parameters _post_values_clause
        _returning _select_names _where_criteria""",
    "sql.elements": """
        _bindparams _clone _cloned_set _compiler _construct_raw
        _from_objects _process_clauses_for_boolean _propagate_attrs _truncated_label _with_binary_element_type""",
    "sql.schema": "_arg_is_typed _autoincrement_column",
    "sql.selectable": "_for_update_arg _get_method _prefixes _raw_columns _suffixes",
    "sql.base+": "_compile_state_factory",
    "sql.visitors": "_compiler_dispatch _original_compiler_dispatch",
    "sql.type_api": """
        _cached_bind_processor _has_bind_expression _isnull _static_cache_key _type_affinity
        _unwrapped_dialect_impl _variant_mapping""",
}
OTHERS = {
    "_conn": "of aiosqlite",
    "_getframe": "of sys",
    "_replace": "of named tuples",
    "_tenantguard": "our mark on a FROM element",
}
# of psycopg, which `telling/psycopg_pipeline.py` and `telling/drivers.py` ask for before they use them
PSYCOPG = """
    _autocommit _encoding _enqueue_sync _fetch_gen _get_tx_start_command _pipeline _prepared _prepared_idx _sync_gen"""
ASYNCPG = "_get_unique_id"
_WHERE = {"_backslash_escapes": "dialects.postgresql.base"}
# of one of the two lines of SQLAlchemy, beside what the other has
_IN_ONE_LINE = {
    "_Session__binds": "2.0: Session.binds",
    "_WeakInstanceDict": "2.1: WeakInstanceDict",
    "_rewrite_rows": "2.1: FrozenResult.rewrite_rows",
    "_execute_compiled": "2.0: the way of a compiled statement",
}
_FACTORIES = {"base", "Connection", "_BASE", "_FETCH", "ChunkedIteratorResult"}


def relied() -> Iterator[tuple[str, str]]:
    """Yield the modules and names that are listed."""
    for module, names in RELIED.items():
        for name in names.split():
            yield _WHERE.get(name, module.rstrip("+")), name


def ours(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module of the package defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
        ):
            yield node.attr


def used(tree: ast.Module) -> Iterator[str]:
    """Yield the private names that a module reads of anything, or overrides of a class of SQLAlchemy's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
            if node.func.id in ("getattr", "hasattr") and isinstance(node.args[1], ast.Constant):
                yield str(node.args[1].value)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            yield from (alias.name for alias in node.names)


def overridden(tree: ast.Module) -> Iterator[str]:
    """Yield the private methods of subclasses of SQLAlchemy's classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name | ast.Subscript)
            and getattr(getattr(base, "value", base), "id", "") in _FACTORIES
            for base in node.bases
        ):
            yield from (member.name for member in node.body if isinstance(member, ast.FunctionDef))


def is_private(name: str) -> bool:
    """Tell whether a name is private, and not one of ours by its prefix."""
    return name.startswith("_") and not name.startswith(("__", "_tg"))


def test_every_private_name_is_listed() -> None:
    """What the source reads and no module of the package defines, and what it overrides."""
    listed = {name for _, name in relied()} | set(OTHERS) | {ASYNCPG, *PSYCOPG.split(), *_IN_ONE_LINE}
    mine: set[str] = set()
    read: set[str] = set()
    replaced: set[str] = set()
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text())
        mine.update(ours(tree))
        if path.is_relative_to(ROOT / "sql"):
            read.update(filter(is_private, used(tree)))
            replaced.update(filter(is_private, overridden(tree)))
    assert sorted(read - mine - listed) == []
    assert sorted(replaced - listed) == []


_BEFORE_2_1 = {"_BulkUDCompileState": "BulkUDCompileState"}


@pytest.mark.parametrize(("module", "name"), sorted(set(relied())))
def test_a_private_name_is_where_it_is_expected(module: str, name: str) -> None:
    """An upgrade that takes it away or moves it says so here, by its name."""
    source = inspect.getsource(importlib.import_module(f"sqlalchemy.{module}"))
    known = f"{name}|{_BEFORE_2_1[name]}" if name in _BEFORE_2_1 else name
    assert re.search(rf"\b({known})\b", source)
