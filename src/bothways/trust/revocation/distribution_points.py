"""The CRL distribution points of a certificate, and which CRLs apply there (RFC 5280 4.2.1.13, 6.3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography import x509

from bothways.faults import shown
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import ALL_REASONS, CRL, Names, general_names, point_names
from bothways.trust.names.distinguished import normal, normal_relatives
from bothways.trust.work import WorkBudget, WorkStep

_URL = x509.UniformResourceIdentifier.__name__


@dataclass(frozen=True, slots=True)
class Point:
    """One distribution point of a certificate: its names, the issuers of its CRLs, and their reasons."""

    names: Names | None
    issuers: tuple[bytes, ...]
    named_issuers: Names | None
    reasons: frozenset[x509.ReasonFlags]

    @property
    def matched_names(self) -> Names:
        """The names that are compared with those of a CRL's issuingDistributionPoint (RFC 5280 6.3.3 b 2 i)."""
        return (self.names if self.names is not None else self.named_issuers) or frozenset()


def points_of(certificate: ParsedCertificate, work: WorkBudget) -> tuple[Point, ...]:
    """Return a certificate's distribution points; the last is that of its issuer's name (RFC 5280 6.3.3).

    They are read once and kept with it.  Raises OutOfWork where `work` is used up.
    """
    extension = certificate.extension(x509.CRLDistributionPoints) or ()
    for each in extension:
        work.spend(WorkStep.NAME, 1 + len(each.full_name or ()) + len(each.crl_issuer or ()))
    if certificate.points is None:
        certificate.points = tuple(dict.fromkeys(_points(certificate, extension)))
    points: tuple[Point, ...] = certificate.points
    return points


def _points(certificate: ParsedCertificate, extension: Iterable[x509.DistributionPoint]) -> Iterator[Point]:
    for each in extension:
        named = None if each.crl_issuer is None else general_names(each.crl_issuer)
        issuers = _directory_names(each.crl_issuer) or (certificate.issuer,)
        names = point_names(each.full_name, each.relative_name, issuers[0])
        reasons = ALL_REASONS if each.reasons is None else frozenset(each.reasons)
        yield Point(names, tuple(map(normal, issuers)), named, reasons)
    own = frozenset({("DirectoryName", normal_relatives(certificate.issuer))})
    yield Point(own, (certificate.normal_issuer,), None, ALL_REASONS)


def _directory_names(names: list[x509.GeneralName] | None) -> tuple[bytes, ...]:
    return tuple(each.value.public_bytes() for each in names or () if isinstance(each, x509.DirectoryName))


def applies(crl: CRL, point: Point, certificate: ParsedCertificate) -> bool:
    """Whether a CRL applies to a certificate at a distribution point (RFC 5280 6.3.3 b)."""
    scope = crl.scope
    if point.named_issuers is not None and not scope.indirect:
        return False
    if scope.names is not None and scope.names.isdisjoint(point.matched_names):
        return False
    return not scope.attributes_only and (
        scope.ca_certificates if _is_ca(certificate) else scope.user_certificates
    )


def other_scope(crl: CRL, certificate: ParsedCertificate) -> str:
    """Say what a CRL of a certificate's issuer covers, that does not apply at any of its distribution points."""
    scope = crl.scope
    if scope.attributes_only:
        return "covers attribute certificates alone"
    if not (scope.ca_certificates if _is_ca(certificate) else scope.user_certificates):
        return f"covers certificates of {'end entities' if _is_ca(certificate) else 'CAs'} alone"
    urls = sorted(value for kind, value in scope.names or () if kind == _URL and isinstance(value, str))
    where = f" ({shown(urls[0])})" if urls else ""
    return f"covers another distribution point{where}, which this certificate does not name"


def _is_ca(certificate: ParsedCertificate) -> bool:
    basic = certificate.extension(x509.BasicConstraints)
    return basic is not None and basic.ca
