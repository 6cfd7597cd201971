"""The only module that calls the parsers of `cryptography`: every exception becomes an EncodingError with its place.

What `certificate`, `crl`, `signing_request`, `ocsp_request` and `ocsp_response` return was decoded completely, so
that no attribute of it raises later. The `open_...` functions only load: every attribute of what they return, and of
the objects of `ParsedCertificate`, has to be read by `attempt`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12
from cryptography.x509 import ocsp

from bothways.errors import UnusableFile
from bothways.trust.decoding import pem
from bothways.trust.decoding.key_derivation import check_key_derivation
from bothways.trust.der import OCTET_STRING, SEQUENCE, elements, expect_element

T = TypeVar("T")
Signed = (
    x509.Certificate | x509.CertificateRevocationList | x509.CertificateSigningRequest | ocsp.OCSPResponse
)

# The message of a parser may contain input: the patterns must be fast, and only so many characters are shown.
_LONGEST_PROBLEM = 400
_PARSE_ERROR = re.compile(r"ParseError \{ kind: (\w+)[^\[\]]*(?:\[([^\[\]]*)\])?")
_KINDS = {
    "InvalidValue": "a value that its type does not allow",
    "InvalidTag": "a tag that is not valid",
    "InvalidLength": "a length that is not strict DER",
    "UnexpectedTag": "an element of an unexpected type",
    "ShortData": "it is cut off",
    "IntegerOverflow": "a number that is too large",
    "ExtraData": "trailing bytes",
    "InvalidSetOrdering": "a set whose elements are not in their order",
    "EncodedDefault": "a default value is written out, which DER forbids",
    "InvalidSize": "a list that is empty or too long",
    "OidTooLong": "an object identifier that is too long",
    "UnknownDefinedBy": "a type that is not known",
}
# Messages of parsers about their own functions and types, with the text that is shown instead.
_MESSAGES = (
    (r"path_length must be None when ca is False", "a pathLenConstraint in a certificate that is not a CA's"),
    (
        r"x400Address/EDIPartyName are not supported types",
        "a type of name that is not supported: x400Address or ediPartyName",
    ),
    (
        r"(?:CpsUri|UserNotice) ASN.1 structure found.*",
        "a policy qualifier of another type than its identifier says",
    ),
    (r"\A\d+ is not a valid (.*) version", r"an unknown \1 version"),
    (r"Could not deserialize key data\..*", "it is damaged, or not a key of a supported type"),
    (r"\A(.*?)\.? Please file an issue .*", r"\1"),
)


class EncodingError(ValueError):
    """Data that cannot be decoded: `place` is the part, `problem` the reason."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.place = place
        self.problem = problem


class PassphraseNeeded(EncodingError, UnusableFile):
    """A private key or PKCS#12 file is encrypted, and no passphrase was given."""


class WrongPassphrase(EncodingError, UnusableFile):
    """A private key or PKCS#12 file cannot be opened with the passphrase, or is damaged."""


class UnsupportedKind(EncodingError):
    """The data may be well-formed, but is of a kind that `cryptography` does not support."""


def attempt(place: str, read: Callable[..., T], *arguments: object) -> T:
    """Return what `read` returns for `arguments`; every exception becomes an EncodingError for `place`.

    KeyboardInterrupt, SystemExit and MemoryError are passed on. Warnings that the caller turned into errors are
    ignored, since `cryptography` warns of encodings that RFC 5280 tells to accept.
    """
    try:
        return read(*arguments)
    except Warning:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return attempt(place, read, *arguments)
    except (EncodingError, MemoryError):
        raise
    except UnsupportedAlgorithm as error:
        raise UnsupportedKind(place, problem_of(error)) from None
    except Exception as error:  # noqa: BLE001 - the parsers raise more kinds than they document
        raise EncodingError(place, problem_of(error)) from None
    except BaseException as error:
        if _is_panic(error):
            raise EncodingError(place, "the parser failed") from None
        raise


def readable(place: str, read: Callable[..., T], *arguments: object) -> T | None:
    """Return what `read` returns, or None where that fails."""
    try:
        return attempt(place, read, *arguments)
    except EncodingError:
        return None


