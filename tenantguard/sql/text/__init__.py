"""SQL as text: fragments inside a statement, functions that reach further, and whole statements rewritten."""

from tenantguard.sql.text.clauses import hint_fault, operator_fault, prefix_fault, suffix_fault
from tenantguard.sql.text.fragments import fragment_fault, needs_parentheses
from tenantguard.sql.text.functions import function_fault

__all__ = [
    "fragment_fault",
    "function_fault",
    "hint_fault",
    "needs_parentheses",
    "operator_fault",
    "prefix_fault",
    "suffix_fault",
]
