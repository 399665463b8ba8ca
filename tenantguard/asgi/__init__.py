"""The request side: the middleware, its responses, and framework integrations."""

from tenantguard.asgi.middleware import TenantMiddleware
from tenantguard.asgi.request_tenant import Place, from_header, from_host, from_path
from tenantguard.asgi.requirements import RequiresMiddleware

__all__ = ["Place", "RequiresMiddleware", "TenantMiddleware", "from_header", "from_host", "from_path"]
