"""Text inside statements: whole statements, fragments, functions, hints and operators.

``tenantguard.sql.text`` defines what is allowed in them; here each is passed to it before it is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.expression import TableClause

from tenantguard.errors import RawSQLError, Violation
from tenantguard.sql.compile.access import granted, may_lose, refuse_unread
from tenantguard.sql.refusals import refuse_again
from tenantguard.sql.text import (
    LONGEST_KEPT,
    PARAMETER,
    Fragment,
    Rewritten,
    SettingUse,
    hint,
    is_begin,
    is_health_check,
    local_setting,
    operator_fault,
    prefix,
    suffix,
)
from tenantguard.sql.text.values import Parameter

_PART = "tg_part_"  # a value in a template string, while it is read
_PARTS = re.compile(rf":{_PART}(\d+)")


def whole(compiler: Any, element: Any) -> Any:
    """Refuse a text statement, or return it rewritten, depending on the guard's mode."""
    written = str(getattr(element, "text", ""))
    if is_health_check(written) or is_begin(written, compiler.dialect.name):
        return element
    setting = local_setting(written, compiler.dialect.name)
    if setting is not None:
        return with_text(element, setting)
    how = compiler.tg_guard.raw_sql
    if how == "refuse" and _is_left(compiler, element):
        return rewritten_text(compiler, element)
    served = ("tenant", "tenants") if how == "rewrite" else ("tenant",)
    if how == "refuse" or compiler.tg_mode not in served or not isinstance(element, TextClause):
        reading = 'install the guard with raw_sql="rewrite", ' if how == "refuse" else ""
        compiler.tg.refuse(
            RawSQLError(
                f'SQL text was refused (raw_sql="{how}"). Write it with SQLAlchemy\'s constructs, {reading}'
                'or run it inside `with bypass(reason="..."):`',
                statement=written or None,
            )
        )
        return element
    if how == "database":
        found = compiler.tg_guard.texts.underneath(written, "named")
        compiler.tg.refuse_fragment(found.fault, written)
        read = compiler.tg_guard.tenancy.permissions or compiler.tg_guard.texts.writes(
            written, "postgresql", "named"
        )
        if found.fault is not None or not read:
            return with_text(element, found.text)
    return rewritten_text(compiler, element)


def _is_left(compiler: Any, element: Any) -> bool:
    """Return whether a readable text names only tables that are not enforced."""
    if compiler.tg_guard.enforced is None or not isinstance(element, TextClause):
        return False
    try:
        found = compiler.tg_guard.rewrite(element.text, compiler.dialect, "named")
    except Violation:
        return False
    return bool(compiler.tg_guard.leaves(found.tables))


def rewritten_text(compiler: Any, element: TextClause) -> TextClause:
    """Return a text statement with the predicates added, or refuse it."""
    try:
        found = compiler.tg_guard.rewrite(
            element.text, compiler.dialect, "named", int(compiler.tg_mode == "tenants")
        )
    except Violation as violation:
        compiler.tg.refuse(violation)
        if len(element.text) > LONGEST_KEPT:
            refuse_again(violation, element.text[:LONGEST_KEPT])
        return element
    clone: Any = element._clone()
    clone.text = found.text
    if found.tenanted:
        owned = compiler.tg_guard.ties.any_owned(found.tables)
        clone._bindparams = {**clone._bindparams, PARAMETER: compiler.tg_predicates.parameter(owned)}
    if found.rows:
        clone._bindparams = {**clone._bindparams, **_rules(compiler, found)}
    compiler.tg.checks = (*compiler.tg.checks, *found.checks)
    compiler.tg.asked.update(found.asked)
    for table, columns in found.stores:
        placement = compiler.tg_guard.placed.find_key(table)
        if may_lose(compiler, placement, columns):
            refuse_unread(
                compiler, placement, "what SQL text stores is not read back; use insert() or update()"
            )
    compiler.tg.changes = found.verbs != ("select",)
    return cast("TextClause", clone)


def _rules(compiler: Any, found: Rewritten) -> dict[str, Any]:
    """Return the permission rules of a text, by the parameters that the compiler replaces with them."""
    rules = {}
    for rows in found.rows:
        placement = compiler.tg_guard.placed.find_key(rows.table)
        compiler.tg.tables[rows.table] = placement  # whoever reads the result on is asked for its rule
        rules[rows.name] = rule = granted(compiler, TableClause(rows.qualifier), placement)
        rule.hidden = frozenset(name.lower() for name in found.ctes)
    return rules


