"""The house: floors, circles and optional packages, read from the imports themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tenantguard"
FLOORS = (
    {"errors"},
    {"principal", "stepwise"},
    {"placements"},
    {"binding", "tenancy"},
    {"context"},
    {"handover"},
    {"audit"},
    {"authority", "identity", "sql"},
    {"breakglass"},
    {"asgi", "cerbos", "httpx", "postgres", "review"},
    {"checks"},
    {"adoption"},
    {"testing"},
    {"cli"},
    {"__main__"},
)
# the rooms of sql/, from the ground up: a statement is followed from install to the cursor without turning back
ROOMS = (
    {"exactness"},
    {"elements", "functions", "mappers", "part", "plans", "returning"},
    {"row_grants", "refusals", "rules", "ties"},
    {"predicates"},
    {"text"},
    {"telling"},
    {"definitions", "guard", "servers"},
    {"compile", "sessions"},
    {"execute"},
    {"observe", "patches"},
    {"install"},
)
REQUIRED = {"sqlalchemy", "jwt", "cryptography", "contextvars_extras"}
OPTIONAL = {
    "aiomysql", "aiosqlite", "alembic", "anyio", "asyncpg", "celery", "cerbos_sqlalchemy", "dramatiq", "fastapi",
    "greenlet", "httpx", "hypothesis", "jinja2", "litestar", "locust", "opentelemetry", "psycopg", "pydantic",
    "pymysql", "pytest", "redis", "rich", "rq", "sqlglot", "sqlmodel", "starlette", "taskiq", "typer", "uvicorn",
}  # fmt: skip
# the houses that are for a package: all their modules may import it
HOUSES = {
    "alembic": {"postgres", "checks"},
    "httpx": {"httpx", "identity"},
    "typer": {"cli"},
    "rich": {"cli", "testing"},
    "pytest": {"testing"},
    "hypothesis": {"testing"},
}
LATER = {"testing", "cli"}  # what starts a program, or is loaded in every test run, loads the rest when asked


@dataclass(frozen=True)
class Import:
    """Name one imported module, and where and how it is imported."""

    module: str
    line: int
    at_the_top: bool
    for_types_only: bool


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def imports(name: str) -> tuple[Import, ...]:
    """Return what a module imports, each name resolved to the module that it comes from."""
    return tuple(_imports(ast.parse(MODULES[name].read_text()).body, top=True, types=False))


def _imports(body: list[ast.stmt], *, top: bool, types: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, top, types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield Import(inner if inner in MODULES else str(node.module), node.lineno, top, types)
        elif isinstance(node, ast.If | ast.Try):
            guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            handlers = [h for h in getattr(node, "handlers", []) for h in h.body]
            yield from _imports([*node.body, *node.orelse, *handlers], top=top, types=types or guarded)
        else:
            inside = [child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
            yield from _imports(list(inside), top=False, types=types)


def unit(module: str) -> str:
    """Return the name on the floors that a module belongs to; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def floor(module: str) -> int:
    """Return the number of a module's floor, from the ground up; the package itself stands above all."""
    for number, names in enumerate(FLOORS):
        if unit(module) in names:
            return number
    assert unit(module) == "", f"{module} stands on no floor; say in FLOORS where it belongs"
    return len(FLOORS)


def test_every_floor_is_lived_on() -> None:
    """A name on the floors is one of the package."""
    assert {name for names in FLOORS for name in names} == {unit(name) for name in MODULES} - {""}


def test_imports_go_down_the_floors() -> None:
    """A module imports from lower floors, or from its own house, and from nowhere else."""
    wrong = [
        f"{name}, line {found.line}: {found.module}"
        for name in MODULES
        for found in imports(name)
        if found.module.split(".")[0] == "tenantguard"
        and (not unit(found.module) or unit(found.module) != unit(name))
        and floor(found.module) >= floor(name)
    ]
    assert wrong == []


