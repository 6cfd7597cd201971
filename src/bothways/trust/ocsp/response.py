"""One OCSP response: its single responses, their validity, and who may have signed it (RFC 6960).

Whether the certificate of its responder is revoked is decided in `revocation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from bothways.errors import UnusableFile
from bothways.faults import shown
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import (
    algorithm_weakness,
    is_signature_of,
    is_signed_by,
    weakness,
    with_signature_parameters,
)
from bothways.trust.crl.entries import HOLD
from bothways.trust.decoding import pem
from bothways.trust.decoding.extensions import by_identifier, extensions_of
from bothways.trust.decoding.parsing import attempt, encoded, name_der, open_ocsp_response, readable
from bothways.trust.der import SEQUENCE, element, elements, expect_element
from bothways.trust.names.distinguished import dn_text, normal
from bothways.trust.ocsp.request import HASHES, MAX_NONCE_SIZE, CertID, cert_ids_of, hashed, key_bits
from bothways.trust.path.constraints import KNOWN, key_weakness
from bothways.trust.work import WorkBudget, WorkStep

MAX_AGE = timedelta(days=1)

_NEVER = datetime.max.replace(tzinfo=UTC)
MAX_DELEGATES, MAX_RESPONSES, _REMEMBERED_KEYS = 8, 256, 16
# Of several single responses about one certificate the worst counts: revoked, on hold, unknown, good.
_ORDER = {"revoked": 1, "unknown": 2, "good": 3}
_GENERALIZED_TIME, _SINGLE_EXTENSIONS = 0x18, 0xA1
_CRITICAL = b"\x01\x01\xff"
State = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class SingleResponse:
    """The statement of a response about one certificate."""

    certificate: CertID
    state: State
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None = None
    reason: str = ""

    @property
    def revokes_permanently(self) -> bool:
        """Whether the certificate is revoked permanently, and not only on hold (certificateHold)."""
        return self.state == "revoked" and self.reason != HOLD

    def until(self, max_age: timedelta) -> datetime:
        """Return the end of its validity; without nextUpdate it is `max_age` after thisUpdate (RFC 6960 4.2.2.1)."""
        if self.next_update is not None:
            return self.next_update
        return self.this_update + max_age if _NEVER - self.this_update > max_age else _NEVER

    def untimeliness(self, at: datetime, tolerance: timedelta, max_age: timedelta) -> str | None:
        """Return why it is not valid at a time, or None.

        at: the time.  tolerance: the difference of clocks that is allowed.  max_age: as for `until`.
        """
        if self.this_update - at > tolerance:
            return f"it is not valid before {self.this_update:%Y-%m-%d %H:%M}"
        if self.until(max_age) < self.this_update:
            return f"its nextUpdate is before its thisUpdate: {self.until(max_age):%Y-%m-%d %H:%M}"
        if at - self.until(max_age) > tolerance:
            ended = f"{self.until(max_age):%Y-%m-%d %H:%M}"
            if self.next_update is None:
                return f"it has no nextUpdate, and is too old since {ended}"
            return f"it expired on {ended}"
        return None


class OCSPResponse:
    """A decoded response. `problem` says why it cannot be used at all, or is None.

    `unsupported_part` says which part of it is not supported, or is None: a response with one proves revocations, but
    not that a certificate is good.

    Attributes: `der`, `size` (its length), `responses`, `nonce` (None where absent), `responder` (as text),
    `authorised_by` (the CA that is known to have authorised its signer, else None).
    """

    def __init__(self, der: bytes) -> None:
        """Decode DER. Raises EncodingError."""
        self.der = der
        self.size = len(der)
        self.responses: tuple[SingleResponse, ...] = ()
        self.nonce: bytes | None = None
        self.responder = "nobody"
        self.problem: str | None = None
        self.unsupported_part: str | None = None
        self.authorised_by: ParsedCertificate | None = None
        self.was_refused = False  # checked for an issuer that has not authorised its signer
        self._signed_by: dict[bytes, bool] = {}
        self._delegates: tuple[ParsedCertificate, ...] | None = None
        self._x509 = open_ocsp_response(der)
        if self._x509.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            text = self._x509.response_status.name.lower().replace("_", " ")
            self.problem = f"the responder answered: {text}"
            return
        attempt("", self._read, self._x509)

    def _read(self, response: ocsp.OCSPResponse) -> None:
        name, self._key_hash = response.responder_name, response.responder_key_hash
        self._name = None if name is None else normal(name_der(name))
        self.responder = _responder_text(name, self._key_hash)
        self.responses = tuple(_single_responses(response))
        for extension in by_identifier(extensions_of(response)).values():
            if isinstance(extension.value, x509.OCSPNonce):
                self.nonce = extension.value.nonce
            elif extension.critical:
                oid = extension.oid.dotted_string
                self.unsupported_part = f"it has the critical extension {oid}, which we do not support"
        self._signed = response.tbs_response_bytes
        if _has_critical_single_extension(self._signed):
            self.unsupported_part = "a single response has a critical extension, which we do not support"
        self._signature = with_signature_parameters(response, self.der)

    def __repr__(self) -> str:
        return f"<OCSPResponse of {shown(self.responder)}, {len(self.responses)} responses>"

    @property
    def named(self) -> frozenset[CertID]:
        """The CertIDs of the certificates that it is about."""
        return frozenset(each.certificate for each in self.responses)

    def responses_to(self, named: CertID) -> list[SingleResponse]:
        """Return all single responses with a CertID."""
        return [each for each in self.responses if each.certificate == named]

    def age(self, named: CertID) -> datetime:
        """Return the latest thisUpdate of its single responses with a CertID."""
        return max(each.this_update for each in self.responses_to(named))

    def revokes(self, named: CertID) -> bool:
        """Whether it says that the certificate with a CertID is revoked permanently."""
        return any(each.revokes_permanently for each in self.responses_to(named))

    def responses_about(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> list[SingleResponse]:
        """Return all single responses about a certificate of an issuer, the worst first (RFC 6960 2.2)."""
        hash_names = {each.certificate.hash_name for each in self.responses}
        named = cert_ids_of(certificate, issuer, hash_names)
        return sorted((each for each in self.responses if each.certificate in named), key=_worst_first)

    def response_about(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> SingleResponse | None:
        """Return the single response about a certificate; the worst of several, None of none."""
        return next(iter(self.responses_about(certificate, issuer)), None)

    def signer(
        self, issuer: ParsedCertificate, at: datetime, work: WorkBudget | None = None
    ) -> ParsedCertificate | str:
        """Return the certificate of the authorised signer, the issuer or a delegated responder; else why there is none.

        By RFC 6960 4.2.2.2.  at: the time.  work: the budget, by default that of one peer. Raises OutOfWork where it
        is used up.
        """
        found = self._signer(issuer, at, work or WorkBudget())
        if isinstance(found, ParsedCertificate):
            self.authorised_by = issuer
        self.was_refused = self.authorised_by is None
        return found

    def _signer(self, issuer: ParsedCertificate, at: datetime, work: WorkBudget) -> ParsedCertificate | str:
        weak = algorithm_weakness(self._signature)
        if weak is not None:
            return f"it is signed with {weak[1]}"
        if self._is_signed_by(issuer, work):
            return issuer
        delegates = [each for each in self._read_delegates(work) if self._names(each)]
        unauthorised: list[tuple[ParsedCertificate, str]] = []
        for delegate in delegates:
            problem = _responder_problem(delegate, issuer, at, work)
            if problem is not None:
                unauthorised.append((delegate, problem))
            elif self._is_signed_by(delegate, work):
                return delegate
        for delegate, problem in unauthorised:
            if self._is_signed_by(delegate, work):
                return f"it is signed by {delegate.subject_text}, {problem}"
        named = [each for each in (issuer, *delegates) if self._names(each)]
        if named:
            return f"its signature does not verify under the key of {named[0].subject_text}"
        return f"it is signed in the name of {self.responder}, without a certificate whose key verifies the signature"

    def _is_signed_by(self, candidate: ParsedCertificate, work: WorkBudget) -> bool:
        """Whether the candidate is the named responder and its key signed the response; checked once for each key."""
        if not self._names(candidate):
            return False
        known = self._signed_by.get(candidate.key_digest)
        if known is None:
            work.spend_signature(candidate.key, len(self._signed))
            known = is_signature_of(self._signature, self._signed, candidate)
            if known or len(self._signed_by) < _REMEMBERED_KEYS:
                self._signed_by[candidate.key_digest] = known
        return known

    def _names(self, candidate: ParsedCertificate) -> bool:
        if self._name is not None:
            return self._name == candidate.normal_subject
        return self._key_hash == hashed("sha1", key_bits(candidate))

    def _read_delegates(self, work: WorkBudget) -> tuple[ParsedCertificate, ...]:
        """Return the decodable certificates of the response; decoded once."""
        if self._delegates is None:
            self._delegates = tuple(self._readable_certificates(work))
        return self._delegates

    def _readable_certificates(self, work: WorkBudget) -> Iterator[ParsedCertificate]:
        for each in (readable("certificates", lambda: self._x509.certificates) or [])[:MAX_DELEGATES]:
            work.spend(WorkStep.CERTIFICATE)
            try:
                certificate = ParsedCertificate(encoded(each))
                work.spend(
                    WorkStep.READ_KIB, (certificate.names_octets + certificate.extensions_octets) / 1024
                )
                certificate.load()
            except ValueError:
                continue
            yield certificate


def responses_in(data: bytes, source: str) -> list[OCSPResponse]:
    """Decode one OCSP response from DER, or any number from PEM. Raises ConfigError, which names `source`."""
    pem.check_ended(data, ("OCSP RESPONSE",), source)
    blocks = [pem.body(block) for label, block in pem.blocks(data) if label == "OCSP RESPONSE"]
    if not blocks and data[:1] != b"\x30":
        raise UnusableFile(
            f"{source}: it contains no OCSP response; expected DER or -----BEGIN OCSP RESPONSE-----"
        )
    responses = []
    for block in blocks or [data]:
        try:
            response = OCSPResponse(block)
        except ValueError as error:
            raise UnusableFile(f"{source}: the OCSP response cannot be read: {shown(error)}") from None
        if response.problem is not None:
            raise UnusableFile(f"{source}: the OCSP response cannot be used: {shown(response.problem)}")
        responses.append(response)
    return responses


def nonce_problem(response: OCSPResponse, nonce: bytes, *, required: bool = False) -> str | None:
    """Return why a response does not answer the request with this nonce, or None (RFC 9654 2.1).

    required: whether a response without nonce is refused; many responders sign in advance and return none.
    """
    got = response.nonce
    if got is None:
        return "it does not return our nonce" if required else None
    if not 1 <= len(got) <= MAX_NONCE_SIZE:
        return f"it has a nonce of {len(got)} bytes, where 1 to {MAX_NONCE_SIZE} are allowed"
    return None if got == nonce else "it returns another nonce than ours: it is the answer to another request"


def needs_no_check(delegate: ParsedCertificate) -> bool:
    """Whether the CA exempts a responder's certificate from revocation checks (RFC 6960 4.2.2.2.1)."""
    return delegate.extension(x509.OCSPNoCheck) is not None


