"""A small maker of certificates for tests: sound ones with few words, broken ones by naming what is broken.

Keys are made once a run and shared by number: `key("P-256", 1)` is always the same key. Times are whole
days from `NOW`. Alternative names read `DNS:a.example`, `IP:127.0.0.1`, `URI:spiffe://a/b`, `EMAIL:a@b.ex`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import cryptography_vectors
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from once import once

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

USAGES = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING,
}
OLD_DIGESTS = {"SHA1": "SHA256", "MD5": "SHA256"}
DIGESTS = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
BOTH = ("serverAuth", "clientAuth")


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and the certificates above it, the issuer first."""

    certificate: x509.Certificate
    key: PrivateKeyTypes
    above: tuple[Issued, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def encrypted_key_pem(self, password: bytes) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))

    @property
    def chain(self) -> list[bytes]:
        """DER as a peer sends it: without the root."""
        return [self.der, *(each.der for each in self.above if each.above)]

    @property
    def chain_pem(self) -> bytes:
        return b"".join([self.pem, *(each.pem for each in self.above if each.above)])

    def p12(self, password: bytes | None) -> bytes:
        cipher = NoEncryption() if password is None else BestAvailableEncryption(password)
        above = [each.certificate for each in self.above]
        return pkcs12.serialize_key_and_certificates(b"me", self.key, self.certificate, above, cipher)


