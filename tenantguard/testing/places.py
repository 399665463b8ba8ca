"""The place of an oracle's models: the import lines and the call that make the same oracle again in a separate file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tenantguard.sql.install import guard

if TYPE_CHECKING:
    from tenantguard.testing.oracle import Oracle

_UNKNOWN = "here: import or define what the oracle was given as"


def place_of(thing: object) -> tuple[str, str] | None:
    """Return the module and the name under which a loaded module holds a thing."""
    home = getattr(thing, "__module__", None)
    modules = sorted(sys.modules, key=lambda name: (name != home, name.count("."), name))
    for module in modules:
        if module == "__main__" or module.startswith("tenantguard.testing.oracle"):
            continue
        held = vars(sys.modules[module]) if hasattr(sys.modules[module], "__dict__") else {}
        name = next((name for name, value in list(held.items()) if value is thing), None)
        if name is not None and name.isidentifier():
            return module, name
    return None


def recipe(oracle: Oracle) -> list[str]:
    """Return import lines, and last the expression that makes the oracle again.

    A password of the URL is left out; what no module holds under a name is left to the reader, in a comment.
    """
    lines = ["from tenantguard.testing import Oracle"]
    tenancy = _imported(oracle.tenancy, "tenancy", lines)
    words = [f"{tenancy}.metadata", tenancy]
    if oracle.models is not None:
        words.append(_imported(oracle.models, "Base", lines))
    words.append(f"url={oracle.together.url.render_as_string()!r}")
    if oracle.samples:
        words.append(f"samples={dict(oracle.samples)!r}")
    if oracle.protect is None:
        words.append("protect=None")
    elif oracle.protect is not guard:
        words.append(f"protect={_imported(oracle.protect, 'protect', lines)}")
    return [*lines, f"Oracle({', '.join(words)})"]


def _imported(thing: Any, name: str, lines: list[str]) -> str:
    """Add the line that imports a thing, and return its name."""
    found = place_of(thing)
    if found is None:
        lines.append(f"# {_UNKNOWN} {name}")
        return name
    lines.append(f"from {found[0]} import {found[1]}")
    return found[1]
