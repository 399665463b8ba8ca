"""The review: the differences of two locks as a comment on a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tenantguard.checks.approved.differences import Difference, differences, kind_of
from tenantguard.checks.approved.lock import DATABASE, Lock

_MOST = 50  # entries of a part; GitHub takes 65,536 characters of a comment


def review_comment(before: Lock, after: Lock, base: str) -> str:
    """Return the comment, in Markdown.

    Args:
        before: the lock of the base.
        after: the lock of the branch.
        base: the name of the base.
    """
    every = list(differences(before, after))
    parts = [
        _part("Who gains or loses rows", _rows(every)),
        _part("Statements that change form", _statements(every)),
        _part("Refusals that are added", _refusals(every, added=True)),
        _part("Refusals that are taken away", _refusals(every, added=False)),
        _part("Where the guard is lifted or set up otherwise", _sites(every)),
        _part("The database", _of_sections(every, DATABASE)),
    ]
    told = "\n".join(part for part in parts if part)
    head = f"### Who sees which rows, against `{base}`\n"
    return f"{head}\n{told or 'Nothing changes: the same rows, the same statements, the same refusals.'}\n"


def _part(title: str, lines: Iterable[str]) -> str:
    listed = list(dict.fromkeys(lines))
    if not listed:
        return ""
    shown = "".join(f"- {line}\n" for line in listed[:_MOST])
    more = f"- and {len(listed) - _MOST} more\n" if len(listed) > _MOST else ""
    return f"**{title}**\n\n{shown}{more}"


def _rows(every: Iterable[Difference]) -> Iterator[str]:
    rules = {one.name for one in every if one.section == "statements"}
    for one in every:
        if one.section == "tables":
            yield f"`{one.name}`: {one.meaning}{_was(one)}"
            rules.discard(one.name)
    for one in every:
        if one.section == "statements" and one.name in rules:
            yield f"`{one.name}`: its rows are found by another rule, or its parent's are"


def _was(one: Difference) -> str:
    return f" (was: {one.before}; is: {one.after})" if one.before and one.after else ""


def _statements(every: Iterable[Difference]) -> Iterator[str]:
    for one in every:
        if one.section == "statements" and one.before and one.after:
            yield f"`{one.name}`: from `{one.before}` to `{one.after}`"
        if one.section == "keys":
            yield one.meaning


def _refusals(every: Iterable[Difference], *, added: bool) -> Iterator[str]:
    for one in every:
        judged = _REFUSALS.get(one.section)
        told = judged(one) if judged is not None else None
        if told is not None and told[0] is added:
            yield told[1]


def _refused_table(one: Difference) -> tuple[bool, str] | None:
    """Return whether a refusal is added or removed, and which one, or ``None``."""
    if one.after is None:
        return True, f"every statement that names `{one.name}`"
    if one.before is None:
        return False, f"statements that name `{one.name}`, which was unknown before"
    before, after = _writes(one.before), _writes(one.after)
    if before == after:
        return None
    what = f"writes of `{one.name}` outside of a bypass"
    return (True, what) if before and not after else (False, what)


def _writes(said: str) -> bool:
    """Return whether a tenant may write a table with this placement."""
    kind = kind_of(said)
    return kind in ("owned", "through") or "writable" in said


def _refused_function(one: Difference) -> tuple[bool, str] | None:
    return one.after is None, f"SQL that calls `{one.name}()`"


def _refused_text(one: Difference) -> tuple[bool, str] | None:
    before, after = "refuse" in (one.before or "refuse"), "refuse" in (one.after or "refuse")
    if one.before is None or one.after is None or before == after:
        return None
    return after, f"SQL text, by the guard in `{one.name}`"


def _refused_elsewhere(one: Difference) -> tuple[bool, str] | None:
    if one.before is not None and one.after is not None:
        return None
    return (
        one.before is not None,
        f"everything that the bypass in `{one.name}` does: {one.after or one.before}",
    )


_REFUSALS: dict[str, Callable[[Difference], tuple[bool, str] | None]] = {
    "tables": _refused_table,
    "functions": _refused_function,
    "guards": _refused_text,
    "bypasses": _refused_elsewhere,
}


def _sites(every: Iterable[Difference]) -> Iterator[str]:
    for one in every:
        if one.section in ("guards", "bypasses"):
            yield f"{one.meaning}{_was(one)}"


def _of_sections(every: Iterable[Difference], sections: Iterable[str]) -> Iterator[str]:
    wanted = set(sections)
    for one in every:
        if one.section in wanted:
            yield f"{one.meaning}{_was(one)}"
