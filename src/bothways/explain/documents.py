"""Certificates, keys, requests, CRLs, OCSP responses and PKCS#12 in words: bytes in, facts out.

Judges nothing: what a certificate may be trusted for is the business of `trust`. Private keys are named by
kind and by the digest of their public half, never shown.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bothways.explain.escape import visible

REVOKED_SHOWN = 20
PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)

PKCS12_VERSION = b"\x02\x01\x03"  # a PKCS#12 file begins with a sequence that begins with version 3

Facts = list[tuple[str, str]]


class Unreadable(ValueError):
    """The bytes are none of the documents known here, or a passphrase is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    """One thing in words. `key_id` is the SHA-256 digest of its public key: equal ids belong together."""

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    key_id: str | None = None


def documents(data: bytes, now: datetime, password: bytes | None = None) -> list[Document]:
    """Return everything that is in `data`, PEM or DER, in its order; raise `Unreadable` for nothing."""
    blocks = [(label.decode(), _base64(body)) for label, body in PEM_BLOCK.findall(data)]
    if blocks:
        whole = {label: data for label, _ in blocks}
        return [each for label, der in blocks for each in _from_pem(label, der, whole[label], now, password)]
    if b"-----BEGIN" in data:
        raise Unreadable("a PEM block begins but does not end")
    return _from_der(data, now, password)


def certificate_document(certificate: x509.Certificate, now: datetime) -> Document:
    """Return a certificate in words."""
    facts: Facts = [
        ("subject", _name(certificate.subject)),
        (
            "issuer",
            _name(certificate.issuer) + (" (itself)" if certificate.issuer == certificate.subject else ""),
        ),
        ("serial", _hex(certificate.serial_number)),
        ("valid", _period(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now)),
        ("public key", key_words(certificate.public_key())),
        ("signed with", _signature_words(certificate)),
    ]
    facts += _extension_facts(certificate)
    facts.append(("SHA-256", certificate.fingerprint(hashes.SHA256()).hex(":")))
    return Document(
        "certificate", _title(certificate.subject), tuple(facts), key_id(certificate.public_key())
    )


def key_words(key: object) -> str:
    """Name a public or private key by kind and size."""
    match key:
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return f"RSA, {key.key_size} bits"
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return f"ECDSA on {key.curve.name}"
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return "Ed25519"
        case ed448.Ed448PublicKey() | ed448.Ed448PrivateKey():
            return "Ed448"
        case dsa.DSAPublicKey() | dsa.DSAPrivateKey():
            return f"DSA, {key.key_size} bits"
    return (
        re.sub(r"(Public|Private)Key$", "", type(key).__name__)
        .replace("MLDSA", "ML-DSA-")
        .replace("MLKEM", "ML-KEM-")
    )


def key_id(key: object) -> str:
    """Return the SHA-256 digest of a public key's SubjectPublicKeyInfo, in hex."""
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(encoded)
    return digest.finalize().hex()


# -- which kind ------------------------------------------------------------------------------------------


def _from_pem(label: str, der: bytes, pem: bytes, now: datetime, password: bytes | None) -> list[Document]:
    match label:
        case "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE":
            return [_guarded("certificate", lambda: _certificate(der, now))]
        case "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST":
            return [_guarded("request", lambda: _request(x509.load_der_x509_csr(der)))]
        case "X509 CRL":
            return [_guarded("CRL", lambda: _crl(x509.load_der_x509_crl(der), now))]
        case "PUBLIC KEY":
            return [_guarded("public key", lambda: _public_key(serialization.load_der_public_key(der)))]
        case "PKCS12":
            return _pkcs12(der, now, password)
        case "EC PARAMETERS":
            return []
    if label.endswith("PRIVATE KEY"):
        return [_private_key(_only(label, pem, der), password, serialization.load_pem_private_key)]
    return [Document(label.lower(), f"{len(der)} bytes that are not explained here", ())]


def _from_der(data: bytes, now: datetime, password: bytes | None) -> list[Document]:
    readers: tuple[Callable[[], Document], ...] = (
        lambda: _certificate(data, now),
        lambda: _crl(x509.load_der_x509_crl(data), now),
        lambda: _request(x509.load_der_x509_csr(data)),
        lambda: _ocsp(ocsp.load_der_ocsp_response(data), now),
        lambda: _public_key(serialization.load_der_public_key(data)),
    )
    for reader in readers:
        try:
            return [reader()]
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    if data[:1] != b"\x30":
        raise Unreadable(
            "neither PEM nor DER: expected a certificate, key, request, CRL, OCSP response or PKCS#12"
        )
    if 0 < data[:16].find(PKCS12_VERSION) <= 6:
        return _pkcs12(data, now, password)
    return [_private_key(data, password, serialization.load_der_private_key)]


