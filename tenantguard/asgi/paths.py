"""Paths: the possible readings of a connection's path, exempt paths, and path patterns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote

from tenantguard.asgi.types import Scope
from tenantguard.errors import ConfigurationError

_PLACE = re.compile(r"\{\w+\}")
_AMBIGUOUS = ("//", "\\", "%", ";", "\ufffd")
_SLASHES = re.compile("/+")


def readings(scope: Scope) -> frozenset[str]:
    """Return every path that the wrapped application could route, decoded and without the root path.

    Usually that is one. A path rule applies only if it applies to all of them: frameworks disagree about root paths,
    and a path that was rewritten on the way is not what the client requested.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    sent = _sent(scope)
    if sent is not None and _plainer(sent) != _plainer(path):
        if _is_mounted(scope) and _plainer(sent).endswith(_plainer(path)):
            return frozenset({_without(root, sent)})  # Litestar has cut off what it has routed already
        return frozenset({*_routes(root, path), _without(root, sent)})
    if _is_mounted(scope) and sent is None:
        return frozenset()  # what was cut off cannot be known
    return _routes(root, path) if root else frozenset({path})


def _routes(root: str, path: str) -> frozenset[str]:
    found = {_without(root, path)}
    if root.strip("/") and root in path and path in found:  # Litestar cuts it off wherever it stands
        found.add("/" + path.split(root, 1)[1].lstrip("/"))
    return frozenset(found)


def _without(root: str, path: str) -> str:
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


def _sent(scope: Scope) -> str | None:
    """Return the path that the client sent, if the server passes it on."""
    raw = scope.get("raw_path")
    return unquote(bytes(raw).partition(b"?")[0].decode("utf-8", "replace")) if raw else None


def _plainer(path: str) -> str:
    """Return the path without double and trailing slashes, which routers may ignore."""
    return _SLASHES.sub("/", path).rstrip("/")


def _is_mounted(scope: Scope) -> bool:
    """Return whether Litestar has routed to a mounted application and left it the rest of the path."""
    return bool(getattr(scope.get("route_handler"), "is_mount", False))


class Exactly(str):
    """An exempt path that does not include the paths below it."""

    __slots__ = ()


class ExemptPaths:
    """The paths that need no token and run with nothing bound.

    ``"/docs"`` covers ``/docs`` and everything below it, ``"/"`` only the root. An ambiguous path below it
    (``..``, a double slash, a backslash, a part that is still encoded) is not covered.

    Args:
        paths: paths that begin with a slash.

    Raises:
        ConfigurationError: a path is empty, relative or ambiguous.
    """

    def __init__(self, paths: Collection[str]) -> None:
        if isinstance(paths, str):
            raise ConfigurationError(f'exempt={paths!r} is one text; give a list: exempt=["{paths}"]')
        faults = [path for path in paths if not isinstance(path, str) or not _is_sound(path)]
        if faults:
            raise ConfigurationError(
                f"exempt holds {faults!r}; a path begins with /, is written decoded, and covers what is below it: "
                'write "/docs", not "/docs/*"'
            )
        plain = {path.rstrip("/") or "/" for path in paths if not isinstance(path, Exactly)}
        self._exact = frozenset(plain.union(path for path in paths if isinstance(path, Exactly)))
        self._below = tuple(path + "/" for path in sorted(plain) if path != "/")
        self._likely = tuple(self._exact)

    def covers(self, scope: Scope) -> bool:
        """Return whether every reading of the connection's path is exempt."""
        if not (scope["path"].startswith(self._likely) or scope.get("root_path") or "route_handler" in scope):
            return False  # as most are
        found = readings(scope)
        return bool(found) and all(map(self._covers, found))

    def _covers(self, path: str) -> bool:
        return path in self._exact or (path.startswith(self._below) and is_plain(path))


class PathPattern:
    """A pattern of paths such as ``/companies/{company_id}/...``.

    ``{name}`` matches one segment and reads it, ``*`` matches one segment, and ``...`` at the end matches
    any rest, even an empty one. Empty segments are ignored, because some routers collapse them.

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
                f"{pattern!r} is not a path pattern; write it as /companies/{{company_id}}/... with one name at most"
            )
        self.reads = bool(self._places)

    def matches(self, path: str) -> bool:
        """Return whether the routed path matches."""
        return self._segments(path) is not None

    def read(self, path: str) -> str | None:
        """Return the segment at the name, or ``None`` if the routed path does not match."""
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


def patterns_of(routes: Collection[str], name: str) -> list[PathPattern]:
    """Return the patterns of a parameter.

    Raises:
        ConfigurationError: it is a single string, or one of them is not a pattern.
    """
    if isinstance(routes, str):
        raise ConfigurationError(f'{name}={routes!r} is one text; give a list: {name}=["{routes}"]')
    return [PathPattern(route) for route in routes]


def listed(scope: Scope, patterns: Collection[PathPattern]) -> bool:
    """Return whether every reading of the connection's path matches one of the routes, and none is ambiguous."""
    found = readings(scope)
    return bool(found) and all(
        is_plain(path) and any(pattern.matches(path) for pattern in patterns) for path in found
    )


def _is_literal(part: str) -> bool:
    return is_plain(part) and not {"?", "#", "*", "{", "}"} & set(part) and "..." not in part


def _is_sound(path: str) -> bool:
    return path.startswith("/") and is_plain(path) and not {"?", "#", "*", "{"} & set(path)


def is_plain(path: str) -> bool:
    """Return whether no intermediary could read the path differently."""
    return (
        path.isprintable() and not any(part in path for part in _AMBIGUOUS) and stays_in_place(_folded(path))
    )


def stays_in_place(path: str) -> bool:
    """Return whether the path has no dot segments, which some servers resolve before routing."""
    return {".", ".."}.isdisjoint(path.replace("\\", "/").split("/"))


def _folded(path: str) -> str:
    """Return the path with full-width dots and slashes replaced, as some servers read it."""
    return path if path.isascii() else unicodedata.normalize("NFKC", path)
