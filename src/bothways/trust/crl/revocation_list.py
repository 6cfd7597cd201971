"""One certificate revocation list (CRL): its scope, its validity and its entries (RFC 5280 5).

The header is read at once, the entries on demand: those of a CRL from the network only after its signature was
checked. Verifies nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from mmap import mmap
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bothways.errors import UnusableFile
from bothways.faults import shown
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import algorithm_weakness, digest_of, is_signature_of
from bothways.trust.crl.entries import CRLEntry, Entries
from bothways.trust.crl.entry_index import SLICE_OCTETS, EntryIndex, Progress, index_entries
from bothways.trust.decoding import pem
from bothways.trust.decoding.extension_structures import Structure, area_in
from bothways.trust.decoding.extensions import by_identifier, read_extensions, unread_in
from bothways.trust.decoding.parsing import attempt, name_der, open_crl
from bothways.trust.decoding.precheck import check_number_of_elements, values_in
from bothways.trust.der import SEQUENCE, Octets, element, encoded, expect_element
from bothways.trust.names.distinguished import dn_text, normal, normal_relatives

T = TypeVar("T", bound=x509.ExtensionType)
Names = frozenset[tuple[str, object]]

ALL_REASONS = frozenset(
    each for each in x509.ReasonFlags if each.name not in ("unspecified", "remove_from_crl")
)
# The size that a CRL may have apart from its entries: that part is read before the signature is checked.
MAX_HEADER = 64 * 1024
# A longer one is checked in a thread where an event loop waits, and not charged to the peer's work budget.
LONG_CRL = 256 * 1024
_REMEMBERED_SIGNERS = 16

_INTEGER = 2
_BEGIN = b"-----BEGIN X509 CRL-----"
_KNOWN = {
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.DELTA_CRL_INDICATOR,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which certificates of its issuer a CRL covers (RFC 5280 5.2.5)."""

    names: Names | None = None
    user_certificates: bool = True
    ca_certificates: bool = True
    attributes_only: bool = False
    reasons: frozenset[x509.ReasonFlags] = ALL_REASONS
    indirect: bool = False


class _Parts(NamedTuple):
    """The parts of a CRL: `signed`, the entries from `start` to `end`, and the rest, which the parser reads.

    before, after: what is signed before and after the entries.  signature: what follows that, and is not signed.
    """

    signed: slice
    issuer: bytes
    start: int
    end: int
    before: bytes
    after: bytes
    signature: bytes

    @property
    def header(self) -> bytes:
        """A CRL without its entries."""
        return encoded(SEQUENCE, encoded(SEQUENCE, self.before, self.after), self.signature)

    def with_entries(self, entries: bytes) -> bytes:
        """Return a CRL with some of the entries."""
        signed = encoded(SEQUENCE, self.before, encoded(SEQUENCE, entries), self.after)
        return encoded(SEQUENCE, signed, self.signature)


