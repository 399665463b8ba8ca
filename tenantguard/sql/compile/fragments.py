"""Text inside statements, as the compiler meets it: whole statements, fragments, functions, hints and operators.

What the pieces may hold is said in :mod:`tenantguard.sql.text`; here each is handed over before it is rendered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.ext.compiler import _dispatcher
from sqlalchemy.sql.elements import TextClause

from tenantguard.errors import RawSQLError, Violation
from tenantguard.sql.compile.identifiers import checked_literal, name_fault, noting
from tenantguard.sql.servers.row_security import text_fault, writes
from tenantguard.sql.text import (
    PARAMETER,
    fragment_fault,
    function_fault,
    hint_fault,
    is_begin,
    is_health_check,
    operator_fault,
    prefix_fault,
    suffix_fault,
)

if TYPE_CHECKING:
    from tenantguard.sql.guard import Guard
    from tenantguard.sql.predicates import Predicates


class GuardedFragments:
    """Read the text in a statement before it is rendered; a part of the guarded compiler.

    Attributes:
        tg_guard: the guard that installed the compiler.
        tg_mode: the kind of binding that the compiled statement serves.
        tg_fault: the refusal that awaits its execution, if any.
        tg_checks: what must be verified of the parameters of SQL text.
        tg_custom: a construct of the user's own (``@compiles``) takes part in it.
    """

    tg_guard: Guard
    tg_mode = "tenant"
    tg_predicates: Predicates
    tg_fault: Violation | None = None
    tg_checks: tuple[Any, ...] = ()
    tg_custom = False
    _tg_read: Any = None
    _tg_rendered: dict[str, int]
    _tg_operator_text: Any = None
    _tg_own_text: frozenset[str] = (
        frozenset()
    )  # what SQLAlchemy itself writes as literal columns, in an upsert

    if TYPE_CHECKING:
        dialect: Any
        stack: list[Any]
        ctes: Any
        string: str

        def process(self, obj: Any, **kw: Any) -> str: ...

    def tg_refuse(self, violation: Violation) -> None:
        """Remember the first refusal; it is recorded and raised when the statement is executed."""
        if self.tg_fault is None:
            self.tg_fault = violation

    def tg_fragment(self, fault: str | None, text: str) -> None:
        """Refuse the statement where a piece of text in it has a fault."""
        if fault is not None:
            self.tg_refuse(
                RawSQLError(
                    f"text inside a statement was refused: {fault}. Write it with SQLAlchemy's constructs, or run "
                    'it inside `with bypass(reason="..."):`',
                    kind="raw_sql_fragment",
                    statement=text,
                )
            )

    def _tg_whole(self, element: Any) -> Any:
        """Refuse a statement that is text, or return it rewritten where the guard was told to."""
        written = str(getattr(element, "text", ""))
        if is_health_check(written) or is_begin(written, self.dialect.name):
            return element
        how = self.tg_guard.raw_sql
        served = ("tenant", "tenants") if how == "rewrite" else ("tenant",)
        if how == "refuse" or self.tg_mode not in served or not isinstance(element, TextClause):
            self.tg_refuse(
                RawSQLError(
                    "SQL text was refused, because the guard cannot read it. Write it with SQLAlchemy's constructs, "
                    'install the guard with raw_sql="rewrite", or run it inside `with bypass(reason="..."):`',
                    statement=written or None,
                )
            )
            return element
        if how == "database":
            fault = text_fault(written)
            self.tg_fragment(fault, written)
            return self._tg_rewritten(element) if fault is None and writes(written) else element
        return self._tg_rewritten(element)

    def _tg_rewritten(self, element: TextClause) -> TextClause:
        try:
            rewritten = self.tg_guard.rewrite(
                element.text, self.dialect, "named", int(self.tg_mode == "tenants")
            )
        except Violation as violation:
            self.tg_refuse(violation)
            return element
        clone: Any = element._clone()
        clone.text = rewritten.text
        if rewritten.tenanted:
            owned = self.tg_guard.any_owned(rewritten.tables)
            clone._bindparams = {**clone._bindparams, PARAMETER: self.tg_predicates.parameter(owned)}
        self.tg_checks = (*self.tg_checks, *rewritten.checks)
        return cast("TextClause", clone)

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> str:
        """Render text: a whole statement of it is refused or rewritten, a fragment is read first."""
        if not self.stack:
            textclause = self._tg_whole(textclause)
        elif textclause is not self._tg_read:
            self.tg_fragment(fragment_fault(textclause.text, self.dialect.name), textclause.text)
        return super().visit_textclause(textclause, *args, **kw)  # type: ignore[misc,no-any-return]

    def visit_tstring(self, tstring: Any, *args: Any, **kw: Any) -> str:
        """Render a template string, as text."""
        if not self.stack:
            self._tg_whole(tstring)
        else:
            text = "".join(getattr(part, "text", ":part") for part in tstring.parts)
            self.tg_fragment(fragment_fault(text, self.dialect.name), text)
        return super().visit_tstring(tstring, *args, **kw)  # type: ignore[misc,no-any-return]

    def visit_textual_select(self, taf: Any, *args: Any, **kw: Any) -> str:
        """Render text that was given columns, as a whole statement wherever it stands."""
        taf = taf._clone()
        taf.element = self._tg_read = self._tg_whole(taf.element)
        return super().visit_textual_select(taf, *args, **kw)  # type: ignore[misc,no-any-return]

    def escape_literal_column(self, text: Any) -> Any:
        """Render the text of a literal column, or of an operator, which has rules of its own."""
        operator, self._tg_operator_text = self._tg_operator_text, None
        if text is not operator and text not in self._tg_own_text:
            self.tg_fragment(fragment_fault(str(text), self.dialect.name), str(text))
        return super().escape_literal_column(text)  # type: ignore[misc]

    def render_literal_value(self, value: Any, type_: Any) -> str:
        """Render a literal, which a type of the user's own may make into anything."""
        return checked_literal(super().render_literal_value(value, type_), type_, self.dialect)  # type: ignore[misc]

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        """Render a function, unless it is one that runs SQL or reads what the guard cannot see."""
        name = ".".join((*func.packagenames, func.name))
        self.tg_fragment(function_fault(name, self.dialect.name), name)
        return super().visit_function(func, *args, **kw)  # type: ignore[misc,no-any-return]

    def visit_collation(self, element: Any, **kw: Any) -> str:
        """Render a collation, whose name some dialects do not quote."""
        self.tg_fragment(name_fault(str(element.collation)), str(element.collation))
        return super().visit_collation(element, **kw)  # type: ignore[misc,no-any-return]

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        """Render EXTRACT, whose field is a word."""
        self.tg_fragment(name_fault(str(extract.field)), str(extract.field))
        return super().visit_extract(extract, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        """Render an operator of the user's own."""
        return self._tg_custom_op(super().visit_custom_op_binary, element, operator, **kw)  # type: ignore[misc]

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        """Render a prefix operator of the user's own."""
        return self._tg_custom_op(super().visit_custom_op_unary_operator, element, operator, **kw)  # type: ignore[misc]

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> str:
        """Render a suffix operator of the user's own."""
        return self._tg_custom_op(super().visit_custom_op_unary_modifier, element, operator, **kw)  # type: ignore[misc]

    def _tg_custom_op(self, render: Callable[..., str], element: Any, operator: Any, **kw: Any) -> str:
        self.tg_fragment(operator_fault(operator.opstring, self.dialect.name), operator.opstring)
        # only the operator's own string is exempt: its operands are rendered with the exemption lifted again
        self._tg_operator_text = operator.opstring
        return render(element, operator, **kw)

    def _tg_verify_custom(self) -> None:
        from tenantguard.sql.compile.custom import custom_fault  # and sqlglot, which few programs need

        fault = custom_fault(self.string, self.dialect.name, self._tg_rendered, self.ctes or {})
        if fault is not None:
            self.tg_refuse(RawSQLError(fault, kind="custom_construct"))

    def _generate_prefixes(self, stmt: Any, prefixes: Any, **kw: Any) -> str:
        # prefixes and suffixes have rules of their own: they are rendered by the plain method for text
        affix_fault = suffix_fault if prefixes is getattr(stmt, "_suffixes", None) else prefix_fault
        rendered = []
        for prefix, name in prefixes:
            if name not in (None, "*", self.dialect.name):
                continue
            if isinstance(prefix, TextClause):
                self.tg_fragment(affix_fault(prefix.text, self.dialect.name), prefix.text)
                rendered.append(super().visit_textclause(prefix, **kw))  # type: ignore[misc]
            else:
                rendered.append(self.process(prefix, **kw))
        return " ".join(rendered) + " " if rendered else ""

    def format_from_hint_text(self, sqltext: Any, table: Any, hint: Any, iscrud: Any) -> str:
        """Render a table's hint."""
        self.tg_fragment(hint_fault(hint, self.dialect.name), hint)
        return super().format_from_hint_text(sqltext, table, hint, iscrud)  # type: ignore[misc,no-any-return]

    def get_select_hint_text(self, byfroms: Any) -> Any:
        """Render the hints that stand before the columns."""
        for hint in byfroms.values():
            self.tg_fragment(hint_fault(hint, self.dialect.name), hint)
        return super().get_select_hint_text(byfroms)  # type: ignore[misc]

    def get_statement_hint_text(self, hint_texts: Any) -> str:
        """Render the hints that stand after the statement."""
        for hint in hint_texts:
            self.tg_fragment(hint_fault(hint, self.dialect.name), hint)
        return super().get_statement_hint_text(hint_texts)  # type: ignore[misc,no-any-return]


def _note_custom(compiler: Any) -> None:
    if hasattr(compiler, "tg_custom"):  # a guarded one
        compiler.tg_custom = True


_dispatcher.__call__ = noting(_dispatcher.__call__, _note_custom)  # type: ignore[method-assign]
