"""Rules about peers with names of certificates that they allow, and that they do not."""

from __future__ import annotations

from typing import Any

from cryptography import x509

import pki
from bothways import TrustStore
from bothways.trust import Purpose, Trusted, verify

ROOT = pki.root("Access Root")


def trusted(*alternatives: str, subject: x509.Name | None = None, name: str = "Ada") -> Trusted:
    issued = pki.leaf(ROOT, subject or name, alternatives=alternatives, usage=("clientAuth",))
    verdict = verify(
        [issued.der], TrustStore.from_pem(ROOT.pem), purpose=Purpose.CLIENT, name=None, at=pki.NOW
    )
    assert isinstance(verdict, Trusted)
    return verdict


ALLOWED: list[tuple[dict[str, Any], list[str]]] = [
    ({"dns": "api.example.com"}, ["DNS:api.example.com"]),
    ({"dns": "API.Example.com"}, ["DNS:other.example", "DNS:api.EXAMPLE.com"]),
    ({"dns": ["a.example", "b.example"]}, ["DNS:b.example"]),
    ({"dns": "*.example.com"}, ["DNS:api.example.com"]),
    ({"uri": "urn:shop:7"}, ["URI:urn:other", "URI:urn:shop:7"]),
    ({"uri": "spiffe://example.org"}, ["URI:spiffe://example.org"]),
    ({"uri": "spiffe://example.org/ns/a/sa/b"}, ["URI:spiffe://example.org/ns/a/sa/b"]),
    ({"uri": "spiffe://example.org/ns/*/sa/b"}, ["URI:spiffe://example.org/ns/any-1/sa/b"]),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/a"]),
    ({"uri": "spiffe://example.org/**"}, ["URI:spiffe://example.org/ns/a/..b/...c"]),
    ({"cn": "Ada"}, []),
    ({"cn": "Ada", "dns": "a.example"}, ["DNS:a.example"]),
]
REFUSED: list[tuple[dict[str, Any], list[str], str]] = [
    ({"dns": "api.example.com"}, [], "dns"),
    ({"dns": "api.example.com"}, ["DNS:api.example.com.evil.example"], "dns"),
    ({"dns": "api.example.com"}, ["DNS:*.example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:a.b.example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:*.example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:evilexample.com"], "dns"),
    ({"dns": "api.example.com"}, ["URI:https://api.example.com", "EMAIL:a@api.example.com"], "dns"),
    ({"uri": "spiffe://example.org/a"}, ["URI:spiffe://example.org/A"], "uri"),
    ({"uri": "spiffe://example.org/a"}, ["URI:spiffe://example.org/a/"], "uri"),
    ({"uri": "spiffe://example.org/a"}, ["URI:spiffe://example.org/a", "URI:urn:other"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/sa/b"}, ["URI:spiffe://example.org/ns/a/x/sa/b"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/sa/b"}, ["URI:spiffe://example.org/ns//sa/b"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/b"}, ["URI:spiffe://example.org/ns/../b"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/b"}, ["URI:spiffe://example.org/ns/%2e%2e/b"], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns"], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/a/../../admin"], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/.."], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/a?x"], "uri"),
    ({"uri": "spiffe://example.org/**"}, ["URI:spiffe://example.org.evil.example/a"], "uri"),
    ({"uri": "urn:a"}, ["URI:urn:a:b"], "uri"),
    ({"cn": "ada"}, [], "cn"),
    ({"cn": "Ada", "dns": "a.example"}, ["DNS:b.example"], "dns"),
    ({"cn": "Bob", "dns": "a.example"}, ["DNS:a.example"], "cn"),
]
