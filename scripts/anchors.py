"""Where a mutation stands: a piece of one function's code, found wherever the function is.

Neither the module nor the layout counts: the function is looked for in its part of the package, and its code is
compared as :func:`ast.unparse` writes it, without comments, white space apart.
"""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from scripts.mutations import Mutation

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def apply(mutation: Mutation, package: Path) -> tuple[Path, str]:
    """Return the module that a mutation breaks, and its text once it is broken.

    Args:
        mutation: what is broken.
        package: the folder of the package, or of a copy of it.

    Raises:
        LookupError: the mutation fits nothing, or more than one place.
    """
    path, source, function, text = _fit(mutation, package)
    return path, _with(source, function, text)


def body_of(mutation: Mutation, package: Path) -> tuple[Path, range]:
    """Return the module and the lines of the body of the function that a mutation breaks.

    Raises:
        LookupError: the mutation fits nothing, or more than one place.
    """
    path, _, function, _ = _fit(mutation, package)
    return path, range(function.body[0].lineno, (function.end_lineno or function.lineno) + 1)


def _fit(mutation: Mutation, package: Path) -> tuple[Path, str, _Function, str]:
    found = []
    for path in _modules(package, mutation.part):
        source = path.read_text()
        for name, function in _named(source):
            if f".{name}".endswith(f".{mutation.function}"):
                text, count = _pattern(mutation.old).subn(lambda _: mutation.new, _written(function))
                found += [(path, source, function, text)] * count
    if len(found) != 1:
        raise LookupError(f"{mutation.place}: {mutation.name} fits {len(found)} places")
    return found[0]


@functools.cache
def _modules(package: Path, part: str) -> list[Path]:
    single = package / f"{part}.py"
    return [single] if single.exists() else sorted((package / part).rglob("*.py"))


@functools.cache
def _named(source: str) -> list[tuple[str, _Function]]:
    return list(_functions(ast.parse(source)))


@functools.cache
def _written(function: _Function) -> str:
    return ast.unparse(function)


def _functions(tree: ast.AST, outer: str = "") -> Iterator[tuple[str, _Function]]:
    """Yield the functions with their dotted names: the innermost, where one stands in another."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _Function):
            inner = list(_functions(node, f"{outer}{node.name}."))
            yield from inner
            yield f"{outer}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{outer}{node.name}.")
        else:
            yield from _functions(node, outer)


def _pattern(old: str) -> re.Pattern[str]:
    """Return a pattern of a piece of code that white space does not matter to."""
    try:
        written = ast.unparse(ast.parse(textwrap.dedent(old)))
    except SyntaxError:  # a piece of a statement
        written = old.strip()
    return re.compile(r"\s+".join(map(re.escape, written.split())))


def _with(source: str, function: _Function, text: str) -> str:
    """Return a module's text with another text for one function."""
    lines = source.splitlines(keepends=True)
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)]) - 1
    indented = textwrap.indent(text, " " * function.col_offset) + "\n"
    return "".join([*lines[:first], indented, *lines[function.end_lineno :]])
