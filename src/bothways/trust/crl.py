"""One certificate revocation list: of whom it speaks, until when, and whom it revokes (RFC 5280 5).

Read whole by `cryptography` once; its entries are then found through an index of eight bytes each beside the
DER, so that a list of a million entries costs little and answers at once. Judges nothing.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from zlib import crc32

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust import pem
from bothways.trust.certificate import Parsed
from bothways.trust.der import SEQUENCE, element, elements, expect_element, extensions_in
from bothways.trust.distinguished import normal, normal_relatives, spelled
from bothways.trust.extensions import Place, area_in, by_identifier, read_extensions, unread_in
from bothways.trust.parsing import attempt, name_der, open_crl
from bothways.trust.signatures import algorithm_weakness, is_signature_of

T = TypeVar("T", bound=x509.ExtensionType)
Progress = Callable[[float], None]
Names = frozenset[tuple[str, object]]

ALL_REASONS = frozenset(
    each for each in x509.ReasonFlags if each.name not in ("unspecified", "remove_from_crl")
)
_REMEMBERED_SIGNERS = 16
PROGRESS_STEP = 50_000

_INTEGER, _BOOLEAN, _UTC_TIME, _GENERALIZED_TIME, _ENUMERATED = 2, 1, 0x17, 0x18, 10
_EXTENSIONS = 0xA0
_BEGIN = b"-----BEGIN X509 CRL-----"
_DIRECTORY_NAME = 0xA4
_CRITICAL = b"\x01\x01\xff"
_REASONS = {
    0: "unspecified", 1: "key compromise", 2: "CA compromise", 3: "affiliation changed", 4: "superseded",
    5: "cessation of operation", 6: "certificate hold", 8: "removed from the list", 9: "privilege withdrawn",
    10: "AA compromise",
}  # fmt: skip
REMOVED, HOLD = _REASONS[8], _REASONS[6]
_ENTRY_REASON = b"\x55\x1d\x15"
_REASON_ALONE = bytes.fromhex("300c300a0603551d1504030a01")  # what most entries have, up to the reason itself
_ENTRY_INVALIDITY = b"\x55\x1d\x18"
_ENTRY_ISSUER = b"\x55\x1d\x1d"
_KNOWN = {
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.DELTA_CRL_INDICATOR,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One revoked certificate: since when, and why, in words."""

    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Which certificates of its issuer a list is about (RFC 5280 5.2.5)."""

    names: Names | None = None
    user_certificates: bool = True
    ca_certificates: bool = True
    attributes_only: bool = False
    reasons: frozenset[x509.ReasonFlags] = ALL_REASONS
    indirect: bool = False


class CRL:
    """A revocation list, read once. `problem` says why it cannot be used at all, or is None.

    `unread` says which extension of it cannot be read, or is None: such a list proves revocations and nothing else.
    Attributes: `issuer` (DER name), `this_update`, `next_update` (None: it does not say), `number`, `base`
    (the number of the list that a delta list amends, else None), `scope`, `scope_key` (equal for one scope),
    `freshest` (where its delta lists lie), `signer` (whose key is known to have signed it, else None).
    """

    def __init__(self, der: bytes, progress: Progress | None = None) -> None:
        """Read DER; `progress` is called with a share from 0 to 1 now and then. Raises EncodingError."""
        self.der = der
        self.signer: Parsed | None = None
        self._signed_by: dict[bytes, bool] = {}
        self._x509 = open_crl(der)
        attempt("", self._read, self._x509)
        self._index(progress)

    def _read(self, crl: x509.CertificateRevocationList) -> None:
        self._signed, self.issuer, self._start, self._end = _take_apart(self.der)
        self.normal_issuer = normal(self.issuer)
        self.this_update = crl.last_update_utc
        self.next_update = crl.next_update_utc
        found = read_extensions(lambda: crl.extensions, area_in(self.der, Place.CRL), Place.CRL)
        extensions = by_identifier(found)
        self.unread = unread_in(found)
        unknown = [
            each.oid.dotted_string for each in extensions.values() if each.critical and each.oid not in _KNOWN
        ]
        self.problem = (
            f"it has the critical extension {unknown[0]}, which we do not know" if unknown else None
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

    def _index(self, progress: Progress | None) -> None:
        """Index the entries by a checksum of their serial numbers."""
        names: list[tuple[int, bytes]] = []
        slow = _CRITICAL in memoryview(self.der)[self._start : self._end].tobytes()
        keys = array("Q")
        for at, serial, times, stop in _walk(self.der, self._start, self._end, progress):
            keys.append(crc32(serial) << 32 | at - self._start)
            rest = times + 2 + self.der[times + 1]
            if slow and rest < stop:
                self._heed_critical(at, rest, stop, names)
        self._keys = array("Q", sorted(keys))
        self._issuers_from = [at for at, _ in names]
        self._issuers = [name for _, name in names]

    def _heed_critical(self, at: int, rest: int, stop: int, names: list[tuple[int, bytes]]) -> None:
        """Note a change of the certificates' issuer (RFC 5280 5.3.3), and what may not be passed over."""
        extensions = expect_element(self.der, rest, stop, SEQUENCE, "extensions")
        for oid, critical, value in extensions_in(self.der, *extensions):
            if oid == _ENTRY_ISSUER:
                names.append((at, _certificate_issuer(value)))
            elif critical and oid not in (_ENTRY_REASON, _ENTRY_INVALIDITY):
                self.problem = self.problem or "an entry has a critical extension that we do not know"

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        kind = "delta CRL" if self.base is not None else "CRL"
        return (
            f"<{kind} of {shown(self.issuer_text)}, {len(self)} entries, {self.this_update:%Y-%m-%d %H:%M}>"
        )

    @property
    def issuer_text(self) -> str:
        """The issuer for a person."""
        return spelled(self.issuer)

    @property
    def series(self) -> tuple[object, ...]:
        """Equal for lists of one name, scope and kind: of those that one key signed, the newest counts."""
        return (*self.scope_key, self.base is not None)

    @property
    def age(self) -> tuple[datetime, int]:
        """Orders the lists of one series, the newest last."""
        return self.this_update, self.number or 0

    def find(self, serial: bytes, normal_issuer: bytes) -> Entry | None:
        """Return the entry of a certificate by its serial number (DER content) and issuer, or None."""
        key = crc32(serial) << 32
        at = bisect_left(self._keys, key)
        found = None
        while at < len(self._keys) and self._keys[at] >> 32 == key >> 32:
            place = (self._keys[at] & 0xFFFFFFFF) + self._start
            _, there, times, stop = next(_walk(self.der, place, self._end, None))
            if there == serial and self._issuer_at(place) == normal_issuer:
                found = self._entry(times, stop)  # the last one stands, should there be two
            at += 1
        return found

    def _issuer_at(self, place: int) -> bytes:
        which = bisect_right(self._issuers_from, place)
        return self._issuers[which - 1] if which else self.normal_issuer

    def _entry(self, times: int, stop: int) -> Entry:
        """Read an entry; one whose date or reason cannot be read is a revocation all the same."""
        tag, first, rest = element(self.der, times, stop)
        try:
            return Entry(_time(tag, self.der[first:rest]), self._reason(rest, stop))
        except ValueError:
            return Entry(self.this_update, _REASONS[0])

    def _reason(self, at: int, end: int) -> str:
        """Read the reason among an entry's extensions (RFC 5280 5.3.1)."""
        if at == end:
            return _REASONS[0]
        if self.der[at : end - 1] == _REASON_ALONE:
            return _REASONS.get(self.der[end - 1], _REASONS[0])
        for oid, _, value in extensions_in(
            self.der, *expect_element(self.der, at, end, SEQUENCE, "extensions")
        ):
            if oid == _ENTRY_REASON:
                first, last = expect_element(value, 0, len(value), _ENUMERATED, "reason")
                return _REASONS.get(int.from_bytes(value[first:last], "big"), _REASONS[0])
        return _REASONS[0]

    def weakness(self) -> str | None:
        """Say what is wrong with the algorithm that signed the list, or None."""
        weak = algorithm_weakness(self._x509)
        return None if weak is None else weak[1]

    def has_met(self, signer: Parsed) -> bool:
        """Whether it is known already if the signer's key signed the list."""
        return signer.key_digest in self._signed_by

    def is_signed_by(self, signer: Parsed) -> bool:
        """Whether the signer's key signed the list, by an algorithm that counts; checked once a key."""
        known = self._signed_by.get(signer.key_digest)
        if known is None:
            data = self.der[self._signed]
            known = self.weakness() is None and is_signature_of(self._x509, data, signer.key)
            if known or len(self._signed_by) < _REMEMBERED_SIGNERS:  # strangers' keys do not keep out its own
                self._signed_by[signer.key_digest] = known
            if known:
                self.signer = signer
        return known

    @property
    def was_refused(self) -> bool:
        """Whether the list was held against keys that may sign it, and none of them did."""
        return self.signer is None and bool(self._signed_by)


