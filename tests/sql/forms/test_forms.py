"""Each row of the table of statement forms does what it says, on each database where the form exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.exc import SAWarning

from tenantguard import Violation, bind
from tests.models import Number
from tests.servers import BACKENDS, Backend, Database
from tests.sql.forms.form import Does, Form
from tests.sql.forms.judge import treatments
from tests.sql.forms.table import GROUPS
from tests.sql.forms.world import Worlds, hands_on, outcome

FORMS = [form for group in GROUPS for form in group.forms]
LINE = ".".join(sqlalchemy.__version__.split(".")[:2])


def _rows(*, refused: bool) -> Any:
    return [
        pytest.param(backend, form, id=f"{backend}-{form.name}")
        for backend in BACKENDS
        for form in FORMS
        if backend in form.on and (Does.REFUSED in form.does) == refused and LINE in form.lines
    ]


def _attacks() -> Any:
    return [
        pytest.param(backend, form, attack, id=f"{backend}-{form.name}-{number}")
        for backend in BACKENDS
        for form in FORMS
        if backend in form.on and LINE in form.lines
        for number, attack in enumerate(form.attacks)
    ]


@pytest.fixture(scope="module")
def worlds(make_database: Callable[[Backend, str], Database]) -> Iterator[Callable[[Backend], Worlds]]:
    """Return what makes the two databases of a kind, once for all tests of this module."""
    made: dict[Backend, Worlds] = {}

    def make(backend: Backend) -> Worlds:
        if backend not in made:
            made[backend] = Worlds.make(make_database, backend)
        return made[backend]

    yield make
    after = {backend: world.everything() for backend, world in made.items()}
    for world in made.values():
        world.guarded.dispose()
        world.own.dispose()
    assert after == {backend: world.before for backend, world in made.items()}, "a row left something behind"


@pytest.mark.parametrize(("backend", "form"), _rows(refused=False))
def test_a_form_does_what_its_row_says(worlds: Any, backend: Backend, form: Form) -> None:
    """It gives and changes what it would if the tenant were alone, by the treatment that the row names."""
    world: Worlds = worlds(backend)
    ran = world.run_guarded(form.run)
    own = world.run_own(form.run, rows=ran.mine is not None)
    assert _ordered(form, ran.found) == _ordered(form, own.found)
    assert ran.mine == own.mine
    assert ran.everybody is None or _others(ran.everybody) == _others(world.before)
    seen = {does for statement, given in ran.sent for does in treatments(statement, given, backend)}
    if Does.CHECKED in form.does:  # the row's attacks prove it; a look-up reads by a WHERE of its own
        assert seen - {Does.WHERE} == set(form.does) - {Does.WHERE, Does.CHECKED}
    else:
        assert (seen or {Does.NOTHING}) == set(form.does)


@pytest.mark.parametrize(("backend", "form", "attack"), _attacks())
def test_a_form_is_no_way_to_another_tenant(worlds: Any, backend: Backend, form: Form, attack: Any) -> None:
    """The same form that reaches for another tenant's row is refused, and the connection stays usable.

    A unit of work that deletes it is warned, as of any row that is gone.
    """
    world = worlds(backend)
    with hands_on(world.guarded, {}, backend) as hands, bind("acme"):
        with pytest.raises((Violation, SAWarning)):
            outcome(attack, hands)
        hands.close()
        assert hands.connection.execute(sqlalchemy.select(Number)).all()


@pytest.mark.parametrize(("backend", "form"), _rows(refused=True))
def test_a_form_is_refused(worlds: Any, backend: Backend, form: Form) -> None:
    """It never reaches the database, and the message says why."""
    world = worlds(backend)
    with (
        hands_on(world.guarded, {}, backend) as hands,
        bind("acme"),
        pytest.raises(Violation, match=form.why),
    ):
        outcome(form.run, hands)


def _others(everybody: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that name another tenant, or whose key is one of another tenant's."""
    return {
        name: [
            row
            for row in rows
            if "acme" not in row and any(isinstance(v, int) and 100 < v < 900 for v in row)
        ]
        for name, rows in everybody.items()
    }


def _ordered(form: Form, found: Any) -> Any:
    return found if form.ordered or not isinstance(found, list | tuple) else sorted(found, key=repr)
