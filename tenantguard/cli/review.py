"""``tenantguard review``: how a branch changes who sees which rows, as a comment for its pull request."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tenantguard.checks.approved.comment import review_comment
from tenantguard.checks.approved.contents import make_lock
from tenantguard.checks.approved.lock import Lock, parse_lock
from tenantguard.checks.settings import Settings, read_settings
from tenantguard.cli.options import DebugOption, TenancyArgument, asked_of, lock_path
from tenantguard.cli.progress import steps
from tenantguard.cli.quiet import quiet
from tenantguard.cli.sentences import explained
from tenantguard.errors import ConfigurationError

_SECONDS = 300


def review(
    base: Annotated[str, typer.Option(help="the commit or branch to compare with")],
    tenancy: TenancyArgument = None,
    source: Annotated[list[Path] | None, typer.Option(help="a source directory; repeatable")] = None,
    lock: Annotated[Path | None, typer.Option(help="the lock file; default: tenancy.lock")] = None,
    run_base: Annotated[
        bool,
        typer.Option(
            "--run-base", help="ignore the base's lock; check out its code separately and import it"
        ),
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Report in Markdown who gains or loses rows, which statements change form, and which refusals come and go.

    The base is read from its tenancy.lock; without one, or with --run-base, its code is checked out separately and
    imported. The working directory is the branch. Exits with 0 whatever changes, and with 2 if it cannot run.
    """
    with explained("review", debug=debug):
        settings = read_settings(Path.cwd())
        with quiet():
            asked = asked_of(settings, tenancy, source=source)
        with steps() as step, quiet():
            now = make_lock(asked.code_only(), step)
            step(f"reading {base}")
            before = _base(settings, base, tenancy, source, lock, run=run_base)
        sys.stdout.write(review_comment(before, now, base))


def _base(
    settings: Settings,
    base: str,
    tenancy: str | None,
    source: list[Path] | None,
    lock: Path | None,
    *,
    run: bool,
) -> Lock:
    path = lock_path(settings, lock)
    revision = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if revision is None:
        raise ConfigurationError(f"there is no commit {base!r} here, or this is not a git repository")
    prefix = (_git("rev-parse", "--show-prefix") or "").strip()
    if not run:
        text = _git("show", f"{revision.strip()}:{prefix}{path.as_posix()}")
        if text is not None:
            return parse_lock(text, f"{path} of {base}")
    words = [str(settings.get("tenancy", tenancy))]
    words += [word for one in settings.get("source", source) or () for word in ("--source", str(one))]
    return parse_lock(_made_at(revision.strip(), prefix, words, base), f"the lock of {base}")


def _made_at(revision: str, prefix: str, words: list[str], base: str) -> str:
    """Return the lock for the code of a commit, using a temporary work tree."""
    folder = Path(tempfile.mkdtemp(prefix="tenantguard-review-"))
    try:
        if _git("worktree", "add", "--detach", "--quiet", str(folder / "base"), revision) is None:
            raise ConfigurationError(f"git could not check out {base} next to the working directory")
        command = [sys.executable, "-m", "tenantguard", "lock", *words, "--output", "-"]
        place = folder / "base" / prefix
        done = subprocess.run(  # noqa: S603 - this program, and the user's own code
            command, cwd=place, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        if done.returncode:
            raise ConfigurationError(
                f"no lock could be made from the code of {base}: {' '.join(done.stderr.split())}"
            )
        return done.stdout
    finally:
        _git("worktree", "remove", "--force", str(folder / "base"))
        shutil.rmtree(folder, ignore_errors=True)


def _git(*words: str) -> str | None:
    """Return git's output, or ``None`` if it fails."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603, S607 - git, as the user has it
    except OSError as error:
        raise ConfigurationError("git is not installed; review needs it to compare with a commit") from error
    return None if done.returncode else done.stdout
