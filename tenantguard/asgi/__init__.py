"""The request side: the middleware, its answers, and what frameworks need on top."""

from tenantguard.asgi.middleware import TenantMiddleware
from tenantguard.asgi.request_tenant import Place, from_header, from_host, from_path

__all__ = ["Place", "TenantMiddleware", "from_header", "from_host", "from_path"]
