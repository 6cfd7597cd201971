"""Certificate revocation lists (CRLs), complete and delta, as a CA signs them (RFC 5280 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509

from bothways.ca.authority import Authority
from bothways.ca.token_signing import sign_crl
from bothways.errors import UsageError

ROOT_CRL_LIFETIME = timedelta(days=5 * 365)
HOLD = "certificateHold"

# The reasons that may be given, spelled as in RFC 5280 5.3.1. removeFromCRL appears in delta CRLs only, and
# aACompromise is about attribute certificates.
REASONS: dict[str, x509.ReasonFlags] = {
    str(flag.value): flag
    for flag in x509.ReasonFlags
    if flag not in (x509.ReasonFlags.remove_from_crl, x509.ReasonFlags.aa_compromise)
}

REMOVED = "removeFromCRL"


class RevokedEntry(NamedTuple):
    """An entry of a CRL (RFC 5280 5.3).

    serial: the certificate's serial number.  at: the time of the revocation; None in a delta CRL for a certificate that
    was released from certificateHold.  reason: as RFC 5280 5.3.1 spells it.
    """

    serial: int
    at: datetime | None
    reason: str


def check_reason(reason: str) -> str:
    """Return the reason as RFC 5280 spells it, or raise UsageError that lists the known reasons."""
    known = {name.lower(): name for name in REASONS}
    if reason.lower() not in known:
        raise UsageError(f"{reason!r} is no revocation reason; those are {', '.join(REASONS)}")
    return known[reason.lower()]


def build_crl(
    authority: Authority,
    revoked: Iterable[RevokedEntry],
    number: int,
    this_update: datetime,
    next_update: datetime,
    *,
    base: int | None = None,
    distribution_point: str = "",
    freshest_crl: str = "",
) -> x509.CertificateRevocationList:
    """Sign a CRL (RFC 5280 5).

    authority: the CA that signs it. revoked: its entries. number: its CRL number, greater than every earlier one.
    this_update, next_update: the time of issue, and by when the next CRL is issued; both with their time zone. base:
    the number of the base CRL, which makes this a delta CRL (5.2.4). distribution_point: the URL in the certificates
    that the CRL covers; empty if it covers all (5.2.5). freshest_crl: the URL of its delta CRL (5.2.6).
    """
    # Passed as one Python list: the builder's method copies all earlier entries for each one that it adds.
    entries = [_entry(each, this_update) for each in revoked]
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(authority.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(authority.key_identifier, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if distribution_point:
        scope = _issuing_distribution_point(distribution_point)
        builder = builder.add_extension(scope, critical=True)
    if freshest_crl:
        delta = x509.DistributionPoint([x509.UniformResourceIdentifier(freshest_crl)], None, None, None)
        builder = builder.add_extension(x509.FreshestCRL([delta]), critical=False)
    return sign_crl(builder, authority.key)


def _issuing_distribution_point(url: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _entry(revoked: RevokedEntry, now: datetime) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revoked.serial)
    builder = builder.revocation_date(revoked.at or now)
    flag = _REASON_CODES[revoked.reason]
    if flag is not x509.ReasonFlags.unspecified:  # RFC 5280 5.3.1: omitted rather than "unspecified"
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


_REASON_CODES = {**REASONS, REMOVED: x509.ReasonFlags.remove_from_crl}
