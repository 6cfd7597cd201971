"""An authority that exists already: what is read of it and checked before it goes on here, and what it issued before.

Files come from elsewhere, so nothing in them is taken on trust: a certificate and a list count if the authority's
own key signed them.
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
from bothways.ca.home import files as directory
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
from bothways.trust import files, parsing
from bothways.trust.anchors import TrustStore, certificates_in
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.credentials import Credentials, is_pkcs12
from bothways.trust.extensions import extension_of
from bothways.trust.names import names_of
from bothways.trust.ocsp_request import serial_number
from bothways.trust.verdict import Refused
from bothways.trust.verification import verify

SERIALS = range(1, 2**160)  # RFC 5280 4.1.2.2
OTHER = "other"  # the profile of what was issued for a purpose that no profile here has
T = TypeVar("T", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class ExistingAuthority:
    """An authority from elsewhere. parents: the certificates above it, nearest first, the root last."""

    certificate: x509.Certificate
    key: SigningKey = field(repr=False)
    parents: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class EarlierCRL:
    """What a revocation list from elsewhere says: its number, 0 if it has none, and what it revokes."""

    number: int
    revoked: tuple[ImportedRecord, ...]


def read_existing(
    cert: files.FilePath,
    key: files.FilePath | None,
    password: bytes | None,
    *,
    held: SigningKey | None = None,
    now: Now,
) -> ExistingAuthority:
    """Read an authority from files and see that it can issue; raise ImportRefused, or ConfigError for its files.

    cert: PEM with its chain up to the root, or PKCS#12 with the key too. key: PEM or DER. password: of the key or
    the PKCS#12 file. held: the key where no file has it.
    """
    source = str(cert)
    data = files.content(cert)
    if held is None:
        own = Credentials.from_files(cert, key, password)
        signer: SigningKey = usable_key(own.key, str(key or cert))
    else:
        own, signer = Credentials.external(data), held
    certificate = _reparsed(own.certificate, source)
    if certificate.public_key() != signer.public_key():
        raise ConfigError(f"{source}: the key is not that of its certificate")
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
        raise ConfigError(f"{source}: no PKCS#12 file: {shown(error)}") from None


def _read(der: bytes, source: str) -> x509.Certificate:
    try:
        return parsing.certificate(der)
    except parsing.EncodingError as error:
        raise ImportRefused(f"{source}: a certificate in it cannot be read: {shown(error)}") from None


def _reparsed(certificate: x509.Certificate, source: str) -> x509.Certificate:
    return _read(certificate.public_bytes(Encoding.DER), source)


def _parents(own: Credentials, found: list[x509.Certificate], source: str) -> tuple[x509.Certificate, ...]:
    """The certificates above an authority, up to and with the root; the credentials leave the root out."""
    between = tuple(_reparsed(each, source) for each in own.certificates[1:])
    top = _reparsed(own.certificates[-1], source)
    if top.issuer == top.subject:
        return between
    root = next((each for each in found if each.subject == top.issuer and each.issuer == each.subject), None)
    if root is None:
        raise ImportRefused(
            f"{source}: the root {parsing.name_text(top.issuer)!a} is missing; put its certificate into this file too"
        )
    return (*between, root)


def _check_is_authority(certificate: x509.Certificate, source: str) -> None:
    basic = extension_of(certificate, x509.BasicConstraints)
    if basic is None:
        raise ImportRefused(f"{source}: is no authority's certificate: it has no basicConstraints")
    if not basic.ca:
        raise ImportRefused(f"{source}: is no authority's certificate: its basicConstraints say so")
    usage = extension_of(certificate, x509.KeyUsage)
    if usage is None:
        return
    missing = [name for name in ("key_cert_sign", "crl_sign") if not getattr(usage, name)]
    if missing:
        words = {"key_cert_sign": "keyCertSign", "crl_sign": "cRLSign"}
        raise ImportRefused(
            f"{source}: its key may not be used for {words[missing[0]]}, without which it cannot go on"
        )


def _check_can_issue(existing: ExistingAuthority, source: str, now: Now) -> None:
    """Issue on trial, for nobody, and see whether our own trust would take it."""
    authority = Authority(existing.certificate, existing.key, existing.parents, now=now)
    public = new_key(KeyType.P256).public_key()
    trial = authority.sign(Profile.CLIENT, Holder("trial"), public)
    chain = [each.public_bytes(Encoding.DER) for each in (trial, *authority.chain)]
    anchors = TrustStore.from_certificates([authority.root])
    verdict = verify(chain, anchors, purpose=None, name=None, at=now())
    if isinstance(verdict, Refused):
        raise ImportRefused(f"{source}: nobody would accept what it issues: {verdict.reasons[0]}")


def read_issued(data: bytes, source: str, authority: Authority) -> Iterator[ImportedRecord]:
    """Read certificates in PEM or DER that an authority issued before; ImportRefused for any that is not its own.

    Its own certificate and those above it are passed over: holders keep them in one file with theirs.
    """
    chain = {each.public_bytes(Encoding.DER) for each in (authority.certificate, *authority.parents)}
    for number, der in enumerate(certificates_in(data, source), 1):
        if der not in chain:
            yield read_issued_certificate(der, authority, f"{source}: certificate {number}")


def read_issued_certificate(der: bytes, authority: Authority, source: str) -> ImportedRecord:
    """Read one certificate in DER that an authority issued before."""
    try:
        parsed = ParsedCertificate(der)
        certificate = parsed.x509
        names = names_of(parsed)
    except ValueError as error:
        raise ImportRefused(f"{source}: cannot be read: {shown(error)}") from None
    if not parsing.is_issued_directly_by(certificate, authority.certificate):
        raise ImportRefused(f"{source}: was not issued by this authority")
    profile = profile_of(certificate)
    serial = serial_number(parsed)
    _check_serial(serial, source)
    holder = Holder(names.common_name or None, names.dns, names.ip, names.uri, names.email)
    return ImportedRecord(serial, profile, holder.shown_name, holder.names, parsed.period, der)


def _check_serial(serial: int, source: str) -> None:
    if serial not in SERIALS:
        raise ImportRefused(f"{source}: has the serial number {serial:x}; it takes those of 1 to 20 bytes")


def profile_of(certificate: x509.Certificate) -> str:
    """The profile that gives what a certificate may be used for, or `other`."""
    basic = extension_of(certificate, x509.BasicConstraints)
    if basic is not None and basic.ca:
        return Profile.SUB_CA.value
    asked = extension_of(certificate, x509.ExtendedKeyUsage)
    if asked is None:
        return OTHER
    usages = set(asked)
    return next((profile.value for profile, given in EXTENDED_USAGES.items() if set(given) == usages), OTHER)


def read_earlier_crl(data: bytes, source: str, authority: Authority) -> EarlierCRL:
    """Read a revocation list, PEM or DER, that an authority published before; ImportRefused if it is not its own."""
    try:
        return _read_crl(data, source, authority)
    except parsing.EncodingError as error:
        raise ImportRefused(f"{source}: is no revocation list that can be read: {shown(error)}") from None


def _read_crl(data: bytes, source: str, authority: Authority) -> EarlierCRL:
    crl = parsing.crl(data)
    if not parsing.is_crl_signed_by(crl, authority.certificate):
        raise ImportRefused(f"{source}: this list was not signed by this authority")
    for kind, words in (
        (x509.DeltaCRLIndicator, "is a delta list; the full one is needed"),
        (x509.IssuingDistributionPoint, "is a part of a list, or about others' certificates"),
    ):
        if extension_of(crl, kind) is not None:
            raise ImportRefused(f"{source}: {words}")
    number = extension_of(crl, x509.CRLNumber)
    end = authority.certificate.not_valid_after_utc
    revoked = tuple(_revoked(each, crl.last_update_utc, end, source) for each in parsing.revoked_in(crl))
    return EarlierCRL(0 if number is None else number.crl_number, revoked)


def is_crl(data: bytes) -> bool:
    """Whether bytes are a revocation list rather than certificates."""
    if b"-----BEGIN" in data:
        return b"-----BEGIN X509 CRL-----" in data
    return parsing.is_crl(data)


def _revoked(each: x509.RevokedCertificate, listed: datetime, end: datetime, source: str) -> ImportedRecord:
    """What a list says of a certificate that is not here: it stays listed as long as the authority lasts."""
    found = extension_of(each, x509.CRLReason)
    reason = "unspecified" if found is None else found.reason.value
    _check_serial(each.serial_number, source)
    at = each.revocation_date_utc
    word = reason if reason in REASONS else "unspecified"
    return ImportedRecord(each.serial_number, OTHER, "", {}, (min(at, listed), end), None, at, word)


def import_authority(
    path: Path,
    existing: ExistingAuthority,
    options: InitOptions,
    passphrase: bytes | None,
    *,
    after: int = 0,
    actor: str = "",
    now: Now = utc_now,
    random: Random = os.urandom,
) -> None:
    """Put an authority that exists into a directory and a register of its own, where `Issuer.open` finds it.

    terms: of them `store`, `url`, and `key_uri` where a token holds the key. passphrase: seals the key here. after:
    the number of the last list that was published elsewhere. Raises AuthorityError, and leaves nothing behind.
    """
    authority = Authority(existing.certificate, existing.key, existing.parents, now=now, random=random)
    with directory.new_directory(path) as draft:
        write_authority(draft, ISSUING if existing.parents else ROOT, authority, passphrase)
        if existing.parents:
            directory.write(draft / f"{ROOT}.pem", authority.root_pem, directory.PUBLIC)
        store = options.store or default_database_url(draft)
        for each in (authority.root,) if existing.parents else ():
            Register.create(store, identifier_of(each), *register_row(each), known=True).close()
        certificate = existing.certificate
        with Register.create(store, identifier_of(certificate), *register_row(certificate)) as register:
            register.transact(
                actor, now(), lambda transaction: _record_import(transaction, certificate, after)
            )
        name = options.name or parsing.name_text(certificate.subject)
        directory.write_settings(draft, settings_of(replace(options, name=name)))


def _record_import(transaction: Transaction, certificate: x509.Certificate, after: int) -> None:
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    transaction.note("take over", parsing.name_text(certificate.subject), {"sha256": digest})
    transaction.continue_crl_numbers(after)


def import_certificates(issuer: Issuer, certificates: Sequence[ImportedRecord]) -> int:
    """Enter certificates that were issued before, all or none; return how many the register did not know."""
    return issuer.register.transact(
        issuer.actor, issuer.authority.now(), lambda transaction: transaction.import_records(certificates)
    )


def import_crl(issuer: Issuer, earlier: EarlierCRL) -> int:
    """Enter what an earlier list revokes, and number the next one above it; return how much of it was news."""

    def enter(transaction: Transaction) -> int:
        transaction.continue_crl_numbers(earlier.number)
        return transaction.import_records(earlier.revoked)

    return issuer.register.transact(issuer.actor, issuer.authority.now(), enter)
