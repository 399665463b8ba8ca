"""Reading: one file as the calls, functions and names in it, with where they stand.

This is what ``check`` and ``init`` ask their questions of. It knows nothing of tenants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import libcst as cst

from tenantguard.checks.source.files import not_read
from tenantguard.checks.source.positions import Positions

# a file without any of these has nothing to do with a database or with what runs beside a request
_WORDS = re.compile(
    rb"sqlalchemy|sqlmodel|tenantguard|fastapi|starlette|litestar|flask|quart|celery|dramatiq|taskiq|rout|exec|cursor"
    rb"|connect|submit|thread|cache|session|engine|psycopg|asyncpg|sqlite|mysql",
    re.IGNORECASE,
)
_SKIPPED = (
    "whitespace",
    "lpar",
    "rpar",
    "comma",
    "semicolon",
    "leading_lines",
    "lines_after",
    "header",
    "footer",
)


@dataclass(frozen=True)
class Argument:
    """An argument of a call.

    Attributes:
        keyword: its name, where it is given by one.
        code: its source.
        name: the dotted name that it is, as imported, if it is one: ``app.db.engine``.
        text: what it says, if it is a string that stands in the source, or a constant of the module.
        is_dynamic: it is text that is put together at run time.
        call: the call that it is, if it is one.
        holds: the names of everything called or named in it.
    """

    keyword: str | None
    code: str
    name: str | None = None
    text: str | None = None
    is_dynamic: bool = False
    call: Called | None = None
    holds: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Called:
    """A call.

    Attributes:
        name: the dotted name of what is called, with imports resolved: ``sqlalchemy.create_engine``, or
            ``self.session.execute`` where it is no import.
        arguments: what it is given.
        line: where it stands.
        function: the function that it stands in, ``Class.method``; ``""`` at module level.
        assigned: the names that its value is given to, also by ``with ... as name`` and ``return`` of a function.
        within: the names of the calls around it, the nearest first.
        code: its line of source.
        blocks: the names of what the ``with`` blocks around it open, the nearest first.
        is_managed: its value is opened by a ``with`` itself.
    """

    name: str
    arguments: tuple[Argument, ...]
    line: int
    function: str
    assigned: tuple[str, ...]
    within: tuple[str, ...]
    code: str
    blocks: tuple[str, ...] = ()
    is_managed: bool = False

    @property
    def last(self) -> str:
        """Return the last part of the name: ``execute``."""
        return self.name.rpartition(".")[2]

    def argument(self, position: int | None, keyword: str | None = None) -> Argument | None:
        """Return an argument by its position or its name."""
        named = next((one for one in self.arguments if keyword and one.keyword == keyword), None)
        plain = [one for one in self.arguments if one.keyword is None]
        if named is not None or position is None:
            return named
        return plain[position] if position < len(plain) else None


@dataclass(frozen=True, eq=False)
class Function:
    """A function: its decorators, its parameters and the names that stand in it."""

    name: str
    line: int
    parameters: tuple[tuple[str, str], ...]  # each with its annotation's source, or ""
    decorators: tuple[Called, ...]  # one without parentheses is a call without arguments
    names: frozenset[str]
    code: str
    is_async: bool = False


@dataclass
class SourceFile:
    """One file that was read.

    Attributes:
        path: where it is.
        module: its dotted name, as far as the directories tell.
        imports: what each local name was imported as.
        constants: strings that stand at module level, by name.
        calls: every call, outer ones first.
        functions: every function and method.
        classes: the names that stand in each class, by its name, its bases and methods included.
        tables: the tables that classes are mapped to, by the class: ``__tablename__``, or SQLModel's own rule.
        lines: its source.
        fault: why it could not be read.
    """

    path: Path
    module: str
    imports: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    classes: dict[str, frozenset[str]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    fault: str | None = None

    def code(self, line: int) -> str:
        """Return a line of the source, without its indentation."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


def read_file(path: Path, root: Path | None = None, content: bytes | None = None) -> SourceFile:
    """Read one file; what cannot be read has a ``fault`` and nothing else.

    Args:
        path: the file.
        root: the directory that its module's name begins in; its own, where nothing is said.
        content: what it holds, where that was read already.
    """
    relative = path.relative_to(root) if root is not None and path.is_relative_to(root) else Path(path.name)
    parts = relative.with_suffix("").parts
    made = SourceFile(path, ".".join(parts[:-1] if parts[-1:] == ("__init__",) else parts))
    try:
        source = path.read_bytes() if content is None else content
        if not _WORDS.search(source):
            return made
        made.fault = not_read(source)
        if made.fault is not None:
            return made
        _read(made, cst.parse_module(source), is_package=parts[-1:] == ("__init__",))
    except (
        OSError,
        cst.ParserSyntaxError,
        UnicodeDecodeError,
        RecursionError,
        SyntaxError,
        LookupError,
        ValueError,
    ) as error:
        return SourceFile(path, made.module, fault=" ".join(str(error).split())[:200])
    return made


