"""From a token to a principal: keys, issuers, and the company that a token speaks for."""

from tenantguard.identity.cache import Cache
from tenantguard.identity.verifier import TokenVerifier, Verifier

__all__ = ["Cache", "TokenVerifier", "Verifier"]