def crls_in(data: bytes, source: str, progress: Progress | None = None) -> list[CRL]:
    """Read CRLs from PEM (any number) or one from DER; ConfigError names `source`."""
    blocks = [block for label, block in pem.blocks(data) if label == "X509 CRL"]
    if not blocks and _BEGIN not in data and data[:1] != b"\x30":
        raise ConfigError(f"{source}: no CRL in it; expected -----BEGIN X509 CRL----- or DER")
    if data.count(_BEGIN) > len(blocks):
        raise ConfigError(f"{source}: it is cut off: a CRL in it has no -----END X509 CRL-----")
    crls = []
    for number, block in enumerate(blocks or [data], 1):
        try:
            crls.append(CRL(pem.body(block) if blocks else bytes(block), progress))
        except ValueError as error:
            raise ConfigError(f"{source}: CRL {number} cannot be read: {shown(error)}") from None
    return crls


def general_names(names: list[x509.GeneralName] | None) -> Names:
    """Return general names in a form that is equal for equal ones; directory names by RFC 5280 7.1."""
    return frozenset((type(each).__name__, _general_name(each)) for each in names or ())


def _general_name(name: x509.GeneralName) -> object:
    if isinstance(name, x509.DirectoryName):
        return normal_relatives(name_der(name.value))
    return name.value