def _read(made: SourceFile, module: cst.Module, *, is_package: bool) -> None:
    positions = Positions(module)
    made.lines = positions.lines
    _Reader(made, positions, is_package).walk(module)


class _Reader:
    """The walk through a file.

    Its own, since a visitor of libcst's makes every node anew on its way, white space and commas among them: on a
    service of 20,000 lines that was half of the time.
    """

    def __init__(self, made: SourceFile, positions: Positions, is_package: bool) -> None:
        self._made, self._positions, self._is_package = made, positions, is_package
        self._scopes: list[str] = []
        self._functions: list[set[str]] = []
        self._names: list[set[str]] = []
        self._around: list[str] = []
        self._blocks: list[str] = []
        self._managed: set[cst.CSTNode] = set()
        self._assigned: dict[cst.CSTNode, tuple[str, ...]] = {}
        self._called: dict[cst.CSTNode, Called] = {}
        self._held: dict[cst.CSTNode, frozenset[str]] = {}

    def walk(self, node: cst.CSTNode) -> None:
        """Read a node, and then what is in it."""
        kind = type(node)
        read, left = _steps(kind)
        if read is not None and read(self, node) is False:
            return
        for name in _parts(kind):
            value = getattr(node, name)
            if isinstance(value, cst.CSTNode):
                self.walk(value)
            elif isinstance(value, list | tuple):
                for child in value:
                    self.walk(child)
        if left is not None:
            left(self, node)

    # imports and constants

    def _Import(self, node: cst.Import) -> None:
        for alias in node.names:
            name = _dotted(alias.name) or ""
            if alias.asname is not None:
                self._made.imports[_dotted(alias.asname.name) or ""] = name
            else:
                self._made.imports[name.partition(".")[0]] = name.partition(".")[0]

    def _ImportFrom(self, node: cst.ImportFrom) -> None:
        if isinstance(node.names, cst.ImportStar):
            return
        module = _dotted(node.module) if node.module is not None else ""
        if node.relative:
            parts = self._made.module.split(".")
            kept = parts[: len(parts) - len(node.relative) + (1 if self._is_package else 0)]
            module = ".".join([*kept, *([module] if module else [])])
        for alias in node.names:
            name = _dotted(alias.name) or ""
            local = _dotted(alias.asname.name) if alias.asname is not None else name
            self._made.imports[local or ""] = f"{module}.{name}" if module else name

    def _Assign(self, node: cst.Assign) -> None:
        names = tuple([name for target in node.targets if (name := _dotted(target.target))])
        self._give(node.value, names)
        text = _text(node.value, self._made.constants)
        if text is not None and not self._scopes:
            self._made.constants.update(dict.fromkeys(names, text))

    def _AnnAssign(self, node: cst.AnnAssign) -> None:
        name = _dotted(node.target)
        if node.value is not None and name is not None:
            self._give(node.value, (name,))

    def _NamedExpr(self, node: cst.NamedExpr) -> None:
        self._give(node.value, tuple(filter(None, [_dotted(node.target)])))

    def _WithItem(self, node: cst.WithItem) -> None:
        name = _dotted(node.asname.name) if node.asname is not None else None
        self._give(node.item, (name,) if name else ())
        self._managed.add(node.item)

    def _With(self, node: cst.With) -> bool:
        for item in node.items:
            self.walk(item)
        names = [self._resolved(item.item) for item in node.items]
        self._blocks += names
        self.walk(node.body)
        del self._blocks[len(self._blocks) - len(names) :]
        return False

    def _Return(self, node: cst.Return) -> None:
        if node.value is not None and self._scopes:
            self._give(node.value, (self._scopes[-1],))

    def _give(self, value: cst.CSTNode, names: tuple[str, ...]) -> None:
        if isinstance(value, cst.Await):
            value = value.expression
        self._assigned[value] = names

    # scopes

    def _ClassDef(self, node: cst.ClassDef) -> None:
        table = _table(node)
        if table is not None:
            self._made.tables[node.name.value] = table
        self._scopes.append(node.name.value)
        self._functions.append(set())

    def _after_ClassDef(self, node: cst.ClassDef) -> None:
        self._made.classes[".".join(self._scopes)] = self._left()
        self._scopes.pop()

    def _left(self) -> frozenset[str]:
        """Return the names of a function or class that was read, which are names of what it stands in too."""
        names = self._functions.pop()
        if self._functions:
            self._functions[-1] |= names
        return frozenset(names)

    def _FunctionDef(self, node: cst.FunctionDef) -> bool:
        for decorator in node.decorators:
            self.walk(decorator)
        parameters = [one for one in _parameters(node.params) if one is not None]
        decorators = tuple([self._decorator(one.decorator) for one in node.decorators])
        self._scopes.append(node.name.value)
        self._functions.append(set())
        for default in (node.params, node.returns):
            if default is not None:
                self.walk(default)
        self.walk(node.body)
        names = self._left()
        line = self._line(node.name)
        kept = tuple([(one.name.value, self._annotation(one)) for one in parameters])
        name, is_async = ".".join(self._scopes), node.asynchronous is not None
        code = self._made.code(line)
        made = Function(name, line, kept, decorators, names, code, is_async)
        self._made.functions.append(made)
        self._scopes.pop()
        return False

    def _annotation(self, parameter: cst.Param) -> str:
        return self._source(parameter.annotation.annotation) if parameter.annotation is not None else ""

    def _decorator(self, node: cst.BaseExpression) -> Called:
        if isinstance(node, cst.Call):
            return self._called[node]
        line = self._line(node)
        return Called(self._resolved(node), (), line, ".".join(self._scopes), (), (), self._made.code(line))

    # names and calls

    def _Name(self, node: cst.Name) -> None:
        name = self._made.imports.get(node.value, node.value)
        for names in (*self._functions[-1:], *self._names):
            names.add(name)

    def _Arg(self, node: cst.Arg) -> None:
        self._names.append(set())

    def _after_Arg(self, node: cst.Arg) -> None:
        self._held[node] = frozenset(self._names.pop())

    def _Attribute(self, node: cst.Attribute) -> bool:
        if self._functions:
            self._functions[-1].add(self._resolved(node))
        for names in self._names:
            names.add(node.attr.value)
        self.walk(node.value)
        return False

    def _Call(self, node: cst.Call) -> None:
        self._around.append(self._resolved(node.func))

    def _after_Call(self, node: cst.Call) -> None:
        name = self._around.pop()
        line = self._line(node)
        called = Called(
            name,
            tuple([self._argument(one) for one in node.args]),
            line,
            ".".join(self._scopes),
            self._assigned.get(node, ()),
            tuple(reversed(self._around)),
            self._made.code(line),
            tuple(reversed(self._blocks)),
            node in self._managed,
        )
        self._called[node] = called
        self._made.calls.append(called)

    def _argument(self, node: cst.Arg) -> Argument:
        value = node.value
        keyword = node.keyword.value if node.keyword is not None else None
        name = self._resolved(value) if isinstance(value, cst.Name | cst.Attribute) else None
        text = _text(value, self._made.constants)
        dynamic = text is None and isinstance(
            value, cst.FormattedString | cst.BinaryOperation | cst.ConcatenatedString
        )
        called = self._called.get(value)
        if called is not None and called.last in ("format", "join"):
            dynamic = True
        return Argument(keyword, self._source(value), name, text, dynamic, called, self._held[node])

    def _resolved(self, node: cst.BaseExpression) -> str:
        """Return the dotted name of an expression, its first part as imported; calls in it are left out."""
        name = _dotted(node) or ""
        first, dot, rest = name.partition(".")
        return f"{self._made.imports.get(first, first)}{dot}{rest}"

    def _source(self, node: cst.CSTNode) -> str:
        return self._positions.code(node)

    def _line(self, node: cst.CSTNode) -> int:
        return self._positions.line(node)


