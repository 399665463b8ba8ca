"""Row security in Alembic: operations for migrations, which importing this package registers."""

from tenantguard.postgres.migrations.operations import DisableTenancyOp, EnableTenancyOp
from tenantguard.postgres.migrations.retrofit import RetrofitTenancyOp

__all__ = ["DisableTenancyOp", "EnableTenancyOp", "RetrofitTenancyOp"]