def problem_of(error: BaseException) -> str:
    """Return the exception of a parser as text of limited length."""
    return _problem_of(error)[:_LONGEST_PROBLEM]


def _problem_of(error: BaseException) -> str:
    if isinstance(error, x509.DuplicateExtension):
        return f"the extension {error.oid.dotted_string} occurs twice"
    if isinstance(error, UnsupportedAlgorithm):
        return f"an unknown type: {error}"
    if isinstance(error, KeyError):
        return f"an unknown value: {error}"
    if isinstance(error, x509.InvalidVersion):
        return f"version {error.parsed_version + 1}, which is unknown"
    text = str(*error.args[:1])[:_LONGEST_PROBLEM]
    for pattern, description in _MESSAGES:
        text = re.sub(pattern, description, text, count=1, flags=re.DOTALL)
    found = _PARSE_ERROR.search(text)
    return _as_text(found) if found is not None else text or type(error).__name__


def _as_text(found: re.Match[str]) -> str:
    kind, location = found.groups()
    description = _KINDS.get(kind, kind)
    steps = [
        step.strip().strip('"').rpartition("::")[2] for step in (location or "").split(",") if step.strip()
    ]
    return f"{description} (at {'.'.join(steps)})" if steps else description


def _is_panic(error: BaseException) -> bool:
    """Whether the Rust code of `cryptography` panicked: the exception type of pyo3 cannot be imported."""
    return type(error).__name__ == "PanicException" and type(error).__module__.startswith("pyo3_runtime")


# -- loaded, not decoded further ------------------------------------------------------------------------


def open_certificate(der: bytes) -> x509.Certificate:
    """Load a certificate from DER; read its attributes by `attempt`. Raises EncodingError."""
    return attempt("", x509.load_der_x509_certificate, der)


def open_crl(der: bytes) -> x509.CertificateRevocationList:
    """Load a CRL from DER; read its attributes by `attempt`. Raises EncodingError."""
    return attempt("", x509.load_der_x509_crl, der)


def open_signing_request(der: bytes) -> x509.CertificateSigningRequest:
    """Load a certification request (CSR) from DER; read its attributes by `attempt`. Raises EncodingError."""
    return attempt("", x509.load_der_x509_csr, der)


def open_ocsp_response(der: bytes) -> ocsp.OCSPResponse:
    """Load an OCSP response from DER; read its attributes by `attempt`. Raises EncodingError."""
    return attempt("", ocsp.load_der_ocsp_response, der)


# -- decoded completely ------------------------------------------------------------------------------------------

_CERTIFICATE = (
    "version", "serial_number", "issuer", "subject", "not_valid_before_utc", "not_valid_after_utc",
    "signature_algorithm_oid", "signature", "tbs_certificate_bytes", "extensions",
)  # fmt: skip
_CRL = ("issuer", "last_update_utc", "next_update_utc", "signature_algorithm_oid", "signature", "extensions")
_REVOKED = ("serial_number", "revocation_date_utc", "extensions")
_REQUEST = ("subject", "signature_algorithm_oid", "signature", "extensions")
_OCSP_REQUEST = ("issuer_key_hash", "issuer_name_hash", "hash_algorithm", "serial_number", "extensions")
_OCSP_RESPONSE = (
    "responder_name", "responder_key_hash", "produced_at_utc", "signature_algorithm_oid", "signature",
    "tbs_response_bytes", "certificates", "extensions",
)  # fmt: skip
_OCSP_SINGLE_RESPONSE = (
    "serial_number", "issuer_key_hash", "issuer_name_hash", "hash_algorithm", "certificate_status",
    "this_update_utc", "next_update_utc", "revocation_time_utc", "revocation_reason",
)  # fmt: skip


def certificate(der: bytes) -> x509.Certificate:
    """Decode a certificate completely from DER. Raises EncodingError."""
    return whole_certificate(open_certificate(der))


def certificates_from_pem(data: bytes) -> list[x509.Certificate]:
    """Decode all certificates of a PEM file completely. Raises EncodingError, also where there is none."""
    return [whole_certificate(each) for each in attempt("", x509.load_pem_x509_certificates, data)]


