"""The compiler: short hooks for each extension point of SQLAlchemy's ``SQLCompiler`` that the guard uses.

Everything that relies on the compiler is here and in the functions that the hooks call. The compiler is an extension
point rather than a promised API; ``tests/sql/test_reliance.py`` lists what is relied on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenantguard.sql.compile.calls import read_function, sampling, unshadowed, verify_calls
from tenantguard.sql.compile.changes import guarded_change, plan_changes
from tenantguard.sql.compile.custom import render_custom, verify_custom
from tenantguard.sql.compile.identifiers import checked_literal, name_fault, reading
from tenantguard.sql.compile.inline_text import (
    is_setting,
    note_setting,
    prefixes_text,
    read_hint,
    read_literal,
    read_operator,
    read_text,
    read_tstring,
    whole,
)
from tenantguard.sql.compile.inserts import guarded_insert, plan_insert
from tenantguard.sql.compile.predicate_text import filtered_table, predicate, refuse_shadowed
from tenantguard.sql.compile.reads import guarded_join, guarded_select, verify_known
from tenantguard.sql.compile.returning_clause import keeping_returning
from tenantguard.sql.compile.rule_text import noted_cte, refuse_mistaken, ruled
from tenantguard.sql.compile.statement import Statement, set_apart, verify_definitions
from tenantguard.sql.compile.upserts import guarded_conflict, guarded_duplicate, inserted_names
from tenantguard.sql.guard import Guard
from tenantguard.sql.predicates import Predicates


def guarded_compiler(base: Any, guard: Guard, mode: str, predicates: Predicates) -> Any:
    """Return a subclass of a dialect's statement compiler that guards what it compiles.

    Args:
        base: the dialect's own compiler.
        guard: the guard that is installed.
        mode: the kind of binding that the compiled statements serve: ``"tenant"`` or ``"tenants"``.
        predicates: builds the predicates for that kind.
    """

    class GuardedCompiler(keeping_returning(base)):  # type: ignore[misc]  # of whatever dialect
        """A statement compiler that adds the predicates; ``tg`` holds its results."""

        tg_guard = guard
        tg_mode = mode
        tg_predicates = predicates
        tg: Statement

        def __init__(self, dialect: Any, statement: Any, *args: Any, **kw: Any) -> None:
            guard.notice()
            self.tg = tg = Statement(guard, mode)
            super().__init__(dialect, statement, *args, **kw)
            hidden = tg.ctes & tg.relied
            if hidden and dialect.default_schema_name:
                self.__dict__.clear()  # what was compiled reads a CTE for a table: once more, with the table's schema
                self.tg = tg = Statement(guard, mode, frozenset(hidden))
                super().__init__(dialect, statement, *args, **kw)
            verify_definitions(tg)
            if tg.custom:
                verify_custom(self)
            if tg.ctes & tg.relied:
                refuse_shadowed(self)
            verify_calls(self)
            if tg.rule_ctes:
                refuse_mistaken(self)
            tg.finish(self.bind_names.items(), translated=bool(self.schema_translate_map))
            set_apart(self)

        # -- reads --

        def _compose_select_body(  # type: ignore[no-untyped-def]  # the signature is SQLAlchemy's
            self, text, select, compile_state, inner_columns, froms, *args, **kw
        ):
            self.tg.levels.append(set())
            select = guarded_select(self, select, froms)
            composed = super()._compose_select_body(
                text, select, compile_state, inner_columns, froms, *args, **kw
            )
            self.tg.levels.pop()
            return composed

        def visit_join(self, join: Any, **kw: Any) -> Any:
            return super().visit_join(guarded_join(self, join), **kw)

        def visit_table(
            self,
            table: Any,
            asfrom: bool = False,
            ashint: bool = False,
            enclosing_alias: Any = None,
            **kw: Any,
        ) -> Any:
            if asfrom and not ashint:
                verify_known(self, table, enclosing_alias)
            return super().visit_table(
                table, asfrom=asfrom, ashint=ashint, enclosing_alias=enclosing_alias, **kw
            )

        def visit_compound_select(self, cs: Any, *args: Any, **kw: Any) -> Any:
            self.tg.unions += len(cs.selects) - 1
            return super().visit_compound_select(cs, *args, **kw)

        def visit_cte(self, cte: Any, *args: Any, **kw: Any) -> Any:
            with noted_cte(self, cte):
                return super().visit_cte(cte, *args, **kw)

        # -- elements of our own --

        def visit_tenantguard_belongs(
            self, element: Any, ambiguous_table_name_map: Any = None, **kw: Any
        ) -> str:
            return predicate(self, element, ambiguous_table_name_map)

        def visit_tenantguard_ruled(self, element: Any, **kw: Any) -> str:
            return ruled(self, element, **kw)

        def visit_tenantguard_filtered(self, element: Any, **kw: Any) -> str:
            return filtered_table(self, element)

        # -- writes --

        def visit_insert(
            self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any
        ) -> Any:
            insert = guarded_insert(self, insert_stmt, visiting_cte, **kw)
            self.tg.conflicts += insert.statement._post_values_clause is not None
            outer = self.tg.conflict, self.tg.upserts
            self.tg.conflict, self.tg.upserts = {}, False
            text = super().visit_insert(insert.statement, visiting_cte=visiting_cte, **kw)
            text = plan_insert(self, insert, text)
            self.tg.conflict, self.tg.upserts = outer
            return text

        def visit_update(self, update_stmt: Any, visiting_cte: Any = None, **kw: Any) -> Any:
            change = guarded_change(self, "update", update_stmt, visiting_cte, **kw)
            text = super().visit_update(change.statement, visiting_cte=visiting_cte, **kw)
            return plan_changes(self, change, text)

        def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> Any:
            change = guarded_change(self, "delete", delete_stmt, visiting_cte, **kw)
            text = super().visit_delete(change.statement, visiting_cte=visiting_cte, **kw)
            return plan_changes(self, change, text)

        def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> Any:
            return super().visit_on_conflict_do_update(guarded_conflict(self, on_conflict), **kw)

        def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> str:
            clause = guarded_duplicate(self, on_duplicate)
            outer, self.tg.own_text = self.tg.own_text, inserted_names(self)
            text: str = super().visit_on_duplicate_key_update(clause, **kw)
            self.tg.own_text = outer
            # PyMySQL's executemany() knows no parameters behind VALUES, unless it takes the rows one by one,
            # as it does where it does not recognise the statement
            return f"/* */ {text}" if self.for_executemany and "tenantguard" in text else text

        # -- text --

        def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> Any:
            shown = kw.get("within_columns_clause", False) and not kw.get("within_label_clause", False)
            return super().visit_textclause(read_text(self, textclause, shown=shown), *args, **kw)

        def visit_tstring(self, tstring: Any, *args: Any, **kw: Any) -> Any:
            return super().visit_tstring(read_tstring(self, tstring), *args, **kw)

        def visit_textual_select(self, taf: Any, *args: Any, **kw: Any) -> Any:
            taf = taf._clone()
            taf.element = self.tg.read = whole(self, taf.element)
            return super().visit_textual_select(taf, *args, **kw)

        def escape_literal_column(self, text: Any) -> Any:
            return super().escape_literal_column(read_literal(self, text))

        def render_literal_value(self, value: Any, type_: Any) -> Any:
            return checked_literal(super().render_literal_value(value, type_), type_, self.dialect)

        def visit_function(self, func: Any, *args: Any, **kw: Any) -> Any:
            if is_setting(self, ".".join((*func.packagenames, func.name))):
                text = super().visit_function(func, *args, **kw)
                note_setting(self, func)
                return text
            read_function(self, func)
            return unshadowed(self, func, super().visit_function(func, *args, **kw))

        def visit_tablesample(self, tablesample: Any, *args: Any, **kw: Any) -> Any:
            sampling(self, tablesample)
            text = super().visit_tablesample(tablesample, *args, **kw)
            self.tg.methods = frozenset()
            return text

        def visit_collation(self, element: Any, **kw: Any) -> Any:
            self.tg.refuse_fragment(name_fault(str(element.collation)), str(element.collation))
            return super().visit_collation(element, **kw)

        def visit_extract(self, extract: Any, **kw: Any) -> Any:
            self.tg.refuse_fragment(name_fault(str(extract.field)), str(extract.field))
            return super().visit_extract(extract, **kw)

        def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> Any:
            read_operator(self, operator)
            return super().visit_custom_op_binary(element, operator, **kw)

        def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> Any:
            read_operator(self, operator)
            return super().visit_custom_op_unary_operator(element, operator, **kw)

        def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> Any:
            read_operator(self, operator)
            return super().visit_custom_op_unary_modifier(element, operator, **kw)

        def _generate_prefixes(self, stmt: Any, prefixes: Any, **kw: Any) -> str:
            return prefixes_text(self, super().visit_textclause, stmt, prefixes, **kw)

        def format_from_hint_text(self, sqltext: Any, table: Any, hint: Any, iscrud: Any) -> Any:
            return super().format_from_hint_text(sqltext, table, read_hint(self, hint), iscrud)

        def get_select_hint_text(self, byfroms: Any) -> Any:
            read = {source: read_hint(self, hint) for source, hint in byfroms.items()}
            return super().get_select_hint_text(read)

        def get_statement_hint_text(self, hint_texts: Any) -> Any:
            return super().get_statement_hint_text([read_hint(self, hint) for hint in hint_texts])

    return _named(GuardedCompiler, base)


def _named(cls: type, base: Any) -> type:
    cls.__name__ = cls.__qualname__ = f"Guarded{base.__name__}"
    return cls


def _guards(compiler: Any) -> bool:
    return compiler.__dict__.get("tg") is not None  # that of a bypass stands on its class


def reading_constructs(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let each construct of the user's own (``@compiles``) tell the guarded compiler that it takes part."""
    return reading(call, _guards, render_custom)
