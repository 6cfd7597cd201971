"""OCSP: one response, for which certificates it answers, until when, and who may have signed it (RFC 6960).

Read by `cryptography` once; whether the responder's own certificate is revoked is `revocation`'s question.
A response that is signed by anybody but the issuer or a delegate of the issuer's says nothing at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust import files, pem
from bothways.trust.certificate import Parsed
from bothways.trust.constraints import KNOWN, key_weakness
from bothways.trust.der import BIT_STRING, SEQUENCE, element, elements, expect_element
from bothways.trust.distinguished import normal, spelled
from bothways.trust.extensions import by_identifier, extensions_of
from bothways.trust.parsing import attempt, encoded, name_der, open_ocsp_response, readable
from bothways.trust.signatures import algorithm_weakness, is_signature_of, is_signed_by, weakness

NONCE_SIZE = 32
MAX_NONCE_SIZE = 128
MAX_AGE = timedelta(days=1)

_NEVER = datetime.max.replace(tzinfo=UTC)
_MAX_DELEGATES = 8
_MAX_ANSWERS = 256
_MAX_RESPONSES = 16
_GENERALIZED_TIME, _SINGLE_EXTENSIONS = 0x18, 0xA1
_CRITICAL = b"\x01\x01\xff"
# A CertID is a name, not a proof: SHA-1 is still what most responders are asked by (RFC 5019 2.1.1).
_HASHES = {
    "sha1": hashlib.sha1,
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
REQUEST_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

State = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class CertID:
    """How OCSP names a certificate: its serial, and hashes of its issuer's name and key (RFC 6960 4.1.1)."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response says of one certificate."""

    certificate: CertID
    state: State
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None = None
    reason: str = ""

    def is_about(self, certificate: Parsed, issuer: Parsed) -> bool:
        """Whether this is about a certificate as that issuer issued it, under whichever hash it is named."""
        named = self.certificate
        if named.serial != serial_number(certificate):
            return False
        names = {_digest(named.hash_name, each) for each in (certificate.issuer, issuer.subject)}
        return named.name_hash in names and named.key_hash == _digest(named.hash_name, _key_bits(issuer))

    def until(self, max_age: timedelta) -> datetime:
        """Until when it holds; without nextUpdate for `max_age` from thisUpdate (RFC 6960 4.2.2.1)."""
        if self.next_update is not None:
            return self.next_update
        return self.this_update + max_age if self.this_update < _NEVER - max_age else _NEVER

    def untimeliness(self, at: datetime, tolerance: timedelta, max_age: timedelta) -> str | None:
        """Say why it does not hold now, or None."""
        if self.this_update > at + tolerance:
            return f"it is from the future: {self.this_update:%Y-%m-%d %H:%M}"
        if self.until(max_age) < at - tolerance:
            ended = f"{self.until(max_age):%Y-%m-%d %H:%M}"
            if self.next_update is None:
                return f"it does not say until when it holds, and was too old from {ended} on"
            return f"it expired on {ended}"
        return None


