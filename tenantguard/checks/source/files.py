"""Files: the application's Python files in a directory."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

# directories that hold other people's code, or code that no request runs
SKIPPED = frozenset(
    {
        "node_modules",
        "site-packages",
        "venv",
        "env",
        "__pycache__",
        "build",
        "dist",
        "tests",
        "test",
        "testing",
    }
)
# what imports these is a migration, wherever it lies
_MIGRATION = re.compile(rb"^\s*from\s+alembic\s+import\s[^\n]*\b(op|context)\b", re.MULTILINE)
_BRACKETS = re.compile(
    rb"[(\[{}\])]|\n(?=[A-Za-z@#])"
)  # and where a line begins anew, whatever strings held before
_DEEPEST = 200  # as CPython's own tokenizer
_LARGEST = 2_000_000  # bytes
_LONGEST = 20_000  # characters of a line
_TESTS = ("test_*.py", "*_test.py", "conftest.py", "noxfile.py", "setup.py")


def python_files(roots: Iterable[Path], exclude: Collection[str] = ()) -> Iterator[Path]:
    """Yield the Python files under some directories in a stable order, and every file that is named explicitly.

    Args:
        roots: directories and files.
        exclude: patterns of paths to skip, such as ``app/vendor/*``.
    """
    for root in roots:
        if root.is_file():
            yield root
            continue
        found = sorted(path for path in root.rglob("*.py") if not path.is_dir())
        environments = {
            path.parent for path in found if path.name == "env.py" and _is_of_alembic(path.parent)
        }
        yield from (
            path
            for path in found
            if _is_wanted(path.relative_to(root), exclude) and environments.isdisjoint(path.parents)
        )


def is_migration(source: bytes) -> bool:
    """Return whether a file belongs to Alembic, and so runs before the application serves requests."""
    return _MIGRATION.search(source) is not None


def not_read(source: bytes) -> str | None:
    """Tell why a file is not given to a parser, which would take minutes for it or end the process; else ``None``."""
    if len(source) > _LARGEST:
        return (
            f"it has {len(source):,} bytes, as generated code has, and is not read; leave it out with exclude"
        )
    for number, line in enumerate(source.splitlines(), 1):
        if len(line) > _LONGEST:
            return (
                f"its line {number} has {len(line):,} characters, and is not read; leave it out with exclude"
            )
    depth = 0
    for found in _BRACKETS.finditer(source):
        depth = 0 if found[0] == b"\n" else depth + (1 if found[0] in b"([{" else -1)
        if depth > _DEEPEST:
            return f"it has more than {_DEEPEST} brackets inside of each other, which Python does not read either"
    return None


def _is_of_alembic(folder: Path) -> bool:
    """Return whether a directory is an Alembic environment, whose helpers run only in migrations."""
    return (folder / "versions").is_dir() or (folder / "script.py.mako").is_file()


def _is_wanted(path: Path, exclude: Collection[str]) -> bool:
    folders = path.parts[:-1]
    if any(name in SKIPPED or name.startswith(".") for name in folders):
        return False
    if "versions" in folders or (path.name == "env.py" and folders[-1:] in (("migrations",), ("alembic",))):
        return False
    if any(fnmatch(path.name, pattern) for pattern in _TESTS):
        return False
    return not any(fnmatch(path.as_posix(), pattern) for pattern in exclude)
