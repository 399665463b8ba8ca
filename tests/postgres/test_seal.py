"""The seal: what injected SQL of the application's own role can make of a session, and what it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tenantguard import ConfigurationError
from tenantguard.postgres import Seal, add_key, retire_key
from tests.postgres.world import KEY, Secured, process_of

COUNT = text("SELECT min(company_id), count(*) FROM calls")
TAKEN = "INSERT INTO numbers (id, company_id, digits) VALUES (101, 'acme', '')"
REFUSED = r"tenantguard: the (tenant|seal|key)"
# what an attacker who is acme may send, and what stands in the way: an error, nothing, or acme's own rows
ATTACKS = {
    "set the tenant": ("SET tenantguard.tenant = 'globex'", "error"),
    "set it locally": ("SET LOCAL tenantguard.tenant = 'globex'", "error"),
    "set_config": ("SELECT set_config('tenantguard.tenant', 'globex', false)", "error"),
    "set_config by another spelling": ("SELECT pg_catalog.set_config('TenantGuard.Tenant', 'globex', true)", "error"),
    "update pg_settings": ("UPDATE pg_settings SET setting = 'globex' WHERE name = 'tenantguard.tenant'", "own"),
    "give oneself permissions": ("SET LOCAL tenantguard.permissions = 'billing:write'", "error"),
    "reset the tenant": ("RESET tenantguard.tenant", "nothing"),
    "reset everything": ("RESET ALL", "nothing"),
    "discard everything": ("SET tenantguard.tenant = ''; SET tenantguard.seal = ''", "nothing"),
    "reset the seal": ("RESET tenantguard.seal", "error"),
    "a seal without a form": ("SET tenantguard.seal = '1.9999999999.0'", "error"),
    "a seal with a statement in it": ("SET tenantguard.seal = '1.1.0.'';SELECT 1'", "error"),
    "numbers that overflow": (f"SET tenantguard.seal = '9999999999.999999999999.9999999999.{'0' * 64}'", "error"),
    "a seal by a key that is guessed": (f"SET tenantguard.seal = '1.9999999999.0.{'0' * 64}'", "error"),
    "a tenant that takes part of the seal along": ("SET tenantguard.tenant = '0.acme'", "error"),
    "a function in front": ("SET search_path = pg_temp, public; SELECT 1", "own"),
    "call the function": ("SELECT tenantguard.sealed_tenant(), tenantguard.sealed_permissions()", "own"),
    "read the keys": ("SELECT * FROM tenantguard.keys", "denied"),
    "write a key": ("INSERT INTO tenantguard.keys VALUES (9, '', '')", "denied"),
    "read the keys' statistics": ("SELECT * FROM pg_stats WHERE schemaname = 'tenantguard'", "own"),
    "replace the function": (
        "CREATE OR REPLACE FUNCTION tenantguard.sealed_tenant() RETURNS text LANGUAGE sql AS 'SELECT $$x$$'", "denied"
    ),
    "take the maintenance role": ("SET ROLE tgpgs_{worker}_maintenance", "denied"),
    "take another login": ("SET SESSION AUTHORIZATION tgpgs_{worker}_maintenance", "denied"),
    "use the sequence of an identity": ("SELECT nextval('comments_id_seq')", "denied"),
    "read the sequence of an identity": ("SELECT last_value FROM comments_id_seq", "denied"),
    "make a function of one's own": ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "denied"),
    "make a schema, to stand in front": ("CREATE SCHEMA mine", "denied"),
    "learn the names of prepared statements": ("SELECT name FROM pg_prepared_statements", "denied"),
    "read a file of the server": ("SELECT pg_read_file('postgresql.conf')", "denied"),
    "load a library": ("LOAD 'auto_explain'", "denied"),
    "change the table": ("ALTER TABLE calls DISABLE ROW LEVEL SECURITY", "denied"),
    "write past triggers": ("SET session_replication_role = replica", "denied"),
    "keep the tenant for later sessions": ("ALTER ROLE CURRENT_USER SET tenantguard.tenant = 'globex'", "denied"),
    "a block that catches the error": (
        "DO $$ BEGIN PERFORM set_config('tenantguard.tenant', 'globex', true); PERFORM FROM calls; "
        "EXCEPTION WHEN others THEN NULL; END $$", "own",
    ),
    "copy to a program": ("COPY calls TO PROGRAM 'cat'", "denied"),
    "ask a function that reads tables": ("SELECT * FROM ts_stat('SELECT to_tsvector(note) FROM calls')", "own"),
    "look at the statistics": ("SELECT * FROM pg_stats WHERE tablename = 'calls'", "own"),
    "go on in another transaction": ("COMMIT", "nothing"),
    "turn row security off": ("SET row_security = off", "would be affected"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_injected_sql_makes_the_session_nobody_else(sealed: Secured, name: str) -> None:
    """After each of them the session sees acme's rows, none, or an error."""
    statement, outcome = ATTACKS[name]
    statement = statement.format(worker=sealed.name)
    with sealed.told("acme") as connection:
        if outcome == "denied":
            with pytest.raises(ProgrammingError, match=r"permission denied|must be owner|is not allowed"):
                connection.execute(text(statement))
            return
        connection.connection.execute(statement)  # several statements in one
        if outcome in ("error", "would be affected"):
            with pytest.raises(ProgrammingError, match=REFUSED if outcome == "error" else outcome):
                connection.execute(COUNT)
            return
        assert connection.execute(COUNT).one() == (("acme", 3) if outcome == "own" else (None, 0))