class OCSPResponse:
    """A response, read once. `problem` says why it cannot be used at all, or is None.

    Attributes: `der`, `answers`, `nonce` (None where there is none), `responder` (for a person).
    """

    def __init__(self, der: bytes) -> None:
        """Read DER. Raises EncodingError."""
        self.der = der
        self.answers: tuple[Answer, ...] = ()
        self.nonce: bytes | None = None
        self.responder = "nobody"
        self.problem: str | None = None
        self._x509 = open_ocsp_response(der)
        if self._x509.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            words = self._x509.response_status.name.lower().replace("_", " ")
            self.problem = f"the responder answered: {words}"
            return
        attempt("", self._read, self._x509)

    def _read(self, response: ocsp.OCSPResponse) -> None:
        name, self._key_hash = response.responder_name, response.responder_key_hash
        self._name = None if name is None else normal(name_der(name))
        self.responder = _responder_text(name, self._key_hash)
        self.answers = tuple(_answers(response))
        for extension in by_identifier(extensions_of(response)).values():
            if isinstance(extension.value, x509.OCSPNonce):
                self.nonce = extension.value.nonce
            elif extension.critical:
                oid = extension.oid.dotted_string
                self.problem = f"it has the critical extension {oid}, which we do not know"
        self._signed = response.tbs_response_bytes
        if _has_critical_single_extension(self._signed):
            self.problem = "an answer has a critical extension, which we do not know"

    def __repr__(self) -> str:
        return f"<OCSPResponse of {shown(self.responder)}, {len(self.answers)} answers>"

    def answer(self, certificate: Parsed, issuer: Parsed) -> Answer | None:
        """Return what it says of a certificate; the newest, should it speak twice."""
        found = [each for each in self.answers if each.is_about(certificate, issuer)]
        return max(found, key=lambda each: each.this_update, default=None)

    def signer(self, issuer: Parsed, at: datetime) -> Parsed | str:
        """Return who signed and may: the issuer or a delegate; else say what it is (RFC 6960 4.2.2.2)."""
        weak = algorithm_weakness(self._x509)
        if weak is not None:
            return f"it is signed with {weak[1]}"
        if self._is_signed_by(issuer):
            return issuer
        delegates = list(self._delegates())
        delegate = next((each for each in delegates if self._is_signed_by(each)), None)
        if delegate is not None:
            problem = _unfit(delegate, issuer, at)
            who = delegate.subject_text
            return delegate if problem is None else f"it is signed by {who}, {problem}"
        named = next((each for each in (issuer, *delegates) if self._names(each)), None)
        if named is not None:
            return f"its signature does not verify under the key of {named.subject_text}"
        return f"it is signed in the name of {self.responder}, without a certificate that fits its signature"

    def _is_signed_by(self, candidate: Parsed) -> bool:
        """Whether the candidate is the responder that is named, and its key signed."""
        return self._names(candidate) and is_signature_of(self._x509, self._signed, candidate)

    def _names(self, candidate: Parsed) -> bool:
        if self._name is not None:
            return self._name == candidate.normal_subject
        return self._key_hash == _digest("sha1", _key_bits(candidate))

    def _delegates(self) -> Iterator[Parsed]:
        """Yield the certificates that came with the response and can be read."""
        for each in (readable("certificates", lambda: self._x509.certificates) or [])[:_MAX_DELEGATES]:
            try:
                certificate = Parsed(encoded(each))
                certificate.load()
            except ValueError:
                continue
            yield certificate


class OCSPStore:
    """The responses at hand: evidence about peers, or staples of our own; what is added counts at once.

    They lie in a dictionary that is replaced whole, so that handshakes go on while responses are renewed;
    one thread at a time renews them. `generation` rises with every response that is new.
    """

    def __init__(self, responses: Iterable[OCSPResponse] = ()) -> None:
        self._by_serial: dict[int, tuple[OCSPResponse, ...]] = {}
        self.generation = 0
        for response in responses:
            self.add(response)

    @classmethod
    def from_files(cls, *paths: files.FilePath) -> OCSPStore:
        """Read responses from files of DER, or PEM (any number in each). Raises ConfigError."""
        return cls([each for path in paths for each in responses_in(files.content(path), str(path))])

    def add(self, response: OCSPResponse) -> None:
        """Take a response; the newest few for each certificate are kept."""
        renewed = dict(self._by_serial)
        serials = {each.certificate.serial for each in response.answers}
        known = any(each.der == response.der for serial in serials for each in renewed.get(serial, ()))
        for serial in serials:
            others = [each for each in renewed.get(serial, ()) if each.der != response.der]
            newest = sorted([*others, response], key=lambda each: _age(each, serial), reverse=True)
            renewed[serial] = tuple(newest[:_MAX_RESPONSES])
        self._by_serial = renewed
        self.generation += not known

    def of(self, certificate: Parsed) -> tuple[OCSPResponse, ...]:
        """Return the responses about certificates with the serial number of this one, the newest first."""
        return self._by_serial.get(serial_number(certificate), ())

    def staples(self, chain: Sequence[x509.Certificate], at: datetime) -> tuple[bytes | None, ...]:
        """Return for each certificate of our own chain the response to send with it, while it holds."""
        return tuple(self._staple(each, at) for each in chain)

    def _staple(self, certificate: x509.Certificate, at: datetime) -> bytes | None:
        found = self._by_serial.get(certificate.serial_number, ())
        issuer = Parsed(encoded(certificate)).issuer if found else b""
        for response in found:
            for answer in response.answers:
                named = answer.certificate
                name_hash = _digest(named.hash_name, issuer)
                fits = (named.serial, named.name_hash) == (certificate.serial_number, name_hash)
                if fits and answer.untimeliness(at, timedelta(0), MAX_AGE) is None:
                    return response.der
        return None

    def __len__(self) -> int:
        return len({each.der for responses in self._by_serial.values() for each in responses})

    def __repr__(self) -> str:
        return f"<OCSPStore of {len(self)} responses>"


