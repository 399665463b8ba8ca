"""Attack vectors: named escapes that a guarded engine must hold, runnable on any schema through its Tenancy."""

from tenantguard.testing.vectors import (
    binding,
    cached,
    dialects,
    foreign,
    identity,
    joins,
    legitimate,
    pooled,
    reads,
    text,
    writes,
)
from tenantguard.testing.vectors.judge import Leak
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.run import Result, run_all, run_one
from tenantguard.testing.vectors.table import (
    GROUPS,
    NotApplicable,
    Outcome,
    Vector,
    VectorTable,
    attacks,
    operations,
)

VECTORS = attacks
LEGITIMATE = operations
__all__ = [
    "GROUPS",
    "LEGITIMATE",
    "VECTORS",
    "Lab",
    "Leak",
    "NotApplicable",
    "Outcome",
    "Result",
    "Vector",
    "VectorTable",
    "binding",
    "cached",
    "dialects",
    "foreign",
    "identity",
    "joins",
    "legitimate",
    "legitimate",
    "pooled",
    "reads",
    "run_all",
    "run_one",
    "text",
    "writes",
]
