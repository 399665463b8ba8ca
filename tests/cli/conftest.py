"""The tests of the command line share what Typer makes of the signatures of all commands."""

from __future__ import annotations

from functools import cache

from typer import testing
from typer.main import get_command

# its runner would make it anew for each command that is run, which takes 50 ms
vars(testing)["_get_command"] = cache(get_command)