def responses_in(data: bytes, source: str) -> list[OCSPResponse]:
    """Read one OCSP response from DER, or any number from PEM; ConfigError names `source`."""
    blocks = [pem.body(block) for label, block in pem.blocks(data) if label == "OCSP RESPONSE"]
    if not blocks and data[:1] != b"\x30":
        raise ConfigError(f"{source}: no OCSP response in it; expected DER or -----BEGIN OCSP RESPONSE-----")
    responses = []
    for block in blocks or [data]:
        try:
            response = OCSPResponse(block)
        except ValueError as error:
            raise ConfigError(f"{source}: the OCSP response cannot be read: {shown(error)}") from None
        if response.problem is not None:
            raise ConfigError(f"{source}: the OCSP response cannot be used: {shown(response.problem)}")
        responses.append(response)
    return responses


def request(
    certificate: Parsed, issuer: Parsed, nonce: bytes | None = None, hash_name: str = "sha1"
) -> bytes:
    """Ask for the status of a certificate (RFC 6960 4.1).

    nonce: drawn by the caller, 1 to 128 bytes and best 32 (RFC 9654 2.1).  hash_name: of `REQUEST_HASHES`.
    Raises ValueError for a nonce of another length.
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        _digest(hash_name, certificate.issuer),
        _digest(hash_name, _key_bits(issuer)),
        serial_number(certificate),
        REQUEST_HASHES[hash_name],
    )
    if nonce is not None:
        if not 1 <= len(nonce) <= MAX_NONCE_SIZE:
            raise ValueError(f"a nonce of {len(nonce)} bytes; 1 to {MAX_NONCE_SIZE} may stand there")
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def nonce_problem(response: OCSPResponse, nonce: bytes, *, required: bool = False) -> str | None:
    """Say why a response is no answer to the request with this nonce, or None (RFC 9654 2.1).

    Many responders sign ahead and have no nonce to return: `required` refuses those.
    """
    got = response.nonce
    if got is None:
        return "it does not return our nonce" if required else None
    if not 1 <= len(got) <= MAX_NONCE_SIZE:
        return f"it has a nonce of {len(got)} bytes, where 1 to {MAX_NONCE_SIZE} may stand"
    return None if got == nonce else "it returns another nonce than ours: it answers somebody else's request"


def serial_number(certificate: Parsed) -> int:
    """Return the serial number of a certificate as the number that it is."""
    return int.from_bytes(certificate.serial, "big", signed=True)


def needs_no_check(delegate: Parsed) -> bool:
    """Whether the CA says that a responder's certificate is not to be checked (RFC 6960 4.2.2.2.1)."""
    return delegate.extension(x509.OCSPNoCheck) is not None


