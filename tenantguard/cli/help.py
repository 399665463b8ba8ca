"""``tenantguard help``: what a finding means, offline."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from tenantguard.checks.catalogue import GROUPS, RULES


def help_(
    id_: Annotated[
        str | None, typer.Argument(metavar="[TGnnn]", help="the id of a finding; without it, list them all")
    ] = None,
) -> None:
    """Explain a finding of `tenantguard check`: its meaning, its consequences and its remedy."""
    console = Console(highlight=False)
    if id_ is None:
        for group, rules in GROUPS.items():
            console.print(f"[bold]{group}[/]")
            for rule in rules:
                console.print(f"  {rule.id}  {rule.severity:7}  {rule.name}", markup=False)
        return
    named = id_.upper()
    if named not in RULES:
        raise typer.BadParameter(f"there is no finding {id_!r}; `tenantguard help` lists all of them")
    rule = RULES[named]
    console.print(f"[bold]{rule.id} {rule.name}[/] ({rule.severity})")
    for text in (rule.what, rule.why):
        console.print(f"\n{text}", markup=False)
    console.print("\n[bold]What to do:[/]")
    console.print(rule.remedy, markup=False)
    console.print(
        "\nTo silence it, with a reason and a date, in pyproject.toml:\n\n[[tool.tenantguard.silence]]\n"
        f'id = "{rule.id}"\n'
        'place = "..."\nreason = "..."\nuntil = 2027-01-31',
        markup=False,
    )
