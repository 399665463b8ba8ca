"""Hooks of the documentation's site.

Links out of docs/ lead to the repository, fences keep their language only, every public name is in the API reference,
and no page fetches anything from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

import tenantguard
from tenantguard import asgi, identity, postgres, testing

ROOT = Path(__file__).parents[1]
_OUTSIDE = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^( *```\w+) [^\n]+$", re.MULTILINE)

_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\ssrc=\"?(?:https?:)?//[^>]*>|<link\b[^>]*\bhref=\"?(?:https?:)?//[^>]*>"
)
_PACKAGES = (tenantguard, asgi, identity, postgres, testing)


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Return a page as the site needs it, before it is rendered."""
    place = Path(page.file.abs_src_path).parent
    docs = Path(config["docs_dir"])

    def absolute(link: re.Match[str]) -> str:
        target = (place / link[1]).resolve()
        if (
            target.is_relative_to(docs) or not target.exists()
        ):  # the site checks it itself, and finds what is missing
            return link[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"]({config['repo_url']}/{kind}/main/{target.relative_to(ROOT)}{link[2] or ''})"

    return _FENCE.sub(r"\1", _OUTSIDE.sub(absolute, markdown))


def on_post_build(*, config: Any) -> None:
    """Refuse a site that lacks a public name, or that needs the internet."""
    pages = {path: path.read_text() for path in Path(config["site_dir"]).rglob("*.html")}
    reference = "".join(text for path, text in pages.items() if path.parent.name == "api")
    names = [f"{package.__name__}.{name}" for package in _PACKAGES for name in package.__all__]
    missing = [name for name in names if not _has(reference, name)]
    fetched = sorted(
        {f"{path.name}: {tag}" for path, text in pages.items() for tag in _FETCHED.findall(text)}
    )
    fetched = [tag for tag in fetched if 'rel="canonical"' not in tag]
    if missing or fetched:
        raise PluginError("\n".join(["the site is not complete:", *missing, *fetched]))


def _has(reference: str, name: str) -> bool:
    """Tell whether the reference has a name, under whichever module it stands."""
    return (
        re.search(rf'id="tenantguard\.[\w.]*\b{name.rpartition(".")[2]}"|id="{name}"', reference) is not None
    )
