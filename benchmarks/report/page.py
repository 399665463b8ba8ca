"""Pages: the same sections as Markdown for the repository, and as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path

CSS = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111827}"
    "table{border-collapse:collapse;font-size:13px;margin:1rem 0}"
    "td,th{border-bottom:1px solid #e5e7eb;padding:.25rem .6rem;text-align:left;vertical-align:top}"
    "img{max-width:100%}div{overflow-x:auto}code{background:#f3f4f6;padding:0 .2rem;font-size:12px}"
)


@dataclass(frozen=True)
class Section:
    """Hold one part of the page.

    Attributes:
        title: its heading.
        text: paragraphs.
        table: a Markdown table.
        picture: a PNG file.
    """

    title: str
    text: str = ""
    table: str = ""
    picture: Path | None = None


def markdown(title: str, sections: list[Section], beside: Path) -> str:
    """Return the page in Markdown; pictures are linked from where the page lies."""
    parts = [f"# {title}"]
    for one in sections:
        picture = f"![{one.title}]({one.picture.relative_to(beside)})" if one.picture else ""
        parts += [part for part in (f"## {one.title}", one.text, picture, one.table) if part]
    return "\n\n".join(parts) + "\n"


def page(title: str, sections: list[Section]) -> str:
    """Return the page in HTML, its pictures inside."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{CSS}</style><h1>{title}</h1>"
    ]
    for one in sections:
        parts.append(f"<h2>{html.escape(one.title)}</h2>")
        parts += [f"<p>{_inline(text)}</p>" for text in one.text.split("\n\n") if text]
        if one.picture is not None:
            content = base64.b64encode(one.picture.read_bytes()).decode()
            parts.append(f'<img alt="{html.escape(one.title)}" src="data:image/png;base64,{content}">')
        if one.table:
            parts.append(_table(one.table))
    return "\n".join(parts)


def _table(text: str) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    head, body = rows[0], rows[2:]
    lines = ["<div><table><tr>" + "".join(f"<th>{_inline(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in body]
    return "".join([*lines, "</table></div>"])


def _inline(text: str) -> str:
    """Return a text of Markdown in HTML; it holds no other marks than those of code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
