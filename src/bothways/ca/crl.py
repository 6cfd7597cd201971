"""Revocation lists: what an authority signs about certificates that it took back (RFC 5280 5)."""

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

# What a person may give as the reason, spelled as in RFC 5280 5.3.1. removeFromCRL is for delta lists alone,
# and aACompromise is about attribute certificates.
REASONS: dict[str, x509.ReasonFlags] = {
    str(flag.value): flag
    for flag in x509.ReasonFlags
    if flag not in (x509.ReasonFlags.remove_from_crl, x509.ReasonFlags.aa_compromise)
}

REMOVED = "removeFromCRL"


class Revoked(NamedTuple):
    """What a list says of a certificate; in a delta `at` is None of one that was held and is good again."""

    serial: int
    at: datetime | None
    reason: str


def check_reason(reason: str) -> str:
    """Return the reason as RFC 5280 spells it, or raise UsageError with those that there are."""
    known = {name.lower(): name for name in REASONS}
    if reason.lower() not in known:
        raise UsageError(f"{reason!r} is no reason; it is one of {', '.join(REASONS)}")
    return known[reason.lower()]


def build_crl(
    authority: Authority,
    revoked: Iterable[Revoked],
    number: int,
    this_update: datetime,
    next_update: datetime,
    *,
    base: int | None = None,
    point: str = "",
    freshest: str = "",
) -> x509.CertificateRevocationList:
    """Sign a list.

    revoked: what it says of each certificate. number: greater than that of every list before. next_update:
    until when it may be used. base: the number of the list that it amends, which makes it a delta (5.2.4).
    point: the address that the certificates name of which alone it speaks (5.2.5). freshest: where its deltas
    are (5.2.6).
    """
    # Handed over as one list: adding one by one copies all that came before, every time.
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
    if point:
        builder = builder.add_extension(_scope(point), critical=True)
    if freshest:
        where = x509.DistributionPoint([x509.UniformResourceIdentifier(freshest)], None, None, None)
        builder = builder.add_extension(x509.FreshestCRL([where]), critical=False)
    return sign_crl(builder, authority.key)


def _scope(point: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(point)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _entry(revoked: Revoked, now: datetime) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revoked.serial)
    builder = builder.revocation_date(revoked.at or now)
    flag = _WRITTEN[revoked.reason]
    if flag is not x509.ReasonFlags.unspecified:  # RFC 5280 5.3.1: say nothing rather than "unspecified"
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


_WRITTEN = {**REASONS, REMOVED: x509.ReasonFlags.remove_from_crl}
