"""Row rules in any statement: values of the moment, subqueries of their own, and writes that agree with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, registry, relationship

from tenantguard import CrossTenantError, RawSQLError, Tenancy, TenantGuardError, bind, bypass, current, guard
from tests.servers import Database

metadata = MetaData()


def _key(name: str = "id") -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _company() -> Column[str]:
    return Column("company_id", String(40), nullable=False)


papers = Table(
    "papers",
    metadata,
    _key(),
    _company(),
    Column("kind", String(20)),
    Column("readers", String(80), nullable=False),
)
pages = Table(
    "pages",
    metadata,
    _key(),
    Column("paper_id", ForeignKey("papers.id"), nullable=False),
    Column("body", String(20)),
)
lines = Table("lines", metadata, _key(), Column("page_id", ForeignKey("pages.id"), nullable=False))
shares = Table(
    "shares", metadata, _key(), _company(), Column("paper_id", Integer), Column("given_to", String(40))
)
blocks = Table("blocks", metadata, _key(), Column("paper_id", Integer), Column("firm", String(40)))
users = Table("users", metadata, _key(), Column("name", String(40)), Column("email", String(40)))
members = Table(
    "members", metadata, _key(), _company(), Column("user_id", ForeignKey("users.id"), nullable=False)
)
tasks = Table("tasks", metadata, _key(), _company(), Column("user_id", ForeignKey("users.id")))
ROWS: dict[Table, list[dict[str, Any]]] = {
    papers: [
        {"id": 1, "company_id": "acme", "kind": "memo", "readers": ""},
        {"id": 2, "company_id": "globex", "kind": "memo", "readers": "acme initech"},
        {"id": 3, "company_id": "globex", "kind": "public", "readers": ""},
        {"id": 4, "company_id": "globex", "kind": "memo", "readers": "ACME"},
    ],
    pages: [{"id": n, "paper_id": n, "body": "old"} for n in (1, 2, 3, 4)],
    lines: [{"id": n, "page_id": n} for n in (1, 2, 3, 4)],
    shares: [
        {"id": 1, "company_id": "globex", "paper_id": 4, "given_to": "acme"},
        {"id": 2, "company_id": "globex", "paper_id": 2, "given_to": "ACME"},
    ],
    blocks: [{"id": 1, "paper_id": 3, "firm": "acme"}, {"id": 2, "paper_id": 3, "firm": "initech"}],
    users: [{"id": n, "name": f"u{n}", "email": f"u{n}@x"} for n in (1, 2, 3)],
    members: [
        {"id": 1, "company_id": "acme", "user_id": 1},
        {"id": 2, "company_id": "acme", "user_id": 3},
        {"id": 3, "company_id": "globex", "user_id": 2},
        {"id": 4, "company_id": "globex", "user_id": 3},
    ],
}
KIND = ["public"]


def membership(source: Any, tenant: Any) -> Any:
    """Show users to the companies whose members they are."""
    return exists().where(members.c.user_id == source.c.id, members.c.company_id == tenant)


def by_kind(source: Any, tenant: Any) -> Any:
    """Show what is of the kind of the moment."""
    return or_(source.c.company_id == tenant, source.c.kind == KIND[0])


def by_readers(source: Any, tenant: Any) -> Any:
    """Show what names the company among its readers."""
    return or_(source.c.company_id == tenant, source.c.readers.contains(tenant))


def by_share(source: Any, tenant: Any) -> Any:
    """Show what a share of anybody gives to the company."""
    given = select(shares.c.paper_id).where(shares.c.given_to == tenant)
    return or_(source.c.company_id == tenant, source.c.id.in_(given))


def unless_blocked(source: Any, tenant: Any) -> Any:
    """Show what is public, unless it is blocked for the company."""
    blocked = exists().where(blocks.c.paper_id == source.c.id, blocks.c.firm == tenant)
    return or_(source.c.company_id == tenant, and_(source.c.kind == "public", ~blocked))


Guarded = Callable[..., Engine]


@pytest.fixture
def guarded(database: Database) -> Guarded:
    """Give a function that guards the rows by a rule on papers."""
    plain = database.create_engine()
    metadata.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        for table in metadata.sorted_tables:
            if ROWS.get(table):
                connection.execute(insert(table), ROWS[table])

    def made(rule: Any, **said: Any) -> Engine:
        tenancy = Tenancy(
            metadata,
            column="company_id",
            through={"pages": "paper_id", "lines": "page_id"},
            shared={"blocks"},
            visible={"papers": rule, "users": membership},
            **said,
        )
        return guard(database.create_engine(), tenancy)

    return made


def ids(engine: Engine, statement: Any, *tenants: str, **parameters: Any) -> list[Any]:
    """Return the first column of a query, sorted, as one or several tenants read it."""
    with bind(tenants or ("acme",)), engine.connect() as connection:
        return sorted(connection.scalars(statement, parameters))


# values of the moment


def test_a_rules_value_is_of_the_moment(guarded: Guarded) -> None:
    """The statement is cached, and its value is asked for at each execution."""
    engine = guarded(by_kind)
    try:
        for kind, seen in (("public", [1, 3]), ("memo", [1, 2, 4]), ("none", [1]), ("public", [1, 3])):
            KIND[0] = kind
            assert ids(engine, select(papers.c.id)) == seen
            assert ids(engine, select(papers.alias().c.id), "acme", "initech") == seen
    finally:
        KIND[0] = "public"


def test_a_rule_may_ask_who_is_bound(guarded: Guarded) -> None:
    """``current()`` is read at each execution."""
    engine = guarded(
        lambda source, tenant: or_(
            source.c.company_id == tenant, source.c.readers == str(current().tenant).upper()
        )
    )
    assert ids(engine, select(papers.c.id)) == [1, 4]
    assert ids(engine, select(papers.c.id), "globex") == [2, 3, 4]
    assert ids(engine, select(papers.c.id)) == [1, 4]


def test_a_list_in_a_rule_may_grow(guarded: Guarded) -> None:
    """``in_()`` takes the list of the moment."""
    kinds = ["public"]
    engine = guarded(lambda source, tenant: or_(source.c.company_id == tenant, source.c.kind.in_(kinds)))
    assert ids(engine, select(papers.c.id)) == [1, 3]
    kinds.append("memo")
    assert ids(engine, select(papers.c.id)) == [1, 2, 3, 4]


def test_a_rule_that_becomes_another_condition_is_refused(guarded: Guarded) -> None:
    """What is cached cannot follow it."""
    open_to_all = [False]

    def rule(source: Any, tenant: Any) -> Any:
        return source.c.id > 0 if open_to_all[0] else source.c.company_id == tenant

    engine = guarded(rule)
    assert ids(engine, select(papers.c.id)) == [1]
    open_to_all[0] = True
    with pytest.raises(RawSQLError, match="the row rule of papers returns another condition"):
        ids(engine, select(papers.c.id))


@pytest.mark.parametrize("name", ["kind_1", "kind", "tenantguard_rule_1", "tenantguard_1", "company_id_1"])
def test_a_rules_values_are_not_a_callers(guarded: Guarded, name: str) -> None:
    """A parameter of that name changes nothing."""
    engine = guarded(lambda s, tenant: or_(s.c.company_id == tenant, s.c.kind == bindparam("kind", "public")))
    assert ids(engine, select(papers.c.id), **{name: "memo"}) == [1, 3]
    assert ids(engine, select(papers.c.id).where(papers.c.kind == bindparam("kind")), kind="memo") == [1]


# the statement around it


@pytest.mark.parametrize(
    "statement",
    [
        select(papers.c.id).join(blocks, blocks.c.paper_id == papers.c.id),
        select(papers.c.id)
        .select_from(papers.outerjoin(blocks, blocks.c.paper_id == papers.c.id))
        .where(blocks.c.id > 0),
        select(papers.c.id).where(papers.c.id.in_(select(blocks.c.paper_id))),
        select(papers.c.id).where(exists().where(blocks.c.paper_id == papers.c.id)),
        select(blocks.c.paper_id).join(papers, blocks.c.paper_id == papers.c.id, isouter=False),
        select(papers.alias("blocks_1").c.id).where(column("id").in_([3])),
    ],
)
def test_a_rules_subquery_is_its_own(guarded: Guarded, statement: Any) -> None:
    """A paper that is blocked for the company is not shown beside another's block."""
    assert ids(guarded(unless_blocked), statement) == []
    assert set(ids(guarded(unless_blocked), statement, "nobody")) <= {3}