class CRL:
    """A CRL.

    `problem` says what in it cannot be processed, and `unread` which extension cannot be decoded, or are None: a CRL
    with one of them proves revocations, but never that a certificate is not revoked.
    Attributes: `issuer` (DER name), `this_update`, `next_update` (None where absent), `number`, `base`
    (the number of the CRL that a delta CRL amends, else None), `scope`, `scope_key` (equal for equal scopes),
    `weakness` (what is wrong with the algorithm of its signature, or None),
    `freshest` (the freshestCRL), `size` (in bytes), `signer` (the certificate whose key is known to have signed it,
    else None).
    """

    def __init__(self, der: Octets, size: int | None = None) -> None:
        """Read the header of a CRL in DER. Raises EncodingError. size: of the DER, where other octets follow it."""
        self._octets = der
        self.size = len(der) if size is None else size
        self.signer: ParsedCertificate | None = None
        self._digest: bytes | None = None
        self._signed_by: dict[bytes, bool] = {}
        self._entries: Entries | None = None
        self._parts = attempt("", _parse, der, self.size)
        self._signed_digest: bytes | None = None
        header = self._parts.header
        self._x509 = open_crl(header)
        attempt("", self._read, self._x509, header)

    def _read(self, crl: x509.CertificateRevocationList, header: bytes) -> None:
        self.issuer = self._parts.issuer
        self.normal_issuer = normal(self.issuer)
        self.this_update = crl.last_update_utc
        self.next_update = crl.next_update_utc
        area = area_in(header, Structure.CRL)
        check_number_of_elements(len(area), lambda: values_in(area))
        found = read_extensions(lambda: crl.extensions, area, Structure.CRL)
        extensions = by_identifier(found)
        self.unread = unread_in(found)
        unknown = [
            each.oid.dotted_string for each in extensions.values() if each.critical and each.oid not in _KNOWN
        ]
        self.problem = (
            f"it has the critical extension {unknown[0]}, which we do not support" if unknown else None
        )
        number = _value(extensions, x509.CRLNumber)
        delta = _value(extensions, x509.DeltaCRLIndicator)
        key = _value(extensions, x509.AuthorityKeyIdentifier)
        point = _value(extensions, x509.IssuingDistributionPoint)
        freshest = _value(extensions, x509.FreshestCRL)
        self.freshest: tuple[x509.DistributionPoint, ...] = tuple(freshest or ())
        self.number = None if number is None else number.crl_number
        self.has_critical_number = number is not None and extensions[x509.CRLNumber.oid].critical
        self.base = None if delta is None else delta.crl_number
        self.authority_key = None if key is None else key.key_identifier
        self.scope = Scope() if point is None else _scope(point, self.issuer)
        self.scope_key = (self.normal_issuer, b"" if point is None else point.public_bytes())
        weak = algorithm_weakness(crl)
        self.weakness = None if weak is None else weak[1]

    @classmethod
    def of_memory(
        cls, memory: mmap, size: int, index: EntryIndex, digest: bytes, signed_digest: bytes | None
    ) -> CRL:
        """Return one that another process of this program has read.

        memory: begins with its DER, of which `size` is the length.  index: of its entries, which are checked.  digest,
        signed_digest: as the attributes.
        """
        crl = cls(memory, size)
        crl._digest, crl._signed_digest = digest, signed_digest
        crl._use(index)
        return crl

    @property
    def der(self) -> bytes:
        """All of it in DER; a copy if it is in memory that processes share."""
        return self._octets if isinstance(self._octets, bytes) else self._octets[: self.size]

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the DER, which stands for it."""
        if self._digest is None:
            made = sha256()
            for piece in self._pieces(0, self.size):
                made.update(piece)
            self._digest = made.digest()
        return self._digest

    @property
    def signed_digest(self) -> bytes | None:
        """What the signature of a long CRL signs; None for a short one, or if the algorithm needs all of it."""
        if self._signed_digest is None and self.size > SLICE_OCTETS:
            signed = self._parts.signed
            self._signed_digest = digest_of(self._x509, self._pieces(signed.start, signed.stop))
        return self._signed_digest

    def compute_digests(self) -> tuple[bytes, bytes | None]:
        """Return `digest` and `signed_digest`, which are computed once."""
        return self.digest, self.signed_digest

    def _pieces(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield what is between two positions, so that other threads run while it is hashed."""
        for at in range(begin, end, SLICE_OCTETS):
            yield self._octets[at : min(at + SLICE_OCTETS, end)]

    def __len__(self) -> int:
        return len(self.read_entries())

    def __repr__(self) -> str:
        kind = "delta CRL" if self.base is not None else "CRL"
        entries = "entries not read" if self._entries is None else f"{len(self._entries)} entries"
        return f"<{kind} of {shown(self.issuer_text)}, {entries}, {self.this_update:%Y-%m-%d %H:%M}>"

    @property
    def issuer_text(self) -> str:
        """The issuer as text."""
        return dn_text(self.issuer)

    @property
    def series(self) -> tuple[object, ...]:
        """Equal for CRLs of one issuer name, scope and kind: of those signed by one key, the newest is used."""
        return (*self.scope_key, self.base is not None)

    @property
    def age(self) -> tuple[datetime, int]:
        """The sort key of the CRLs of one series, the newest last."""
        return self.this_update, self.number or 0

    def read_entries(self, progress: Progress | None = None) -> Entries:
        """Read the entries, once. Raises ValueError.

        progress: called now and then with the fraction that was read, from 0 to 1.
        """
        if self._entries is None:
            if self._parts.start == self._parts.end:
                open_crl(self.der)  # which has no slice that is checked
            place = (self._octets, self._parts.start, self._parts.end, self.normal_issuer)
            return self._use(attempt("entries", index_entries, *place, self._check_slice, progress))
        return self._entries

    def _use(self, index: EntryIndex) -> Entries:
        self._entries = Entries(self._octets, index, self.this_update)
        self.problem = self.problem or index.problem
        return self._entries

    def _check_slice(self, at: int, stop: int) -> None:
        """Have the parser read some of the entries: it is stricter than what finds them, and all at once take long."""
        open_crl(self._parts.with_entries(self._octets[at:stop]))

    def find(self, serial: bytes, normal_issuer: bytes) -> CRLEntry | None:
        """Return the entry of a certificate by its serial number (DER content) and issuer, or None.

        Raises ValueError where the entries were not read before and cannot be.
        """
        return self.read_entries().find(serial, normal_issuer)

    def lists(self, serial: bytes, normal_issuer: bytes) -> bool:
        """Whether there is an entry for a certificate, of any reason; the arguments and errors are those of `find`."""
        return self.read_entries().has(serial, normal_issuer)

    @property
    def is_long(self) -> bool:
        """Whether checking its signature or reading its entries takes long, unless that was done."""
        return self.size > LONG_CRL

    @property
    def takes_long(self) -> bool:
        """Whether `prepare` takes long."""
        return self.is_long and (self._entries is None or self._signed_digest is None)

    def needs_preparing(self, signer: ParsedCertificate) -> bool:
        """Whether `prepare` has yet to hash the CRL or to read its entries, which takes time for a long one."""
        signed = self._signed_by.get(signer.key_digest)
        return signed is None or (signed and self._entries is None)

    def prepare(self, signer: ParsedCertificate) -> bool:
        """Return whether the signer's key signed the CRL; if it did, its entries are read.

        Both are done once, so this may be called in advance, in a thread. Entries that cannot be decoded become the
        `problem`.
        """
        if not self.is_signed_by(signer):
            return False
        try:
            self.read_entries()
        except ValueError as error:
            self.problem = self.problem or f"its entries cannot be read: {error}"
            end = self._parts.end
            self._use(index_entries(self._octets, end, end, self.normal_issuer, self._check_slice))
        return True

    def has_checked(self, signer: ParsedCertificate) -> bool:
        """Whether the signature was already checked with the signer's key."""
        return signer.key_digest in self._signed_by

    def is_signed_by(self, signer: ParsedCertificate) -> bool:
        """Whether the signer's key signed the CRL, with an acceptable algorithm; checked once for each key."""
        known = self._signed_by.get(signer.key_digest)
        if known is None:
            known = self.weakness is None and self._has_signature_of(signer)
            if known or len(self._signed_by) < _REMEMBERED_SIGNERS:
                self._signed_by[signer.key_digest] = known
            if known:
                self.signer = signer
        return known

    def _has_signature_of(self, signer: ParsedCertificate) -> bool:
        digest = self.signed_digest
        if digest is not None:
            return is_signature_of(self._x509, digest, signer, is_digest=True)
        return is_signature_of(self._x509, self._octets[self._parts.signed], signer)

    def has_same_content(self, other: CRL) -> bool:
        """Whether two CRLs are equal apart from their signatures."""
        return self._octets[self._parts.signed] == other._octets[other._parts.signed]

    @property
    def was_refused(self) -> bool:
        """Whether the signature was checked with keys that may sign the CRL, and none verified it."""
        return self.signer is None and bool(self._signed_by)