def point_names(
    full: list[x509.GeneralName] | None, relative: x509.RelativeDistinguishedName | None, issuer: bytes
) -> Names | None:
    """Return a distribution point's names; a relative one hangs below the issuer's (RFC 5280 4.2.1.13)."""
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


def _take_apart(der: bytes) -> tuple[slice, bytes, int, int]:
    """Return what is signed, the issuer, and where the revoked certificates begin and end (RFC 5280 5.1)."""
    start, end = expect_element(der, 0, len(der), SEQUENCE, "CertificateList")
    at, end = expect_element(der, start, end, SEQUENCE, "tbsCertList")
    signed = slice(start, end)
    if der[at] == _INTEGER:
        at = element(der, at, end)[2]
    name = expect_element(der, at, end, SEQUENCE, "signature algorithm")[1]
    at = expect_element(der, name, end, SEQUENCE, "issuer")[1]
    issuer = der[name:at]
    while at < end:
        tag, first, at = element(der, at, end)
        if tag == SEQUENCE:
            return signed, issuer, first, at
    return signed, issuer, end, end


def _value(
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]], kind: type[T]
) -> T | None:
    found = extensions.get(kind.oid)
    return found.value if found is not None and isinstance(found.value, kind) else None


def _walk(der: bytes, at: int, end: int, progress: Progress | None) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield each entry's place, serial number, place of its date and end; made for lists of a million."""
    first, count = at, 0
    while at < end:
        if der[at + 1] < 0x80:
            tag, start = der[at], at + 2
            stop = start + der[at + 1]
        else:
            tag, start, stop = element(der, at, end)
        serial_end = start + 2 + der[start + 1]
        times_end = serial_end + 2 + der[serial_end + 1]
        if tag != SEQUENCE or der[start] != _INTEGER or not serial_end < times_end <= stop <= end:
            raise ValueError(f"no entry of a revocation list at byte {at}")
        yield at, der[start + 2 : serial_end], serial_end, stop
        at = stop
        count += 1
        if progress is not None and count % PROGRESS_STEP == 0:
            progress((at - first) / (end - first))
    if progress is not None:
        progress(1.0)


def _certificate_issuer(value: bytes) -> bytes:
    """Return the directory name among the general names of an indirect list's entry, in normal form."""
    at, end = expect_element(value, 0, len(value), SEQUENCE, "certificate issuer")
    for tag, _, start, stop in elements(value, at, end):
        if tag == _DIRECTORY_NAME:
            return normal(value[start:stop])
    raise ValueError("an entry's certificate issuer is no directory name")


def _time(tag: int, text: bytes) -> datetime:
    """Read a time; years of two digits are 1950 to 2049 (RFC 5280 5.1.2.4)."""
    if tag == _UTC_TIME:
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    year, month, day, hour, minute, second = (
        int(text[:4]),
        *(int(text[at : at + 2]) for at in range(4, 14, 2)),
    )
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
