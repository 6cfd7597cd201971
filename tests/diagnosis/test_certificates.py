"""One mapping from reasons to causes, and what names, clocks and issuers tell."""

from __future__ import annotations

import pytest

import pki
from bothways.diagnosis.certificates import BY_FAULT, described, environment, relative
from bothways.faults import Fault
from bothways.trust.certificate.parsed import ParsedCertificate


def test_every_reason_against_a_certificate_has_a_cause() -> None:
    assert set(BY_FAULT) == {fault for fault in Fault if fault.check is not None}


@pytest.mark.parametrize(
    ("issuer", "others", "kin"),
    [
        ("CN=Interop intermediate", ["CN=Interop root"], "CN=Interop root"),
        ("CN=R11,O=Let's Encrypt,C=US", ["CN=ISRG Root X1", "CN=X,O=Let's Encrypt"], "CN=X,O=Let's Encrypt"),
        ("CN=Issuing CA 2,O=Example Inc", ["CN=Root CA,O=Another Inc"], None),
        ("CN=Root CA G2", ["CN=Root CA G3"], None),
        ("", ["CN=Interop root"], None),
    ],
)
def test_names_of_one_ca_share_an_identifying_word(issuer: str, others: list[str], kin: str | None) -> None:
    assert relative(issuer, others) == kin


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("CN=Example Sandbox CA", "test"),
        ("CN=Bank PROD Root", "production"),
        ("api.uat.example.com", "test"),
        ("CN=Contest Root", None),
        ("CN=Product CA", None),
    ],
)
def test_environments_are_recognised_by_whole_words(name: str, found: str | None) -> None:
    assert environment(name) == found


def test_how_many_certificates_were_sent_counts_those_that_repeat_another() -> None:
    chain = [ParsedCertificate(pki.leaf(pki.root("Acme Root"), "a.example").der)]
    assert described(chain) == described(chain, 1) == "one certificate alone, issued by CN=Acme Root"
    assert described(chain, 2) == "2 certificates (1 repeated or unreadable), the last issued by CN=Acme Root"
