"""``tenantguard watch``: compare the code and the database with the lock at an interval."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tenantguard.audit import Event, record
from tenantguard.checks.approved.contents import make_lock
from tenantguard.checks.approved.differences import Difference, differences, telling
from tenantguard.checks.approved.lock import Lock, read_lock
from tenantguard.checks.options import Asked
from tenantguard.checks.settings import read_settings
from tenantguard.cli.options import DebugOption, TenancyArgument, asked_of, lock_path
from tenantguard.cli.quiet import quiet
from tenantguard.cli.sentences import explained
from tenantguard.errors import ConfigurationError

_DAY = 86_400.0


def watch(
    tenancy: TenancyArgument = None,
    url: Annotated[str | None, typer.Option(envvar="TENANTGUARD_URL", help="the database to inspect")] = None,
    source: Annotated[list[Path] | None, typer.Option(help="a source directory; repeatable")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="skip these files")] = None,
    lock: Annotated[Path | None, typer.Option(help="the lock file; default: tenancy.lock")] = None,
    interval: Annotated[float, typer.Option(min=1, max=_DAY, help="seconds between two comparisons")] = 300.0,
    times: Annotated[int | None, typer.Option(min=1, help="stop after this many comparisons")] = None,
    debug: DebugOption = False,
) -> None:
    """Compare with tenancy.lock at an interval, and record an event of kind "drift" for each new difference.

    The events go to the log and to the audit sinks that the Tenancy's module adds. Each difference is recorded once,
    until it is gone. With --times, exits with 1 if something differs at the end, and with 2 if it could not compare.
    """
    with explained("watch", debug=debug):
        settings = read_settings(Path.cwd())
        with quiet():
            asked = asked_of(settings, tenancy, url=url, source=source, exclude=exclude)
        approved = read_lock(lock_path(settings, lock))
        watched = _Watched(asked, approved)
        watched.look()  # what cannot be looked at at the start will not be later
        try:
            while times is None or watched.looks < times:
                time.sleep(interval)
                watched.look_again()
        except KeyboardInterrupt:
            return
    raise typer.Exit(watched.status)


class _Watched:
    """The differences seen so far."""

    def __init__(self, asked: Asked, approved: Lock) -> None:
        self._asked, self._approved = asked, approved
        self._seen: dict[str, Difference] = {}
        self._out = Console(highlight=False)
        self._failed = False
        self.looks = 0

    @property
    def status(self) -> int:
        """Return the exit status."""
        return 2 if self._failed else int(bool(self._seen))

    def look(self) -> None:
        """Compare once, and record new differences."""
        self.looks += 1
        with quiet():
            now = make_lock(self._asked)
        there = {f"{one.place} {one.after}": one for one in telling(differences(self._approved, now))}
        for mark in self._seen.keys() - there.keys():
            self._say(f"as approved again: {self._seen[mark].place}")
        for mark in sorted(there.keys() - self._seen.keys()):
            self._raise(there[mark])
        self._seen = there
        self._failed = False

    def look_again(self) -> None:
        """Compare once, tolerating a database that does not respond this time."""
        try:
            self.look()
        except ConfigurationError as error:
            self._failed = True
            self._say(f"could not compare: {' '.join(str(error).split())}")

    def _raise(self, one: Difference) -> None:
        told = (
            f"{one.meaning or one.place}; approved: {one.before or 'nothing'}; now: {one.after or 'nothing'}"
        )
        table = one.name.split(" ")[0] if one.section in ("tables", "keys", "policies", "grants") else None
        self._say(f"drift: {one.place}: {told}")
        record(Event(time=datetime.now(UTC), kind="drift", table=table, place=one.place, message=told))

    def _say(self, text: str) -> None:
        self._out.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", markup=False, soft_wrap=True)
