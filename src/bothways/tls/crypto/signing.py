"""Signature schemes: signing, verifying, and which key fits which scheme (RFC 9846 4.3.3, 4.5.2).

In TLS 1.3 an ECDSA scheme has a fixed curve, and RSA uses only PSS. An RSA key with the id-RSASSA-PSS identifier in its
certificate or raw public key fits only rsa_pss_pss schemes; the key object does not show that, so those are accepted
too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.x509.oid import PublicKeyAlgorithmOID

from bothways.faults import Fault, blame
from bothways.iana import NamedGroup, SignatureScheme, name
from bothways.roles import Version
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.public_keys import PSSRestriction, pss_restriction
from bothways.trust.certificate.raw_public_key import RawPublicKey
from bothways.trust.decoding.parsing import encoded
from bothways.trust.work import has_long_exponent

PublicKey = Any
PrivateKey = Any
Holder = PublicKey | x509.Certificate | RawPublicKey

SERVER_CONTEXT = b"TLS 1.3, server CertificateVerify"
CLIENT_CONTEXT = b"TLS 1.3, client CertificateVerify"
_PROOF_STARTS = {context: b" " * 64 + context + b"\0" for context in (SERVER_CONTEXT, CLIENT_CONTEXT)}
_KINDS: dict[type, KeyFamily] = {}


class KeyFamily(Enum):
    """The types of keys, and the classes of `cryptography` for them."""

    RSA = (rsa.RSAPrivateKey, rsa.RSAPublicKey)
    ECDSA = (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)
    ED25519 = (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)
    ED448 = (ed448.Ed448PrivateKey, ed448.Ed448PublicKey)
    MLDSA44 = (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey)
    MLDSA65 = (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey)
    MLDSA87 = (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey)


@dataclass(frozen=True, slots=True)
class Scheme:
    """One signature scheme: the type of key, and the arguments of `sign` and `verify`.

    curve: the fixed curve of ECDSA in TLS 1.3.  pss_key: requires an id-RSASSA-PSS key.  minimum_bits: of an RSA key,
    so that hash and salt fit.  versions: the TLS versions in which it can sign a handshake.
    """

    code: int
    name: str
    kind: KeyFamily
    arguments: tuple[Any, ...] = ()
    curve: str | None = None
    pss_key: bool = False
    minimum_bits: int = 0
    versions: tuple[Version, ...] = tuple(Version)


def proof_input(context: bytes, transcript_hash: bytes) -> bytes:
    """Return what a CertificateVerify of TLS 1.3 signs (RFC 9846 4.5.2)."""
    return _PROOF_STARTS[context] + transcript_hash


def sign(scheme: int, private_key: PrivateKey, data: bytes) -> bytes:
    """Return a signature of `data`; the scheme must fit the key."""
    row = TABLE[scheme]
    if _kind(private_key) is not row.kind:
        raise ValueError(f"{row.name} does not fit a {described(private_key)} key")
    signature: bytes = private_key.sign(data, *row.arguments)
    return signature


def check_signature(scheme: int, holder: Holder, data: bytes, signature: bytes, version: Version) -> None:
    """Check a signature of `data` with the key of `holder`; blame the peer if it is wrong."""
    check_fits(scheme, holder, version)
    if not is_signature(scheme, holder, data, signature):
        blame(Fault.BAD_CERTIFICATE_VERIFY)


def is_signature(scheme: int, holder: Holder, data: bytes, signature: bytes) -> bool:
    """Whether `signature` is a valid signature of `data` with the key of `holder`."""
    key = _key_of(holder)
    row = TABLE.get(scheme)
    if row is None or _kind(key) is not row.kind:
        return False
    try:
        key.verify(signature, data, *row.arguments)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def check_fits(scheme: int, holder: Holder, version: Version) -> None:
    """Blame the peer if its key does not fit the scheme (RFC 9846 4.5.2)."""
    if scheme not in schemes_for(holder, version):
        blame(
            Fault.SCHEME_DOES_NOT_FIT_KEY,
            got=name(SignatureScheme, scheme),
            key=described(_key_of(holder)),
        )


def schemes_for(holder: Holder, version: Version) -> tuple[int, ...]:
    """Return the schemes that fit the key of `holder`, the preferred first; none for an unknown type of key.

    An RSA key with a long public exponent has none either, since its verification would take too much time.
    """
    key = _key_of(holder)
    kind = _kind(key)
    if kind is KeyFamily.RSA:
        if has_long_exponent(key):
            return ()
        return _rsa_schemes(key.key_size, _pss_restriction(holder), version)
    if kind is KeyFamily.ECDSA:
        return _ecdsa_schemes(key.curve.name, version)
    return _plain_schemes(kind, version)


def curve_of(holder: Holder) -> int | None:
    """Return the curve of an ECDSA key as a named group; None for any other key or curve."""
    key = _key_of(holder)
    return _CURVES.get(key.curve.name) if _kind(key) is KeyFamily.ECDSA else None


def described(key: PublicKey | PrivateKey) -> str:
    """Return a description of a key, such as "secp256r1" or "2048-bit RSA"."""
    kind = _kind(key)
    if kind is KeyFamily.RSA:
        return f"{key.key_size}-bit RSA{_exponent(key)}"
    if kind is KeyFamily.ECDSA:
        return str(key.curve.name)
    return kind.name if kind is not None else type(key).__name__


def _exponent(key: PublicKey | PrivateKey) -> str:
    public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    bits = public.public_numbers().e.bit_length()
    return f" with an exponent of {bits} bits" if has_long_exponent(public) else ""


def _key_of(holder: Holder) -> PublicKey:
    if type(holder) is x509.Certificate:
        return holder.public_key()
    return holder.key if type(holder) is RawPublicKey else holder


def _pss_restriction(holder: Holder) -> PSSRestriction | None:
    if type(holder) is RawPublicKey:
        return pss_restriction(holder.spki)
    if type(holder) is not x509.Certificate:
        return None
    if holder.public_key_algorithm_oid != PublicKeyAlgorithmOID.RSASSA_PSS:
        return None
    return pss_restriction(ParsedCertificate(encoded(holder)).spki)


@lru_cache(maxsize=64)
def _rsa_schemes(bits: int, binding: PSSRestriction | None, version: Version) -> tuple[int, ...]:
    return tuple(
        row.code
        for row in TABLE.values()
        if row.kind is KeyFamily.RSA
        and (not row.pss_key if binding is None else row.pss_key and binding.is_for(row.arguments[1]))
        and bits >= row.minimum_bits
        and version in row.versions
    )


@lru_cache(maxsize=64)
def _ecdsa_schemes(curve: str, version: Version) -> tuple[int, ...]:
    """In TLS 1.2 an ECDSA scheme has no fixed curve: any supported curve fits (RFC 9846 4.3.3)."""
    rows = [row for row in TABLE.values() if row.kind is KeyFamily.ECDSA]
    if curve not in {row.curve for row in rows}:
        return ()
    return tuple(row.code for row in rows if row.curve == curve or version is Version.TLS12)


@lru_cache(maxsize=64)
def _plain_schemes(kind: KeyFamily | None, version: Version) -> tuple[int, ...]:
    return tuple(row.code for row in TABLE.values() if row.kind is kind and version in row.versions)


def _kind(key: object) -> KeyFamily | None:
    """Return the type of a key; cached by class, since `isinstance` with an abstract class is slow."""
    kind = _KINDS.get(type(key))
    if kind is None:
        kind = next((each for each in KeyFamily if isinstance(key, each.value)), None)
        if kind is not None:
            _KINDS[type(key)] = kind
    return kind


def _pss(code: SignatureScheme, algorithm: HashAlgorithm, *, pss_key: bool) -> Scheme:
    arguments = (padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH), algorithm)
    bits = 8 * (2 * algorithm.digest_size + 2)
    return Scheme(int(code), code.name, KeyFamily.RSA, arguments, pss_key=pss_key, minimum_bits=bits)


def _pkcs1(code: SignatureScheme, algorithm: HashAlgorithm) -> Scheme:
    bits = 8 * (algorithm.digest_size + 30)
    arguments = (padding.PKCS1v15(), algorithm)
    return Scheme(
        int(code), code.name, KeyFamily.RSA, arguments, minimum_bits=bits, versions=(Version.TLS12,)
    )


def _ecdsa(code: SignatureScheme, algorithm: HashAlgorithm, curve: ec.EllipticCurve) -> Scheme:
    return Scheme(int(code), code.name, KeyFamily.ECDSA, (ec.ECDSA(algorithm),), curve=curve.name)


def _plain(code: SignatureScheme, kind: KeyFamily, versions: tuple[Version, ...] = tuple(Version)) -> Scheme:
    return Scheme(int(code), code.name, kind, versions=versions)


TABLE: dict[int, Scheme] = {
    row.code: row
    for row in (
        _plain(SignatureScheme.mldsa65, KeyFamily.MLDSA65, (Version.TLS13,)),
        _plain(SignatureScheme.mldsa87, KeyFamily.MLDSA87, (Version.TLS13,)),
        _plain(SignatureScheme.mldsa44, KeyFamily.MLDSA44, (Version.TLS13,)),
        _ecdsa(SignatureScheme.ecdsa_secp256r1_sha256, SHA256(), ec.SECP256R1()),
        _plain(SignatureScheme.ed25519, KeyFamily.ED25519),
        _ecdsa(SignatureScheme.ecdsa_secp384r1_sha384, SHA384(), ec.SECP384R1()),
        _ecdsa(SignatureScheme.ecdsa_secp521r1_sha512, SHA512(), ec.SECP521R1()),
        _plain(SignatureScheme.ed448, KeyFamily.ED448),
        _pss(SignatureScheme.rsa_pss_rsae_sha256, SHA256(), pss_key=False),
        _pss(SignatureScheme.rsa_pss_rsae_sha384, SHA384(), pss_key=False),
        _pss(SignatureScheme.rsa_pss_rsae_sha512, SHA512(), pss_key=False),
        _pss(SignatureScheme.rsa_pss_pss_sha256, SHA256(), pss_key=True),
        _pss(SignatureScheme.rsa_pss_pss_sha384, SHA384(), pss_key=True),
        _pss(SignatureScheme.rsa_pss_pss_sha512, SHA512(), pss_key=True),
        _pkcs1(SignatureScheme.rsa_pkcs1_sha256, SHA256()),
        _pkcs1(SignatureScheme.rsa_pkcs1_sha384, SHA384()),
        _pkcs1(SignatureScheme.rsa_pkcs1_sha512, SHA512()),
    )
}
SCHEMES: tuple[int, ...] = tuple(TABLE)
SCHEMES12: tuple[int, ...] = tuple(code for code, row in TABLE.items() if Version.TLS12 in row.versions)
_CURVES = {row.curve: int(NamedGroup[row.curve]) for row in TABLE.values() if row.curve is not None}