@pytest.mark.parametrize("verb", ["SELECT company_id FROM calls", "UPDATE calls SET note = 'x'"])
def test_a_statement_is_for_one_tenant_from_its_beginning_to_its_end(sealed: Secured, verb: str) -> None:
    """One that tells the index another tenant than it tells the seal meets no row of either."""
    changed = "(SELECT CASE WHEN set_config('tenantguard.tenant', 'acme', true) IS NOT NULL THEN 0 END)"
    with sealed.owner.connect() as connection:
        connection.execute(text("CREATE INDEX ON calls (company_id, seconds)"))
        connection.execute(text(f"SET LOCAL ROLE {sealed.roles.application}"))
        for setting in ("enable_seqscan", "enable_bitmapscan"):
            connection.execute(text(f"SET LOCAL {setting} = off"))
        sealed.tell(connection, "acme")
        connection.execute(text("SET LOCAL tenantguard.tenant = 'globex'"))
        _meets_nothing(connection, f"{verb} WHERE seconds > {changed}")


UNSTOPPED = {
    "how many rows were passed over": "EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM calls WHERE note LIKE '%'",
    "how many rows all have": "SELECT pg_relation_size('calls') > 0",
    "that a key is taken": "SELECT id FROM numbers WHERE id = 101",
    "who else is there": "SELECT count(*) > 0 FROM pg_stat_activity",
    "what is shared by a role's sessions": "SELECT lo_create(0), pg_try_advisory_xact_lock(1), pg_notify('a', 'b')",
}


@pytest.mark.parametrize(
    "statement", ["ALTER ROLE CURRENT_USER SET statement_timeout = 1", "ALTER ROLE CURRENT_USER PASSWORD 'x'",
                  "LOCK TABLE calls IN ACCESS EXCLUSIVE MODE", "PREPARE TRANSACTION 'left'",
                  "SELECT pg_terminate_backend(0)"],
)  # fmt: skip
def test_what_makes_others_wait_or_fail(sealed: Secured, statement: str) -> None:
    """PostgreSQL lets a role do it to its own later sessions, and to whoever waits for a lock: no row is read by it."""
    with sealed.told("acme") as connection, sealed.owner.connect() as owner:
        connection.connection.execute(statement)
        connection.rollback()
        if statement.startswith("PREPARE"):
            owner.execution_options(isolation_level="AUTOCOMMIT").execute(text("ROLLBACK PREPARED 'left'"))


@pytest.mark.parametrize("name", UNSTOPPED)
def test_what_no_policy_stops(sealed: Secured, name: str) -> None:
    """PostgreSQL tells it to every role, so that docs/postgres.md says so; it is no row and no value of one."""
    with sealed.told("acme") as connection:
        told = connection.execute(text(UNSTOPPED[name])).all()
        assert bool(told) == (name != "that a key is taken")
        if told:
            assert "globex" not in str(told)
            return
        with pytest.raises(DBAPIError, match="duplicate key") as caught:
            connection.execute(text(TAKEN))
        assert "globex" not in str(caught.value)


