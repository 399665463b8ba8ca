"""SQL as text: fragments inside a statement, and whole statements, read and composed anew."""

from tenantguard.sql.text.clauses import hint, operator_fault, prefix, suffix
from tenantguard.sql.text.fragments import Fragment, read_fragment, type_fault
from tenantguard.sql.text.parameters import PARAMETER, driver_style
from tenantguard.sql.text.resolution.ownership import orphan, shared_write
from tenantguard.sql.text.rewrite import Rewritten, rewrite
from tenantguard.sql.text.settings import is_begin, is_harmless_setting, is_health_check, local_setting
from tenantguard.sql.text.texts import LONGEST_KEPT, Texts
from tenantguard.sql.text.values import Bound, Check, ForeignKeyUse, SettingUse, TenantUse
from tenantguard.sql.text.write_targets import Written, may_write

__all__ = [
    "LONGEST_KEPT",
    "PARAMETER",
    "Bound",
    "Check",
    "ForeignKeyUse",
    "Fragment",
    "Rewritten",
    "SettingUse",
    "TenantUse",
    "Texts",
    "Written",
    "driver_style",
    "hint",
    "is_begin",
    "is_harmless_setting",
    "is_health_check",
    "local_setting",
    "may_write",
    "operator_fault",
    "orphan",
    "prefix",
    "read_fragment",
    "rewrite",
    "shared_write",
    "suffix",
    "type_fault",
]