def whole_certificate(found: x509.Certificate) -> x509.Certificate:
    """Return a certificate if all of it can be decoded. Raises EncodingError."""
    _read_all(found, _CERTIFICATE)
    attempt("public_key", found.public_key)
    return found


def crl(data: bytes) -> x509.CertificateRevocationList:
    """Decode a CRL from PEM or DER, without its entries, which `revoked_in` yields. Raises EncodingError."""
    load = x509.load_pem_x509_crl if b"-----BEGIN" in data else x509.load_der_x509_crl
    found = attempt("", load, data)
    _read_all(found, _CRL)
    return found


def is_crl(der: bytes) -> bool:
    """Whether bytes are a CRL in DER, even if some parts cannot be decoded."""
    return readable("", open_crl, der) is not None


def revoked_in(found: x509.CertificateRevocationList) -> Iterator[x509.RevokedCertificate]:
    """Yield the entries of a CRL in their order, each decoded completely. Raises EncodingError."""
    for number in range(attempt("entries", len, found)):
        entry = attempt(f"entry {number + 1}", found.__getitem__, number)
        _read_all(entry, _REVOKED, f"entry {number + 1}, ")
        yield entry


def signing_request(data: bytes) -> x509.CertificateSigningRequest:
    """Decode a certification request (CSR, RFC 2986) completely from PEM or DER. Raises EncodingError."""
    load = x509.load_pem_x509_csr if b"-----BEGIN" in data else x509.load_der_x509_csr
    found = attempt("", load, data)
    attempt("public_key", found.public_key)
    _read_all(found, _REQUEST)
    return found


def ocsp_request(der: bytes) -> ocsp.OCSPRequest:
    """Decode an OCSP request completely from DER. Raises EncodingError."""
    found = attempt("", ocsp.load_der_ocsp_request, der)
    _read_all(found, _OCSP_REQUEST)
    return found


def ocsp_response(der: bytes) -> ocsp.OCSPResponse:
    """Decode an OCSP response from DER, completely if it is successful. Raises EncodingError."""
    found = open_ocsp_response(der)
    if found.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
        _read_all(found, _OCSP_RESPONSE)
        answers_in(found)
    return found


def answers_in(found: ocsp.OCSPResponse) -> Sequence[ocsp.OCSPSingleResponse]:
    """Return the single responses of a successful OCSP response, decoded completely. Raises EncodingError."""
    answers = attempt("responses", lambda: list(found.responses))
    for number, answer in enumerate(answers, 1):
        _read_all(answer, _OCSP_SINGLE_RESPONSE, f"response {number}, ")
    return answers


def _read_all(holder: object, names: Sequence[str], place: str = "") -> None:
    for name in names:
        attempt(place + name, getattr, holder, name)


# -- keys ------------------------------------------------------------------------------------------------


class Pkcs12(NamedTuple):
    """The content of a PKCS#12 file: a key, its certificate, and others, the certificates in DER."""

    key: PrivateKeyTypes | None
    certificate: bytes | None
    others: tuple[bytes, ...]


def public_key(der: bytes) -> PublicKeyTypes:
    """Decode a SubjectPublicKeyInfo from DER. Raises EncodingError."""
    return attempt("", serialization.load_der_public_key, der)


def private_key(data: bytes, password: bytes | None = None) -> PrivateKeyTypes:
    """Decode a private key from PEM or DER; a passphrase for an unencrypted key is ignored.

    Raises EncodingError, or its subclass PassphraseNeeded, WrongPassphrase or UnsupportedKind.
    """
    is_pem = b"-----BEGIN" in data
    for each in _encrypted_blocks(data) if is_pem else [data]:
        attempt("", check_key_derivation, each)
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        return attempt("", _load_private_key, load, data, password)
    except EncodingError as error:
        if isinstance(error, PassphraseNeeded | UnsupportedKind):
            raise
        if b"ENCRYPTED" in data if is_pem else _is_encrypted_key(data):
            raise WrongPassphrase(error.place, error.problem) from None
        raise


def _is_encrypted_key(der: bytes) -> bool:
    """Whether bytes are an EncryptedPrivateKeyInfo: an algorithm and an OCTET STRING (RFC 5958 3)."""
    try:
        start, end = expect_element(der, 0, len(der), SEQUENCE, "key")
        return [tag for tag, *_ in elements(der, start, end)] == [SEQUENCE, OCTET_STRING]
    except ValueError:
        return False


