"""Every check on one certificate at its position in a path (RFC 5280 6.1.3 to 6.1.5).

Each check adds its reasons, so that a refusal reports everything that is wrong. Positions count from the leaf; the
last certificate is the trust anchor, which is checked like the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import Flaw, ParsedCertificate
from bothways.trust.certificate.signatures import weakness
from bothways.trust.decoding.extension_readers import PoliciesWithoutQualifiers, has_unknown_qualifier
from bothways.trust.path.reasons import first_few
from bothways.trust.verdict import Purpose
from bothways.trust.work import has_long_exponent

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})

_USAGE = {Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}
_USAGE_NAME = {Purpose.SERVER: "serverAuth", Purpose.CLIENT: "clientAuth"}
_ANY_USAGE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_KEY_USAGE = {"digitalSignature": "digital_signature", "keyEncipherment": "key_encipherment"}
_MODERN = (
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
    mldsa.MLDSA44PublicKey,
    mldsa.MLDSA65PublicKey,
    mldsa.MLDSA87PublicKey,
)

_POLICIES = bytes.fromhex("551d20")
_UNKNOWN_QUALIFIER = "2.5.29.32 with a policy qualifier"
_UNUSED_POINTS = "2.5.29.31 (distribution points, while no CRLs are consulted)"
_SIGNATURE_FAULTS = (Fault.WEAK_HASH, Fault.UNSUPPORTED_SIGNATURE)

KNOWN = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
    }
)

# ... and those that are supported where CRLs are checked.
_KNOWN_IN_A_PATH = KNOWN | {ExtensionOID.CRL_DISTRIBUTION_POINTS}


def certificate_reasons(
    path: Sequence[ParsedCertificate],
    purpose: Purpose | None,
    at: datetime,
    key_usage: str | None,
    listed: int = 0,
) -> list[Reason]:
    """Return the reasons against each certificate of a path, from the leaf to the trust anchor.

    purpose, key_usage: None where the use of the leaf's key is not checked.  listed: the number of certificates, from
    the leaf, for which CRLs are checked; their distribution points, and those of a trust anchor, may be critical.
    """
    reasons: list[Reason] = []
    below = 0
    last = len(path) - 1
    for position, certificate in enumerate(path):
        _check_validity(reasons, position, certificate, at)
        for fault, facts in flaws(certificate):
            if position < last or fault not in _SIGNATURE_FAULTS:
                reasons.append(Reason(fault, position, certificate.subject_text, facts))
        if position >= listed and not (position == last and listed):
            _check_distribution_points(reasons, position, certificate)
        if purpose is not None:
            _check_extended_usage(reasons, position, certificate, purpose)
        if position:
            _check_issuer(reasons, position, certificate, below, trusted=position == last)
            if not certificate.is_self_issued:
                below += 1
    if key_usage is not None:
        _check_leaf_usage(reasons, path[0], key_usage)
    return reasons


def is_signed_weakly(certificate: ParsedCertificate) -> bool:
    """Whether a certificate is signed with an algorithm that is not acceptable."""
    found = flaws(certificate)
    return bool(found) and any(fault in _SIGNATURE_FAULTS for fault, _ in found)


def has_weak_key(certificate: ParsedCertificate) -> bool:
    """Whether the certificate's key is too weak for any signature to be acceptable."""
    found = flaws(certificate)
    return bool(found) and any(fault is Fault.WEAK_KEY for fault, _ in found)


def flaws(certificate: ParsedCertificate) -> tuple[Flaw, ...]:
    """Return the reasons against a certificate at any time and position; computed once and kept with it."""
    if certificate.flaws is None:
        weak = key_weakness(certificate.key)
        found: list[Flaw] = [] if weak is None else [(Fault.WEAK_KEY, {"got": weak})]
        unknown = (
            (Fault.UNKNOWN_CRITICAL_EXTENSION, oid.dotted_string)
            for oid, extension in certificate.extensions.items()
            if extension.critical and oid not in _KNOWN_IN_A_PATH
        )
        found += [(fault, {"oid": text}) for fault, text in first_few(unknown)]
        if _has_unknown_qualifier(certificate):
            found.append((Fault.UNKNOWN_CRITICAL_EXTENSION, {"oid": _UNKNOWN_QUALIFIER}))
        bad_signature = weakness(certificate)
        if bad_signature is not None:
            found.append((bad_signature[0], {"got": bad_signature[1]}))
        certificate.flaws = tuple(found)
    return certificate.flaws


