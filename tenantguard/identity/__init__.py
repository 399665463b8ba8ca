"""From a token to a principal: keys, issuers, and the company that a token names."""

from tenantguard.identity.acting import Acting
from tenantguard.identity.cache import Cache
from tenantguard.identity.confirmation import tls_certificate
from tenantguard.identity.cutoffs import CutOffs, MemoryCutOffs
from tenantguard.identity.dpop import DPoP
from tenantguard.identity.http import Http
from tenantguard.identity.introspection import IntrospectionVerifier
from tenantguard.identity.presentation import Presentation
from tenantguard.identity.redis_cutoffs import RedisCutOffs
from tenantguard.identity.registry import Registry
from tenantguard.identity.replays import Replays
from tenantguard.identity.revocation import Revocation
from tenantguard.identity.signals import Signals, poll
from tenantguard.identity.sql_cutoffs import SQLCutOffs
from tenantguard.identity.store import IssuerStore
from tenantguard.identity.verifier import TokenVerifier, Verifier

__all__ = [
    "Acting",
    "Cache",
    "CutOffs",
    "DPoP",
    "Http",
    "IntrospectionVerifier",
    "IssuerStore",
    "MemoryCutOffs",
    "Presentation",
    "RedisCutOffs",
    "Registry",
    "Replays",
    "Revocation",
    "SQLCutOffs",
    "Signals",
    "TokenVerifier",
    "Verifier",
    "poll",
    "tls_certificate",
]
