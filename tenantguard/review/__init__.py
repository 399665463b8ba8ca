"""Access reviews: who can reach, and did reach, which companies and tables; decided row by row, once a quarter."""

from tenantguard.review.subjects import SeenBook
from tenantguard.review.tables import ReachedBook

__all__ = ["ReachedBook", "SeenBook"]