def test_an_alias_named_as_the_rules_table_is_refused(guarded: Guarded) -> None:
    """The rule would mean the alias."""
    with pytest.raises(RawSQLError, match="the row rule of blocks cannot stand in this statement"):
        ids(guarded(unless_blocked), select(papers.alias("blocks").c.id))


def test_a_common_table_expression_does_not_hide_the_rules_table(guarded: Guarded) -> None:
    """One of the name of a table that the rule reads is refused."""
    hiding = select(blocks.c.paper_id, blocks.c.firm).where(blocks.c.id < 0).cte("blocks")
    with pytest.raises(RawSQLError, match="CTE is named 'blocks'"):
        ids(guarded(unless_blocked), select(papers.c.id).where(~papers.c.id.in_(select(hiding.c.paper_id))))


def test_a_full_join_carries_a_rule_with_a_subquery(guarded: Guarded) -> None:
    """Each row is asked by itself."""
    engine = guarded(unless_blocked)
    if engine.dialect.name in ("mysql", "mariadb"):
        pytest.skip("it has no FULL JOIN")
    joined = papers.join(pages, papers.c.id == pages.c.paper_id, full=True)
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(select(papers.c.id, pages.c.id).select_from(joined)).all() == [(1, 1)]


@pytest.mark.parametrize(
    "source", [table("papers", column("id")), Table("papers", MetaData(), Column("id", Integer))]
)
def test_a_rule_sees_every_column(guarded: Guarded, source: Any) -> None:
    """Of a construct that lists fewer, too."""
    engine = guarded(by_kind)
    for form in (source, source.alias("p")):
        assert ids(engine, select(form.c.id)) == [1, 3]
        assert ids(engine, select(func.count()).select_from(form)) == [2]