def test_the_planner_tells_whether_a_guessed_value_is_frequent(sealed: Secured) -> None:
    """Its estimates are made of every tenant's statistics, so that docs/postgres.md says so."""
    with sealed.owner.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO calls (company_id, number_id, country_code, seconds, note) "
                "SELECT 'globex', 101, 'DE', 1, 'theirs' FROM generate_series(1, 500)"
            )
        )
        connection.execute(text("ANALYZE calls"))
        connection.execute(text(f"SET LOCAL ROLE {sealed.roles.application}"))
        sealed.tell(connection, "acme")
        explained = [
            connection.execute(text(f"EXPLAIN SELECT FROM calls WHERE note = '{guess}'")).scalar()
            for guess in ("theirs", "nobody has it")
        ]
        connection.rollback()
    assert " rows=1 " not in str(explained[0])
    assert " rows=1 " in str(explained[1])


def _meets_nothing(connection: Connection, statement: str) -> None:
    """Expect no row, or the error of a seal that does not fit."""
    try:
        assert connection.execute(text(statement)).rowcount == 0
    except ProgrammingError as error:
        assert "the seal is not of this tenant" in str(error)  # noqa: PT017 - either will do


def test_every_function_that_is_installed_may_be_called(sealed: Secured) -> None:
    """Whatever stands in our schema tells the caller nothing, and makes it nobody else."""
    listed = text(
        r"SELECT p.oid\:\:regprocedure\:\:text FROM pg_proc p WHERE pronamespace = 'tenantguard'\:\:regnamespace"
    )
    with sealed.told("acme") as connection:
        functions = connection.execute(listed).scalars().all()
        assert len(functions) > 5
        for function in functions:
            try:
                with connection.begin_nested():
                    assert connection.execute(text(f"SELECT {function}")).scalar() in ("acme", "")
            except DBAPIError as error:
                assert "can only be called as triggers" in str(error) or "permission denied" in str(error)  # noqa: PT017
            assert connection.execute(COUNT).one() == ("acme", 3)


def test_another_sessions_seal_and_an_old_one_are_refused(sealed: Secured) -> None:
    """A seal holds in the session that it was made for, and for the transactions that begin before it expires."""
    assert sealed.seal is not None
    with sealed.told("acme") as connection:
        process = process_of(connection)
        for value, said in (
            (sealed.seal.sign("globex", process + 1), "not of this tenant and session"),
            (
                sealed.seal.sign("acme", process).replace(f".{process}.", ".0."),
                "not of this tenant and session",
            ),
            (Seal(b"x" * 32).sign("globex", process), "not of this tenant and session"),
            (Seal(KEY, key_id=7).sign("globex", process), "key of the seal is not known"),
        ):
            with connection.begin_nested() as savepoint:
                connection.execute(text("SET LOCAL tenantguard.tenant = 'globex'"))
                connection.execute(
                    text("SELECT set_config('tenantguard.seal', :value, true)"), {"value": value}
                )
                with pytest.raises(ProgrammingError, match=said):
                    connection.execute(COUNT)
                savepoint.rollback()
        assert connection.execute(COUNT).one() == ("acme", 3)


@pytest.mark.parametrize(
    ("signed", "moved"),
    [
        (("acme.globex", ""), ("globex", "", ".acme")),
        (("acme\nglobex", "calls:read"), ("globex", "calls:read\nacme", "")),
    ],
)
def test_a_tenants_id_gives_nothing_to_the_seal(
    sealed: Secured, signed: tuple[str, str], moved: tuple[str, str, str]
) -> None:
    """A part of the id is read neither as one of the seal nor as a permission: what remained would be another's id."""
    assert sealed.seal is not None
    with sealed.told(None) as connection:
        seal = sealed.seal.sign(signed[0], process_of(connection), signed[1])
        told, _, digits = seal.rpartition(".")
        for name, value in zip(
            ("tenant", "permissions", "seal"), (*moved[:2], f"{told}{moved[2]}.{digits}"), strict=True
        ):
            given = {"name": f"tenantguard.{name}", "value": value}
            connection.execute(text("SELECT set_config(:name, :value, true)"), given)
        with pytest.raises(ProgrammingError, match="not of this tenant and session"):
            connection.execute(COUNT)


