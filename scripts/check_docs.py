"""Check the documentation: no merge is half done, every link leads somewhere, and every Python example runs.

The blocks marked ``python`` of one page run from top to bottom in one namespace, as a reader would type
them, in an empty directory. A block marked ``python compile`` is a fragment that only has to be Python.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import re
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = 120  # the longest that the examples of one page may take
_FENCE = re.compile(r"^( *)(`{3,}|~{3,})[ ]*([^\n`]*)\n(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(
    r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE
)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


@dataclass(frozen=True)
class Fault:
    """Tell what is wrong, and where."""

    page: Path
    line: int
    told: str

    def __str__(self) -> str:
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{page}:{self.line}: {self.told}"


@dataclass(frozen=True)
class Block:
    """Hold one fenced block: the words after the fence, its text and its first line's number."""

    words: tuple[str, ...]
    text: str
    line: int


def pages(root: Path = ROOT) -> list[Path]:
    """Return every Markdown page that belongs to the project, as git knows it, new ones included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:  # an unpacked source distribution is no checkout
        return sorted(page for place in (".", "docs", "examples") for page in (root / place).glob("*.md"))
    return sorted(root / name for name in listed.stdout.split("\0") if name and (root / name).exists())


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in _FENCE.finditer(text):
        indent = len(found[1])
        inner = "".join(
            line[indent:] if line[:indent].isspace() else line for line in found[4].splitlines(True)
        )
        yield Block(tuple(found[3].split()), inner, text.count("\n", 0, found.start()) + 2)


def faults_of_merges(page: Path) -> Iterator[Fault]:
    """Yield each mark of a conflict that was left in a page."""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            yield Fault(page, number, "a merge was not finished")


def faults_of_links(page: Path) -> Iterator[Fault]:
    """Yield each link of a page that leads to no file or to no heading."""
    text = _without_blocks(page.read_text())
    for found in _LINK.finditer(text):
        target = found[1] or found[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        line = text.count("\n", 0, found.start()) + 1
        if not place.exists():
            yield Fault(page, line, f"the link to {target} leads to no file")
        elif anchor and place.suffix == ".md" and anchor not in anchors(place.read_text()):
            yield Fault(page, line, f"the link to {target} leads to no heading")


def anchors(text: str) -> set[str]:
    """Return the names that links to the headings of a page have."""
    found: set[str] = set(_ANCHOR.findall(text))
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (candidate := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(candidate)
    return found


Run = Callable[[Path], tuple[int, str]]


def faults_of_examples(page: Path, run: Run | None = None) -> Iterator[Fault]:
    """Yield what goes wrong when the Python blocks of a page are compiled, and run: each page by itself, or as told."""
    running: list[str] = []
    lines = 0
    for block in blocks(page.read_text()):
        if block.words[:1] != ("python",):
            continue
        try:
            compile(block.text, str(page), "exec")
        except SyntaxError as error:
            yield Fault(page, block.line + (error.lineno or 1) - 1, f"this is not Python: {error.msg}")
            return
        if "compile" not in block.words:
            running.append("\n" * (block.line - 1 - lines) + block.text)
            lines = block.line - 1 + block.text.count("\n")
    if running:
        yield from _run(page, "".join(running), run or by_itself)


def by_itself(script: Path) -> tuple[int, str]:
    """Run a script in its directory; return its exit status and what it wrote to the standard error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=script.parent, env=environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def forked(script: Path) -> tuple[int, str]:
    """Do the same in a process in which the packages are imported already, which takes a second of each page."""
    said = script.with_suffix(".err")
    child = _imported().Process(target=_be, args=(str(script), str(said)))
    child.start()
    child.join(SECONDS)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise subprocess.TimeoutExpired(str(script), SECONDS)
    return child.exitcode, said.read_text()


@functools.cache
def _imported() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["scripts.check_docs", "fastapi.testclient", "hypothesis", "litestar", "tenantguard"]
    )
    return context


def _be(script: str, said: str) -> None:
    """Be the process of a script."""
    os.chdir(Path(script).parent)
    with Path(said).open("w") as error, Path(os.devnull).open("r+") as nothing:
        for number, file in ((0, nothing), (1, nothing), (2, error)):
            os.dup2(file.fileno(), number)
    sys.argv[:], sys.path[:0] = [script], [str(Path(script).parent), str(ROOT)]
    runpy.run_path(script, run_name="__main__")


def _run(page: Path, program: str, run: Run) -> Iterator[Fault]:
    """Run the blocks as one program whose line numbers are those of the page."""
    with tempfile.TemporaryDirectory() as place:
        script = Path(place, page.name)
        script.write_text(program)
        try:
            status, said = run(script)
        except subprocess.TimeoutExpired:
            yield Fault(page, 1, f"the examples did not end within {SECONDS} seconds")
            return
    if status:
        where = [int(n) for n in re.findall(rf'{re.escape(str(script))}", line (\d+)', said)]
        told = said.strip().splitlines()
        yield Fault(page, where[-1] if where else 1, f"an example fails: {told[-1] if told else status}")


def faults_of(page: Path, run: Run | None = None) -> Iterator[Fault]:
    """Yield every fault of a page."""
    yield from faults_of_merges(page)
    yield from faults_of_links(page)
    yield from faults_of_examples(page, run)


def _without_blocks(text: str) -> str:
    """Blank out fenced blocks and inline code, line by line, so that line numbers stay."""
    text = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return re.sub(r"`[^`\n]*`", lambda found: "`" * len(found[0]), text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the pages that are named, or all; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="*", type=Path)
    chosen = [page.resolve() for page in parser.parse_args(arguments).page] or pages()
    faults = [fault for page in chosen for fault in faults_of(page)]
    for fault in faults:
        print(fault)
    print(f"{len(chosen)} pages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
