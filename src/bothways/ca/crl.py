"""Revocation lists: what an authority signs about certificates that it took back (RFC 5280 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509

from bothways.ca.authority import Authority
from bothways.ca.keys import signature_hash
from bothways.errors import ConfigError

CRL_LIFETIME = timedelta(days=7)
ROOT_CRL_LIFETIME = timedelta(days=5 * 365)
HOLD = "certificateHold"

# What a person may give as the reason, spelled as in RFC 5280 5.3.1. removeFromCRL is for delta lists alone,
# and aACompromise is about attribute certificates.
REASONS: dict[str, x509.ReasonFlags] = {
    str(flag.value): flag
    for flag in x509.ReasonFlags
    if flag not in (x509.ReasonFlags.remove_from_crl, x509.ReasonFlags.aa_compromise)
}

Revoked = tuple[int, datetime, str]


def check_reason(reason: str) -> str:
    """Return the reason as RFC 5280 spells it, or raise ConfigError with those that there are."""
    known = {name.lower(): name for name in REASONS}
    if reason.lower() not in known:
        raise ConfigError(f"{reason!r} is no reason; it is one of {', '.join(REASONS)}")
    return known[reason.lower()]


def build_crl(
    authority: Authority,
    revoked: Iterable[Revoked],
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Sign a full list.

    revoked: serial, moment and reason of each certificate. number: greater than that of every list before.
    next_update: until when it may be used.
    """
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    # Handed over as one list: adding one by one copies all that came before, every time.
    entries = [_entry(*entry) for entry in revoked]
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(authority.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    return builder.sign(authority.key, signature_hash(authority.key))


def _entry(serial: int, at: datetime, reason: str) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    flag = REASONS[reason]
    if flag is not x509.ReasonFlags.unspecified:  # RFC 5280 5.3.1: say nothing rather than "unspecified"
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()
