"""``python -m tenantguard.testing.prove``: run thousands of generated programs, and count the verdicts.

Programs are numbered: the same seed and number give the same program again, so that a run can be cut in
pieces, resumed where it stopped, and shared among processes.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tenantguard.testing.campaign import Tally, prove
from tenantguard.testing.oracle import Oracle
from tenantguard.testing.relations import RowSecurity

__all__ = ["main", "prove"]

CHUNK = 1000  # programs for which one set of databases serves


@dataclass(frozen=True)
class Task:
    """The programs that one process runs, and their database."""

    models: str
    url: str
    seed: int
    start: int
    programs: int
    only: str | None
    until: float | None


def load(models: str) -> tuple[Any, Any]:
    """Return tenancy and models named as ``module:tenancy`` or ``module:tenancy:Base``."""
    module, _, names = models.partition(":")
    tenancy, _, base = names.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, tenancy or "tenancy"), getattr(loaded, base) if base else None


def run(task: Task) -> Tally:
    """Run one task in databases of its own; the audit trail is not written, as each refusal is counted."""
    if task.until is not None and time.monotonic() > task.until:
        return Tally()  # its time is over before any database was made
    logging.getLogger("tenantguard.audit").setLevel(logging.CRITICAL)
    tenancy, models = load(task.models)
    with Oracle(tenancy.metadata, tenancy, models, url=task.url) as oracle:
        security = RowSecurity(oracle) if oracle.dialect == "postgresql" else None
        try:
            return prove(
                oracle,
                programs=task.programs,
                seed=task.seed,
                start=task.start,
                only=task.only,
                security=security,
                until=task.until,
            )
        finally:
            if security is not None:
                security.close()


def tasks(options: argparse.Namespace) -> Iterator[Task]:
    """Yield the tasks, the databases in turn: each takes its share of the programs."""
    until = time.monotonic() + options.seconds if options.seconds else None
    for start in range(options.start, options.programs, CHUNK):
        url = options.databases[(start // CHUNK) % len(options.databases)]
        count = min(CHUNK, options.programs - start)
        yield Task(options.models, url, options.seed, start, count, options.only, until)


def everything(todo: Sequence[Task], jobs: int, console: Console) -> Tally:
    """Run the tasks in several processes and show how far they are."""
    total = Tally()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=console) as progress,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=20) as pool,
    ):
        bar = progress.add_task("programs", total=sum(task.programs for task in todo))
        futures: list[Future[Tally]] = [pool.submit(run, task) for task in todo]
        for future in as_completed(futures):
            total.merge(future.result())
            told = f"{total.disagreements} disagreements, {total.refusals} refusals"
            progress.update(bar, completed=total.programs, description=told)
    return total


def show(total: Tally, console: Console) -> None:
    """Print the count, the shapes covered, refusals and disagreements."""
    table = Table("shape", "programs", title=f"{len(total.shapes)} shapes covered")
    for shape, count in sorted(total.shapes.items()):
        table.add_row(shape, f"{count:,}")
    console.print(table)
    for kind, count in total.errors.most_common():
        console.print(f"both sides raised {kind}: {count:,}")
    for report in total.reports:
        console.print(report, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{total.programs:,} programs, {total.disagreements:,} disagreements, {total.refusals:,} refusals "
        f"(and {total.foreign:,} of writes that name another tenant's key)"
    )


def main(arguments: Iterable[str] | None = None) -> int:
    """Read the command line, run, print, and return 1 where anything disagreed."""
    parser = argparse.ArgumentParser(prog="python -m tenantguard.testing.prove", description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000, help="number of the last program")
    parser.add_argument("--start", type=int, default=0, help="number of the first one, to resume")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, help="stop after this time, however many are left")
    parser.add_argument(
        "--databases",
        type=lambda text: text.split(","),
        default=["sqlite://"],
        help="URLs of servers, comma-separated; databases are made there and dropped again",
    )
    parser.add_argument("--only", choices=("reads", "writes"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--models",
        default="tenantguard.testing.generator.models:tenancy:Base",
        help="module:tenancy, or module:tenancy:Base for programs of the ORM",
    )
    options = parser.parse_args(None if arguments is None else list(arguments))
    console = Console()
    total = everything(list(tasks(options)), options.jobs, console)
    show(total, console)
    return 1 if total.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
