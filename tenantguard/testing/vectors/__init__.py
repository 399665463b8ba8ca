"""Attack vectors: named escapes that a guarded engine must hold, runnable on any schema through its Tenancy."""

from tenantguard.testing.vectors import escapes, operations
from tenantguard.testing.vectors.judge import Leak
from tenantguard.testing.vectors.lab import Lab
from tenantguard.testing.vectors.run import Result, run_one
from tenantguard.testing.vectors.table import (
    GROUPS,
    NotApplicable,
    Outcome,
    Vector,
    VectorTable,
    legitimate_operations,
    vectors,
)

VECTORS = vectors
LEGITIMATE = legitimate_operations

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
    "escapes",
    "operations",
    "run_one",
]
