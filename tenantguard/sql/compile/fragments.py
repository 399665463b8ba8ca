"""Text inside statements, as the compiler meets it: whole statements, fragments, functions, hints and operators.

What the pieces may hold is said in :mod:`tenantguard.sql.text`; here each is handed over before it is rendered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sqlalchemy.sql.elements import TextClause

from tenantguard.errors import RawSQLError, Violation
from tenantguard.sql.servers.row_security import text_fault, writes
from tenantguard.sql.text import (
    PARAMETER,
    fragment_fault,
    hint_fault,
    is_begin,
    is_health_check,
    operator_fault,
    prefix_fault,
    suffix_fault,
)


def whole(compiler: Any, element: Any) -> Any:
    """Refuse a statement that is text, or return it rewritten where the guard was told to."""
    written = str(getattr(element, "text", ""))
    if is_health_check(written) or is_begin(written, compiler.dialect.name):
        return element
    how = compiler.tg_guard.raw_sql
    served = ("tenant", "tenants") if how == "rewrite" else ("tenant",)
    if how == "refuse" or compiler.tg_mode not in served or not isinstance(element, TextClause):
        compiler.tg.refuse(
            RawSQLError(
                "SQL text was refused, because the guard cannot read it. Write it with SQLAlchemy's constructs, "
                'install the guard with raw_sql="rewrite", or run it inside `with bypass(reason="..."):`',
                statement=written or None,
            )
        )
        return element
    if how == "database":
        fault = text_fault(written)
        compiler.tg.refuse_fragment(fault, written)
        return rewritten_text(compiler, element) if fault is None and writes(written) else element
    return rewritten_text(compiler, element)


def rewritten_text(compiler: Any, element: TextClause) -> TextClause:
    """Return a whole statement of text with the predicates put in, or refuse it."""
    try:
        found = compiler.tg_guard.rewrite(
            element.text, compiler.dialect, "named", int(compiler.tg_mode == "tenants")
        )
    except Violation as violation:
        compiler.tg.refuse(violation)
        return element
    clone: Any = element._clone()
    clone.text = found.text
    if found.tenanted:
        owned = compiler.tg_guard.ties.any_owned(found.tables)
        clone._bindparams = {**clone._bindparams, PARAMETER: compiler.tg_predicates.parameter(owned)}
    compiler.tg.checks = (*compiler.tg.checks, *found.checks)
    return cast("TextClause", clone)


def read_text(compiler: Any, textclause: Any) -> Any:
    """Return text to render: a whole statement of it is refused or rewritten, a fragment is read first."""
    if not compiler.stack:
        return whole(compiler, textclause)
    if textclause is not compiler.tg.read:
        _read_fragment(compiler, textclause.text)
    return textclause


def read_tstring(compiler: Any, tstring: Any) -> None:
    """Read a template string, as text."""
    if compiler.stack:
        _read_fragment(compiler, "".join(getattr(part, "text", ":part") for part in tstring.parts))
    else:
        whole(compiler, tstring)


def read_literal(compiler: Any, text: Any) -> None:
    """Read the text of a literal column, or of an operator, which has rules of its own."""
    operator, compiler.tg.operator = compiler.tg.operator, None
    if text is not operator and text not in compiler.tg.own_text:
        _read_fragment(compiler, str(text))


def read_operator(compiler: Any, operator: Any) -> None:
    """Read an operator of the user's own, before it is rendered."""
    text = operator.opstring
    compiler.tg.refuse_fragment(operator_fault(text, compiler.dialect.name), text)
    # only the operator's own string is exempt: its operands are rendered with the exemption lifted again
    compiler.tg.operator = text


def read_hint(compiler: Any, hint: str) -> None:
    """Read a hint."""
    compiler.tg.refuse_fragment(hint_fault(hint, compiler.dialect.name), hint)


def prefixes_text(compiler: Any, render: Callable[..., str], stmt: Any, prefixes: Any, **kw: Any) -> str:
    """Render prefixes and suffixes, which have rules of their own: by the plain method for text, ``render``."""
    affix_fault = suffix_fault if prefixes is getattr(stmt, "_suffixes", None) else prefix_fault
    rendered = []
    for prefix, name in prefixes:
        if name not in (None, "*", compiler.dialect.name):
            continue
        if isinstance(prefix, TextClause):
            compiler.tg.refuse_fragment(affix_fault(prefix.text, compiler.dialect.name), prefix.text)
            rendered.append(render(prefix, **kw))
        else:
            rendered.append(compiler.process(prefix, **kw))
    return " ".join(rendered) + " " if rendered else ""


def _read_fragment(compiler: Any, text: str) -> None:
    compiler.tg.refuse_fragment(fragment_fault(text, compiler.dialect.name), text)


def verify_custom(compiler: Any) -> None:
    """Refuse a statement in which a construct of the user's own hides a table."""
    from tenantguard.sql.compile.custom import custom_fault  # and sqlglot, which few programs need

    fault = custom_fault(compiler.string, compiler.dialect.name, compiler.tg.rendered, compiler.ctes or {})
    if fault is not None:
        compiler.tg.refuse(RawSQLError(fault, kind="custom_construct"))