def test_a_rule_without_a_column_says_so(guarded: Guarded) -> None:
    """Neither an AttributeError nor an answer."""
    with pytest.raises(RawSQLError, match="the row rule of papers cannot be asked: nothing"):
        ids(guarded(lambda source, tenant: source.c.nothing == tenant), select(papers.c.id))


# what a rule reads


def test_a_rules_subquery_sees_every_tenants_rows(guarded: Guarded) -> None:
    """And the reader's own queries do not, on whatever collation."""
    engine = guarded(by_share)
    assert ids(engine, select(papers.c.id)) == [1, 4]
    assert ids(engine, select(shares.c.id)) == []
    assert ids(engine, select(papers.c.id).where(papers.c.id.in_(select(shares.c.paper_id)))) == []


def test_a_rule_may_read_its_own_table(guarded: Guarded) -> None:
    """By an alias: the papers of a kind that the company has itself."""

    def rule(source: Any, tenant: Any) -> Any:
        own = papers.alias()
        return exists().where(own.c.kind == source.c.kind, own.c.company_id == tenant)

    engine = guarded(rule)
    assert ids(engine, select(papers.c.id)) == [1, 2, 4]
    assert ids(engine, select(papers.alias().c.id)) == [1, 2, 4]


def test_a_rule_may_be_recursive(guarded: Guarded) -> None:
    """A common table expression of its own reads what its author wrote."""

    def rule(source: Any, tenant: Any) -> Any:
        chain = select(papers.c.id).where(papers.c.company_id == tenant).cte("chain", recursive=True)
        below = papers.alias()
        chain = chain.union_all(select(below.c.id).where(below.c.id == chain.c.id + 1, below.c.id < 4))
        return source.c.id.in_(select(chain.c.id))

    engine = guarded(rule)
    assert ids(engine, select(papers.c.id)) == [1, 2, 3]