def crls_in(data: bytes, source: str, progress: Progress | None = None) -> list[CRL]:
    """Read CRLs from PEM (any number) or one from DER; ConfigError names `source`."""
    blocks = [] if _is_whole(data) else _blocks(data, source)
    crls = []
    for number, block in enumerate(blocks or [data], 1):
        try:
            crl = CRL(pem.body(block) if blocks else bytes(block))
            crl.read_entries(progress)
        except ValueError as error:
            raise UnusableFile(f"{source}: CRL {number} cannot be read: {shown(error)}") from None
        crls.append(crl)
    return crls


def _is_whole(data: bytes) -> bool:
    """Whether data is one element of DER; for a CRL in PEM it would be too short."""
    try:
        return data[:1] == b"\x30" and element(data, 0, len(data))[2] == len(data)
    except ValueError:
        return False


def _blocks(data: bytes, source: str) -> list[bytes]:
    """Return the CRLs in PEM; none for what begins like DER. Raises ConfigError."""
    blocks = [block for label, block in pem.blocks(data) if label == "X509 CRL"]
    if not blocks and _BEGIN not in data and data[:1] != b"\x30":
        raise UnusableFile(f"{source}: it contains no CRL; expected -----BEGIN X509 CRL----- or DER")
    if data.count(_BEGIN) > len(blocks):
        raise UnusableFile(f"{source}: it is truncated: a CRL in it has no -----END X509 CRL-----")
    return blocks