def test_a_seal_expires_between_transactions(sealed: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed a lifetime ago is refused; a transaction that began in time stays who it is."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 61)
    with sealed.told("acme") as connection, pytest.raises(ProgrammingError, match="the seal has expired"):
        connection.execute(COUNT)


def test_a_pooled_seal_holds_in_every_session(sealed: Secured) -> None:
    """Behind a pooler the process is not known: the lifetime is all that ends the seal."""
    pooled = Seal(KEY, pooled=True, lifetime=5)
    with sealed.told(None) as connection:
        sealed.tell(connection, "acme", pooled)
        assert connection.execute(COUNT).one() == ("acme", 3)
    assert pooled.sign("acme", 1) == pooled.sign("acme", 2)


def test_keys_are_rotated_without_a_failed_request(sealed: Secured) -> None:
    """Both keys sign while the application changes over; the retired one does no longer."""
    new = Seal(b"n" * 80, key_id=2)
    with sealed.owner.begin() as owner:
        add_key(owner, new)
        add_key(owner, new)  # again
        with pytest.raises(ConfigurationError, match="key 2 is another one"):
            add_key(owner, Seal(b"m" * 32, key_id=2))
    for signer in (sealed.seal, new):
        with sealed.told(None) as connection:
            sealed.tell(connection, "acme", signer)
            assert connection.execute(COUNT).one() == ("acme", 3)
    with sealed.owner.begin() as owner:
        retire_key(owner, 2, after=-1)
        with pytest.raises(ConfigurationError, match="key 1 is the only one"):
            retire_key(owner, 1)
        with pytest.raises(ConfigurationError, match="key 2 is retired"):
            add_key(owner, new)
        with pytest.raises(ConfigurationError, match="has no key 3"):
            retire_key(owner, 3)
    with sealed.told(None) as connection:
        sealed.tell(connection, "acme", new)
        with pytest.raises(ProgrammingError, match="key of the seal is not known"):
            connection.execute(COUNT)


def test_a_parallel_plan_stays_sealed(sealed: Secured) -> None:
    """The seal is checked in the leader, whose process it names, and the plan may be a parallel one."""
    with sealed.told("acme") as connection:
        for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0",
                        "enable_indexscan = off", "enable_bitmapscan = off"):  # fmt: skip
            connection.execute(text(f"SET LOCAL {setting}"))
        plan = "\n".join(connection.execute(text("EXPLAIN SELECT count(*) FROM calls")).scalars())
        assert "Parallel Seq Scan" in plan
        assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"key": b"short"}, "at least 32 random bytes"), ({"key": "x" * 32}, "random bytes"),
     ({"key": KEY, "key_id": 0}, "key_id"), ({"key": KEY, "lifetime": 1.5}, "lifetime"),
     ({"key": KEY, "lifetime": True}, "lifetime")],
)  # fmt: skip
def test_a_weak_seal_is_refused(arguments: dict[str, object], said: str) -> None:
    """A key that could be guessed, and a number that the database does not take."""
    with pytest.raises(ConfigurationError, match=said):
        Seal(**arguments)  # type: ignore[arg-type]


def test_the_key_is_not_shown() -> None:
    """A seal in a traceback does not tell its key."""
    assert "tests alone" not in repr(Seal(KEY))


def test_where_there_is_no_key_table(plain: Secured) -> None:
    """Rotation says so, in one sentence."""
    said = r"the key table tenantguard\.keys is not"
    with plain.owner.connect() as connection, pytest.raises(ConfigurationError, match=said):
        add_key(connection, Seal(KEY))


def test_a_role_without_rights_changes_no_key(sealed: Secured) -> None:
    """One sentence says so, and nothing of it holds the key."""
    new = Seal(b"a key that is new here, and secret", key_id=8)
    changes: list[Callable[[Connection], None]] = [lambda c: add_key(c, new), lambda c: retire_key(c, 1)]
    for change in changes:
        with (
            sealed.told("acme") as connection,
            pytest.raises(ConfigurationError, match="permission denied") as caught,
        ):
            change(connection)
        cause = caught.value.__cause__
        assert isinstance(cause, DBAPIError)
        assert (cause.params, "inner_pad" in str(cause.orig)) == (None, False)
