"""The legitimate operations: each module adds its own to their table."""

from tenantguard.testing.vectors.operations import (
    loads,
    objects,
    reads,
    sessions,
    writes,
)

__all__ = [
    "loads",
    "objects",
    "reads",
    "sessions",
    "writes",
]
