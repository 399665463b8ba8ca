"""Mapped classes that other libraries and other styles make work unchanged under the guard."""

from typing import Any

import pytest
from sqlalchemy import MetaData, StaticPool, create_engine, event, insert, select
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session
from sqlmodel import Field, Relationship, SQLModel
from sqlmodel import Session as ModelSession
from sqlmodel import select as select_model

from tenantguard import CrossTenantError, Tenancy, bind, guard
from tests.models import make_tenancy
from tests.sql.world import World


class Model(SQLModel):
    """Keep these tables out of the metadata that every other SQLModel of the run shares."""

    metadata = MetaData()


class Team(Model, table=True):
    """Owned."""

    __tablename__ = "teams"
    id: int = Field(primary_key=True)
    company_id: str = Field(default=None, nullable=False)
    name: str
    players: list["Player"] = Relationship(back_populates="team")


class Player(Model, table=True):
    """Owned, with a parent."""

    __tablename__ = "players"
    id: int = Field(primary_key=True)
    company_id: str = Field(default=None, nullable=False)
    team_id: int = Field(foreign_key="teams.id")
    team: Team = Relationship(back_populates="players")


def test_sqlmodel() -> None:
    """Models of SQLModel are stamped, read and checked like any other."""
    metadata = Model.metadata
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine, checkfirst=False)
    guard(engine, Tenancy(metadata, column="company_id"))
    for number, tenant in enumerate(("acme", "globex"), 1):
        with bind(tenant), ModelSession(engine) as session:
            session.add(Team(id=number, name="reds", players=[Player(id=number, team_id=number)]))
            session.commit()
    with bind("acme"), ModelSession(engine) as session:
        (team,) = session.exec(select_model(Team).where(Team.name == "reds")).all()
        assert (team.id, team.company_id, [player.id for player in team.players]) == (1, "acme", [1])
        assert session.get(Team, 2) is None
        session.add(Player(id=9, team_id=2))
        with pytest.raises(CrossTenantError):
            session.flush()
    engine.dispose()


def test_automap(memory: World) -> None:
    """Classes that are made from the database's own tables are guarded by schema and name."""
    base: Any = automap_base()
    base.prepare(autoload_with=memory.engine)
    call, tag = base.classes.calls, base.classes.call_tags
    with bind("acme"), Session(memory.engine) as session:
        assert sorted(found.id for found in session.scalars(select(call))) == [1, 2, 3]
        assert [found.id for found in session.get_one(call, 1).call_tags_collection] == [1]
        assert session.get(call, 101) is None
        with pytest.raises(CrossTenantError):
            session.execute(insert(tag).values(id=900, call_id=101, tag="x"))


def test_a_second_registry_maps_the_same_tables(memory: World) -> None:
    """The guard goes by the table, so one that was reflected into another MetaData belongs the same way."""
    other = MetaData()
    other.reflect(memory.engine, only=["calls"])
    with bind("globex"), memory.engine.connect() as connection:
        assert connection.scalars(select(other.tables["calls"].c.id)).all() == [101, 102, 103]


def test_a_prepared_listener_of_the_mapper_still_runs(memory: World) -> None:
    """Listeners of the application see the stamped object."""
    from tests.models import Label

    seen: list[str] = []

    @event.listens_for(Label, "after_insert")
    def note(_mapper: Any, _connection: Any, label: Label) -> None:
        seen.append(label.company_id)

    with bind("acme"), Session(memory.engine) as session:
        session.add(Label(id=900, name="x"))
        session.flush()
    event.remove(Label, "after_insert", note)
    assert seen == ["acme"]
    assert make_tenancy().of(Label).kind == "owned"