def test_the_rooms_of_sql_are_passed_in_one_direction() -> None:
    """A module of one room imports from its own, or from those below it."""

    def height(module: str) -> int:
        return next(number for number, names in enumerate(ROOMS) if module.split(".")[2] in names)

    wrong = [
        f"{name}, line {found.line}: {found.module}"
        for name in MODULES
        if name.count(".") > 1 and unit(name) == "sql"
        for found in imports(name)
        if found.module.startswith("tenantguard.sql.")
        and found.module.split(".")[2] != name.split(".")[2]
        and height(found.module) >= height(name)
        and not found.for_types_only
    ]
    assert wrong == []


def test_no_module_imports_itself_over_others() -> None:
    """There is no circle between modules."""
    graph = {
        name: {f.module for f in imports(name) if f.module in MODULES and not f.for_types_only} - {name}
        for name in MODULES
    }
    while free := [name for name, needed in graph.items() if not needed & graph.keys()]:
        for name in free:
            del graph[name]
    assert graph == {}


def test_our_own_modules_are_imported_at_the_top() -> None:
    """What a module of ours needs of another stands at the top of its file."""
    inside = [
        f"{name}, line {found.line}: {found.module}"
        for name in MODULES
        if unit(name) not in LATER
        for found in imports(name)
        if found.module in MODULES and not found.at_the_top
    ]
    assert inside == []


def test_an_optional_package_is_imported_in_one_module() -> None:
    """A package that may be missing is imported in the one module, or in the house, that is for it."""
    users: dict[str, set[str]] = {}
    for name in MODULES:
        for found in imports(name):
            package = found.module.split(".")[0]
            if package not in sys.stdlib_module_names | REQUIRED | {"tenantguard"}:
                users.setdefault(package, set()).add(name)
    wrong = {
        package: names
        for package, names in users.items()
        if len(names) > 1 and not {unit(name) for name in names} <= HOUSES.get(package, set())
    }
    assert wrong == {}


def test_the_context_package_is_imported_in_the_context() -> None:
    """The package behind the context variables may leave one day: one module knows it."""
    users = {n for n in MODULES for f in imports(n) if f.module.startswith("contextvars_extras")}
    assert users == {"tenantguard.context.variables"}


def test_identity_and_sql_do_not_know_each_other() -> None:
    """The token's side and the database's side meet in the context."""
    wrong = [
        (name, found.module)
        for name in MODULES
        for found in imports(name)
        if {unit(name), unit(found.module) if "." in found.module else ""} == {"identity", "sql"}
        and found.module.startswith("tenantguard")
    ]
    assert wrong == []


def test_a_module_says_what_lives_in_it() -> None:
    """The first line of each module is a sentence."""
    told = {name: ast.get_docstring(ast.parse(path.read_text())) or "" for name, path in MODULES.items()}
    first = {name: text.partition("\n\n")[0].replace("\n", " ") for name, text in told.items()}
    assert {
        name: line for name, line in first.items() if len(line) <= 20 or not line.endswith((".", ":"))
    } == {}


def test_the_package_needs_nothing_optional() -> None:
    """Importing the public names works where only the required packages are installed."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(OPTIONAL)!r}))\n"  # None refuses an import
        "import tenantguard; print(*tenantguard.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "TenantMiddleware" in done.stdout


def test_the_package_loads_only_what_it_uses() -> None:
    """Whoever guards an engine and binds tenants pays, in time and memory, for neither tokens nor SQL text."""
    program = (
        "import sys; from sqlalchemy import Integer, MetaData, String, Table, Column, create_engine, select\n"
        "from tenantguard import Tenancy, bind, guard\n"
        "m = MetaData(); t = Table('t', m, Column('id', Integer, primary_key=True),"
        " Column('company_id', String(9), nullable=False))\n"
        "e = create_engine('sqlite://'); m.create_all(e); guard(e, Tenancy(m, column='company_id'))\n"
        "with bind('acme'), e.connect() as c: c.execute(select(t)).all()\n"
        "print(*{n.split('.')[0] for n in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"cryptography", "httpx", "jwt"} & set(done.stdout.split())
