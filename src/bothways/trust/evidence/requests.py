"""Which evidence a certificate says can be requested about it (RFC 5280 4.2.1.13, 4.2.1.15, 4.2.2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bothways.faults import shown
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.locations import read_location
from bothways.trust.verdict import EvidenceRequest

MOST_LOCATIONS = 8


def response_requests(
    certificate: ParsedCertificate, issuer: ParsedCertificate, policy: Fetch
) -> list[EvidenceRequest]:
    """Return the request for the OCSP response about a certificate; none where it names no usable responder."""
    access = certificate.extension(x509.AuthorityInformationAccess) or ()
    named = [
        each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.OCSP
    ]
    locations = _usable(named, policy) if policy.ocsp else ()
    return [EvidenceRequest("ocsp", certificate, issuer, locations)] if locations else []


def crl_requests(
    certificate: ParsedCertificate, issuer: ParsedCertificate, policy: Fetch
) -> list[EvidenceRequest]:
    """Return a request for the CRL of each distribution point of a certificate that has a usable URL."""
    points = certificate.extension(x509.CRLDistributionPoints) or ()
    return [EvidenceRequest("crl", certificate, issuer, each) for each in _requestable(points, policy)]


def unusable_url(certificate: ParsedCertificate, policy: Fetch) -> str:
    """Return the first URL for evidence that a certificate names, and why it cannot be used; "" where it names none."""
    access = certificate.extension(x509.AuthorityInformationAccess) or ()
    points = certificate.extension(x509.CRLDistributionPoints) or ()
    named = [
        each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.OCSP
    ]
    named += [each for point in points for each in point.full_name or ()]
    for each in named:
        if isinstance(each, x509.UniformResourceIdentifier):
            try:
                read_location(each.value, https=policy.https)
            except ValueError as error:
                return f"{shown(each.value)}: {shown(error)}"
    return ""


def delta_requests(
    certificate: ParsedCertificate, crl: CRL, signer: ParsedCertificate, policy: Fetch
) -> list[EvidenceRequest]:
    """Return the requests for delta CRLs, at the URLs in a CRL and in the certificate (freshestCRL, RFC 5280 5.2.6)."""
    points = (*crl.freshest, *(certificate.extension(x509.FreshestCRL) or ()))
    return [EvidenceRequest("crl", certificate, signer, each) for each in _requestable(points, policy)]


def _requestable(points: Iterable[x509.DistributionPoint], policy: Fetch) -> list[tuple[str, ...]]:
    found = dict.fromkeys(_usable(each.full_name or (), policy) for each in points) if policy.crls else ()
    return [locations for locations in found if locations]


def _usable(names: Iterable[x509.GeneralName], policy: Fetch) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_urls(names, policy)))[:MOST_LOCATIONS]


def _urls(names: Iterable[x509.GeneralName], policy: Fetch) -> Iterator[str]:
    """Yield the URLs that can be used; others, such as those of LDAP directories, are skipped."""
    for each in names:
        if isinstance(each, x509.UniformResourceIdentifier):
            try:
                read_location(each.value, https=policy.https)
            except ValueError:
                continue
            yield each.value
