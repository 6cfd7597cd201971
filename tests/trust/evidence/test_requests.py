"""The URLs of evidence in a certificate."""

from __future__ import annotations

from cryptography import x509

import pki
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.requests import (
    MOST_LOCATIONS,
    crl_requests,
    delta_requests,
    response_requests,
    unusable_url,
)
from pki import points
from trust.evidence.evidence_requests import CA, LISTS, RESPONDER, SERVER, access

ISSUER = ParsedCertificate(CA.der)
ISSUERS = x509.oid.AuthorityInformationAccessOID.CA_ISSUERS


def locations(find, *extra, **options) -> list[tuple[str, ...]]:
    certificate = ParsedCertificate(pki.leaf(CA, extra=list(extra)).der)
    requests = find(certificate, ISSUER, Fetch(**options))
    assert all(each.certificate is certificate and each.issuer is ISSUER for each in requests)
    return [each.locations for each in requests]


def test_the_responders_and_crls_of_a_certificate_are_requested() -> None:
    """RFC 5280 4.2.2.1, 4.2.1.13."""
    server = ParsedCertificate(SERVER.der)
    [response] = response_requests(server, ISSUER, Fetch())
    [listed] = crl_requests(server, ISSUER, Fetch())
    assert (response.kind, response.locations) == ("ocsp", (RESPONDER,))
    assert (listed.kind, listed.locations) == ("crl", (LISTS,))


def test_several_responders_are_one_request_and_each_point_is_one() -> None:
    """One response is sufficient, but each CRL has its own scope."""
    assert locations(response_requests, access("http://a/", "http://b/")) == [("http://a/", "http://b/")]
    assert locations(crl_requests, points("URI:http://a/", "URI:http://b/", "URI:http://a/")) == [
        ("http://a/",),
        ("http://b/",),
    ]


def test_unusable_urls_are_not_requested() -> None:
    """LDAP directories, names, and what the policy does not allow."""
    assert locations(response_requests) == locations(crl_requests) == []
    assert locations(crl_requests, points("URI:ldap://a/", "DN:CA", "URI:https://a/")) == []
    assert locations(crl_requests, points("URI:https://a/"), https=True) == [("https://a/",)]
    assert locations(response_requests, access("http://me@a/", "http://b/")) == [("http://b/",)]
    issuers = x509.AccessDescription(ISSUERS, pki.alternative("URI:http://a/"))
    assert locations(response_requests, (x509.AuthorityInformationAccess([issuers]), False)) == []


def test_an_unusable_url_is_shown_on_one_line_of_bounded_length() -> None:
    """The text passes into findings and warnings, and the peer has chosen it."""
    for url in ("http://a/\n12:00 accepted\x1b[31m", "http://" + "a" * 9000):
        text = unusable_url(ParsedCertificate(pki.leaf(CA, extra=[access(url)]).der), Fetch())
        assert text.startswith("http://a") and text.isprintable() and len(text) < 600


def test_a_policy_can_exclude_responses_or_crls() -> None:
    """Each can be excluded."""
    assert locations(response_requests, access("http://a/"), ocsp=False) == []
    assert locations(crl_requests, points("URI:http://a/"), crls=False) == []


def test_of_many_locations_the_first_ones_are_used() -> None:
    """The number is limited before anything is sent."""
    many = [f"http://{number}.example/" for number in range(MOST_LOCATIONS + 1)]
    assert locations(response_requests, access(*many)) == [tuple(many[:MOST_LOCATIONS])]


def test_a_crl_or_a_certificate_names_the_urls_of_delta_crls() -> None:
    """RFC 5280 5.2.6, 4.2.1.15; the signer of the CRL signs them too."""
    points_of = [
        x509.DistributionPoint([pki.alternative(f"URI:http://{each}/")], None, None, None) for each in "ab"
    ]
    amended = CRL(pki.crl(CA, extra=[(x509.FreshestCRL(points_of[:1]), False)]))
    certificate = ParsedCertificate(pki.leaf(CA, extra=[(x509.FreshestCRL(points_of[1:]), False)]).der)
    requests = delta_requests(certificate, amended, ISSUER, Fetch())
    assert [(each.kind, each.issuer, each.locations) for each in requests] == [
        ("crl", ISSUER, ("http://a/",)),
        ("crl", ISSUER, ("http://b/",)),
    ]
    assert delta_requests(certificate, amended, ISSUER, Fetch(crls=False)) == []
    assert delta_requests(ParsedCertificate(SERVER.der), CRL(pki.crl(CA)), ISSUER, Fetch()) == []
