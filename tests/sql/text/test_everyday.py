"""SQL as applications write it is accepted, and does what it does where the tenant is alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from tenantguard import bind, bypass, guard
from tenantguard.errors import Violation
from tenantguard.sql.text import Texts
from tests.servers import BACKENDS, Backend, Database
from tests.sql.text.corpus import reads, reports, shop, statements

MOST_REFUSED = 0.01
# what is refused, by words of it, and why; docs/raw-sql.md says so
REFUSED = {
    "REPLACE INTO": "deletes whatever row holds the key",
    "OR REPLACE": "deletes whatever row holds the key",
    "MERGE INTO": "SELECT, INSERT, UPDATE and DELETE are read",
    "@@version": "a variable",
}


@dataclass
class Shops:
    """Hold a guarded engine on two companies' rows, a plain one on the same, and one where a company is alone."""

    guarded: Engine
    plain: Engine
    alone: Engine

    @property
    def statements(self) -> tuple[list[str], list[str]]:
        """Return the queries and the writes for the database."""
        return statements(self.plain.dialect.name)


@pytest.fixture(scope="module", params=BACKENDS)
def shops(
    request: pytest.FixtureRequest, make_database: Callable[[Backend, str], Database]
) -> Iterator[Shops]:
    """Give the shops on each database in turn."""
    whole, alone = make_database(request.param, "shop_whole"), make_database(request.param, "shop_alone")
    made = Shops(whole.create_engine(), whole.create_engine(), alone.create_engine())
    shop.build(made.plain, alone=False)
    shop.build(made.alone, alone=True)
    guard(made.guarded, shop.tenancy, raw_sql="rewrite")
    yield made
    whole.close()
    alone.close()


def _sent(connection: Connection, sql: str) -> Any:
    result = connection.execute(text(sql), reads.PARAMETERS)
    if result.returns_rows:
        return list(result.keys()), Counter(map(repr, result))
    return result.rowcount


def _reason(sql: str) -> str | None:
    return next((why for words, why in REFUSED.items() if words in sql), None)


def test_queries_return_what_they_return_alone(shops: Shops) -> None:
    """Each query names the same columns and returns the same rows as in a database of one company."""
    wrong = []
    for sql in shops.statements[0]:
        with shops.alone.connect() as alone, shops.guarded.connect() as connection, bind(shop.MINE):
            try:
                if _sent(connection, sql) != _sent(alone, sql):
                    wrong.append(sql)
            except Violation as refused:
                if (_reason(sql) or "accepted") not in str(refused):
                    wrong.append(f"{sql}: {refused}")
    assert wrong == []


def test_writes_do_what_they_do_alone(shops: Shops) -> None:
    """Each write leaves the company's rows as in a database of its own, and the other company's as they were."""
    wrong = []
    with shops.plain.connect() as connection:
        theirs = shop.content(connection, shop.THEIRS)
    for sql in shops.statements[1]:
        with shops.alone.connect() as alone, shops.guarded.connect() as connection:
            _begun(alone, connection)
            try:
                with bind(shop.MINE):
                    same = _sent(connection, sql) == _sent(alone, sql)
                with bypass(reason="compare"):
                    same = same and shop.content(connection, shop.MINE) == shop.content(alone, shop.MINE)
                    if not same or shop.content(connection, shop.THEIRS) != theirs:
                        wrong.append(sql)
            except Violation as refused:
                if (_reason(sql) or "accepted") not in str(refused):
                    wrong.append(f"{sql}: {refused}")
    assert wrong == []


def test_few_are_refused(shops: Shops) -> None:
    """Of what applications write, one in a hundred is refused at most."""
    found = [sql for kind in shops.statements for sql in kind]
    assert len(found) >= 300
    assert sum(_reason(sql) is not None for sql in found) <= MOST_REFUSED * len(found)


@pytest.mark.parametrize("dialect", BACKENDS)
def test_few_reports_are_refused(dialect: str) -> None:
    """Of reports, pages, queues and upserts, one in a hundred is refused at most."""
    texts, refused = Texts(shop.tenancy), []
    for sql in reports(dialect):
        try:
            texts.rewrite(sql, dialect=dialect, style="named")
        except Violation as violation:
            refused.append(f"{sql}: {violation}")
    assert len(refused) <= MOST_REFUSED * len(reports(dialect)), refused


def _begun(*connections: Connection) -> None:
    """Begin transactions on SQLite, whose driver does not before WITH ... UPDATE."""
    for connection in connections:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
