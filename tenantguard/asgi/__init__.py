"""The request side: the middleware, its answers, and what frameworks need on top."""

from tenantguard.asgi.middleware import TenantMiddleware

__all__ = ["TenantMiddleware"]
