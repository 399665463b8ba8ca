"""Collations: a tenant column to which two tenants are one is refused when the engine first connects."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, text
from sqlalchemy.exc import NotSupportedError

from tenantguard import ConfigurationError, Tenancy, bind, guard
from tenantguard.postgres import install
from tenantguard.sql.servers.collations import verify_columns
from tests.servers import Database

_LOOSE = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"


def _make_loose(plain: Engine) -> None:
    try:
        with plain.begin() as connection:
            connection.execute(text(_LOOSE))
    except NotSupportedError:
        pytest.skip("this PostgreSQL was built without ICU")


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("before", [True, False])
def test_a_collation_that_is_not_deterministic_is_refused(
    postgresql_database: Database, created: bool, told: bool, before: bool
) -> None:
    """Whether the table is there yet, and whether the metadata names the collation or only the database has it;
    and whether the engine was connected to before it was guarded.
    """
    if not created and not told:
        pytest.skip("nobody knows of it")
    plain = postgresql_database.create_engine()
    metadata = MetaData()
    Table(
        "calls", metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(9, collation="loose" if told else None), nullable=False),
    )  # fmt: skip
    _make_loose(plain)
    with plain.begin() as connection:
        if created:
            connection.execute(
                text('CREATE TABLE calls (id int, company_id varchar(9) COLLATE "loose" NOT NULL)')
            )
    engine, tenancy = postgresql_database.create_engine(), Tenancy(metadata, column="company_id")
    said = r"not deterministic.* \(calls.company_id\)"
    if before:
        engine.connect().close()
    guard(engine, tenancy)
    with bind("acme"), pytest.raises(ConfigurationError, match=said):
        engine.connect()
    if created:
        with plain.connect() as connection, pytest.raises(ConfigurationError, match=said):
            install(connection, tenancy)


def test_a_collation_of_another_column_is_not_asked_about(postgresql_database: Database) -> None:
    """A name that ignores case tells no tenants apart."""
    plain = postgresql_database.create_engine()
    metadata = MetaData()
    calls = Table(
        "calls", metadata,
        Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
        Column("name", String(9, collation="loose")),
    )  # fmt: skip
    _make_loose(plain)
    calls.create(plain)
    engine = guard(postgresql_database.create_engine(), Tenancy(metadata, column="company_id"))
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(calls.select()).all() == []


class _Driver:
    """A driver's connection to a PostgreSQL whose catalogue has this to say."""

    def __init__(self, *answers: list[tuple[object, ...]]) -> None:
        self._answers = list(answers)

    def cursor(self) -> _Driver:
        return self

    def execute(self, statement: str) -> None:
        """Answer the next question."""

    def fetchall(self) -> list[tuple[object, ...]]:
        return self._answers.pop(0)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("columns", "is_refused"),
    [
        ([("public", "calls", "company_id", True, True)], True),
        ([("hidden", "calls", "company_id", False, True)], False),
        ([("public", "calls", "name", True, True)], False),
    ],
)
def test_the_catalogue_tells_which_columns_are_loose(columns: Any, is_refused: bool) -> None:
    """By the table that a name without a schema means."""
    metadata = MetaData()
    Table(
        "calls",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(9), nullable=False),
    )
    tenancy = Tenancy(metadata, column="company_id")
    driver = _Driver([("loose",)], columns)
    if not is_refused:
        verify_columns(driver, tenancy, "postgresql")
        return
    with pytest.raises(ConfigurationError, match="not deterministic"):
        verify_columns(driver, tenancy, "postgresql")


LIVE = {
    "varchar(9)": None,
    "char(9)": "calls.company_id is CHAR, .* metadata calls it something else",
    "padded": "calls.company_id is CHAR",
    "text": None,
    "TEXT COLLATE nocase": r"calls.company_id ignores case or blanks by its collation",
    "varchar(9) COLLATE RTRIM": r"ignores case or blanks",
    'TEXT COLLATE "binary"': None,
    "STRING": "is STRING, so that SQLite takes 7 and 07 for one",
    "": None,
}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("server", "kind", "fault"),
    [
        (server, kind, fault)
        for kind, fault in LIVE.items()
        for server in ("sqlite", "postgresql")
        if not (kind in ("char(9)", "padded") if server == "sqlite" else kind.isupper() or "COLLATE" in kind)
        and (kind or server == "sqlite")
    ],
)
def test_a_live_column_by_which_two_tenants_are_one_is_refused(
    request: pytest.FixtureRequest, server: str, kind: str, fault: str | None, before: bool
) -> None:
    """The metadata calls it a String: what a migration has made of it, only the database tells."""
    database: Database = request.getfixturevalue(f"{server}_database")
    metadata = MetaData()
    company = Column("company_id", String(9), nullable=False)
    calls = Table("calls", metadata, Column("id", Integer, primary_key=True), company)
    with database.create_engine().begin() as connection:
        if kind == "padded":
            connection.execute(text("CREATE DOMAIN padded AS char(9)"))
        connection.execute(text(f"CREATE TABLE calls (id int, company_id {kind} NOT NULL)"))
    engine = database.create_engine()
    if before:
        engine.connect().close()
    guard(engine, Tenancy(metadata, column="company_id"))
    refused = nullcontext() if fault is None else pytest.raises(ConfigurationError, match=fault)
    with bind("acme"), refused, engine.connect() as connection:
        assert connection.execute(calls.select()).all() == []
    engine.dispose()


def test_the_look_leaves_no_transaction_open(postgresql_database: Database) -> None:
    """Whoever gets the connection may choose its isolation level."""
    metadata = MetaData()
    Table(
        "calls",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(9), nullable=False),
    )
    engine = postgresql_database.create_engine()
    metadata.create_all(engine, checkfirst=False)
    guard(engine, Tenancy(metadata, column="company_id"))
    with bind("acme"), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.execute(metadata.tables["calls"].select()).all() == []
