"""The tutorial shows the example as it is."""

from __future__ import annotations

import re

import pytest

from scripts.check_docs import ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"^```py\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "code"), BLOCKS)
def test_a_block_stands_in_its_file(name: str, code: str) -> None:
    """Word by word, under the name in its first line."""
    assert code in (ROOT / name).read_text()


def test_every_block_names_its_file() -> None:
    """None is left out of the comparison."""
    assert len(BLOCKS) == PAGE.count("```py") >= 10
