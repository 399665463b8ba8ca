"""Paths that need no token: compared by whole segments, after the decoding that routing does."""

from __future__ import annotations

from collections.abc import Collection

from tenantguard.asgi.types import Scope
from tenantguard.errors import ConfigurationError

_AMBIGUOUS = ("//", "\\", "%", ";")


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
        self._likely = tuple(plain)

    def covers(self, scope: Scope) -> bool:
        """Tell whether the connection is to a path that needs no token."""
        path: str = scope["path"]
        if scope.get("root_path"):
            path = route_path(scope)
        if not path.startswith(self._likely):  # most requests end here, after one comparison
            return False
        return path in self._exact or (path.startswith(self._below) and _is_plain(path))


def _is_sound(path: str) -> bool:
    return path.startswith("/") and _is_plain(path) and not {"?", "#", "*", "{"} & set(path)


def _is_plain(path: str) -> bool:
    """Tell whether nobody on the way could read the path as another one."""
    if not path.isprintable() or any(part in path for part in _AMBIGUOUS):
        return False
    return {".", ".."}.isdisjoint(path.split("/"))