@pytest.mark.parametrize("tenants", [("acme",), ("acme", "nobody")])
def test_a_rule_may_search_a_text_for_the_tenant(guarded: Guarded, tenants: tuple[str, ...]) -> None:
    """Byte by byte, but for SQLite, whose LIKE ignores case."""
    engine = guarded(by_readers)
    assert ids(engine, select(papers.c.id), *tenants) == (
        [1, 2, 4] if engine.dialect.name == "sqlite" else [1, 2]
    )


@pytest.mark.parametrize("form", ["==", "in", "!="])
def test_another_column_is_compared_byte_by_byte_too(guarded: Guarded, form: str) -> None:
    """A company whose id differs in case is another one."""

    def rule(source: Any, tenant: Any) -> Any:
        shown = {
            "==": source.c.readers == tenant,
            "in": source.c.readers.in_([tenant]),
            "!=": source.c.readers != tenant,
        }
        return or_(source.c.company_id == tenant, and_(source.c.id == 4, shown[form]))

    assert ids(guarded(rule), select(papers.c.id)) == ([1, 4] if form == "!=" else [1])


# through


class Paper:
    """Be a mapped paper."""

    id: int
    pages: list[Page]


class Page:
    """Be a mapped page."""

    id: int
    paper_id: int
    body: str


mapped = registry(metadata=metadata)
mapped.map_imperatively(Page, pages)
mapped.map_imperatively(Paper, papers, properties={"pages": relationship(Page, order_by=pages.c.id)})


def test_what_belongs_through_a_shown_row_is_shown(guarded: Guarded) -> None:
    """Alone, joined, and by a relationship; a grandchild as well."""
    engine = guarded(by_kind)
    assert ids(engine, select(pages.c.id)) == [1, 3]
    assert ids(engine, select(lines.c.id)) == [1, 3]
    assert ids(engine, select(lines.c.id).join(pages, lines.c.page_id == pages.c.id)) == [1, 3]
    assert ids(engine, select(pages.c.id).join(papers)) == [1, 3]
    assert ids(engine, select(func.count(pages.c.id)), "acme", "nobody") == [2]
    with bind("acme"), Session(engine) as session:
        assert [page.id for page in session.get_one(Paper, 3).pages] == [3]


def test_what_belongs_through_a_shown_row_is_not_written(guarded: Guarded) -> None:
    """It is changed, deleted and added to by its owner alone."""
    engine = guarded(by_kind)
    with bind("acme"), engine.begin() as connection:
        assert connection.execute(update(pages).where(pages.c.id == 3).values(body="new")).rowcount == 0
        assert connection.execute(delete(lines).where(lines.c.id == 3)).rowcount == 0
        with pytest.raises((CrossTenantError, IntegrityError)):
            connection.execute(insert(pages).values(id=9, paper_id=3))


# objects


@pytest.mark.parametrize("how", ["auto", "evaluate", "fetch"])
def test_objects_become_what_the_database_made_of_their_rows(guarded: Guarded, how: Any) -> None:
    """A page that is shown keeps its value and stays in the session."""
    engine = guarded(by_kind)
    with bind("acme"), Session(engine) as session:
        own, shown = session.get_one(Page, 1), session.get_one(Page, 3)
        options = {"synchronize_session": how}
        session.execute(update(Page).where(pages.c.id > 0).values(body="new"), execution_options=options)
        assert (own.body, shown.body) == ("new", "old")
        session.execute(delete(Page).where(pages.c.id > 2), execution_options=options)
        assert shown in session


