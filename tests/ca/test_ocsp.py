"""OCSP responses, decoded by `cryptography` and verified by our own revocation checks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.authority import Authority, Issued
from bothways.ca.der import sequence
from bothways.ca.errors import AuthorityError
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType
from bothways.ca.ocsp import RESPONSE_LIFETIME, EncodedResponse, OCSPError, Responder
from bothways.ca.profiles import Holder, Profile
from bothways.trust.anchors import TrustStore
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from ca.issuers import NOW, Clock, client, new_issuer
from ca.ocsp_requests import issuer_ids, read, request
from fuzz.mutation import mutants

SUCCESSFUL = ocsp.OCSPResponseStatus.SUCCESSFUL


class Answering:
    """A responder with the issuer that it answers for."""

    def __init__(self, issuer: Issuer, new_signer: Callable[[], Issued] | None = None) -> None:
        self._issuer = issuer
        self.responder = Responder(
            issuer.authority.certificate,
            new_signer or (lambda: issuer.issue(Profile.OCSP, Holder("OCSP signer"))),
            issuer.authority.now,
        )

    def answer(self, data: bytes) -> EncodedResponse:
        try:
            question = self.responder.read(data)
        except OCSPError as refused:
            return refused.response
        return self.responder.sign(question, self._issuer.register.find(question.serial))


def responder(issuer: Issuer) -> Answering:
    return Answering(issuer)


def test_good_revoked_on_hold_and_unknown_are_answered(issuer: Issuer) -> None:
    """RFC 6960 2.2."""
    alice, bob, carol = (client(issuer, name) for name in ("alice", "bob", "carol"))
    issuer.revoke(bob, "superseded")
    issuer.revoke(carol)
    answering = responder(issuer)
    reported = {
        serial: read(answering.answer(request(issuer, serial)).der) for serial in (alice, bob, carol, 42)
    }
    assert [answer.certificate_status.name for answer in reported.values()] == [
        "GOOD",
        "REVOKED",
        "REVOKED",
        "UNKNOWN",
    ]
    assert reported[bob].revocation_time_utc == NOW
    assert reported[bob].revocation_reason is x509.ReasonFlags.superseded
    assert reported[carol].revocation_reason is None
    assert {answer.next_update_utc for answer in reported.values()} == {NOW + RESPONSE_LIFETIME}


def test_a_delegated_responder_signs_and_is_replaced_at_half_its_validity(
    issuer: Issuer, clock: Clock
) -> None:
    """RFC 6960 4.2.2.2: its certificate comes from the authority and is for OCSP alone."""
    alice = client(issuer, "alice")
    answering = responder(issuer)
    first = read(answering.answer(request(issuer, alice)).der).certificates[0]
    clock.at = NOW + timedelta(days=3)
    assert read(answering.answer(request(issuer, alice)).der).certificates == [first]
    clock.at = NOW + timedelta(days=4)
    (second,) = read(answering.answer(request(issuer, alice)).der).certificates
    assert second != first
    for signer in (first, second):
        signer.verify_directly_issued_by(issuer.authority.certificate)
        assert issuer.register.find(signer.serial_number) is not None


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_an_issuer_may_be_named_by_any_hash(issuer: Issuer, algorithm: hashes.HashAlgorithm) -> None:
    answer = read(responder(issuer).answer(request(issuer, client(issuer, "a"), algorithm=algorithm)).der)
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.hash_algorithm.name == algorithm.name


@pytest.mark.parametrize("key_type", list(KeyType))
def test_our_own_verification_accepts_the_responses_and_refuses_the_unknown(
    key_type: KeyType, tmp_path: Path, clock: Clock
) -> None:
    """RFC 6960 3.2, of the leaf; its issuer's status comes from the root's list."""
    issuer = new_issuer(tmp_path / "other", clock, key_type=key_type)
    answering = responder(issuer)
    root = CRLStore.from_files(str(issuer.path / "root-crl.pem"))
    alice, bob = (issuer.issue(Profile.CLIENT, Holder(name)) for name in ("alice", "bob"))
    strange = issuer.authority.issue(Profile.CLIENT, "carol")  # by the same key, and in no register
    issuer.revoke(bob.serial)

    def trusted(issued: Issued, *, asked: bool = True) -> bool:
        answer = answering.answer(request(issuer, issued.serial)).der
        answers = OCSPStore([OCSPResponse(answer)]) if asked else None
        verdict = judge(
            [each.public_bytes(Encoding.DER) for each in (issued.certificate, *issued.intermediates)],
            TrustStore.from_certificates([issuer.authority.root]),
            purpose=Purpose.CLIENT, name=None, at=NOW,
            revocation=Revocation(crls=root, ocsp=answers),
        )  # fmt: skip
        return isinstance(verdict, Trusted)

    assert trusted(alice)
    assert not trusted(alice, asked=False)
    assert not trusted(bob)
    assert not trusted(strange)
    issuer.close()


def test_a_nonce_is_returned_and_such_a_response_is_not_cached(issuer: Issuer) -> None:
    """RFC 9654: 1 to 128 octets."""
    alice = client(issuer, "alice")
    answering = responder(issuer)
    answer = answering.answer(request(issuer, alice, nonce=b"n" * 128))
    assert read(answer.der).extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 128
    assert answer.next_update is None
    assert answering.answer(request(issuer, alice)).next_update == NOW + RESPONSE_LIFETIME
    assert answering.answer(request(issuer, 42)).next_update is None
    long = answering.answer(request(issuer, alice, nonce=b"n" * 129))
    assert read(long.der).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_a_negative_serial_number_is_a_malformed_request(issuer: Issuer) -> None:
    """RFC 5280 4.1.2.2: no certificate of ours has one, and no response could be written about it."""
    whole = request(issuer, 42)
    assert whole.count(b"\x02\x01\x2a") == 1
    answer = responder(issuer).answer(whole.replace(b"\x02\x01\x2a", b"\x02\x01\xaa"))
    assert read(answer.der).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_a_serial_number_that_is_too_long_is_a_malformed_request(issuer: Issuer) -> None:
    """RFC 5280 4.1.2.2: at most 20 octets."""
    for serial, status in ((2**160 - 1, SUCCESSFUL), (2**160, ocsp.OCSPResponseStatus.MALFORMED_REQUEST)):
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*issuer_ids(issuer), 42, hashes.SHA1())
        inner = builder.build().public_bytes(Encoding.DER)[10:-3]
        octets = serial.to_bytes(22, "big").lstrip(b"\0")
        octets = b"\0" * (octets[0] >> 7) + octets
        single = sequence(sequence(inner + b"\2" + bytes([len(octets)]) + octets))
        answer = responder(issuer).answer(sequence(sequence(sequence(single))))
        assert read(answer.der).response_status is status


def test_requests_about_another_cas_certificates_are_refused(issuer: Issuer) -> None:
    """RFC 6960 2.3: unauthorized."""
    other = Authority.create("Another", now=lambda: NOW)
    for signer in (other.certificate, issuer.authority.root):
        answer = responder(issuer).answer(request(issuer, client(issuer, "alice"), signer=signer))
        assert read(answer.der).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
        assert answer.next_update is None


def test_while_no_new_responder_certificate_can_be_issued_the_old_one_is_used(
    issuer: Issuer, clock: Clock
) -> None:
    """Until its answers could outlive it."""
    given = iter([issuer.issue(Profile.OCSP, Holder("OCSP signer"))])

    def new_signer() -> Issued:
        try:
            return next(given)
        except StopIteration:
            raise AuthorityError("the lights went out") from None

    alice = client(issuer, "alice")
    answering = Answering(issuer, new_signer)
    answering.responder.rotate()
    until = answering.responder.signer_not_after
    assert until is not None
    clock.at = until - RESPONSE_LIFETIME
    answer = answering.answer(request(issuer, alice))
    assert answer.next_update == until
    clock.at += timedelta(seconds=1)
    with pytest.raises(AuthorityError, match="the lights went out"):
        answering.answer(request(issuer, alice))


def test_an_unknown_critical_extension_is_refused(issuer: Issuer) -> None:
    """RFC 6960 4.1.2."""
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*issuer_ids(issuer), 42, hashes.SHA1())
    for critical, status in ((False, SUCCESSFUL), (True, ocsp.OCSPResponseStatus.MALFORMED_REQUEST)):
        odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")
        data = builder.add_extension(odd, critical).build().public_bytes(Encoding.DER)
        assert read(responder(issuer).answer(data).der).response_status is status


def test_a_request_about_two_certificates_is_refused(issuer: Issuer) -> None:
    """RFC 5019 2.1.1 asks for one; cryptography reads no more."""
    single = request(issuer, 42)[6:]  # past the headers of request, tbsRequest and requestList
    assert single[0] == 0x30
    assert len(single) == single[1] + 2
    whole = sequence(sequence(sequence(single + single)))
    answer = responder(issuer).answer(whole)
    assert read(answer.der).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    assert read(responder(issuer).answer(sequence(sequence(sequence(single)))).der).serial_number == 42


def test_any_request_gets_a_response(issuer: Issuer, full: bool) -> None:
    """Each is a response in DER, and none but those about the authority's own certificates are signed."""
    answering = responder(issuer)
    seeds = [request(issuer, 42, nonce=b"nonce"), request(issuer, client(issuer, "alice"))]
    for data in mutants(seeds, 50_000 if full else 1000, "ocsp"):
        assert read(answering.answer(data).der).response_status in ocsp.OCSPResponseStatus