def _responder_problem(
    delegate: ParsedCertificate, issuer: ParsedCertificate, at: datetime, work: WorkBudget
) -> str | None:
    """Return why the holder of a certificate may not sign responses for the issuer, or None (RFC 6960 4.2.2.2)."""
    if not issuer.is_named_issuer_of(delegate) or not _has_issued(issuer, delegate, work):
        return f"whom {issuer.subject_text} has not authorised: it did not issue that certificate"
    usages = delegate.extension(x509.ExtendedKeyUsage)
    if usages is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        return f"whom {issuer.subject_text} has not authorised: that certificate is not for OCSP signing"
    usage = delegate.extension(x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        return "whose key usage does not allow signatures"
    if not delegate.not_before <= at <= delegate.not_after:
        return "whose certificate is outside its validity period"
    weak = key_weakness(delegate.key)
    if weak is not None:
        return f"whose key is too weak: {weak}"
    critical = {oid for oid, extension in delegate.extensions.items() if extension.critical}
    unknown = sorted(oid.dotted_string for oid in critical - KNOWN - {x509.OCSPNoCheck.oid})
    return f"whose certificate has the critical extension {unknown[0]}" if unknown else None


def _has_issued(issuer: ParsedCertificate, delegate: ParsedCertificate, work: WorkBudget) -> bool:
    if weakness(delegate) is not None:
        return False
    work.spend_signature(issuer.key, len(delegate.signed))
    return is_signed_by(delegate, issuer)


def _single_responses(response: ocsp.OCSPResponse) -> Iterator[SingleResponse]:
    """Yield the single responses without those whose CertID has an unknown hash algorithm."""
    for count, each in enumerate(response.responses):
        if count == MAX_RESPONSES:
            raise ValueError(f"it has more than {MAX_RESPONSES} single responses")
        hash_name = _hash_name(each)
        if hash_name not in HASHES:
            continue
        named = CertID(hash_name, each.issuer_name_hash, each.issuer_key_hash, each.serial_number)
        times = each.this_update_utc, each.next_update_utc
        if each.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            reason = readable("revocationReason", getattr, each, "revocation_reason")
            yield SingleResponse(named, "revoked", *times, each.revocation_time_utc, _reason_words(reason))
        else:
            good = each.certificate_status is ocsp.OCSPCertStatus.GOOD
            yield SingleResponse(named, "good" if good else "unknown", *times)


def _worst_first(single: SingleResponse) -> tuple[int, float]:
    return 0 if single.revokes_permanently else _ORDER[single.state], -single.this_update.timestamp()


def _hash_name(single: ocsp.OCSPSingleResponse) -> str:
    try:
        return single.hash_algorithm.name
    except UnsupportedAlgorithm:
        return ""


def _reason_words(reason: x509.ReasonFlags | None) -> str:
    text = "unspecified" if reason is None else reason.name.replace("_", " ")
    return text.replace("ca comp", "CA comp").replace("aa comp", "AA comp")


def _responder_text(name: x509.Name | None, key_hash: bytes | None) -> str:
    if name is not None:
        return dn_text(name_der(name)) or "(no name)"
    return f"the key {(key_hash or b'').hex()}"


def _has_critical_single_extension(data: bytes) -> bool:
    """Check the extensions of all single responses; `cryptography` returns those of a single one (RFC 6960 4.4)."""
    at, end = expect_element(data, 0, len(data), SEQUENCE, "ResponseData")
    responses = None
    while at < end:
        tag, start, at = element(data, at, end)
        if tag == _GENERALIZED_TIME:
            responses = expect_element(data, at, end, SEQUENCE, "responses")
            break
    if responses is None:
        raise ValueError("it has no producedAt")
    for _, _, start, stop in elements(data, *responses):
        _, _, status = element(data, start, stop)
        _, _, times = element(data, status, stop)  # revokedInfo has the same tag as the extensions
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
