"""Imports an existing CA, and the certificates and CRLs that it issued before.

Nothing in the files is trusted: a certificate or a CRL is imported if the key of the CA signed it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Authority, Now, Random, utc_now
from bothways.ca.crl import REASONS
from bothways.ca.errors import ImportRefused
from bothways.ca.home import files
from bothways.ca.home.init import InitOptions, settings_of
from bothways.ca.home.layout import (
    ISSUING,
    ROOT,
    default_database_url,
    identifier_of,
    register_row,
    write_authority,
)
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType, SigningKey, new_key, usable_key
from bothways.ca.profiles import EXTENDED_USAGES, Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import ImportedRecord, Transaction
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.files import certificates_in
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding import parsing
from bothways.trust.decoding.extensions import extension_of
from bothways.trust.files import FilePath, content
from bothways.trust.ocsp.request import serial_number
from bothways.trust.own_identity.credentials import Credentials, is_pkcs12
from bothways.trust.path.name_matching import names_of
from bothways.trust.verdict import Refused
from bothways.trust.verification import verify

SERIALS = range(1, 2**160)  # RFC 5280 4.1.2.2
OTHER = "other"  # for certificates with extended key usages that no profile has
T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class ExistingAuthority:
    """A CA that is to be imported. parents: the CA certificates above it, nearest first, the root last."""

    certificate: x509.Certificate
    key: SigningKey = field(repr=False)
    parents: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class EarlierCRL:
    """A CRL that was published before the import: its CRL number, 0 if it has none, and its entries."""

    number: int
    revoked: tuple[ImportedRecord, ...]


def read_existing(
    cert: FilePath,
    key: FilePath | None,
    password: bytes | None,
    *,
    token_key: SigningKey | None = None,
    now: Now,
) -> ExistingAuthority:
    """Read a CA from files and check that it can issue certificates; raises ImportRefused or ConfigError.

    cert: PEM with its chain up to the root, or PKCS#12. key: PEM or DER, if PKCS#12 does not contain it. password: of
    the key or the PKCS#12 file. token_key: the key if it is in a token.
    """
    source = str(cert)
    data = content(cert)
    if token_key is None:
        own = Credentials.from_files(cert, key, password)
        signer: SigningKey = usable_key(own.key, str(key or cert))
    else:
        own, signer = Credentials.external(data), token_key
    certificate = _reparsed(own.certificate, source)
    if certificate.public_key() != signer.public_key():
        raise ConfigError(f"{source}: the key does not belong to the certificate")
    _check_is_authority(certificate, source)
    existing = ExistingAuthority(
        certificate, signer, _parents(own, _all_certificates(data, source, password), source)
    )
    _check_can_issue(existing, source, now)
    return existing


def _all_certificates(data: bytes, source: str, password: bytes | None) -> list[x509.Certificate]:
    if is_pkcs12(data):
        found: Sequence[bytes] = _pkcs12_contents(data, source, password).others
    else:
        found = certificates_in(data, source)
    return [_read(der, source) for der in found]


def _pkcs12_contents(data: bytes, source: str, password: bytes | None) -> parsing.Pkcs12:
    try:
        return parsing.pkcs12_contents(data, password)
    except parsing.PassphraseNeeded as error:
        raise parsing.PassphraseNeeded(source, error.problem) from None
    except parsing.EncodingError as error:
        raise ConfigError(f"{source}: is not a PKCS#12 file: {shown(error)}") from None


def _read(der: bytes, source: str) -> x509.Certificate:
    try:
        return parsing.certificate(der)
    except parsing.EncodingError as error:
        raise ImportRefused(f"{source}: contains a malformed certificate: {shown(error)}") from None


def _reparsed(certificate: x509.Certificate, source: str) -> x509.Certificate:
    return _read(certificate.public_bytes(Encoding.DER), source)


def _parents(own: Credentials, found: list[x509.Certificate], source: str) -> tuple[x509.Certificate, ...]:
    """The certificates above a CA including the root, which `Credentials` omit."""
    between = tuple(_reparsed(each, source) for each in own.certificates[1:])
    top = _reparsed(own.certificates[-1], source)
    if top.issuer == top.subject:
        return between
    root = next((each for each in found if each.subject == top.issuer and each.issuer == each.subject), None)
    if root is None:
        raise ImportRefused(
            f"{source}: the root {parsing.name_text(top.issuer)!a} is missing; add its certificate to this file"
        )
    return (*between, root)


def _check_is_authority(certificate: x509.Certificate, source: str) -> None:
    basic = extension_of(certificate, x509.BasicConstraints)
    if basic is None:
        raise ImportRefused(f"{source}: is not a CA certificate: it has no basicConstraints extension")
    if not basic.ca:
        raise ImportRefused(
            f"{source}: is not a CA certificate: cA is FALSE in its basicConstraints extension"
        )
    usage = extension_of(certificate, x509.KeyUsage)
    if usage is None:
        return
    missing = [name for name in ("key_cert_sign", "crl_sign") if not getattr(usage, name)]
    if missing:
        bits = {"key_cert_sign": "keyCertSign", "crl_sign": "cRLSign"}
        raise ImportRefused(
            f"{source}: its keyUsage extension lacks {bits[missing[0]]}, which an issuing CA needs"
        )


def _check_can_issue(existing: ExistingAuthority, source: str, now: Now) -> None:
    """Issue a certificate that is discarded, and verify it as a relying party would."""
    authority = Authority(existing.certificate, existing.key, existing.parents, now=now)
    public = new_key(KeyType.P256).public_key()
    probe = authority.sign(Profile.CLIENT, Holder("probe"), public)
    chain = [each.public_bytes(Encoding.DER) for each in (probe, *authority.chain)]
    anchors = TrustStore.from_certificates([authority.root])
    verdict = verify(chain, anchors, purpose=None, name=None, at=now())
    if isinstance(verdict, Refused):
        raise ImportRefused(f"{source}: certificates that it issues would be refused: {verdict.reasons[0]}")


def read_issued(data: bytes, source: str, authority: Authority) -> Iterator[ImportedRecord]:
    """Read certificates in PEM or DER that a CA issued; raises ImportRefused for any other.

    The certificates of the CA itself and of those above it are skipped: holders often have them in the same file.
    """
    chain = {each.public_bytes(Encoding.DER) for each in (authority.certificate, *authority.parents)}
    for number, der in enumerate(certificates_in(data, source), 1):
        if der not in chain:
            yield read_issued_certificate(der, authority, f"{source}: certificate {number}")


def read_issued_certificate(der: bytes, authority: Authority, source: str) -> ImportedRecord:
    """Read one certificate in DER that a CA issued; raises ImportRefused for any other."""
    try:
        parsed = ParsedCertificate(der)
        certificate = parsed.x509
        names = names_of(parsed)
    except ValueError as error:
        raise ImportRefused(f"{source}: is malformed: {shown(error)}") from None
    if not parsing.is_issued_directly_by(certificate, authority.certificate):
        raise ImportRefused(f"{source}: was not issued by this CA")
    profile = profile_of(certificate)
    serial = serial_number(parsed)
    check_serial(serial, source)
    holder = Holder(names.common_name or None, names.dns, names.ip, names.uri, names.email)
    return ImportedRecord(serial, profile, holder.shown_name, holder.names, parsed.period, der)


def check_serial(serial: int, source: str) -> None:
    """Raise ImportRefused for a serial number that RFC 5280 4.1.2.2 does not allow."""
    if serial not in SERIALS:
        raise ImportRefused(
            f"{source}: has the serial number {serial:x}; it must be positive and at most 20 bytes long"
        )


def profile_of(certificate: x509.Certificate) -> str:
    """The profile with the extended key usages of a certificate, or `other`."""
    basic = extension_of(certificate, x509.BasicConstraints)
    if basic is not None and basic.ca:
        return Profile.SUB_CA.value
    asked = extension_of(certificate, x509.ExtendedKeyUsage)
    if asked is None:
        return OTHER
    usages = set(asked)
    return next((profile.value for profile, given in EXTENDED_USAGES.items() if set(given) == usages), OTHER)


def read_earlier_crl(data: bytes, source: str, authority: Authority) -> EarlierCRL:
    """Read a CRL in PEM or DER that a CA published; raises ImportRefused for any other."""
    try:
        return _read_crl(data, source, authority)
    except parsing.EncodingError as error:
        raise ImportRefused(f"{source}: is not a CRL, or malformed: {shown(error)}") from None


def _read_crl(data: bytes, source: str, authority: Authority) -> EarlierCRL:
    crl = parsing.crl(data)
    if not parsing.is_crl_signed_by(crl, authority.certificate):
        raise ImportRefused(f"{source}: was not signed by this CA")
    for kind, reason in (
        (x509.DeltaCRLIndicator, "is a delta CRL; a complete CRL is needed"),
        (
            x509.IssuingDistributionPoint,
            "does not cover all certificates: it has an issuingDistributionPoint",
        ),
    ):
        if extension_of(crl, kind) is not None:
            raise ImportRefused(f"{source}: {reason}")
    number = extension_of(crl, x509.CRLNumber)
    end = authority.certificate.not_valid_after_utc
    revoked = tuple(_revoked(each, crl.last_update_utc, end, source) for each in parsing.revoked_in(crl))
    return EarlierCRL(0 if number is None else number.crl_number, revoked)


def is_crl(data: bytes) -> bool:
    """Whether a file, PEM or DER, is a CRL and not a certificate."""
    if b"-----BEGIN" in data:
        return b"-----BEGIN X509 CRL-----" in data
    return parsing.is_crl(data)


def _revoked(
    each: x509.RevokedCertificate, this_update: datetime, end: datetime, source: str
) -> ImportedRecord:
    """A record of a CRL entry whose certificate is not known: it stays in CRLs until the CA expires."""
    found = extension_of(each, x509.CRLReason)
    reason = "unspecified" if found is None else found.reason.value
    check_serial(each.serial_number, source)
    at = each.revocation_date_utc
    known = reason if reason in REASONS else "unspecified"
    return ImportedRecord(each.serial_number, OTHER, "", {}, (min(at, this_update), end), None, at, known)


def import_authority(
    path: Path,
    existing: ExistingAuthority,
    options: InitOptions,
    passphrase: bytes | None,
    *,
    crl_number: int = 0,
    actor: str = "",
    now: Now = utc_now,
    random: Random = os.urandom,
) -> None:
    """Import an existing CA into a new directory with a register, for `Issuer.open`.

    options: of these `name`, `database_url`, `url`, and `key_uri` if the key is in a token. passphrase: encrypts the
    key. crl_number: that of the last CRL that was published. Raises AuthorityError, and then leaves nothing behind.
    """
    authority = Authority(existing.certificate, existing.key, existing.parents, now=now, random=random)
    with files.new_directory(path) as new:
        write_authority(new, ISSUING if existing.parents else ROOT, authority, passphrase)
        if existing.parents:
            files.write(new / f"{ROOT}.pem", authority.root_pem, files.PUBLIC)
        database_url = options.database_url or default_database_url(new)
        for each in (authority.root,) if existing.parents else ():
            Register.create(database_url, identifier_of(each), *register_row(each), known=True).close()
        certificate = existing.certificate
        with Register.create(
            database_url, identifier_of(certificate), *register_row(certificate)
        ) as register:
            register.transact(
                actor, now(), lambda transaction: _record_import(transaction, certificate, crl_number)
            )
        name = options.name or parsing.name_text(certificate.subject)
        files.write_settings(new, settings_of(replace(options, name=name)))


def _record_import(transaction: Transaction, certificate: x509.Certificate, crl_number: int) -> None:
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    transaction.note("take over", parsing.name_text(certificate.subject), {"sha256": digest})
    transaction.continue_crl_numbers(crl_number)


def import_certificates(issuer: Issuer, certificates: Sequence[ImportedRecord]) -> int:
    """Record certificates that were issued before, all or none; return how many were new."""
    return issuer.register.transact(
        issuer.actor, issuer.authority.now(), lambda transaction: transaction.import_records(certificates)
    )


def import_crl(issuer: Issuer, earlier: EarlierCRL) -> int:
    """Record the revocations of an earlier CRL, and continue its CRL numbers; return how many were new."""

    def record(transaction: Transaction) -> int:
        transaction.continue_crl_numbers(earlier.number)
        return transaction.import_records(earlier.revoked)

    return issuer.register.transact(issuer.actor, issuer.authority.now(), record)
