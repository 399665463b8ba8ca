"""From a token to a principal: keys, issuers, and the company that a token speaks for."""

from tenantguard.identity.cache import Cache
from tenantguard.identity.http import Http
from tenantguard.identity.introspection import IntrospectionVerifier
from tenantguard.identity.registry import Registry
from tenantguard.identity.verifier import TokenVerifier, Verifier

__all__ = ["Cache", "Http", "IntrospectionVerifier", "Registry", "TokenVerifier", "Verifier"]