@once
def key(kind: str = "P-256", number: int = 0) -> PrivateKeyTypes:
    """The key of a kind with a number: P-256, P-384, P-521, RSA-<bits>, Ed25519, Ed448, ML-DSA-44 ..."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))
    makers = {
        "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "DSA": _dsa_key,
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "Ed448": ed448.Ed448PrivateKey.generate,
        "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
        "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
        "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
    }
    return makers[kind]()


def _dsa_key() -> dsa.DSAPrivateKey:
    """A new key of 2048 bits with parameters that are there: to find others takes a second."""
    base = Path(cryptography_vectors.__file__).parent / "asymmetric/Traditional_OpenSSL_Serialization"
    there = load_pem_private_key((base / "dsa.2048.pem").read_bytes(), None)
    assert isinstance(there, dsa.DSAPrivateKey)
    return there.parameters().generate_private_key()


def name(common_name: str | None, **others: str) -> x509.Name:
    """A distinguished name: `name("Payments", O="Example")`."""
    kinds = {
        "C": NameOID.COUNTRY_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    }
    parts = [x509.NameAttribute(kinds[kind], value) for kind, value in others.items()]
    if common_name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)


def alternative(text: str) -> x509.GeneralName:
    """One subject alternative name from its text."""
    kind, _, value = text.partition(":")
    if kind == "IP":
        return x509.IPAddress(ip_address(value))
    if kind == "DN":
        return x509.DirectoryName(name(value))
    kinds = {"DNS": x509.DNSName, "URI": x509.UniformResourceIdentifier, "EMAIL": x509.RFC822Name}
    return kinds[kind](value)


_numbers: dict[str, int] = {}


def _own_key(kind: str, of: str) -> PrivateKeyTypes:
    return key(kind, _numbers.setdefault(of, len(_numbers) + 1000))


def issue(
    subject: str | x509.Name | None,
    by: Issued | None,
    *,
    ca: bool | None = None,
    path_length: int | None = None,
    key_kind: str = "P-256",
    own_key: PrivateKeyTypes | None = None,
    not_before: datetime = NOW - 30 * DAY,
    not_after: datetime = NOW + 335 * DAY,
    usage: Sequence[str] | None = None,
    key_usage: Sequence[str] | None = ("digital_signature",),
    alternatives: Sequence[str] = (),
    critical_alternatives: bool = False,
    issuer_name: x509.Name | None = None,
    signed_by: PrivateKeyTypes | None = None,
    digest: str = "SHA256",
    pss: bool = False,
    serial: int | None = None,
    key_identifiers: bool = True,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    broken: bool = False,
) -> Issued:
    """Issue a certificate; without `by` it is self-signed.

    ca: basicConstraints, None leaves it out.  usage, key_usage: None leaves the extension out.
    signed_by: a key that is not the issuer's.  issuer_name: a name that is not the issuer's.
    broken: one bit of the signature is turned.
    """
    subject_name = (
        subject if isinstance(subject, x509.Name) else name(subject) if subject is not None else x509.Name([])
    )
    mine = own_key or _own_key(key_kind, f"{key_kind} {subject_name.rfc4514_string()}")
    signer = signed_by or (mine if by is None else by.key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name)
        .issuer_name(issuer_name or (subject_name if by is None else by.certificate.subject))
        .public_key(mine.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    if key_usage is not None:
        builder = builder.add_extension(_key_usage(key_usage), critical=True)
    if usage is not None:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([USAGES[each] for each in usage]), critical=False
        )
    if alternatives:
        names = x509.SubjectAlternativeName([alternative(each) for each in alternatives])
        builder = builder.add_extension(names, critical=critical_alternatives)
    if key_identifiers:
        own = x509.SubjectKeyIdentifier.from_public_key(mine.public_key())
        theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            (mine if by is None else by.key).public_key()
        )
        builder = builder.add_extension(own, critical=False).add_extension(theirs, critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    kinds = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey
    algorithm = DIGESTS[OLD_DIGESTS.get(digest, digest)] if isinstance(signer, kinds) else None
    scheme = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH) if pss else None
    certificate = builder.sign(signer, algorithm, rsa_padding=scheme)
    if digest in OLD_DIGESTS:
        certificate = _with_old_digest(certificate, signer, digest)
    above = () if by is None else (by, *by.above)
    issued = Issued(certificate, mine, above)
    return altered(issued) if broken else issued


def _key_usage(names: Sequence[str]) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{each: each in names for each in every})


def _with_old_digest(certificate: x509.Certificate, signer: PrivateKeyTypes, digest: str) -> x509.Certificate:
    """Put SHA-1 or MD5 with RSA where SHA-256 stands, since `cryptography` signs no such certificate."""
    pkcs1 = bytes.fromhex("2a864886f70d0101")
    last = {"SHA1": b"\x05", "MD5": b"\x04"}[digest]
    der = certificate.public_bytes(Encoding.DER).replace(pkcs1 + b"\x0b", pkcs1 + last)
    unsigned = x509.load_der_x509_certificate(der)
    old = hashes.SHA1() if digest == "SHA1" else hashes.MD5()
    signature = signer.sign(unsigned.tbs_certificate_bytes, padding.PKCS1v15(), old)
    return x509.load_der_x509_certificate(der[: -len(signature)] + signature)


def as_version_1(issued: Issued) -> Issued:
    """The same certificate without version and extensions, signed anew by its ECDSA issuer."""
    tbs = issued.certificate.tbs_certificate_bytes
    fields = [tbs[at:end] for at, end in parts(tbs)]
    old = der(0x30, b"".join(fields[1:7]))
    signer = issued.above[0].key if issued.above else issued.key
    signature = signer.sign(old, ec.ECDSA(hashes.SHA256()))
    whole = der(0x30, old + fields[2] + der(0x03, b"\x00" + signature))
    return replace(issued, certificate=x509.load_der_x509_certificate(whole))


def der(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    octets = size.to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([128 + len(octets)]) + octets) + content


def parts(data: bytes) -> list[tuple[int, int]]:
    """Where the elements inside one DER element begin and end."""

    def head(at: int) -> tuple[int, int]:
        size, start = data[at + 1], at + 2
        if size >= 128:
            start += size - 128
            size = int.from_bytes(data[at + 2 : start], "big")
        return start, start + size

    at, end = head(0)
    parts = []
    while at < end:
        parts.append((at, head(at)[1]))
        at = parts[-1][1]
    return parts


def altered(issued: Issued) -> Issued:
    """The same certificate with the last bit of its signature turned."""
    der = bytearray(issued.der)
    der[-1] ^= 1
    return replace(issued, certificate=x509.load_der_x509_certificate(bytes(der)))


def root(subject: str | x509.Name = "Root", **options) -> Issued:
    """A self-signed CA."""
    return issue(
        subject,
        None,
        **{"ca": True, "key_usage": ("key_cert_sign", "crl_sign"), "not_after": NOW + 3650 * DAY} | options,
    )


def intermediate(by: Issued, subject: str | x509.Name = "Intermediate", **options) -> Issued:
    """A CA under another."""
    return issue(
        subject,
        by,
        **{"ca": True, "key_usage": ("key_cert_sign", "crl_sign"), "not_after": NOW + 1800 * DAY} | options,
    )


def leaf(by: Issued | None, subject: str | x509.Name | None = "server.example", **options) -> Issued:
    """An end entity: by default a server and client with the DNS name of its common name."""
    if "alternatives" not in options and isinstance(subject, str):
        options["alternatives"] = [f"DNS:{subject}"]
    return issue(subject, by, **{"ca": False, "usage": BOTH} | options)


def crl(
    by: Issued,
    *revoked: Issued | tuple[Issued, str],
    number: int | None = 1,
    this_update: datetime = NOW - DAY,
    next_update: datetime = NOW + 7 * DAY,
    signed_by: PrivateKeyTypes | None = None,
    issuer_name: x509.Name | None = None,
    base: int | None = None,
    point: x509.IssuingDistributionPoint | None = None,
    digest: str = "SHA256",
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    entry_extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    entries: Iterable[x509.RevokedCertificate] = (),
) -> bytes:
    """A revocation list in DER. revoked: certificates, with a reason such as "key_compromise" or without."""
    signer = signed_by or by.key
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer_name or by.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(authority, critical=False)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if point is not None:
        builder = builder.add_extension(point, critical=True)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    for each in revoked:
        issued, reason = each if isinstance(each, tuple) else (each, None)
        builder = builder.add_revoked_certificate(revoked_entry(issued, reason, entry_extra))
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    algorithm = (
        DIGESTS[digest] if isinstance(signer, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None
    )
    return builder.sign(signer, algorithm).public_bytes(Encoding.DER)


def revoked_entry(
    issued: Issued, reason: str | None, extra: Sequence[tuple[x509.ExtensionType, bool]]
) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
    builder = builder.revocation_date(NOW - 2 * DAY)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags[reason]), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.build()


def issuing_point(
    full_name: Sequence[str] = (),
    *,
    users: bool = False,
    cas: bool = False,
    attributes: bool = False,
    reasons: Sequence[str] | None = None,
    indirect: bool = False,
) -> x509.IssuingDistributionPoint:
    """An issuing distribution point (RFC 5280 5.2.5)."""
    return x509.IssuingDistributionPoint(
        full_name=[alternative(each) for each in full_name] or None,
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=cas,
        only_some_reasons=None if reasons is None else frozenset(x509.ReasonFlags[each] for each in reasons),
        indirect_crl=indirect,
        only_contains_attribute_certs=attributes,
    )


def points(*full_names: str, issuer: str | None = None, reasons: Sequence[str] | None = None):
    """A certificate's distribution points extension, one for each name, ready for `extra`."""
    flags = None if reasons is None else frozenset(x509.ReasonFlags[each] for each in reasons)
    issuers = None if issuer is None else [x509.DirectoryName(name(issuer))]
    return (
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([alternative(each)], None, flags, issuers) for each in full_names]
        ),
        False,
    )


