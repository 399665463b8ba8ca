"""The tutorial's steps: each is a patch, each leaves a service that works, and the fourth closes every hole."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from scripts.check_docs import ROOT
from tests.examples.saas.conftest import People, Person

SERVICE = ROOT / "examples" / "saas_app"
STEPS = sorted((SERVICE / "steps").glob("*.patch"))
GUARDED = 4  # the step that installs the guard
HOLES = ["/projects.csv", "/report", "/projects/{id}", "/projects/{id}/tasks"]  # where no filter was written


def service_after(step: int, place: Path) -> str:
    """Make the service as it is after a step, by taking the later ones back, and return its package's name."""
    name = f"saas_after_{step}"
    shutil.copytree(SERVICE, place / name, ignore=shutil.ignore_patterns("__pycache__", "steps"))
    for patch in reversed(STEPS[step:]):
        command = ["git", "apply", "--reverse", "--unidiff-zero", str(patch)]
        alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(place)}  # not as part of a repository around it
        subprocess.run(command, cwd=place / name, check=True, env=alone)
    for file in (place / name).rglob("*.py"):
        file.write_text(file.read_text().replace("examples.saas_app", name))
    return name


@pytest.fixture(params=range(len(STEPS) + 1))
def step(request: pytest.FixtureRequest) -> int:
    """Give how many steps were taken: none, each in turn, and all."""
    return int(request.param)


@pytest.fixture
async def people(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    """Give people who use the service as it is after a step."""
    monkeypatch.syspath_prepend(tmp_path)
    name = service_after(step, tmp_path)
    app, database, migrations = (
        importlib.import_module(f"{name}.{part}") for part in ("app", "database", "migrations")
    )
    url = f"sqlite+aiosqlite:///{tmp_path / 'saas.db'}"
    migrating, engine = database.make_engine(url), database.make_engine(url)
    async with migrating.begin() as connection:
        await connection.run_sync(migrations.upgrade)
    await migrating.dispose()
    people = People(app.create_app(engine))
    yield people
    for person in people.made:
        await person.http.aclose()
    await engine.dispose()
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


async def with_task(person: Person) -> Any:
    """Add a project with a task, and return its id."""
    project = await person.post("/projects", name="green")
    await person.post(f"/projects/{project['id']}/tasks", title="green task")
    return project["id"]


async def test_the_service_works_after_each_step(people: People) -> None:
    """Sign-up, own rows, login, choosing a company, invites and the back office's door."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    await with_task(globex)
    assert [p["name"] for p in await globex.get("/projects")] == ["Getting started", "green"]
    assert [line["tasks"] for line in await globex.get("/report") if line["name"] == "green"] == [1]
    inside = await people.login(acme.email)
    (company,) = await inside.get("/me/companies")
    (other,) = await globex.get("/me/companies")
    await inside.post("/me/company", 403, company_id=other["id"])
    await inside.post("/me/company", 200, company_id=company["id"])
    code = (await globex.post("/invites", email=acme.email))["code"]
    await inside.post("/invites/accept", 200, code=code)
    assert [c["name"] for c in await inside.get("/me/companies")] == ["acme", "globex"]
    assert (await acme.http.get("/back-office/companies")).status_code == 403
    assert (await people.stranger("nobody@acme.example").http.get("/projects")).status_code == 401


async def test_the_guard_closes_what_filters_by_hand_left_open(people: People, step: int) -> None:
    """Before the guard is installed four routes show another company's rows, and from then on none does."""
    acme, globex = await people.sign_up("acme"), await people.sign_up("globex")
    project = await with_task(globex)
    paths = [hole.format(id=project) for hole in ("/projects", *HOLES)]
    shown = [path for path in paths if "green" in (await acme.http.get(path)).text]
    assert shown == ([] if step >= GUARDED else paths[1:])