def _unfit(delegate: Parsed, issuer: Parsed, at: datetime) -> str | None:
    """Say why the holder of a certificate may not answer for the issuer, or None (RFC 6960 4.2.2.2)."""
    if not issuer.is_named_issuer_of(delegate) or not _has_issued(issuer, delegate):
        return f"whom {issuer.subject_text} has not authorised: it did not issue that certificate"
    usages = delegate.extension(x509.ExtendedKeyUsage)
    if usages is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        return f"whom {issuer.subject_text} has not authorised: that certificate is not for OCSP signing"
    usage = delegate.extension(x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        return "whose key may not sign"
    if not delegate.not_before <= at <= delegate.not_after:
        return "whose certificate is outside its period of validity"
    weak = key_weakness(delegate)
    if weak is not None:
        return f"whose key is too weak: {weak}"
    critical = {oid for oid, extension in delegate.extensions.items() if extension.critical}
    unknown = sorted(oid.dotted_string for oid in critical - KNOWN - {x509.OCSPNoCheck.oid})
    return f"whose certificate has the critical extension {unknown[0]}" if unknown else None


def _has_issued(issuer: Parsed, delegate: Parsed) -> bool:
    return weakness(delegate) is None and is_signed_by(delegate, issuer)


def _answers(response: ocsp.OCSPResponse) -> Iterator[Answer]:
    """Yield the answers; one that names its certificate by a hash unknown to us is about nobody we know."""
    for count, each in enumerate(response.responses):
        if count == _MAX_ANSWERS:
            raise ValueError(f"it has more than {_MAX_ANSWERS} answers")
        hash_name = _hash_name(each)
        if hash_name not in _HASHES:
            continue
        named = CertID(hash_name, each.issuer_name_hash, each.issuer_key_hash, each.serial_number)
        times = each.this_update_utc, each.next_update_utc
        if each.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            revoked_at, reason = each.revocation_time_utc, _reason_words(each.revocation_reason)
            yield Answer(named, "revoked", *times, revoked_at, reason)
        else:
            good = each.certificate_status is ocsp.OCSPCertStatus.GOOD
            yield Answer(named, "good" if good else "unknown", *times)


def _hash_name(answer: ocsp.OCSPSingleResponse) -> str:
    try:
        return answer.hash_algorithm.name
    except UnsupportedAlgorithm:
        return ""


def _reason_words(reason: x509.ReasonFlags | None) -> str:
    words = "unspecified" if reason is None else reason.name.replace("_", " ")
    return words.replace("ca comp", "CA comp").replace("aa comp", "AA comp")


def _responder_text(name: x509.Name | None, key_hash: bytes | None) -> str:
    if name is not None:
        return spelled(name_der(name)) or "(no name)"
    return f"the key {(key_hash or b'').hex()}"


def _has_critical_single_extension(data: bytes) -> bool:
    """Look at every answer's own extensions, which `cryptography` shows only for one (RFC 6960 4.4)."""
    at, end = expect_element(data, 0, len(data), SEQUENCE, "ResponseData")
    answers = None
    while at < end:
        tag, start, at = element(data, at, end)
        if tag == _GENERALIZED_TIME:
            answers = expect_element(data, at, end, SEQUENCE, "responses")
            break
    if answers is None:
        raise ValueError("it does not say when it was made")
    for _, _, start, stop in elements(data, *answers):
        _, _, status = element(data, start, stop)
        _, _, times = element(data, status, stop)  # a revocation has the tag of the extensions
        for tag, _, first, last in elements(data, times, stop):
            if tag == _SINGLE_EXTENSIONS and _any_critical(data, first, last):
                return True
    return False


def _any_critical(data: bytes, at: int, end: int) -> bool:
    for _, _, start, stop in elements(data, *expect_element(data, at, end, SEQUENCE, "extensions")):
        _, _, oid_end = element(data, start, stop)
        if data[oid_end : oid_end + 3] == _CRITICAL:
            return True
    return False


def _age(response: OCSPResponse, serial: int) -> datetime:
    return max(each.this_update for each in response.answers if each.certificate.serial == serial)


def _digest(hash_name: str, data: bytes) -> bytes:
    return _HASHES[hash_name](data).digest()


def _key_bits(certificate: Parsed) -> bytes:
    """Return the public key as OCSP hashes it: the bit string alone, without its count of unused bits."""
    spki = certificate.spki
    at, end = expect_element(spki, 0, len(spki), SEQUENCE, "subjectPublicKeyInfo")
    _, at = expect_element(spki, at, end, SEQUENCE, "algorithm")
    start, stop = expect_element(spki, at, end, BIT_STRING, "subjectPublicKey")
    return spki[start + 1 : stop]