def ocsp_response(
    of: Issued,
    by: Issued | None = None,
    status: str = "good",
    *,
    signer: Issued | None = None,
    by_name: bool = False,
    delegates: Sequence[Issued] | None = None,
    reason: str | None = None,
    this_update: datetime = NOW - DAY / 2,
    next_update: datetime | None = NOW + DAY,
    digest: hashes.HashAlgorithm | None = None,
    nonce: bytes | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """An OCSP response in DER, by the issuer's key unless another `signer` is named; its certificate comes along."""
    issuer = by or of.above[0]
    responder = signer or issuer
    revoked = status == "revoked"
    encoding = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            of.certificate,
            issuer.certificate,
            digest or hashes.SHA1(),
            ocsp.OCSPCertStatus[status.upper()],
            this_update,
            next_update,
            NOW - 2 * DAY if revoked else None,
            None if reason is None else x509.ReasonFlags[reason],
        )
        .responder_id(encoding, responder.certificate)
    )
    along = ([signer] if signer else []) if delegates is None else delegates
    if along:
        builder = builder.certificates([each.certificate for each in along])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    kinds = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    algorithm = DIGESTS["SHA256"] if isinstance(responder.key, kinds) else None
    return builder.sign(responder.key, algorithm).public_bytes(Encoding.DER)


def ocsp_refusal(status: str) -> bytes:
    """An OCSP response without an answer, such as "try_later"."""
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus[status.upper()])
    return refusal.public_bytes(Encoding.DER)


def responder(by: Issued, subject: str = "Responder", *, no_check: bool = True, **options) -> Issued:
    """A certificate for signing OCSP responses in a CA's stead."""
    extra = [*options.pop("extra", ()), *([(x509.OCSPNoCheck(), False)] if no_check else [])]
    return issue(subject, by, **{"ca": False, "usage": ("OCSPSigning",), "extra": extra} | options)
