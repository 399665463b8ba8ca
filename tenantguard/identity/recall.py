"""The short way for a token seen before, and the verifiers for which it may be taken."""

from __future__ import annotations

from collections.abc import Callable

from tenantguard.context import Principal

Recall = Callable[[bytes | None], Principal | None]  # from an Authorization value


def recall_of(verifier: object) -> Recall | None:
    """Return what a verifier remembers, or ``None`` where it has to be asked each time.

    A subclass or a wrapper that adds a check of its own to ``verify`` is asked: what it has inherited remembers
    tokens without that check.
    """
    if "verify" in getattr(verifier, "__dict__", {}):
        return None
    for kind in type(verifier).__mro__:
        if "verify" in vars(kind) or "recall" in vars(kind):
            both = "verify" in vars(kind) and "recall" in vars(kind)
            recall: Recall | None = verifier.recall if both else None  # type: ignore[attr-defined]  # just seen
            return recall
    return None