def _guarded(kind: str, read: Callable[[], Document]) -> Document:
    """Read one document of several: one that cannot be parsed must not hide the others."""
    try:
        return read()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return Document(kind, "cannot be parsed", (("problem", visible(str(error))),))


def _only(label: str, pem: bytes, der: bytes) -> bytes:
    """Return the one PEM block whose body is `der`: an encrypted key of the old kind has headers within."""
    for match in PEM_BLOCK.finditer(pem):
        if match.group(1).decode() == label and _base64(match.group(2)) == der:
            return match.group(0) + b"\n"
    return pem


def _base64(body: bytes) -> bytes:
    lines = [line for line in body.split(b"\n") if b":" not in line]
    try:
        return base64.b64decode(b"".join(lines))
    except binascii.Error:
        return b""


# -- each kind -------------------------------------------------------------------------------------------


def _certificate(der: bytes, now: datetime) -> Document:
    return certificate_document(x509.load_der_x509_certificate(der), now)


def _private_key(data: bytes, password: bytes | None, load: Callable[..., object]) -> Document:
    try:
        key = load(data, password)
    except TypeError:
        if password is None:
            raise Unreadable("the private key is encrypted: a passphrase is needed") from None
        key = load(data, None)
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = (
            "the passphrase is wrong, or the private key is damaged"
            if password
            else "cannot be parsed as a key"
        )
        raise Unreadable(f"{wrong} ({visible(str(error), 80)})") from None
    identity = key_id(key.public_key())  # type: ignore[attr-defined]
    facts = (("kind", key_words(key)), ("public half, SHA-256", identity))
    return Document("private key", key_words(key), facts, identity)


def _public_key(key: object) -> Document:
    identity = key_id(key)
    return Document("public key", key_words(key), (("kind", key_words(key)), ("SHA-256", identity)), identity)


def _request(request: x509.CertificateSigningRequest) -> Document:
    proof = (
        "valid: whoever asks holds the key"
        if request.is_signature_valid
        else "WRONG: whoever asks does not hold the key"
    )
    facts: Facts = [
        ("subject", _name(request.subject)),
        ("public key", key_words(request.public_key())),
        ("signature", proof),
        *_extension_facts(request),
    ]
    return Document(
        "certificate request", _title(request.subject), tuple(facts), key_id(request.public_key())
    )


def _crl(crl: x509.CertificateRevocationList, now: datetime) -> Document:
    facts: Facts = [
        ("issuer", _name(crl.issuer)),
        ("issued", f"{crl.last_update_utc:%Y-%m-%d %H:%M} UTC"),
        ("next", _until(crl.next_update_utc, now) if crl.next_update_utc else "not said"),
        ("revoked", f"{len(crl)} certificates"),
    ]
    for entry in list(crl)[:REVOKED_SHOWN] if len(crl) else []:
        facts.append(
            ("", f"{_hex(entry.serial_number)} on {entry.revocation_date_utc:%Y-%m-%d}{_reason(entry)}")
        )
    if len(crl) > REVOKED_SHOWN:
        facts.append(("", f"and {len(crl) - REVOKED_SHOWN} more"))
    return Document("CRL", _title(crl.issuer), tuple(facts))


def _ocsp(response: ocsp.OCSPResponse, now: datetime) -> Document:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return Document("OCSP response", response.response_status.name.lower(), ())
    facts: Facts = [("produced", f"{response.produced_at_utc:%Y-%m-%d %H:%M} UTC")]
    for single in response.responses:
        facts += [
            ("serial", _hex(single.serial_number)),
            ("status", single.certificate_status.name.lower()),
            ("valid", f"from {single.this_update_utc:%Y-%m-%d %H:%M} UTC"),
        ]
        if single.next_update_utc is not None:
            facts.append(("next", _until(single.next_update_utc, now)))
    return Document("OCSP response", f"{len(list(response.responses))} answers", tuple(facts))


def _pkcs12(data: bytes, now: datetime, password: bytes | None) -> list[Document]:
    try:
        box = pkcs12.load_pkcs12(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            missing = "a passphrase is needed" if password is None else "the passphrase is wrong"
            raise Unreadable(f"this is PKCS#12, and {missing}") from None
        raise Unreadable("DER, but no certificate, key, request, CRL, OCSP response or PKCS#12") from None
    found: list[Document] = []
    if box.key is not None:
        identity = key_id(box.key.public_key())
        found.append(
            Document("private key", key_words(box.key), (("public half, SHA-256", identity),), identity)
        )
    certificates = [each.certificate for each in (box.cert, *box.additional_certs) if each is not None]
    return found + [certificate_document(each, now) for each in certificates]


# -- the parts -------------------------------------------------------------------------------------------

_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "server authentication",
    ExtendedKeyUsageOID.CLIENT_AUTH: "client authentication",
    ExtendedKeyUsageOID.CODE_SIGNING: "code signing",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "e-mail",
    ExtendedKeyUsageOID.TIME_STAMPING: "time stamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP signing",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "any",
}
_KEY_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign",
)  # fmt: skip