def _encrypted_blocks(data: bytes) -> Iterator[bytes]:
    """Yield the content of the PEM blocks that may contain an expensive key derivation."""
    for label, block in pem.blocks(data):
        if "PRIVATE KEY" in label:
            body = readable("", pem.body, block)
            if body is not None:
                yield body


def _load_private_key(
    load: Callable[[bytes, bytes | None], PrivateKeyTypes], data: bytes, password: bytes | None
) -> PrivateKeyTypes:
    try:
        return load(data, password)
    except TypeError:
        if password is None:
            raise PassphraseNeeded("", "it is encrypted, and no passphrase was given") from None
        return load(data, None)


def pkcs12_contents(data: bytes, password: bytes | None) -> Pkcs12:
    """Open a PKCS#12 file (RFC 7292). Raises EncodingError, or its subclass PassphraseNeeded or WrongPassphrase."""
    attempt("", check_key_derivation, data)
    try:
        key, own, others = attempt("", pkcs12.load_key_and_certificates, data, password)
        return Pkcs12(key, None if own is None else encoded(own), tuple(encoded(each) for each in others))
    except EncodingError as error:
        if isinstance(error, UnsupportedKind) or not _is_about_the_password(error):
            raise
        kind = PassphraseNeeded if password is None else WrongPassphrase
        raise kind(error.place, error.problem) from None


def _is_about_the_password(error: EncodingError) -> bool:
    """Whether the password is the cause: `cryptography` distinguishes it from a malformed file only by the message."""
    return re.search("password|mac", error.problem, re.IGNORECASE) is not None


def pkcs7_certificates(data: bytes) -> list[bytes]:
    """Return the DER of the certificates of a PKCS#7 file (RFC 2315), which is in BER or DER. Raises EncodingError."""
    return [encoded(each) for each in attempt("", pkcs7.load_der_pkcs7_certificates, data)]


# -- parts -----------------------------------------------------------------------------------------------


def encoded(
    found: x509.Certificate | x509.CertificateRevocationList | x509.CertificateSigningRequest,
) -> bytes:
    """Return the DER of an object of `cryptography`. Raises EncodingError."""
    return attempt("", found.public_bytes, Encoding.DER)


def der_of(signed: Signed) -> bytes:
    """Return the DER of a signed object, also of an OCSP response. Raises EncodingError."""
    return attempt("", signed.public_bytes, Encoding.DER)


def name_text(name: x509.Name) -> str:
    """Return a name as text (RFC 4514). Raises EncodingError."""
    return attempt("name", name.rfc4514_string)


def name_der(name: x509.Name) -> bytes:
    """Return a name in DER. Raises EncodingError."""
    return attempt("name", name.public_bytes)


def signature_hash(signed: Signed) -> hashes.HashAlgorithm | None:
    """Return the hash algorithm of a signature; None where there is none or it is unknown."""
    return readable("signatureAlgorithm", lambda: signed.signature_hash_algorithm)


def pss_padding(signed: Signed) -> padding.PSS | None:
    """Return the parameters of an RSASSA-PSS signature; None for others, and for unusable ones."""
    found = readable("signatureAlgorithm", getattr, signed, "signature_algorithm_parameters")
    return found if isinstance(found, padding.PSS) else None


def is_issued_directly_by(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the subject of `issuer` is the issuer of `child`, and its key signed it. Nothing else is checked."""
    try:
        attempt("signature", child.verify_directly_issued_by, issuer)
    except EncodingError:
        return False
    return True


def proves_its_key(request: x509.CertificateSigningRequest) -> bool:
    """Whether a certification request is signed by its own key (RFC 2986 4.2)."""
    return readable("signature", lambda: request.is_signature_valid) is True


def is_crl_signed_by(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether the subject of `issuer` is the issuer of a CRL, and its key signed it. Nothing else is checked."""
    return bool(
        readable(
            "signature",
            lambda: found.issuer == issuer.subject and found.is_signature_valid(issuer.public_key()),  # type: ignore[arg-type]
        )
    )
