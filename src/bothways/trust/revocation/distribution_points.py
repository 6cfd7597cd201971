"""Where a certificate says that lists about it lie, and which lists speak of it there (RFC 5280 4.2.1.13, 6.3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from bothways.trust.certificate import Parsed
from bothways.trust.crl import ALL_REASONS, CRL, Names, general_names, point_names
from bothways.trust.distinguished import normal, normal_relatives

_MAX_POINTS = 32


@dataclass(frozen=True, slots=True)
class Point:
    """One distribution point of a certificate: its names, who issues the lists there, and their reasons."""

    names: Names | None
    issuers: tuple[bytes, ...]
    named_issuers: Names | None
    reasons: frozenset[x509.ReasonFlags]


def points_of(certificate: Parsed) -> list[Point]:
    """Return a certificate's distribution points; its issuer is always one (RFC 5280 6.3.3)."""
    issuer = certificate.normal_issuer
    points = []
    for each in list(certificate.extension(x509.CRLDistributionPoints) or ())[:_MAX_POINTS]:
        named = None if each.crl_issuer is None else general_names(each.crl_issuer)
        issuers = _directory_names(each.crl_issuer) or (certificate.issuer,)
        names = point_names(each.full_name, each.relative_name, issuers[0])
        reasons = ALL_REASONS if each.reasons is None else frozenset(each.reasons)
        points.append(Point(names, tuple(map(normal, issuers)), named, reasons))
    own = frozenset({("DirectoryName", normal_relatives(certificate.issuer))})
    points.append(Point(own, (issuer,), None, ALL_REASONS))
    return points


def _directory_names(names: list[x509.GeneralName] | None) -> tuple[bytes, ...]:
    return tuple(each.value.public_bytes() for each in names or () if isinstance(each, x509.DirectoryName))


def applies(crl: CRL, point: Point, certificate: Parsed) -> bool:
    """Whether a list speaks of a certificate at a distribution point (RFC 5280 6.3.3 b)."""
    scope = crl.scope
    if point.named_issuers is not None and not scope.indirect:
        return False
    if scope.names is not None:
        names = point.names if point.names is not None else point.named_issuers
        if names is None or scope.names.isdisjoint(names):
            return False
    basic = certificate.extension(x509.BasicConstraints)
    is_ca = basic is not None and basic.ca
    return not scope.attributes_only and (scope.ca_certificates if is_ca else scope.user_certificates)
