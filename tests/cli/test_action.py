"""The GitHub Action and the pre-commit hook run the command that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tenantguard.cli.app import app

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["action.yml", ".pre-commit-hooks.yaml"])
def test_the_command_is_one_of_ours(name: str) -> None:
    """Its options too."""
    (command,) = re.findall(r"python -m tenantguard (\w+)", (ROOT / name).read_text())
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert (shown.exit_code, "--github" in shown.output) == (0, True)


def test_inputs_of_the_action_stand_in_no_script() -> None:
    """An expression in a script would run what it holds: it comes by the environment."""
    lines = (ROOT / "action.yml").read_text().splitlines()
    assert [line for line in lines if "run:" in line and "${{" in line] == []