def _extension_facts(holder: x509.Certificate | x509.CertificateSigningRequest) -> Facts:
    try:
        extensions = list(holder.extensions)
    except (ValueError, x509.DuplicateExtension) as error:
        return [("extensions", f"cannot be parsed: {visible(str(error))}")]
    facts: Facts = []
    for extension in extensions:
        name, text = _extension_words(extension.value)
        if name:
            facts.append((name, text + (" (critical)" if extension.critical else "")))
        elif extension.critical:
            facts.append(("critical extension", extension.oid.dotted_string))
    return facts


def _extension_words(value: x509.ExtensionType) -> tuple[str, str]:
    match value:
        case x509.SubjectAlternativeName():
            return "names", ", ".join(map(_general_name, value)) or "none"
        case x509.BasicConstraints():
            below = "" if value.path_length is None else f", at most {value.path_length} CAs below it"
            return "CA", f"yes{below}" if value.ca else "no"
        case x509.KeyUsage():
            return "key may", ", ".join(
                each.replace("_", " ") for each in _KEY_USAGES if getattr(value, each)
            ) or "nothing"
        case x509.ExtendedKeyUsage():
            return "is for", ", ".join(_USAGES.get(each, each.dotted_string) for each in value)
        case x509.CRLDistributionPoints():
            return "CRL at", ", ".join(
                _general_name(name) for point in value for name in point.full_name or ()
            )
        case x509.AuthorityInformationAccess():
            return "issuer says", ", ".join(_access(each) for each in value)
        case x509.TLSFeature():
            return "must staple", "yes"
        case x509.NameConstraints():
            return "names below", _constraints(value)
    return "", ""


def _constraints(value: x509.NameConstraints) -> str:
    parts = [f"only {_general_name(each)}" for each in value.permitted_subtrees or ()]
    return ", ".join(parts + [f"not {_general_name(each)}" for each in value.excluded_subtrees or ()])


def _access(description: x509.AccessDescription) -> str:
    method = {"1.3.6.1.5.5.7.48.1": "OCSP", "1.3.6.1.5.5.7.48.2": "its certificate"}
    dotted = description.access_method.dotted_string
    return f"{method.get(dotted, dotted)} {_general_name(description.access_location)}"


def _general_name(name: x509.GeneralName) -> str:
    kinds: Sequence[tuple[type, str]] = (
        (x509.DNSName, "DNS"),
        (x509.IPAddress, "IP"),
        (x509.UniformResourceIdentifier, "URI"),
        (x509.RFC822Name, "email"),
    )
    for kind, word in kinds:
        if isinstance(name, kind):
            return f"{word} {visible(str(name.value))}"
    if isinstance(name, x509.DirectoryName):
        return f"name {_name(name.value)}"
    return f"other name of {len(str(name.value))} characters"


def _name(name: x509.Name) -> str:
    return visible(name.rfc4514_string()) or "(empty)"


def _title(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return visible(str(common[0].value)) if common else _name(name)


def _hex(number: int) -> str:
    digits = f"{number:x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _period(start: datetime, end: datetime, now: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, {_standing(start, end, now)}"


def _standing(start: datetime, end: datetime, now: datetime) -> str:
    if now < start:
        return f"NOT YET VALID: in {_span(start, now)}"
    return f"EXPIRED {_span(now, end)} ago" if now > end else f"{_span(end, now)} left"


def _until(end: datetime, now: datetime) -> str:
    return f"{end:%Y-%m-%d %H:%M} UTC, " + (
        f"STALE for {_span(now, end)}" if now > end else f"in {_span(end, now)}"
    )


def _span(later: datetime, earlier: datetime) -> str:
    seconds = int((later - earlier).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}" + ("s" if count != 1 else "")
    return "less than a minute"


def _signature_words(certificate: x509.Certificate) -> str:
    words = signature_words(certificate)
    if certificate.issuer == certificate.subject:
        try:
            certificate.verify_directly_issued_by(certificate)
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            return f"{words}, not by its own key"
        return f"{words}, by its own key"
    return words


def signature_words(certificate: x509.Certificate) -> str:
    """Name the algorithm by which a certificate was signed."""
    oid = certificate.signature_algorithm_oid
    known = getattr(oid, "_name", "Unknown OID")
    return str(known) if known != "Unknown OID" else oid.dotted_string


def _reason(entry: x509.RevokedCertificate) -> str:
    reasons: Iterable[x509.CRLReason] = [
        each.value for each in entry.extensions if isinstance(each.value, x509.CRLReason)
    ]
    return "".join(f", {each.reason.value}" for each in reasons)
