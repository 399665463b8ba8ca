"""The application: every command by its name."""

from __future__ import annotations

import typer

from tenantguard.cli.access import access
from tenantguard.cli.attack import attack
from tenantguard.cli.check import check
from tenantguard.cli.explain import explain
from tenantguard.cli.help import help_
from tenantguard.cli.init import init
from tenantguard.cli.lock import lock
from tenantguard.cli.observe import observe
from tenantguard.cli.review import review
from tenantguard.cli.revoke import revoke
from tenantguard.cli.watch import watch

app = typer.Typer(
    name="tenantguard",
    help="Prove that one company's requests never touch another company's rows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(access, name="access")
app.command()(attack)
app.command()(explain)
app.command()(init)
app.add_typer(observe, name="observe")
app.command()(check)
app.command("help")(help_)
app.command()(lock)
app.command()(review)
app.command()(watch)
app.command()(revoke)


@app.callback()
def commands() -> None:
    """Prove that one company's requests never touch another company's rows."""
