"""Access reviews: who can reach, and did reach, which companies and tables; decided row by row, once a quarter."""

from tenantguard.review.reached import ReachedBook
from tenantguard.review.seen import SeenBook

__all__ = ["ReachedBook", "SeenBook"]
