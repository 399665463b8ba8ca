"""The database side: a guard installed on an engine, in the compiler that every statement goes through."""

from tenantguard.sql.guard import Guard
from tenantguard.sql.install import guard
from tenantguard.sql.observe import Observing

__all__ = ["Guard", "Observing", "guard"]
