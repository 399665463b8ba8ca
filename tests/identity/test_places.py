"""Places: what may be fetched, and which machines a document from outside may name."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard import IssuerUnavailableError
from tenantguard.identity.places import is_outside, may_lead_to
from tests.identity.test_jwks import Issuer
from tests.identity.tokens import jwk, rsa_key

HOME = "https://idp.example"
INSIDE = [
    "http://127.0.0.1/k", "https://127.0.0.1/k", "https://127.8.8.8/k", "https://localhost/k", "https://LOCALHOST/k",
    "https://localhost./k", "https://a.localhost/k", "https://localhost.localdomain/k", "https://ip6-localhost/k",
    "https://[::1]/k", "https://[0:0:0:0:0:0:0:1]/k", "https://[::ffff:127.0.0.1]/k", "https://[::ffff:7f00:1]/k", "https://[::127.0.0.1]/k",
    "https://0.0.0.0/k", "https://[::]/k", "https://169.254.169.254/k", "https://169.254.170.2/k",
    "https://[fe80::1]/k", "https://[fe80::1%25eth0]/k", "https://[::ffff:169.254.169.254]/k",
    "https://[64:ff9b::a9fe:a9fe]/k", "https://[2002:7f00:1::]/k", "https://2130706433/k", "https://0x7f000001/k",
    "https://0x7f.1/k", "https://127.1/k", "https://0177.0.0.1/k", "https://127.0.0.1./k", "https://127.0.0.01/k",
    "https://10.0.0.1/k", "https://192.168.1.1/k", "https://172.16.0.1/k", "https://100.100.100.200/k",
    "https://[fd00:ec2::254]/k", "https://224.0.0.1/k", "https://\uff11\uff12\uff17.0.0.1/k", "https://l\u24decalhost/k",
    "https://[::ffff:0:127.0.0.1]/k", "https://[64:ff9b:1::7f00:1]/k", "https://192.0.0.192/k", "https://%6cocalhost/k",
    "https://127%2E0%2E0%2E1/k", "https://metadata.google.internal/k", "https://printer.local./k",
    "https://[fec0::1]/k", "https://[5f00::1]/k", "https://[3fff::1]/k", "https://[100:0:0:1::1]/k",
    "https://user@keys.example/k", "https://:pw@keys.example/k", "https:///k", "https://[/k", "https://a:b/k", "/k", "",
]  # fmt: skip
OUTSIDE = [
    "https://keys.idp.example/k",
    "https://keys.example:8443/k",
    "https://8.8.8.8/k",
    "https://[2606:4700::1]/k",
    "https://10.example/k",
    "https://localhost.example/k",
    "https://xn--bcher-kva.example/k",
]


@pytest.mark.parametrize("url", INSIDE)
def test_a_document_of_an_issuer_elsewhere_leads_nowhere_inside(url: str) -> None:
    """However the address is written."""
    assert not may_lead_to(HOME, url)
    assert not is_outside(url)


@pytest.mark.parametrize("url", OUTSIDE)
def test_a_document_may_lead_elsewhere(url: str) -> None:
    """Providers keep their keys on other machines."""
    assert may_lead_to(HOME, url)
    assert is_outside(url)


@pytest.mark.parametrize(
    ("issuer", "url", "leads"),
    [
        ("http://localhost:8080", "http://localhost:8080/k", True),
        ("http://127.0.0.1:8080", "http://localhost:9/k", True),
        ("http://localhost", "https://169.254.169.254/k", True),
        ("https://10.0.0.5", "https://10.0.0.5/k", True),
        ("https://10.0.0.5", "https://10.0.0.6/k", True),
        ("https://10.0.0.5", "https://127.0.0.1/k", False),
        ("https://10.0.0.5", "https://169.254.169.254/k", False),
        ("https://169.254.169.254", "https://10.0.0.5/k", False),
        ("https://localhost.evil.example", "https://127.0.0.1/k", False),
        ("https://127.0.0.1.evil.example", "https://127.0.0.1/k", False),
        ("https://8.8.8.8", "https://10.0.0.1/k", False),
        ("https://idp.corp.internal", "https://keys.corp.internal/k", True),
        ("https://idp.corp.internal", "https://127.0.0.1/k", False),
    ],
)
def test_a_local_issuer_may_name_a_local_machine(issuer: str, url: str, leads: bool) -> None:
    """One on this machine any, one inside of the network another one there."""
    assert may_lead_to(issuer, url) is leads


@pytest.mark.parametrize("url", ["https://127.0.0.1/k", "https://169.254.169.254/k", "https://10.0.0.1/k"])
async def test_discovery_does_not_ask_a_machine_inside(url: Any) -> None:
    """Not even whether it is there."""
    issuer = Issuer()
    configuration = f"{HOME}/.well-known/openid-configuration"
    issuer.answer = {
        configuration: {"issuer": HOME, "jwks_uri": url},
        url: {"keys": [jwk(rsa_key("one"), kid="one")]},
    }
    with pytest.raises(IssuerUnavailableError):
        await issuer.keys(url=None, issuer=HOME).find("one")
    assert issuer.fetches == [configuration]
