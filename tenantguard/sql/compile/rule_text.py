"""Row rules as text: a rule reads what its author wrote, independent of the enclosing statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import CompileError, InvalidRequestError

from tenantguard.errors import RawSQLError
from tenantguard.sql.compile.predicate_text import from_name
from tenantguard.sql.elements import Ruled

_NOTHING = "1 = 0"  # of a statement that is refused


def ruled(compiler: Any, element: Ruled, **kw: Any) -> str:
    """Render a row rule; its subqueries are correlated only with its own table.

    They are rendered without predicates, exactly as the rule's author wrote them.
    """
    statement = compiler.tg
    if element.rule is not None:
        statement.rules.append(element.rule)
    outer, statement.rule_names = statement.rule_names, set()
    own = set(element.source._from_objects)
    around = compiler.stack[-1] if compiler.stack else compiler._default_stack_entry  # none in SQL text
    compiler.stack.append({**around, "correlate_froms": own, "asfrom_froms": own})
    try:
        text: str = compiler.process(element.element, **kw)
        names = statement.rule_names
    except (CompileError, InvalidRequestError) as error:
        _refuse(compiler, element, str(error).splitlines()[0])
        return _NOTHING
    finally:
        compiler.stack.pop()
        statement.rule_names = outer
    if outer is not None:
        outer.update(names)
    name = from_name(compiler, element.source)
    if name in names:
        _refuse(compiler, element, f"it reads something named {name!r}, as its own table is here")
        return _NOTHING
    if not element.hidden.isdisjoint(names):
        _refuse(compiler, element, f"its WITH {min(element.hidden & names)!r} hides what the rule reads")
        return _NOTHING
    return f"({text})"


def within_rule(compiler: Any, from_: Any) -> bool:
    """Return whether a FROM element is in a row rule, and record its name."""
    if compiler.tg.rule_names is None:
        return False
    if getattr(from_, "name", None) is not None:
        compiler.tg.rule_names.add(from_name(compiler, from_))
    return True


@contextmanager
def noted_cte(compiler: Any, cte: Any) -> Iterator[None]:
    """Record the name of a common table expression while it is rendered, because it hides the table with that name."""
    name, statement = from_name(compiler, cte), compiler.tg
    statement.ctes.add(name)
    outer = statement.rule_names
    if outer is not None:
        statement.rule_ctes.add(name)
        statement.rule_names = (
            set()
        )  # it is written in front of the statement, so its names hide none of the rule's
    yield
    statement.rule_names = outer


def refuse_mistaken(compiler: Any) -> None:
    """Refuse a statement with a table whose name a row rule has given to a common table expression."""
    mistaken = compiler.tg.rule_ctes & {name.lower() for name in compiler.tg.rendered}
    if mistaken:
        _refuse(compiler, None, f"its common table expression {min(mistaken)!r} has the name of a table")


def _refuse(compiler: Any, element: Ruled | None, why: str) -> None:
    table = "" if element is None else f" of {from_name(compiler, element.source)}"
    compiler.tg.refuse(
        RawSQLError(
            f"the row rule{table} cannot stand in this statement: {why}. Give what the rule reads a name of its own, "
            "by aliased(...) or .alias()",
            kind="row_rule",
        )
    )
