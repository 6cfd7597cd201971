"""OCSP answers, read by `cryptography` and judged by our own revocation checking."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bothways.ca.authority import Authority
from bothways.ca.keys import KeyType
from bothways.ca.ocsp import ANSWER_LIFETIME, Responder
from bothways.ca.office import Office
from bothways.ca.profiles import Holder, Profile
from ca.offices import NOW, Clock, client, new_office

SUCCESSFUL = ocsp.OCSPResponseStatus.SUCCESSFUL


def responder(office: Office) -> Responder:
    return Responder(
        office.authority.certificate,
        office.register.find,
        lambda: office.issue(Profile.OCSP, Holder("OCSP signer")),
        office.authority.now,
    )


def request(
    office: Office, serial: int, nonce: bytes | None = None, issuer: x509.Certificate | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:  # fmt: skip
    issuer = issuer or office.authority.certificate
    made = office.register.find(serial)
    builder = ocsp.OCSPRequestBuilder()
    if made is not None:
        certificate = x509.load_der_x509_certificate(made.certificate)
        builder = builder.add_certificate(certificate, issuer, algorithm or hashes.SHA256())
    else:
        name = hashlib.sha1(issuer.subject.public_bytes()).digest()
        key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest  # type: ignore[arg-type]
        builder = builder.add_certificate_by_hash(name, key, serial, hashes.SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def read(data: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(data)


def test_good_revoked_held_and_unknown_are_told(office: Office) -> None:
    """RFC 6960 2.2."""
    alice, bob, carol = (client(office, name) for name in ("alice", "bob", "carol"))
    office.revoke(bob, "superseded")
    office.revoke(carol)
    answering = responder(office)
    told = {
        serial: read(answering.answer(request(office, serial)).response) for serial in (alice, bob, carol, 42)
    }
    assert [answer.certificate_status.name for answer in told.values()] == [
        "GOOD",
        "REVOKED",
        "REVOKED",
        "UNKNOWN",
    ]
    assert told[bob].revocation_time_utc == NOW
    assert told[bob].revocation_reason is x509.ReasonFlags.superseded
    assert told[carol].revocation_reason is None
    assert {answer.next_update_utc for answer in told.values()} == {NOW + ANSWER_LIFETIME}


def test_a_delegate_signs_and_is_replaced_at_half_its_life(office: Office, clock: Clock) -> None:
    """RFC 6960 4.2.2.2: its certificate comes from the authority and is for OCSP alone."""
    alice = client(office, "alice")
    answering = responder(office)
    first = read(answering.answer(request(office, alice)).response).certificates[0]
    clock.at = NOW + timedelta(days=3)
    assert read(answering.answer(request(office, alice)).response).certificates == [first]
    clock.at = NOW + timedelta(days=4)
    (second,) = read(answering.answer(request(office, alice)).response).certificates
    assert second != first
    for signer in (first, second):
        signer.verify_directly_issued_by(office.authority.certificate)
        assert office.register.find(signer.serial_number) is not None


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_an_issuer_may_be_named_by_any_hash(office: Office, algorithm: hashes.HashAlgorithm) -> None:
    answer = read(
        responder(office).answer(request(office, client(office, "a"), algorithm=algorithm)).response
    )
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.hash_algorithm.name == algorithm.name


@pytest.mark.parametrize("key_type", list(KeyType))
def test_issuers_of_every_key_type_are_recognised(key_type: KeyType, tmp_path, clock: Clock) -> None:  # type: ignore[no-untyped-def]
    office = new_office(tmp_path / "other", clock, key_type=key_type)
    answer = read(responder(office).answer(request(office, client(office, "alice"))).response)
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    office.close()


def test_a_nonce_comes_back_and_such_an_answer_is_not_kept(office: Office) -> None:
    """RFC 9654: 1 to 128 octets."""
    alice = client(office, "alice")
    answering = responder(office)
    answer = answering.answer(request(office, alice, nonce=b"n" * 128))
    assert read(answer.response).extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 128
    assert answer.next_update is None
    assert answering.answer(request(office, alice)).next_update == NOW + ANSWER_LIFETIME
    assert answering.answer(request(office, 42)).next_update is None
    long = answering.answer(request(office, alice, nonce=b"n" * 129))
    assert read(long.response).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_a_negative_serial_number_is_a_malformed_request(office: Office) -> None:
    """RFC 5280 4.1.2.2: no certificate of ours has one, and no response could be written about it."""
    whole = request(office, 42)
    assert whole.count(b"\x02\x01\x2a") == 1
    answer = responder(office).answer(whole.replace(b"\x02\x01\x2a", b"\x02\x01\xaa"))
    assert read(answer.response).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_another_authoritys_certificates_are_not_answered_for(office: Office) -> None:
    """RFC 6960 2.3: unauthorized."""
    other = Authority.create("Another", now=lambda: NOW)
    for issuer in (other.certificate, office.authority.root):
        answer = responder(office).answer(request(office, client(office, "alice"), issuer=issuer))
        assert read(answer.response).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
        assert answer.next_update is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_altered_request_gets_an_answer_whatever_it_is(office: Office, data: st.DataObject) -> None:
    whole = request(office, 42, nonce=b"nonce")
    altered = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    answering = Responder(
        office.authority.certificate, lambda serial: None, lambda: SIGNER[0], office.authority.now
    )
    if not SIGNER:
        SIGNER.append(office.issue(Profile.OCSP, Holder("OCSP signer")))
    assert read(answering.answer(bytes(altered)).response).response_status in ocsp.OCSPResponseStatus


SIGNER: list = []  # type: ignore[type-arg]
