"""The short way for a token seen before, and the verifiers for which it may be taken."""

from __future__ import annotations

from collections.abc import Callable

from tenantguard.context import Principal
from tenantguard.identity.presentation import is_whole

Recall = Callable[[bytes | None], Principal | None]  # from an Authorization value


def recall_of(verifier: object) -> Recall | None:
    """Return what a verifier remembers, or ``None`` where it has to be asked each time.

    A subclass or a wrapper that adds a check of its own to ``verify`` is asked: what it has inherited remembers
    tokens without that check.
    """
    return verifier.recall if is_whole(verifier, "recall") else None  # type: ignore[attr-defined]  # just seen
