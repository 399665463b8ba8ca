"""The pytest plugin: its fixtures and marker, in sync tests and under pytest-asyncio and anyio, and what it costs."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tenantguard import bind, current
from tenantguard_pytest import watched

pytest_plugins = ["pytester"]

MODES = {
    "asyncio": (
        "-p",
        "no:anyio",
        "-o",
        "asyncio_mode=auto",
        *(f"-oasyncio_default_{what}_loop_scope=module" for what in ("fixture", "test")),
    ),
    "anyio": ("-p", "no:asyncio"),
}
SYNC = ("-p", "no:asyncio", "-p", "no:anyio")
OTHERS = (
    "cacheprovider",
    "xdist",
    "hypothesispytest",
    "locust",
    "faker",
    "platformdirs",
)  # slow to load, and no help
QUIET = (*(f"-pno:{name}" for name in OTHERS), "-Werror")
HEAD = (
    "import pytest\nfrom tenantguard import bind, bypass, current\nfrom tenantguard.context import peek\n"
    "HELD = []\ndef enter(manager): HELD.append(manager); manager.__enter__()\n"  # one that is dropped ends
)
ANYIO = "pytestmark = pytest.mark.anyio\n@pytest.fixture(scope='session')\ndef anyio_backend(): return 'asyncio'\n"


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    """Run a module of tests in this process."""
    pytester.makepyfile(HEAD + code)
    return pytester.runpytest_inprocess(*QUIET, *(options or SYNC))


def run_async(pytester: pytest.Pytester, mode: str, code: str) -> pytest.RunResult:
    """Run a module of asynchronous tests under one of the two plugins."""
    return run(pytester, (ANYIO if mode == "anyio" else "") + code, *MODES[mode])


def told(result: pytest.RunResult) -> str:
    """Return what the run printed."""
    return "\n".join(result.outlines)


def test_as_tenant_binds_for_a_block(pytester: pytest.Pytester) -> None:
    """One id, several, or a principal."""
    result = run(
        pytester,
        """
from tenantguard import Principal

@pytest.mark.parametrize("who", ["acme", Principal(subject="ada", tenant="acme")])
def test_one(as_tenant, who):
    with as_tenant(who):
        assert current().tenant == "acme"
    assert peek() is None

def test_several(as_tenant):
    with as_tenant("acme", "globex"):
        assert current().tenants == ("acme", "globex")
""",
    )
    result.assert_outcomes(passed=3)


def test_the_marker_binds_a_sync_test(pytester: pytest.Pytester) -> None:
    """The closest marker counts, a class's too, several ids are a union, and parameters go with it."""
    result = run(
        pytester,
        """
@pytest.mark.tenant("acme")
@pytest.mark.parametrize("number", [1, 2])
def test_one(number):
    assert current().tenant == "acme"

@pytest.mark.tenant("acme", "globex")
def test_several():
    assert current().tenants == ("acme", "globex")

@pytest.mark.tenant("globex")
class TestGroup:
    def test_of_the_class(self):
        assert current().tenant == "globex"
    @pytest.mark.tenant("acme")
    def test_of_its_own(self):
        assert current().tenant == "acme"

def test_none():
    assert peek() is None
""",
        *SYNC,
        "--strict-markers",
    )
    result.assert_outcomes(passed=6)


def test_a_marker_that_names_nobody_fails_the_test(pytester: pytest.Pytester) -> None:
    """It must not run with nothing bound as if it had said so."""
    result = run(
        pytester,
        "@pytest.mark.tenant\ndef test_one(): pass\n@pytest.mark.tenant(id='acme')\ndef test_two(): pass\n",
    )
    result.assert_outcomes(failed=2)
    assert "names its tenant by position" in told(result)


def test_the_marker_ends_with_a_test_that_fails(pytester: pytest.Pytester) -> None:
    """A failing test is told as such, once, and the next one is not bound."""
    result = run(
        pytester,
        """
@pytest.mark.tenant("acme")
def test_fails():
    assert current().tenant == "globex"

def test_next():
    assert peek() is None
""",
    )
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("mode", MODES)
def test_the_marker_binds_an_asynchronous_test(pytester: pytest.Pytester, mode: str) -> None:
    """The binding is there in the task that runs the test, and in the tasks that it starts, and gone after it."""
    result = run_async(
        pytester,
        mode,
        """
import anyio

@pytest.mark.tenant("acme")
@pytest.mark.parametrize("number", [1, 2])
async def test_one(number):
    await anyio.sleep(0)
    seen = []
    async def look():
        seen.append(current().tenant)
    async with anyio.create_task_group() as group:
        group.start_soon(look)
    assert seen == ["acme"]

async def test_none():
    assert peek() is None

@pytest.mark.tenant("acme")
async def test_fails():
    assert current().tenant == "globex"

@pytest.mark.tenant("globex")
class TestGroup:
    async def test_method(self):
        assert current().tenant == "globex"

async def test_none_again():
    assert peek() is None
""",
    )
    result.assert_outcomes(passed=5, failed=1)


