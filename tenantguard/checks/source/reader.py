"""The reader: makes of one file's source what is asked of it.

It reads with Python's own parser: a service of 190,000 lines took libcst, which keeps every space and comma that
nobody asks for, eight times as long.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from tenantguard.checks.source.files import not_read
from tenantguard.checks.source.nodes import dotted, parameters_of, table_of
from tenantguard.checks.source.positions import Positions
from tenantguard.checks.source.strings import Strings
from tenantguard.checks.source.syntax import Argument, Called, Function, SourceFile

# a file without any of these has nothing to do with a database or with what runs beside a request
_WORDS = re.compile(
    rb"sqlalchemy|sqlmodel|tenantguard|fastapi|starlette|litestar|flask|quart|celery|dramatiq|taskiq|rout|exec|cursor"
    rb"|connect|submit|thread|cache|session|engine|psycopg|asyncpg|sqlite|mysql",
    re.IGNORECASE,
)
_SKIPPED = ("ctx", "op", "ops", "type_comment", "kind", "type_ignores", "conversion")
_ALIASED = ("sqlalchemy.", "sqlmodel.", "tenantguard.")  # functions that may be given another name
_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def read_file(path: Path, root: Path | None = None, content: bytes | None = None) -> SourceFile:
    """Read one file; what cannot be read has a ``fault`` and nothing else.

    Args:
        path: the file.
        root: the directory that its module's name begins in; its own, where nothing is said.
        content: what it holds, where that was read already.
    """
    relative = path.relative_to(root) if root is not None and path.is_relative_to(root) else Path(path.name)
    parts = relative.with_suffix("").parts
    is_package = parts[-1:] == ("__init__",)
    made = SourceFile(path, ".".join(parts[:-1] if is_package else parts))
    try:
        source = path.read_bytes() if content is None else content
        if not _WORDS.search(source):
            return made
        made.fault = not_read(source)
        if made.fault is None:
            _read(made, decode_source(source), is_package=is_package)
    except (RecursionError, MemoryError):
        return SourceFile(path, made.module, fault="it is nested deeper than Python's parser reads")
    except (OSError, SyntaxError, LookupError, ValueError) as error:
        return SourceFile(path, made.module, fault=" ".join(str(error).split())[:200])
    return made


def _read(made: SourceFile, text: str, *, is_package: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the parser says of a backslash is the application's own affair
        module = ast.parse(text)
    positions = Positions(text)
    made.lines = positions.lines
    _Reader(made, positions, is_package).walk(module)


class _Reader:
    """The walk through a file.

    Args:
        made: takes what is found.
        positions: tells the source of a node.
        is_package: the file is a package's own.
    """

    def __init__(self, made: SourceFile, positions: Positions, is_package: bool) -> None:
        self._made, self._code, self._is_package = made, positions.code, is_package
        self._strings = Strings()
        self._scopes: list[str] = []
        self._is_class: list[bool] = []
        self._functions: list[set[str]] = []
        self._names: list[set[str]] = []
        self._around: list[str] = []
        self._blocks: list[str] = []
        self._managed: set[ast.AST] = set()
        self._assigned: dict[ast.AST, tuple[str, ...]] = {}
        self._called: dict[ast.AST, Called] = {}

    def walk(self, node: ast.AST) -> None:
        """Read a node, and then what is in it, unless the step for it has done that."""
        kind: Any = type(node)
        read, parts = _steps(kind)
        if read is not None and read(self, node) is True:
            return
        for name in parts:
            value = getattr(node, name)
            if isinstance(value, list):
                self._walk_all(value)
            elif isinstance(value, ast.AST):
                self.walk(value)

    def _walk_all(self, nodes: list[Any]) -> None:
        for node in nodes:
            if isinstance(node, ast.AST):
                self.walk(node)

    # imports and constants

    def _Import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.partition(".")[0]
            self._made.imports[alias.asname or first] = alias.name if alias.asname else first

    def _ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            parts = self._made.module.split(".")
            kept = parts[: len(parts) - node.level + (1 if self._is_package else 0)]
            module = ".".join([*kept, *([module] if module else [])])
        for alias in node.names:
            if alias.name != "*":
                self._made.imports[alias.asname or alias.name] = (
                    f"{module}.{alias.name}" if module else alias.name
                )

    def _Assign(self, node: ast.Assign) -> None:
        names = tuple([name for target in node.targets if (name := dotted(target))])
        self._give(node.value, names)
        self._assign(names, node.value)

    def _AnnAssign(self, node: ast.AnnAssign) -> None:
        name = dotted(node.target)
        if node.value is not None and name is not None:
            self._give(node.value, (name,))
            self._assign((name,), node.value)

    def _AugAssign(self, node: ast.AugAssign) -> None:
        name = dotted(node.target)
        if name is not None and isinstance(node.op, ast.Add):
            self._strings.extend(name, node.value, self._code(node.value))

    def _assign(self, names: tuple[str, ...], value: ast.expr) -> None:
        """Note what names stand for: a string, or a function of SQLAlchemy's under another name."""
        owner = self._scopes[-1] if self._is_class and self._is_class[-1] else None
        every = [
            f"{one}{name}"
            for name in names
            for one in (("", "self.", "cls.", f"{owner}.") if owner else ("",))
        ]
        self._strings.assign(every, value, self._code(value))
        if not self._scopes and isinstance(value, ast.Name | ast.Attribute):
            meant = self._resolved(value)
            if meant.startswith(_ALIASED):
                self._made.imports.update(dict.fromkeys(names, meant))

    def _For(self, node: ast.For | ast.AsyncFor) -> None:
        name = dotted(node.target)
        if name is not None:
            self._strings.assign([name], node.iter, self._code(node.iter))

    _AsyncFor = _For

    def _Global(self, node: ast.Global) -> None:
        self._made.globals.update((".".join(self._scopes), name) for name in node.names)

    def _NamedExpr(self, node: ast.NamedExpr) -> None:
        self._give(node.value, (node.target.id,))

    def _With(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            name = dotted(item.optional_vars)
            self._give(item.context_expr, (name,) if name else ())
            self._managed.add(item.context_expr)
            self.walk(item)
        names = [self._resolved(item.context_expr) for item in node.items]
        self._blocks += names
        self._walk_all(node.body)
        del self._blocks[len(self._blocks) - len(names) :]
        return True

    _AsyncWith = _With

    def _Return(self, node: ast.Return) -> None:
        if node.value is not None and self._scopes:
            self._give(node.value, (self._scopes[-1],))

    def _give(self, value: ast.AST, names: tuple[str, ...]) -> None:
        """Note which names a value is given to; those of a list are given to each call in it."""
        held = [value.elt] if isinstance(value, ast.ListComp) else [value]
        for one in value.elts if isinstance(value, ast.List) else held:
            self._assigned[one.value if isinstance(one, ast.Await) else one] = names

    # scopes

    def _ClassDef(self, node: ast.ClassDef) -> bool:
        table = table_of(node)
        if table is not None:
            self._made.tables[node.name] = table
        self._scopes.append(node.name)
        self._functions.append({node.name})
        self._is_class.append(True)
        self._walk_all([*node.decorator_list, *node.bases, *node.keywords, *node.body])
        self._made.classes[".".join(self._scopes)] = self._left()
        self._is_class.pop()
        self._scopes.pop()
        return True

    def _left(self) -> frozenset[str]:
        """Return the names of a function or class that was read, which are names of what it stands in too."""
        names = self._functions.pop()
        if self._functions:
            self._functions[-1] |= names
        return frozenset(names)

    def _FunctionDef(self, node: _Definition) -> bool:
        self._walk_all(node.decorator_list)
        decorators = tuple([self._decorator(one) for one in node.decorator_list])
        self._scopes.append(node.name)
        self._functions.append(set())
        self._is_class.append(False)
        self._strings.enter()
        self._default(node.args)
        self._walk_all([node.args, node.returns, *node.body])
        names, code = self._left(), self._made.code(node.lineno)
        self._is_class.pop()
        self._strings.leave()
        kept = tuple([(one.arg, self._annotation(one)) for one in parameters_of(node)])
        is_async = isinstance(node, ast.AsyncFunctionDef)
        made = Function(".".join(self._scopes), node.lineno, kept, decorators, names, code, is_async)
        self._made.functions.append(made)
        self._scopes.pop()
        return True

    _AsyncFunctionDef = _FunctionDef

    def _default(self, given: ast.arguments) -> None:
        """Note the strings that parameters are where nothing else is given."""
        plain = [*given.posonlyargs, *given.args]
        for parameter, value in zip(reversed(plain), reversed(given.defaults), strict=False):
            self._strings.assign([parameter.arg], value, self._code(value))
        for parameter, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            if default is not None:
                self._strings.assign([parameter.arg], default, self._code(default))

    def _annotation(self, parameter: ast.arg) -> str:
        return self._code(parameter.annotation) if parameter.annotation is not None else ""

    def _decorator(self, node: ast.expr) -> Called:
        if isinstance(node, ast.Call):
            return self._called[node]
        code = self._made.code(node.lineno)
        return Called(self._resolved(node), (), node.lineno, ".".join(self._scopes), (), (), code)

    # names and calls

    def _Name(self, node: ast.Name) -> None:
        name = self._made.imports.get(node.id, node.id)
        for names in (*self._functions[-1:], *self._names):
            names.add(name)

    def _Attribute(self, node: ast.Attribute) -> None:
        if self._functions:
            self._functions[-1].add(self._resolved(node))
        for names in self._names:
            names.add(node.attr)

    def _Call(self, node: ast.Call) -> bool:
        self._around.append(self._resolved(node.func))
        self.walk(node.func)
        arguments = (*map(self._argument, node.args), *map(self._argument, node.keywords))
        called = Called(
            self._around.pop(),
            arguments,
            node.lineno,
            ".".join(self._scopes),
            self._assigned.get(node, ()),
            tuple(reversed(self._around)),
            self._made.code(node.lineno),
            tuple(reversed(self._blocks)),
            node in self._managed,
        )
        self._called[node] = called
        self._made.calls.append(called)
        return True

    def _argument(self, node: ast.expr | ast.keyword) -> Argument:
        value = node.value if isinstance(node, ast.keyword | ast.Starred) else node
        self._names.append(set())
        self.walk(value)
        holds = frozenset(self._names.pop())
        name = self._resolved(value) if isinstance(value, ast.Name | ast.Attribute) else None
        code = self._code(value)
        string = self._strings.meaning(value, code)
        text = string.text if string is not None else None
        is_dynamic = string is not None and text is None
        called = self._called.get(value)
        keyword = node.arg if isinstance(node, ast.keyword) else None
        return Argument(
            keyword, string.code if string is not None else code, name, text, is_dynamic, called, holds
        )

    def _resolved(self, node: ast.expr) -> str:
        """Return the dotted name of an expression, its first part as imported; calls in it are left out."""
        first, dot, rest = (dotted(node) or "").partition(".")
        return f"{self._made.imports.get(first, first)}{dot}{rest}"


@cache
def _steps(kind: type[ast.AST]) -> tuple[Callable[[_Reader, Any], bool | None] | None, tuple[str, ...]]:
    """Return what a reader does about a node, and the parts of it that may hold others."""
    parts = () if kind is ast.Constant else kind._fields
    return getattr(_Reader, f"_{kind.__name__}", None), tuple([one for one in parts if one not in _SKIPPED])