def with_text(element: Any, text: str) -> Any:
    """Return a text clause with other text."""
    if text == element.text:
        return element
    clone = element._clone()
    clone.text = text
    return clone


def read_text(compiler: Any, textclause: Any, *, shown: bool) -> Any:
    """Return the text to render: a whole statement is refused or rewritten, and a fragment is composed anew.

    Args:
        compiler: the compiler.
        textclause: the text.
        shown: whether it is among the columns of a SELECT.
    """
    if not compiler.stack:
        return whole(compiler, textclause)
    if textclause is compiler.tg.read:
        return textclause
    return with_text(textclause, _read_fragment(compiler, textclause.text, shown=shown).text)


def read_tstring(compiler: Any, tstring: Any) -> Any:
    """Return a template string to render, parsed as text with a parameter for each interpolated value."""
    if not compiler.stack:
        whole(compiler, tstring)
        return tstring
    parts = [getattr(part, "text", None) for part in tstring.parts]
    written = "".join(f" :{_PART}{at} " if text is None else text for at, text in enumerate(parts))
    read = _read_fragment(compiler, written)
    if read.fault is not None:
        return tstring
    clone = tstring._clone()
    clone.parts = []
    for at, piece in enumerate(_PARTS.split(read.text)):
        if at % 2:
            clone.parts.append(tstring.parts[int(piece)])
        elif piece:
            clone.parts.append(TextClause(piece))
    return clone


def read_literal(compiler: Any, text: Any) -> Any:
    """Return the text of a literal column, composed anew, or of an operator, which has its own rules."""
    operator, compiler.tg.operator = compiler.tg.operator, None
    if text is operator or text in compiler.tg.own_text:
        return text
    return _read_fragment(compiler, str(text), style="none").text


def read_operator(compiler: Any, operator: Any) -> None:
    """Parse a custom operator before it is rendered."""
    text = operator.opstring
    compiler.tg.refuse_fragment(operator_fault(text, compiler.dialect.name), text)
    # only the operator's own string is exempt: its operands are rendered with the exemption lifted again
    compiler.tg.operator = text


def read_hint(compiler: Any, written: str) -> str:
    """Return a hint composed anew."""
    composed, fault = hint(written, compiler.dialect.name)
    compiler.tg.refuse_fragment(fault, written)
    return composed


def is_setting(compiler: Any, name: str) -> bool:
    """Return whether a function changes a setting, whose name decides whether it is allowed."""
    return compiler.dialect.name == "postgresql" and name.lower() in ("set_config", "pg_catalog.set_config")


def note_setting(compiler: Any, function: Any) -> None:
    """Record a call of ``set_config``, whose parameters are verified at execution."""
    names = [compiler.bind_names.get(argument) for argument in function.clauses]
    if len(names) != 3 or names[0] is None or names[2] is None:
        compiler.tg.refuse_fragment(
            "set_config() takes values here: its setting, a value and True", "set_config"
        )
        return
    compiler.tg.checks = (*compiler.tg.checks, SettingUse(Parameter(names[0]), Parameter(names[2])))


def prefixes_text(compiler: Any, render: Callable[..., str], stmt: Any, prefixes: Any, **kw: Any) -> str:
    """Render prefixes and suffixes, which have their own rules, with the plain method ``render``."""
    read = suffix if prefixes is getattr(stmt, "_suffixes", None) else prefix
    rendered = []
    for affix, name in prefixes:
        if name not in (None, "*", compiler.dialect.name):
            continue
        if isinstance(affix, TextClause):
            composed, fault = read(affix.text, compiler.dialect.name)
            compiler.tg.refuse_fragment(fault, affix.text)
            rendered.append(render(with_text(affix, composed), **kw))
        else:
            rendered.append(compiler.process(affix, **kw))
    return " ".join(rendered) + " " if rendered else ""


def _read_fragment(compiler: Any, text: str, *, style: str = "named", shown: bool = False) -> Fragment:
    read: Fragment = compiler.tg_guard.texts.fragment(text, compiler.dialect.name, style=style, shown=shown)
    compiler.tg.refuse_fragment(read.fault, text)
    if read.fault is not None and len(text) > LONGEST_KEPT:
        refuse_again(compiler.tg.fault, text[:LONGEST_KEPT])  # now, so that no cache keeps what was compiled
    compiler.tg.checks = (*compiler.tg.checks, *read.checks)
    return read