@pytest.mark.parametrize("mode", MODES)
def test_two_asynchronous_tests_keep_their_tenants(pytester: pytest.Pytester, mode: str) -> None:
    """Fixtures of every kind work beside the marker, their order and scopes untouched."""
    result = run_async(
        pytester,
        mode,
        """
seen = []

@pytest.fixture
def plain(): return 1

@pytest.fixture
def generator():
    seen.append("open")
    yield 2
    seen.append("closed")

@pytest.fixture
async def coroutine():
    with bind("globex"):
        assert current().tenant == "globex"
    return 3

@pytest.fixture
async def async_generator():
    yield 4
    seen.append("closed too")

class TestGroup:
    @pytest.fixture
    async def own(self):
        self.kept = 5
        return self

    @pytest.fixture
    def method(self):
        self.more = 6

    @pytest.mark.tenant("acme")
    async def test_all(self, plain, generator, coroutine, async_generator, own, method):
        assert (plain, generator, coroutine, async_generator) == (1, 2, 3, 4)
        assert own is self and (self.kept, self.more) == (5, 6)
        assert current().tenant == "acme"

def test_the_end():
    assert seen == ["open", "closed too", "closed"]
""",
    )
    result.assert_outcomes(passed=2)


LEAKY = {
    "plain": "def {0}():\n    enter(bind('acme'))",
    "generator_before": "def {0}():\n    enter(bind('acme'))\n    yield",
    "generator_after": "def {0}():\n    yield\n    enter(bind('acme'))",
    "lifted": "def {0}():\n    enter(bypass(reason='a test'))",
    "coroutine": "async def {0}():\n    enter(bind('acme'))",
    "async_generator_before": "async def {0}():\n    enter(bind('acme'))\n    yield",
    "async_generator_after": "async def {0}():\n    yield\n    enter(bind('acme'))",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", ["function", "module"])
def test_a_fixture_that_leaves_a_binding_behind_is_an_error(
    pytester: pytest.Pytester, mode: str, scope: str
) -> None:
    """Each kind of fixture is named, in each scope, and no test after it runs under its binding."""
    pytester.makepyfile(
        **{
            f"test_{kind}": f"{HEAD}{ANYIO if mode == 'anyio' else ''}@pytest.fixture(scope={scope!r})\n"
            f"{code.format(kind)}\n\nasync def test_one({kind}): pass\n"
            for kind, code in LEAKY.items()
        },
        test_z=HEAD + "def test_last(): assert peek() is None\nasync def test_too(): assert peek() is None\n",
    )
    result = pytester.runpytest_inprocess(
        *QUIET, *MODES[mode], *(("-k", "not too") if mode == "anyio" else ())
    )
    lost = [kind for kind in LEAKY if f"fixture '{kind}' left <Binding" not in told(result)]
    assert lost == []
    assert result.parseoutcomes()["errors"] == len(LEAKY)
    assert "failed" not in result.parseoutcomes()


@pytest.mark.parametrize("mode", MODES)
def test_a_test_that_leaves_a_binding_behind_is_an_error(pytester: pytest.Pytester, mode: str) -> None:
    """The test is named, in sync code and in async code, and the next one starts with nothing bound."""
    result = run_async(
        pytester,
        mode,
        """
def test_sync():
    enter(bind("acme"))

def test_sync_next():
    assert peek() is None

async def test_async():
    enter(bind("acme"))

async def test_async_next():
    assert peek() is None
""",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 2
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 2
    assert "::test_sync left <Binding 'acme'> behind" in told(result)
    assert "::test_async left <Binding 'acme'> behind" in told(result)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_a_fixture_may_hold_a_binding_while_its_tests_run(pytester: pytest.Pytester, scope: str) -> None:
    """A fixture that yields inside a block is what the message asks for, in each scope."""
    result = run(
        pytester,
        f"""
@pytest.fixture(scope={scope!r})
def acme():
    with bind("acme"):
        yield

def test_one(acme):
    assert current().tenant == "acme"

@pytest.mark.tenant("globex")
def test_marked(acme):
    assert current().tenant == "globex"

def test_other(acme):
    assert current().tenant == "acme"
""",
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("mode", MODES)
def test_an_asynchronous_fixture_may_hold_a_binding(pytester: pytest.Pytester, mode: str) -> None:
    """Both plugins run the test where the fixture's binding is seen, and leave nothing behind."""
    result = run_async(
        pytester,
        mode,
        """
@pytest.fixture
async def acme():
    with bind("acme"):
        yield

async def test_one(acme):
    assert current().tenant == "acme"

async def test_none():
    assert peek() is None
""",
    )
    result.assert_outcomes(passed=2)


def test_a_fixture_that_fails_binds_nobody(pytester: pytest.Pytester) -> None:
    """Its own error is told, and what it had bound is taken out."""
    result = run(
        pytester,
        """
@pytest.fixture
def broken():
    bind("acme").__enter__()
    raise LookupError("its own error")

def test_one(broken): pass

def test_next():
    assert peek() is None
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "LookupError: its own error" in told(result)


def test_a_fixture_that_yields_twice_is_told_as_ever(pytester: pytest.Pytester) -> None:
    """The plugin's watch changes no message of pytest's own."""
    result = run(
        pytester, "@pytest.fixture\ndef twice():\n    yield 1\n    yield 2\n\ndef test_one(twice): pass\n"
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "fixture function has more than one 'yield'" in told(result)


@pytest.mark.parametrize("by", ["the collector", "reference"])
def test_a_fixture_that_is_dropped_late_takes_nothing_from_whoever_runs_then(by: str) -> None:
    """Its end comes in the middle of another test, whose binding it did not leave."""

    def fixture() -> Iterator[int]:
        yield 1

    dropped = [watched(fixture, "fixture")()]
    next(dropped[0])
    with bind("globex"):
        if by == "the collector":
            dropped.append(dropped)  # a cycle
        del dropped
        gc.collect()
        assert current().tenant == "globex"


def test_what_the_collector_runs_closes_what_it_leaves() -> None:
    """It cannot take a binding out at that moment, and does not try for ever."""
    told: list[str] = []

    def leave_one_behind() -> None:
        bind("acme").__enter__()

    class Dropped:
        def __del__(self) -> None:
            try:
                watched(leave_one_behind, "dropped")()
            except BaseException as error:
                told.append(str(error))

    dropped: list[object] = [Dropped()]
    dropped.append(dropped)
    with bind("globex"):
        del dropped
        gc.collect()
        assert current().tenant == "globex"
    assert "left <Binding 'acme'> behind" in told[0]


def test_tokens_are_taken_by_their_verifier(pytester: pytest.Pytester) -> None:
    """``tenant_token`` signs what its verifier takes; an expired one, and one for others, is refused."""
    result = run(
        pytester,
        """
import asyncio
from tenantguard import TokenError

def verify(maker, token):
    return asyncio.run(maker.verifier.verify(token))

def test_good(tenant_token):
    who = verify(tenant_token, tenant_token("acme", subject="bob", permissions=["read"]))
    assert (who.tenant, who.subject) == ("acme", "bob")

def test_headers(tenant_token):
    assert tenant_token.headers("acme")["Authorization"].startswith("Bearer ey")

@pytest.mark.parametrize("options", [
    {"tenant": "acme", "lifetime": -60}, {"tenant": "acme", "aud": "x"}, {"tenant": 42, "lifetime": -60},
])
def test_refused(tenant_token, options):
    with pytest.raises(TokenError):
        verify(tenant_token, tenant_token(**options))
""",
    )
    result.assert_outcomes(passed=5)


def test_bypasses_are_those_of_the_test(pytester: pytest.Pytester) -> None:
    """Each bypass that the test opened is shown with its reason; one before it is not."""
    run(
        pytester,
        """
def test_one():
    with bypass(reason="before"): pass

def test_two(bypasses):
    with bypass(reason="invoicing"): pass
    assert [event.reason for event in bypasses] == ["invoicing"]
""",
    ).assert_outcomes(passed=2)


ENGINES = """
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, select, text
from sqlalchemy.pool import StaticPool
from tenantguard import Tenancy, guard

metadata = MetaData()
key, owner = Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False)
calls = Table("calls", metadata, key, owner)
lands = Table("lands", metadata, Column("id", Integer, primary_key=True))
tenancy = Tenancy(metadata, column="company_id", shared={"lands"})
plain, guarded = (create_engine("sqlite://", poolclass=StaticPool) for _ in range(2))
for engine in (plain, guarded): metadata.create_all(engine)
guard(guarded, tenancy)
acme = pytest.mark.tenant("acme")
def rows(engine, statement=select(calls)):
    with engine.connect() as connection: return connection.execute(statement).all()
"""


@pytest.mark.parametrize(
    "body",
    [
        "@acme\ndef test_it(): rows(plain)",
        "@acme\ndef test_it(): rows(plain, text('SELECT * FROM calls'))",
        "@acme\ndef test_it(): rows(plain, select(select(calls.c.id).scalar_subquery()))",
        "@acme\ndef test_it():\n with plain.begin() as c: c.execute(calls.update().values(company_id='x'))",
        "def test_it(as_tenant):\n with as_tenant('acme'): rows(plain)",
        "@acme\ndef test_it():\n from sqlalchemy.orm import Session\n Session(plain).execute(select(calls)).all()",
    ],
)
def test_a_bound_test_on_an_unguarded_engine_fails(pytester: pytest.Pytester, body: str) -> None:
    """However it reaches a table of the tenancy: the failure names engine, table and what to do."""
    result = run(pytester, ENGINES + body)
    result.assert_outcomes(failed=1)
    assert "the engine 'sqlite://' has no guard, and the test used calls on it" in told(result)


@pytest.mark.parametrize(
    "body",
    [
        "@acme\ndef test_it(): rows(guarded)",
        "def test_it(): rows(plain)",
        "@acme\ndef test_it():\n with bypass(reason='a look from outside'): rows(plain)",
        "@acme\ndef test_it(): rows(plain, select(lands))",
        "@acme\ndef test_it(): rows(plain, text('SELECT 1 AS calls'))",
        "@acme\ndef test_it(): metadata.drop_all(plain)",
    ],
)
def test_other_uses_of_an_unguarded_engine_pass(pytester: pytest.Pytester, body: str) -> None:
    """Through the guard, with nothing bound, in a bypass, on what belongs to nobody, and what only makes tables."""
    run(pytester, ENGINES + body).assert_outcomes(passed=1)


def test_unguarded_engines_are_allowed_where_a_project_says_so(pytester: pytest.Pytester) -> None:
    """A setting, for suites whose controls run without a guard."""
    pytester.makeini("[pytest]\ntenantguard_unguarded = allow\n")
    run(pytester, ENGINES + "@acme\ndef test_it(): rows(plain)").assert_outcomes(passed=1)


@pytest.mark.parametrize("company", ["'acme'", "42", "UUID('6e74172b-be56-4843-9ff4-e66a39bb12e3')"])
def test_tokens_bring_back_the_type_of_the_id(pytester: pytest.Pytester, company: str) -> None:
    """One verifier takes texts, numbers and UUIDs."""
    run(
        pytester,
        f"""
import asyncio
from uuid import UUID
def test_one(tenant_token):
    found = asyncio.run(tenant_token.verifier.verify(tenant_token({company}))).tenant
    assert (type(found), found) == (type({company}), {company})
""",
    ).assert_outcomes(passed=1)


def test_violations_are_those_of_the_test(pytester: pytest.Pytester) -> None:
    """The list holds what was refused during the test, bypasses left out, and starts anew in the next one."""
    result = run(
        pytester,
        """
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, text
from tenantguard import RawSQLError, Tenancy, guard

metadata = MetaData()
Table("calls", metadata, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False))
engine = guard(create_engine("sqlite://"), Tenancy(metadata, column="company_id"))

def refused():
    with bind("acme"), engine.connect() as connection, pytest.raises(RawSQLError):
        connection.execute(text("select 1 from calls"))

def test_two(violations):
    with bypass(reason="a test"):
        pass
    refused()
    refused()
    assert [(found.kind, found.tenant) for found in violations] == [("raw_sql", "acme")] * 2

def test_none(violations):
    assert violations == []
""",
    )
    result.assert_outcomes(passed=2)


def test_a_run_that_uses_nothing_loads_nothing() -> None:
    """pytest starts without SQLAlchemy, Hypothesis, and all that the package stands on."""
    code = "import sys, pytest; old = set(sys.modules); import tenantguard_pytest; print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tenantguard_pytest"]


def test_the_plugin_has_a_name_within_the_package(pytester: pytest.Pytester) -> None:
    """Where plugins are not loaded by themselves, it is named."""
    pytester.makepyfile("def test_one(as_tenant, violations): assert violations == []")
    named = ("-p", "no:tenantguard", "-p", "tenantguard.testing.plugin")
    pytester.runpytest_inprocess(*QUIET, *SYNC, *named).assert_outcomes(passed=1)


def test_a_missing_extra_keeps_nobody_from_testing(pytester: pytest.Pytester) -> None:
    """Fixtures and marker work where what others need is not installed."""
    pytester.makeconftest(
        "import sys\nsys.modules.update(dict.fromkeys(['httpx', 'hypothesis', 'rich', 'typer']))\n"
    )
    pytester.makepyfile(
        HEAD
        + """
@pytest.mark.tenant("acme")
def test_one(as_tenant, tenant_token, violations, assert_isolated):
    assert current().tenant == "acme"
"""
    )
    result = pytester.runpytest_subprocess(*QUIET, *SYNC)
    result.assert_outcomes(passed=1)