def test_objects_of_a_bypass_keep_what_the_database_has(guarded: Guarded) -> None:
    """A tenant's UPDATE does not change them."""
    engine = guarded(by_kind)
    with bind("globex"), Session(engine) as session:
        with bypass(reason="look"):
            other = session.get_one(Page, 1)
        session.execute(update(Page).values(body="new"))
        assert other.body == "old"


# rows of several companies


def test_a_table_is_read_by_its_rule_alone(guarded: Guarded) -> None:
    """Each company sees its members, one of them in both; a set of companies sees the union."""
    engine = guarded(by_kind)
    assert ids(engine, select(users.c.id)) == [1, 3]
    assert ids(engine, select(users.alias("u").c.id), "globex") == [2, 3]
    assert ids(engine, select(users.c.id), "acme", "globex") == [1, 2, 3]
    assert ids(engine, select(users.c.id).select_from(users.outerjoin(tasks)), "nobody") == []


def test_what_a_rule_shows_is_a_valid_parent(guarded: Guarded) -> None:
    """A user who is no member is as good as none."""
    engine = guarded(by_kind)
    with bind("acme"), engine.begin() as connection:
        connection.execute(insert(tasks).values(id=1, user_id=3))
        for missing in (2, 99):
            with pytest.raises(IntegrityError):
                connection.execute(insert(tasks).values(id=missing, user_id=missing))
        with pytest.raises(IntegrityError):
            connection.execute(update(tasks).values(user_id=2))


@pytest.mark.parametrize(
    "statement",
    [
        insert(users).values(id=9, name="x"),
        update(users).values(name="x"),
        delete(users).where(users.c.id == 1),
        update(users).where(users.c.id == 1).values(id=7),
    ],
)
def test_a_shown_row_is_written_in_a_bypass(guarded: Guarded, statement: Any) -> None:
    """Nothing of it is a tenant's to change."""
    engine = guarded(by_kind)
    with bind("acme"), engine.begin() as connection:
        with pytest.raises(CrossTenantError, match="a row rule shows its rows to several tenants"):
            connection.execute(statement)
        with bypass(reason="an administrator"):
            connection.execute(update(users).values(name="y"))


def test_columns_that_were_said_may_be_changed(guarded: Guarded) -> None:
    """In the rows that the rule shows, and no other column with them."""
    engine = guarded(by_kind, changeable={"users": {"name"}})
    with bind("acme"), engine.begin() as connection:
        assert connection.execute(update(users).values(name="new")).rowcount == 2
        assert connection.execute(update(users).where(users.c.id == 2).values(name="new")).rowcount == 0
        with pytest.raises(CrossTenantError, match="update of email on users"):
            connection.execute(update(users).values(name="x", email="x"))
        with pytest.raises(CrossTenantError):
            connection.execute(delete(users))
    with bypass(reason="look"), engine.connect() as connection:
        assert connection.scalars(select(users.c.name).order_by(users.c.id)).all() == ["new", "u2", "new"]


def test_text_does_not_read_a_table_with_a_rule(database: Database, guarded: Guarded) -> None:
    """The rule cannot be put into it."""
    guarded(by_kind)
    tenancy = Tenancy(
        metadata,
        column="company_id",
        through={"pages": "paper_id", "lines": "page_id"},
        shared={"blocks"},
        visible={"papers": by_kind, "users": membership},
    )
    engine = guard(database.create_engine(), tenancy, raw_sql="rewrite")
    with bind("acme"), engine.connect() as connection:
        for name in ("papers", "pages", "users"):
            with pytest.raises(TenantGuardError):
                connection.exec_driver_sql(f"SELECT count(*) FROM {name}")
