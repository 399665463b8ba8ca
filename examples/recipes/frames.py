"""Data frames: pandas and polars read and write through the guarded engine."""

from __future__ import annotations

import pandas
import polars
from sqlalchemy import Engine, select

from examples.recipes.models import Project
from tenantguard import bind


def with_pandas(engine: Engine, company: str) -> pandas.DataFrame:
    """Return a company's projects."""
    with bind(company), engine.connect() as connection:
        return pandas.read_sql(select(Project.id, Project.name).order_by(Project.id), connection)


def with_polars(engine: Engine, company: str) -> polars.DataFrame:
    """Return the same as a frame of polars."""
    with bind(company), engine.connect() as connection:
        return polars.read_database(select(Project.id, Project.name).order_by(Project.id), connection)


def append(engine: Engine, company: str, frame: pandas.DataFrame) -> int | None:
    """Append rows; the frame names the company, which has to be the one that is bound."""
    with bind(company), engine.begin() as connection:
        own = frame.assign(company_id=company)
        written: int | None = own.to_sql("projects", connection, if_exists="append", index=False)
        return written
