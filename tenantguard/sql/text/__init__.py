"""SQL as text: fragments inside a statement, functions that reach further, and whole statements rewritten."""

from tenantguard.sql.text.clauses import hint_fault, operator_fault, prefix_fault, suffix_fault
from tenantguard.sql.text.fragments import fragment_fault, needs_parentheses
from tenantguard.sql.text.functions import function_fault
from tenantguard.sql.text.harmless import is_begin, is_health_check
from tenantguard.sql.text.rewrite import PARAMETER, Rewritten, rewrite
from tenantguard.sql.text.targets import orphan
from tenantguard.sql.text.values import Check, ForeignKeyUse, TenantUse

__all__ = [
    "PARAMETER",
    "Check",
    "ForeignKeyUse",
    "Rewritten",
    "TenantUse",
    "fragment_fault",
    "function_fault",
    "hint_fault",
    "is_begin",
    "is_health_check",
    "needs_parentheses",
    "operator_fault",
    "orphan",
    "prefix_fault",
    "rewrite",
    "suffix_fault",
]