@cache
def _steps(kind: type[cst.CSTNode]) -> tuple[Any, Any]:
    """Return what a reader does before and after the parts of a node."""
    return getattr(_Reader, f"_{kind.__name__}", None), getattr(_Reader, f"_after_{kind.__name__}", None)


@cache
def _parts(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple([one.name for one in fields(kind) if not one.name.startswith(_SKIPPED)])


def _table(node: cst.ClassDef) -> str | None:
    """Return the table that a class is mapped to."""
    for line in node.body.body:
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Assign | cst.AnnAssign):
                targets = (
                    [one.target for one in part.targets] if isinstance(part, cst.Assign) else [part.target]
                )
                if any(_dotted(target) == "__tablename__" for target in targets) and part.value is not None:
                    return _text(part.value, {})
    mapped = any(one.keyword is not None and one.keyword.value == "table" for one in node.keywords)
    return node.name.value.lower() if mapped else None


def _parameters(parameters: cst.Parameters) -> list[cst.Param]:
    named = [*parameters.posonly_params, *parameters.params, *parameters.kwonly_params]
    stars = [one for one in (parameters.star_arg, parameters.star_kwarg) if isinstance(one, cst.Param)]
    return [*named, *stars]


def _dotted(node: cst.CSTNode | None) -> str | None:
    """Return ``a.b.c``; the value of a call or a subscript in between is left out: ``a().b`` is ``a.b``."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        above = _dotted(node.value)
        return f"{above}.{node.attr.value}" if above else node.attr.value
    if isinstance(node, cst.Call):
        return _dotted(node.func)
    if isinstance(node, cst.Subscript):
        return _dotted(node.value)
    if isinstance(node, cst.Await):
        return _dotted(node.expression)
    return None


def _text(node: cst.CSTNode, constants: Mapping[str, str]) -> str | None:
    """Return what a string says, if it stands in the source."""
    if isinstance(node, cst.Name):
        return constants.get(node.value)
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add):
        left, right = _text(node.left, constants), _text(node.right, constants)
        return None if left is None or right is None else left + right
    return None
