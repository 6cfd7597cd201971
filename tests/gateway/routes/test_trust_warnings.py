"""Trust anchors that verify nobody, by what a route may use as evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import pki
from bothways.gateway.routes.trust_warnings import trust_warnings
from gateway_talk import ANYBODY, Setting

ROUTE = f'backend = "127.0.0.1:1"\n{ANYBODY}'


@pytest.fixture
def found(setting: Setting) -> Setting:
    """A setting that trusts another CA, of which no CRL is there, and a certificate that is none of a CA."""
    now = datetime.now(UTC)
    other = pki.root("Another", not_before=now - timedelta(days=1), not_after=now + timedelta(days=1))
    client, ca = setting.mutual.identity("client"), setting.mutual.ca
    ca.write_bytes(ca.read_bytes() + other.pem + client.credentials.certificate.public_bytes(Encoding.PEM))
    setting.write(ROUTE)
    return setting


def test_who_verifies_nobody_is_named_with_what_to_do(found: Setting) -> None:
    lines = list(found.load().warnings())
    assert len(lines) == 2
    assert any("no CRL of CN=Another in" in each and "its clients are refused" in each for each in lines)
    assert any("is no certificate of a CA, so that it verifies nobody" in each for each in lines)


def test_where_other_evidence_may_be_used_or_none_is_needed_a_missing_crl_is_no_matter(
    found: Setting,
) -> None:
    routes = found.load()
    [route], held = routes.all, routes.held
    identity, anchors = route.config.identity, route.server.client_anchors
    for other in (
        replace(identity, fetch=True),
        replace(identity, revocation="leaf"),
        replace(identity, revocation="tolerant"),
        replace(identity, ocsp=("a.ocsp",)),
        replace(identity, crl=()),
    ):
        [line] = trust_warnings(other, anchors, held)
        assert "is no certificate of a CA" in line
    assert list(trust_warnings(replace(identity, client_ca=None), anchors, held)) == []
