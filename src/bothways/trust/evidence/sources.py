"""Where a certificate says that evidence about it lies (RFC 5280 4.2.1.13, 4.2.2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bothways.trust.certificate import Parsed
from bothways.trust.evidence.locations import read_location
from bothways.trust.evidence.policy import Fetch
from bothways.trust.verdict import Want

MOST_LOCATIONS = 8


def response_wants(certificate: Parsed, issuer: Parsed, policy: Fetch) -> list[Want]:
    """Return the want for the OCSP response about a certificate, where it names responders to ask."""
    access = certificate.extension(x509.AuthorityInformationAccess) or ()
    named = [
        each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.OCSP
    ]
    locations = _usable(named, policy) if policy.ocsp else ()
    return [Want("ocsp", certificate, issuer, locations)] if locations else []


def list_wants(certificate: Parsed, issuer: Parsed, policy: Fetch) -> list[Want]:
    """Return a want for the list at each distribution point of a certificate that can be asked."""
    if not policy.crls:
        return []
    points = certificate.extension(x509.CRLDistributionPoints) or ()
    found = dict.fromkeys(_usable(each.full_name or (), policy) for each in points)
    return [Want("crl", certificate, issuer, locations) for locations in found if locations]


def _usable(names: Iterable[x509.GeneralName], policy: Fetch) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_addresses(names, policy)))[:MOST_LOCATIONS]


def _addresses(names: Iterable[x509.GeneralName], policy: Fetch) -> Iterator[str]:
    """Yield the addresses that may be asked; the others, such as those of directories, are for others."""
    for each in names:
        if isinstance(each, x509.UniformResourceIdentifier):
            try:
                read_location(each.value, https=policy.https)
            except ValueError:
                continue
            yield each.value
