"""The pages of docs/recipes show the files of examples/recipes as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.check_docs import ROOT

PAGES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
BLOCK = re.compile(r"^```py\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_its_files(page: Path) -> None:
    """Word by word, under the name in the first line of the block."""
    blocks = BLOCK.findall(page.read_text())
    assert len(blocks) == page.read_text().count("```py\n")
    assert [name for name, code in blocks if code not in (ROOT / name).read_text()] == []


def test_every_recipe_has_its_page() -> None:
    """No file is left out, but for what all of them share."""
    shown = {Path(name).stem for page in PAGES for name, _ in BLOCK.findall(page.read_text())}
    files = {path.stem for path in (ROOT / "examples" / "recipes").glob("*.py")}
    assert files - shown == {"__init__", "models"}
    index = (ROOT / "docs" / "recipes" / "index.md").read_text()
    assert [page.name for page in PAGES if page.name != "index.md" and f"({page.name})" not in index] == []