def general_names(names: list[x509.GeneralName] | None) -> Names:
    """Return general names in a comparable form; directory names by RFC 5280 7.1."""
    return frozenset((type(each).__name__, _general_name(each)) for each in names or ())


def _general_name(name: x509.GeneralName) -> object:
    if isinstance(name, x509.DirectoryName):
        return normal_relatives(name_der(name.value))
    return name.value


def point_names(
    full: list[x509.GeneralName] | None, relative: x509.RelativeDistinguishedName | None, issuer: bytes
) -> Names | None:
    """Return a distribution point's names; a relative name is completed by the issuer's (RFC 5280 4.2.1.13)."""
    if relative is not None:
        last = normal_relatives(name_der(x509.Name([relative])))
        return frozenset({("DirectoryName", (*normal_relatives(issuer), *last))})
    return None if full is None else general_names(full)


def _scope(point: x509.IssuingDistributionPoint, issuer: bytes) -> Scope:
    return Scope(
        names=point_names(point.full_name, point.relative_name, issuer),
        user_certificates=not (point.only_contains_ca_certs or point.only_contains_attribute_certs),
        ca_certificates=not (point.only_contains_user_certs or point.only_contains_attribute_certs),
        attributes_only=point.only_contains_attribute_certs,
        reasons=ALL_REASONS if point.only_some_reasons is None else frozenset(point.only_some_reasons),
        indirect=point.indirect_crl,
    )


def _parse(der: Octets, size: int) -> _Parts:
    """Find the parts of a CRL of this size, without reading its entries (RFC 5280 5.1)."""
    start, end = expect_element(der, 0, size, SEQUENCE, "CertificateList")
    if end != size:
        raise ValueError(f"{size - end} bytes follow the CRL")
    inner, inner_end = expect_element(der, start, end, SEQUENCE, "tbsCertList")
    at = element(der, inner, inner_end)[2] if der[inner] == _INTEGER else inner
    name = expect_element(der, at, inner_end, SEQUENCE, "signature algorithm")[1]
    at = expect_element(der, name, inner_end, SEQUENCE, "issuer")[1]
    issuer = der[name:at]
    begin = first = last = inner_end
    while at < inner_end:
        tag, within, after = element(der, at, inner_end)
        if tag == SEQUENCE:
            begin, first, last = at, within, after
            break
        at = after
    if size - (last - begin) > MAX_HEADER:
        raise ValueError(f"it has more than {MAX_HEADER} bytes apart from its entries")
    signed, rest = (der[inner:begin], der[last:inner_end]), der[inner_end:end]
    return _Parts(slice(start, inner_end), issuer, first, last, *signed, rest)


def _value(
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]], kind: type[T]
) -> T | None:
    found = extensions.get(kind.oid)
    return found.value if found is not None and isinstance(found.value, kind) else None
