"""The documentation: its links lead somewhere and its examples run; and the checker would notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_docs import (
    ROOT,
    Run,
    anchors,
    by_itself,
    faults_of,
    faults_of_examples,
    faults_of_links,
    forked,
    main,
    pages,
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_true(page: Path) -> None:
    """Every link of the page leads somewhere, and every example runs; `make docs` gives each an interpreter."""
    assert [str(fault) for fault in faults_of(page, forked)] == []


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Give the place of a page."""
    return tmp_path / "page.md"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a](nowhere.md)", "leads to no file"),
        ("![a](nowhere.png)", "leads to no file"),
        ("[a]: nowhere.md", "leads to no file"),
        ("[a](#nothing)", "leads to no heading"),
        ("[`code`](page.md#nothing)", "leads to no heading"),
        (">>>>>>> 415b3cc (Another side)", "a merge was not finished"),
    ],
)
def test_a_fault_is_told(page: Path, text: str, told: str) -> None:
    """A link to a missing file, picture or heading, or a mark of a conflict, is a fault of its line."""
    page.write_text(f"# A page\n\n{text}\n")
    (fault,) = faults_of(page)
    assert told in fault.told
    assert fault.line == 3


def test_a_good_link_is_none(page: Path) -> None:
    """Files, headings, addresses, and what only looks like a link in code."""
    page.write_text(
        "# What `bind` does, and why\n[a](#what-bind-does-and-why) [b](page.md) [c](https://example.org/x)\n"
        "`[d](nowhere.md)`\n```\n[e](nowhere.md)\n```\n"
    )
    assert list(faults_of_links(page)) == []


def test_equal_headings_are_numbered() -> None:
    """The second heading of one name has a number behind its own."""
    assert anchors("# One\n## One\n<a id='x'></a><a id=\"y\"></a>") == {"one", "one-1", "y"}


def test_examples_run_in_one_namespace(page: Path) -> None:
    """A later block knows what an earlier one defined, and other languages are left alone."""
    page.write_text("```python\na = 1\n```\ntext\n```shell\nfalse\n```\n```python\nassert a == 1\n```\n")
    assert list(faults_of_examples(page)) == []


@pytest.mark.parametrize("run", [by_itself, forked])
def test_a_failing_example_is_told_with_its_line(page: Path, run: Run) -> None:
    """The line is that of the page."""
    page.write_text("# A page\n\n```python\na = 1\n```\n\n```python\n\nassert a == 2, 'no'\n```\n")
    (fault,) = faults_of_examples(page, run)
    assert (fault.line, fault.told) == (9, "an example fails: AssertionError: no")


def test_what_is_not_python_is_told(page: Path) -> None:
    """A block that cannot be compiled is a fault, one that is only to be compiled does not run."""
    page.write_text("```python compile\nunknown()\n```\n\n```python\na = = 1\n```\n")
    (fault,) = faults_of_examples(page)
    assert fault.line == 6
    assert "not Python" in fault.told


def test_the_command_fails_on_a_fault(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints each fault, and its exit status tells."""
    page.write_text("[a](nowhere.md)\n")
    assert main([str(page)]) == 1
    assert "page.md:1: the link to nowhere.md leads to no file" in capsys.readouterr().out
    page.write_text("nothing\n")
    assert main([str(page)]) == 0
