"""Access reviews: who can reach, and has reached, which companies and tables, with a decision for each row."""

from tenantguard.review.subjects import SeenBook
from tenantguard.review.tables import ReachedBook

__all__ = ["ReachedBook", "SeenBook"]
