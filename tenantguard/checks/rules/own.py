"""Rules about the check itself: the lock, silences, and parts that could not be checked. TG501, and from TG901."""

from __future__ import annotations

from tenantguard.checks.finding import Rule

OWN = (
    Rule(
        "TG501",
        "lock-differs",
        "error",
        "The code or the database differs from what tenancy.lock approves.",
        "Who sees which rows has changed since it was reviewed, on purpose or by drift.",
        "Review the difference. If it is intended, run tenantguard lock and commit tenancy.lock.",
    ),
    Rule(
        "TG901",
        "silence-incomplete",
        "error",
        "A silence has no reason or no date, or names no rule.",
        (
            "A finding silenced without a reason is forgotten, and one silenced without a date is never "
            "looked at again. The finding is shown until the silence is complete."
        ),
        "Give id, reason and until = YYYY-MM-DD.",
    ),
    Rule(
        "TG902",
        "silence-expired",
        "warning",
        "The date of a silence has passed.",
        "The finding counts again.",
        "Fix the finding, or give the silence a later date and a reason that still holds.",
    ),
    Rule(
        "TG903",
        "silence-stale",
        "warning",
        "A silence no longer applies to anything.",
        "It would hide the next finding of this kind in that place.",
        "Delete it.",
    ),
    Rule(
        "TG904",
        "not-looked-at",
        "warning",
        "Part of the check could not be done.",
        "What was not checked may be right or wrong.",
        "See the detail. Most often, the role of --url is not allowed to read something.",
    ),
    Rule(
        "TG905",
        "baseline-stale",
        "note",
        "The baseline lists findings that are no longer there.",
        "They would be accepted again if they came back.",
        "Run tenantguard check --write-baseline.",
    ),
)
