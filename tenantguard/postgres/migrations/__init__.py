"""Row security in Alembic: importing this package registers the operations for migrations."""

from tenantguard.postgres.migrations.operations import DisableTenancyOp, EnableTenancyOp
from tenantguard.postgres.migrations.retrofit import RetrofitTenancyOp

__all__ = ["DisableTenancyOp", "EnableTenancyOp", "RetrofitTenancyOp"]
