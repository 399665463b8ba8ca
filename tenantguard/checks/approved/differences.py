"""Differences between a lock and the current state, with the consequence of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tenantguard.checks.approved.lock import CODE, DATABASE, Lock
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.tenancy import Kind

FOLLOWS = "a row of "  # begins what is asked of a table that belongs through another


@dataclass(frozen=True)
class Difference:
    """One changed entry.

    Attributes:
        section: its section of the lock.
        name: its name.
        before: the approved content; ``None`` if it is new.
        after: the current content; ``None`` if it is gone.
    """

    section: str
    name: str
    before: str | None
    after: str | None

    @property
    def place(self) -> str:
        """Return the section and the entry's name."""
        return f"{self.section}: {self.name}"

    @property
    def meaning(self) -> str:
        """Return a sentence about who gains or loses what."""
        words = _MEANINGS.get(self.section)
        return words(self) if words is not None else ""


def differences(before: Lock, after: Lock) -> Iterator[Difference]:
    """Yield the entries that differ, in the order of the sections.

    The database's sections are compared only if both locks have them.
    """
    sections = [*CODE, *(DATABASE if before.has_database and after.has_database else ())]
    for section in sections:
        old, new = before.sections.get(section, {}), after.sections.get(section, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield Difference(section, name, old.get(name), new.get(name))


def findings_of(before: Lock, after: Lock) -> Iterator[Finding]:
    """Yield a finding for each difference, as a diff of one entry."""
    for one in telling(differences(before, after)):
        said = f"\n- {one.before or '(nothing)'}\n+ {one.after or '(nothing)'}"
        yield finding_of("TG501", one.place, f"{one.meaning or 'it is not what was approved'}{said}")


def uncompared(before: Lock, after: Lock) -> Iterator[Finding]:
    """Yield a finding if the database's sections were not compared, because only one of the two locks has them.

    A lock of the code alone approves nothing of a database, but a user who passes a URL expects the comparison. If the
    lock has a database and no URL is given, as in CI, a note says so.
    """
    if before.has_database == after.has_database:
        return
    if after.has_database:
        detail = (
            "the lock holds nothing of a database, so tables, policies, roles and grants were not compared"
        )
        yield finding_of(
            "TG904", "tenancy.lock", detail, "Run tenantguard lock with --url, and review what it adds."
        )
    else:
        detail = "the lock approves a database, and none was looked at"
        remedy = "Pass --url to compare it too."
        yield finding_of("TG904", "tenancy.lock", detail, remedy, severity="note")


def telling(every: Iterable[Difference]) -> list[Difference]:
    """Return the differences without changed predicates that follow from a change of the table or a parent."""
    listed = list(every)
    tables = {one.name for one in listed if one.section == "tables"}
    return [one for one in listed if one.section != "statements" or not (one.name in tables or _follows(one))]


def _follows(one: Difference) -> bool:
    return any(said is not None and said.startswith(FOLLOWS) for said in (one.before, one.after))


def kind_of(said: str | None) -> Kind | None:
    """Return how a table belongs, from its entry."""
    kinds: tuple[Kind, ...] = ("owned", "through", "shared", "shown")
    return next((kind for kind in kinds if said is not None and said.startswith(kind)), None)


def _of_table(one: Difference) -> str:
    if one.before is None:
        return f"{one.name} is new, {one.after}: {_SEES[kind_of(one.after) or 'shared']}"
    if one.after is None:
        return f"{one.name} is gone: statements that name it are refused"
    before, after = kind_of(one.before), kind_of(one.after)
    if before == after == "shared":
        writes = "may write" if "writable" in one.after else "may no longer write"
        return f"every tenant {writes} {one.name}"
    if after == "shared":
        return f"tenants gain rows: every tenant reads every row of {one.name}, where each read its own"
    if before == "shared":
        return f"tenants lose rows: {one.name} was read by all, and now {_SEES[after or 'owned']}"
    return f"another rule says whose the rows of {one.name} are"


_SEES = {
    "owned": "each tenant reads and writes its own rows",
    "through": "each tenant reads and writes the rows of its own parents",
    "shared": "every tenant reads every row",
    "shown": "each tenant reads the rows that its rule shows",
}


def _told(new: str, gone: str, changed: str) -> Callable[[Difference], str]:
    """Return a function that describes a difference by one of three sentences with the entry's name."""

    def tell(one: Difference) -> str:
        words = new if one.before is None else gone if one.after is None else changed
        return words.format(one.name)

    return tell


def _of_grant(one: Difference) -> str:
    old, new = set((one.before or "").split(", ")) - {""}, set((one.after or "").split(", ")) - {""}
    gained, lost = ", ".join(sorted(new - old)), ", ".join(sorted(old - new))
    parts = [f"gains {gained}"] * bool(gained) + [f"loses {lost}"] * bool(lost)
    table, _, role = one.name.rpartition(" to ")
    return f"{role} {' and '.join(parts)} on {table}"


_of_primary = _told(
    "the primary key of {} is new", "the primary key of {} is gone", "the primary key of {} has other columns"
)
_of_reference = _told(
    "a key is new: {} is verified to lead to the tenant's own rows",
    "a key is gone: nothing is verified of {} any more",
    "{} leads elsewhere, or another action follows it",
)


def _of_key(one: Difference) -> str:
    table, primary, _ = one.name.partition(" primary key")
    return _of_primary(replace(one, name=table)) if primary else _of_reference(one)


_MEANINGS = {
    "statements": lambda one: f"the rows of {one.name} are found by another rule",
    "tables": _of_table,
    "keys": _of_key,
    "functions": _told(
        "a refusal is taken away: SQL may call {}()",
        "a refusal is added: SQL may no longer call {}()",
        "a refusal is added: SQL may no longer call {}()",
    ),
    "guards": _told("a guard is new in {}", "a guard is gone from {}", "a guard in {} has other settings"),
    "bypasses": _told(
        "the guard is lifted in a new place, {}",
        "a bypass is gone from {}",
        "a bypass in {} has another reason",
    ),
    "schema": _told(
        "the database has a new table, {}",
        "the table {} is gone",
        "{} has other keys, or another tenant column",
    ),
    "definers": _told(
        "a function runs with the rights of its owner: {}",
        "no function {} runs with the rights of its owner any more",
        "the function {}, which runs with the rights of its owner, says something else",
    ),
    "row security": lambda one: f"{one.name} was {one.before or 'not there'} and is {one.after or 'gone'}",
    "policies": _told("a policy is new: {}", "a policy is gone: {}", "the policy {} says something else"),
    "roles": lambda one: f"the role {one.name} has other rights",
    "grants": _of_grant,
}
