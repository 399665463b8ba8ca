"""From a token to a principal: keys, issuers, and the company that a token speaks for."""

from tenantguard.identity.cache import Cache
from tenantguard.identity.confirmation import tls_certificate
from tenantguard.identity.dpop import DPoP
from tenantguard.identity.http import Http
from tenantguard.identity.introspection import IntrospectionVerifier
from tenantguard.identity.presentation import Presentation
from tenantguard.identity.registry import Registry
from tenantguard.identity.replays import Replays
from tenantguard.identity.store import IssuerStore
from tenantguard.identity.verifier import TokenVerifier, Verifier

__all__ = [
    "Cache",
    "DPoP",
    "Http",
    "IntrospectionVerifier",
    "IssuerStore",
    "Presentation",
    "Registry",
    "Replays",
    "TokenVerifier",
    "Verifier",
    "tls_certificate",
]
