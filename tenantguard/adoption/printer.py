"""The printer: a plan as Python code to paste, with a reason next to each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tenantguard.adoption.plan import Plan, Proposed, tenant_column


def source_of(plan: Plan, imports: str, metadata: str, target: str, notes: Iterable[str] = ()) -> str:
    """Return the source of a module that creates a plan's Tenancy.

    Args:
        plan: the proposal.
        imports: the line that imports the models.
        metadata: the expression of their MetaData.
        target: the argument of ``tenantguard init``.
        notes: further remarks.
    """
    shown, doubtful = plan.having("visible"), plan.having("doubtful")
    names = [name for name, wanted in (("exists", shown), ("false", doubtful)) if wanted]
    lines = [f'"""How every table belongs; proposed by: tenantguard init {target}"""', ""]
    lines += [f"from sqlalchemy import {', '.join(names)}"] if names else []
    lines += [imports, "", "from tenantguard import Tenancy", ""]
    lines += [f"# fix this in the models first: {fault}" for fault in plan.faults]
    lines += [f"# {note}" for note in notes]
    if shown:
        lines += ["", f"tables = {metadata}.tables", *_rules(plan, shown)]
    if doubtful:
        lines += [
            "",
            "",
            "def nobody(table, tenant):",
            '    """Show no row: somebody has to say whose these are."""',
        ]
        lines += ["    return false()", ""]
    lines += ["", "tenancy = Tenancy(", f"    {metadata},", *_arguments(plan), ")"]
    return "\n".join(_spaced(lines)) + "\n"


def _spaced(lines: list[str]) -> Iterator[str]:
    """Yield lines with at most two consecutive empty lines."""
    empty = 0
    for line in lines:
        empty = 0 if line else empty + 1
        if empty <= 2:
            yield line


def _rules(plan: Plan, shown: list[Proposed]) -> Iterator[str]:
    for one in shown:
        members, along = one.members, one.along
        assert members is not None
        their = members.table.fullname
        ours = along.columns[0] if along is not None else members.pairs[0][1]
        yield ""
        yield ""
        yield f"def {_function(one)}(table, tenant):"
        yield f'    """Show the rows that {their} ties to the company."""'
        yield f'    members = tables["{their}"].c'
        yield "    return exists().where("
        yield f'        members["{_key(members.table, members.columns[0])}"] == table.c["{_key(one.table, ours)}"],'
        yield f'        members["{_key(members.table, tenant_column(plan, members.table))}"] == tenant,'
        yield "    )"
    yield ""


def _function(one: Proposed) -> str:
    return "shown_" + "".join(letter if letter.isalnum() else "_" for letter in one.name.lower())


def _arguments(plan: Plan) -> Iterator[str]:
    owned = plan.having("column")
    many = "1 table is" if len(owned) == 1 else f"{len(owned)} tables are"
    yield f'    column="{plan.companies.column}",  # {many} owned by it:'
    for one in owned:
        yield f"    #   {one.name}: {one.why}"
    for argument in ("columns", "through"):
        found = plan.having(argument)
        if found:
            yield f"    {argument}={{"
            yield from (f'        "{one.name}": "{one.column}",  # {_reason(one)}' for one in found)
            yield "    },"
    shared = plan.having("shared")
    if shared:
        yield "    shared={"
        yield from (f'        "{one.name}",  # {_reason(one)}' for one in shared)
        yield "    },"
    nullable = sorted((one for one in plan.tables.values() if one.nullable), key=lambda one: one.name)
    if nullable:
        yield "    nullable={"
        yield from (f'        "{one.name}",  # {_of_null(one)}' for one in nullable)
        yield "    },"
    shown, doubtful = plan.having("visible"), plan.having("doubtful")
    if shown or doubtful:
        yield "    visible={"
        yield from (f'        "{one.name}": {_function(one)},  # {_reason(one)}' for one in shown)
        if doubtful:
            yield f"        # TODO: {len(doubtful)} table(s) that nobody sees until you say whose their rows are"
        yield from (f'        "{one.name}": nobody,  # {_reason(one)}' for one in doubtful)
        yield "    },"


def _reason(one: Proposed) -> str:
    return " ".join(one.why.split()) + (f"; {one.note}" if one.note else "")


def _of_null(one: Proposed) -> str:
    return one.note or f"{one.column} may be NULL; make it NOT NULL where every row has a company"


def _key(table: object, name: str) -> str:
    return str(next(column.key for column in table.columns if column.name == name))  # type: ignore[attr-defined]