def _has_unknown_qualifier(certificate: ParsedCertificate) -> bool:
    """Whether critical certificatePolicies have an unknown qualifier (RFC 5280 4.2.1.4)."""
    policies = certificate.extensions.get(ExtensionOID.CERTIFICATE_POLICIES)
    if policies is None or not policies.critical:
        return False
    try:
        unknown = has_unknown_qualifier(certificate.raw_extensions[_POLICIES][1])
    except ValueError:
        return True
    return unknown or isinstance(policies.value, PoliciesWithoutQualifiers)


def _check_distribution_points(reasons: list[Reason], position: int, certificate: ParsedCertificate) -> None:
    """Refuse critical distribution points where CRLs are not checked (RFC 5280 4.2)."""
    points = certificate.extensions.get(ExtensionOID.CRL_DISTRIBUTION_POINTS)
    if points is not None and points.critical:
        facts = {"oid": _UNUSED_POINTS}
        reasons.append(Reason(Fault.UNKNOWN_CRITICAL_EXTENSION, position, certificate.subject_text, facts))


def _check_validity(
    reasons: list[Reason], position: int, certificate: ParsedCertificate, at: datetime
) -> None:
    """Check the validity period, both ends included, without tolerance (RFC 5280 4.1.2.5)."""
    not_before, not_after = certificate.period
    if at > not_after:
        reasons.append(
            Reason(
                Fault.CERTIFICATE_EXPIRED,
                position,
                certificate.subject_text,
                {"not_after": not_after, "now": at},
            )
        )
    elif at < not_before:
        facts = {"not_before": not_before, "now": at}
        reasons.append(Reason(Fault.CERTIFICATE_NOT_YET_VALID, position, certificate.subject_text, facts))


def key_weakness(key: PublicKeyTypes) -> str | None:
    """Return why a key is too weak, or so large that it only takes time (RFC 9325 4.5); None if it is acceptable."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in CURVES else f"elliptic curve {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_weakness(key)
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA of {key.key_size} bits"
    return None if isinstance(key, _MODERN) else f"a {type(key).__name__}"


def _rsa_weakness(key: rsa.RSAPublicKey) -> str | None:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return f"RSA of {key.key_size} bits"
    if key.public_numbers().n % 2 == 0:
        return f"RSA of {key.key_size} bits with an even modulus"
    if has_long_exponent(key):
        return f"RSA of {key.key_size} bits with an exponent of {key.public_numbers().e.bit_length()}"
    return None


def _check_extended_usage(
    reasons: list[Reason], position: int, certificate: ParsedCertificate, purpose: Purpose
) -> None:
    """Refuse a purpose that the extended key usage of a leaf or a CA does not allow; without it all are allowed."""
    usages = certificate.extension(x509.ExtendedKeyUsage)
    if usages is None or _USAGE[purpose] in usages or _ANY_USAGE in usages:
        return
    got = [usage._name if usage._name != "Unknown OID" else usage.dotted_string for usage in usages]
    facts = {"wanted": _USAGE_NAME[purpose], "got": got}
    reasons.append(Reason(Fault.WRONG_EXTENDED_KEY_USAGE, position, certificate.subject_text, facts))


def _check_issuer(
    reasons: list[Reason], position: int, certificate: ParsedCertificate, below: int, trusted: bool
) -> None:
    """Refuse an issuer that is not a CA, lacks keyCertSign, or exceeds its path length (RFC 5280 6.1.4 k to n).

    below: the number of CAs below it that are not self-issued. A trust anchor of version 1, which cannot have
    basicConstraints, counts as a CA.
    """
    issuer = certificate.subject_text
    basic = certificate.extension(x509.BasicConstraints)
    if basic is None:
        if not (trusted and certificate.version < 3):
            reasons.append(Reason(Fault.NOT_A_CA, position, issuer, {"issuer": issuer}))
    elif not basic.ca:
        reasons.append(Reason(Fault.NOT_A_CA, position, issuer, {"issuer": issuer}))
    elif basic.path_length is not None and below > basic.path_length:
        reasons.append(
            Reason(
                Fault.PATH_LENGTH_EXCEEDED, position, issuer, {"issuer": issuer, "limit": basic.path_length}
            )
        )
    usage = certificate.extension(x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        reasons.append(Reason(Fault.KEY_MAY_NOT_SIGN_CERTIFICATES, position, issuer, {"issuer": issuer}))


def _check_leaf_usage(reasons: list[Reason], leaf: ParsedCertificate, wanted: str) -> None:
    """Refuse a leaf whose key usage, if present, lacks the use of its key (RFC 5280 4.2.1.3)."""
    usage = leaf.extension(x509.KeyUsage)
    if usage is not None and not getattr(usage, _KEY_USAGE[wanted]):
        reasons.append(Reason(Fault.WRONG_KEY_USAGE, 0, leaf.subject_text, {"wanted": wanted}))
