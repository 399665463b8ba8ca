"""Paths, compared by whole segments after the decoding that routing does: those that need no token, and patterns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from tenantguard.asgi.types import Scope
from tenantguard.errors import ConfigurationError

_PLACE = re.compile(r"\{\w+\}")
_AMBIGUOUS = ("//", "\\", "%", ";", "\ufffd")


def route_path(scope: Scope) -> str:
    """Return the path as the wrapped application routes it: decoded, without the root path."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


class ExemptPaths:
    """Tell which paths run with nothing bound and no token asked for.

    ``"/docs"`` covers ``/docs`` and all below it, ``"/"`` only the root. A path below it that could be read
    as another one (``..``, a double slash, a backslash, something still encoded) is not covered.

    Args:
        paths: each begins with a slash.

    Attributes:
        likely: what every exempt path begins with, for a comparison that most requests end with.

    Raises:
        ConfigurationError: a path is empty, relative or ambiguous itself.
    """

    def __init__(self, paths: Collection[str]) -> None:
        if isinstance(paths, str):
            raise ConfigurationError(f'exempt={paths!r} is one text; give a list: exempt=["{paths}"]')
        faults = [path for path in paths if not isinstance(path, str) or not _is_sound(path)]
        if faults:
            raise ConfigurationError(f"exempt holds {faults!r}; a path begins with / and is written decoded")
        plain = {path.rstrip("/") or "/" for path in paths}
        self._exact = frozenset(plain)
        self._below = tuple(path + "/" for path in sorted(plain) if path != "/")
        self.likely = tuple(plain)

    def covers(self, scope: Scope) -> bool:
        """Tell whether the connection is to a path that needs no token."""
        path: str = scope["path"]
        if scope.get("root_path"):
            path = route_path(scope)
        return path in self._exact or (path.startswith(self._below) and is_plain(path))


class PathPattern:
    """Match paths such as ``/companies/{company_id}/...``.

    ``{name}`` takes one segment and is what is read, ``*`` takes one and is not, ``...`` at the end takes
    whatever follows, nothing included. Empty segments do not count, as some routers collapse them.

    Raises:
        ConfigurationError: the pattern is relative or ambiguous, or reads more than one segment.
    """

    def __init__(self, pattern: str) -> None:
        parts = [part for part in pattern.split("/") if part] if isinstance(pattern, str) else []
        self._open = parts[-1:] == ["..."]
        self._parts = parts[:-1] if self._open else parts
        self._places = [n for n, part in enumerate(self._parts) if _PLACE.fullmatch(part)]
        plain = [part for n, part in enumerate(self._parts) if n not in self._places and part != "*"]
        if not str(pattern).startswith("/") or len(self._places) > 1 or not all(map(_is_literal, plain)):
            raise ConfigurationError(
                f"{pattern!r} is no path pattern; write it as /companies/{{company_id}}/... with one name at most"
            )
        self.reads = bool(self._places)

    def matches(self, path: str) -> bool:
        """Tell whether the routed path fits."""
        return self._segments(path) is not None

    def read(self, path: str) -> str | None:
        """Return the segment at the name, or ``None`` where the routed path does not fit."""
        segments = self._segments(path)
        return segments[self._places[0]] if segments is not None and self._places else None

    def _segments(self, path: str) -> list[str] | None:
        segments = [segment for segment in path.split("/") if segment]
        length = len(self._parts)
        if len(segments) < length or (len(segments) > length and not self._open):
            return None
        fits = all(
            part in ("*", segment) or n in self._places
            for n, (part, segment) in enumerate(zip(self._parts, segments, strict=False))
        )
        return segments if fits else None


def _is_literal(part: str) -> bool:
    return is_plain(part) and not {"?", "#", "*", "{", "}"} & set(part) and "..." not in part


def _is_sound(path: str) -> bool:
    return path.startswith("/") and is_plain(path) and not {"?", "#", "*", "{"} & set(path)


def is_plain(path: str) -> bool:
    """Tell whether nobody on the way could read the path as another one."""
    return (
        path.isprintable() and not any(part in path for part in _AMBIGUOUS) and stays_in_place(_folded(path))
    )


def stays_in_place(path: str) -> bool:
    """Tell whether no segment leads elsewhere, for whoever resolves dots before routing."""
    return {".", ".."}.isdisjoint(path.replace("\\", "/").split("/"))


def _folded(path: str) -> str:
    """Return the path as a server sees it that takes full-width dots and slashes for plain ones."""
    return path if path.isascii() else unicodedata.normalize("NFKC", path)
