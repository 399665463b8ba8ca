"""Names and types that are written into the SQL unchanged, and so must be nothing but names and types."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy.sql.compiler import IdentifierPreparer
from sqlalchemy.sql.elements import quoted_name

from tenantguard.audit import refuse
from tenantguard.context import peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.text import read_fragment, type_fault

_NAME = re.compile(r'[\w$.\- ]+|"[^"]+"|`[^`]+`')
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`")
_PLAIN_TYPE = re.compile(r"[\w\s.,\[\]]*(?:\([\w\s.,-]*\)[\w\s.,\[\]]*)*")  # no parenthesis leads out of it
_PLAIN_NAME = re.compile(r"[\w$.\-]+|__\[SCHEMA_[^\]]+\]")  # the second is SQLAlchemy's, to be translated


def name_fault(name: str) -> str | None:
    """Return why a text cannot be a name, or ``None``."""
    return None if _NAME.fullmatch(name) else f"{name[:40]!r} is no name"


@functools.cache
def guarded_preparer(cls: Any) -> Any:
    """Return a dialect's identifier preparer that leaves only plain names unquoted."""

    def quote(self: Any, ident: str, *args: Any) -> Any:
        how = None if type(ident) is str else getattr(ident, "quote", None)
        if how is None and known:
            found = self._strings.get(ident)  # as the default method does; most names were quoted before
            if found is not None:
                return found
        elif how is False and isinstance(ident, quoted_name) and not _PLAIN_NAME.fullmatch(ident):
            _refuse_text(f"{ident[:40]!r} would be rendered unquoted, and is not a plain name")
        return cls.quote(self, ident, *args)

    known = cls.quote is IdentifierPreparer.quote
    return type(f"Guarded{cls.__name__}", (cls,), {"quote": quote})


@functools.cache
def guarded_type_compiler(cls: Any) -> Any:
    """Return a dialect's type compiler that parses the text of custom types."""

    def process(self: Any, type_: Any, **kw: Any) -> Any:
        text = cls.process(self, type_, **kw)
        if _PLAIN_TYPE.fullmatch(_QUOTED.sub("x", str(text))) and "\\" not in str(text):
            return text
        return checked_type(text, self.dialect.name)

    def visit_user_defined(self: Any, type_: Any, **kw: Any) -> Any:
        return checked_type(cls.visit_user_defined(self, type_, **kw), self.dialect.name)

    members = {"process": process, "visit_user_defined": visit_user_defined, "tg_types": True}
    return type(f"Guarded{cls.__name__}", (cls,), members)


def checked_literal(text: str, type_: Any, dialect: Any) -> str:
    """Return the text of a literal, or refuse it if a custom type renders more than a value."""
    made = (*type(type_).__mro__, *type(type_.dialect_impl(dialect)).__mro__)
    own = (cls for cls in made if not cls.__module__.startswith("sqlalchemy."))
    if any("literal_processor" in vars(cls) or "process_literal_param" in vars(cls) for cls in own):
        fault = read_fragment(text, dialect.name, dialect.tg_guard.tenancy, style="none").fault
        if fault is not None:
            _refuse_text(f"a type of your own renders a literal that was refused: {fault}")
    return text


def checked_type(text: Any, dialect: str) -> Any:
    """Return the text of a type, or refuse it if it contains a query or could change the rest of the statement."""
    fault = type_fault(str(text), dialect)
    if fault is not None:
        _refuse_text(f"a type of your own renders text that was refused: {fault}")
    return text


def _refuse_text(message: str) -> None:
    binding = peek()
    if binding is None or binding.mode != "bypass":
        told = ", ".join(map(str, binding.tenants)) if binding is not None else None
        refuse(RawSQLError(message, kind="raw_sql_fragment", tenant=told))


def reading(
    call: Callable[..., Any], guards: Callable[[Any], bool], render: Callable[..., Any]
) -> Callable[..., Any]:
    """Return SQLAlchemy's dispatcher of ``@compiles``, wrapped so that its output is parsed.

    Args:
        call: the dispatcher.
        guards: returns whether a compiler is a guarded statement compiler.
        render: renders a construct for it.
    """

    @functools.wraps(call)
    def dispatch(self: Any, element: Any, compiler: Any, **kw: Any) -> Any:
        def plain() -> Any:
            return call(self, element, compiler, **kw)

        if guards(compiler):
            return render(plain, element, compiler, stands=bool(kw.get("asfrom")))
        text = plain()
        return checked_type(text, compiler.dialect.name) if getattr(compiler, "tg_types", False) else text

    return dispatch
