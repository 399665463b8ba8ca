"""Network addresses: which URLs are safe to request, and which hosts an external document may name."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")  # a last label that makes a resolver read an address
_INSIDE = (
    ".internal",
    ".local",
)  # no name of the internet ends so; clouds keep their metadata under the first
# The last 32 bits are an address of IPv4: RFC 6052, RFC 2765, and a way of writing that RFC 4291 has given up.
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::ffff:0:0:0/96"))
_COMPATIBLE = ipaddress.ip_network("::/96")
_INTERNET = ipaddress.ip_network("2000::/3")  # all of IPv6 that is assigned to the internet (RFC 4291)
# What is inside, and is said to be so by newer versions of Python alone: RFC 9637, and RFC 6890 in full.
_ALSO_INSIDE = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.0.0.0/24"))


def is_safe(url: str) -> bool:
    """Return whether a URL is https, or http on this machine, and contains no password."""
    host = host_of(url)
    if host is None:
        return False
    scheme = urlsplit(url).scheme
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def may_lead_to(issuer: str, url: str) -> bool:
    """Return whether an issuer's document may name a URL to fetch.

    An address of this machine or its link, where clouds keep their metadata, is allowed only for an issuer on this
    machine, and an internal address only for an internal issuer.
    """
    home, host = host_of(issuer), host_of(url)
    if home is None or host is None:
        return False
    if is_loopback(home) or not is_inside(host):
        return True
    return not is_near(host) and is_inside(home) and not is_near(home)


def is_outside(url: str) -> bool:
    """Return whether a URL names no address of this machine, its link or an internal network."""
    host = host_of(url)
    return host is not None and not is_inside(host)


def host_of(url: str) -> str | None:
    """Return the host of a URL in lower case, without a final dot; ``None`` if it is unusable."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.password is not None:
        return None
    return host.rstrip(".") or None


def _address(host: str) -> Address | None:
    """Return a host as an IP address, unwrapping embedded IPv4, or ``None`` for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        compatible = address in _COMPATIBLE and int(address) > 1  # not :: and ::1 themselves
        if compatible or any(address in network for network in _TRANSLATED):
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return wrapped or address
    return address


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def is_near(host: str) -> bool:
    """Return whether a host is this machine or on its link, or could be resolved as such."""
    address = _address(host)
    if address is None:
        named = host in _NAMES or host.endswith(".localhost")
        return named or not host.isascii() or "%" in host or bool(_NUMBER.fullmatch(host.rpartition(".")[2]))
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def is_inside(host: str) -> bool:
    """Return whether a host is internal, on this machine or on its link."""
    address = _address(host)
    if address is None:
        return is_near(host) or host.endswith(_INSIDE)
    if is_near(host) or not address.is_global or (address.version == 6 and address not in _INTERNET):
        return True
    return any(address in network for network in _ALSO_INSIDE)
