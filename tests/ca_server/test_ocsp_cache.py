"""Answers that were signed ahead: who gets the same one, and when there is a new one."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.errors import DatabaseUnavailable
from bothways.ca.issuer import Issuer
from bothways.ca.ocsp import RESPONSE_LIFETIME, EncodedResponse, Responder
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca.register.values import RegisterEntry
from bothways.ca_server import ocsp_cache
from bothways.ca_server.ocsp_cache import LOG_MAX_AGE, UNAVAILABLE_GRACE, OCSPCache
from ca.issuers import NOW, Clock, client
from ca.ocsp_requests import issuer_ids, read, request

SECOND = timedelta(seconds=1)


class Counting(Responder):
    """Counts how many answers were signed."""

    count = 0

    def sign(self, question: object, entry: RegisterEntry | None) -> EncodedResponse:
        self.count += 1
        return super().sign(question, entry)  # type: ignore[arg-type]


class Desk:
    """Answers of an issuer, with what they signed."""

    def __init__(self, issuer: Issuer, **terms: int) -> None:
        self.issuer = issuer
        self.responder = Counting(
            issuer.authority.certificate,
            lambda: issuer.issue(Profile.OCSP, Holder("OCSP signer")),
            issuer.authority.now,
        )
        self.responder.rotate()
        self.ocsp_cache = OCSPCache(self.responder, issuer.register, issuer.authority.now, **terms)

    def ask(self, serial: int, **how: object) -> EncodedResponse:
        return self.ocsp_cache.respond(request(self.issuer, serial, algorithm=hashes.SHA1(), **how))  # type: ignore[arg-type]

    def status(self, serial: int) -> str:
        return read(self.ask(serial).der).certificate_status.name

    def settle(self) -> None:
        while self.ocsp_cache.refresh():
            pass


def test_responses_about_certificates_of_the_register_are_signed_ahead(issuer: Issuer) -> None:
    """RFC 5019 2.2: then a request costs no signature."""
    alice, bob = client(issuer, "alice"), client(issuer, "bob")
    endpoints = Desk(issuer)
    assert endpoints.ocsp_cache.cached(request(issuer, alice, algorithm=hashes.SHA1())) is None
    endpoints.settle()
    signed = endpoints.responder.count
    assert signed == 3  # and the signer's own
    first = endpoints.ocsp_cache.cached(request(issuer, alice, algorithm=hashes.SHA1()))
    assert first is not None
    assert first.status == "good"
    assert endpoints.ask(alice) is first
    assert endpoints.status(bob) == "GOOD"
    assert endpoints.responder.count == signed


def test_a_response_signed_on_demand_is_cached_too(issuer: Issuer) -> None:
    """By the hash that was asked with."""
    endpoints = Desk(issuer)
    alice = client(issuer, "alice")
    data = request(issuer, alice, algorithm=hashes.SHA384())
    assert endpoints.ocsp_cache.respond(data) is endpoints.ocsp_cache.respond(data)
    assert endpoints.responder.count == 1
    endpoints.ask(alice)
    assert endpoints.responder.count == 2


def test_a_revocation_by_another_process_is_in_the_next_response(issuer: Issuer, clock: Clock) -> None:
    """Its own copy of the issuer, and nothing that both share but the store."""
    alice = client(issuer, "alice")
    endpoints = Desk(issuer)
    endpoints.settle()
    other = Issuer.open(issuer.path, None, actor="another", now=clock)
    other.revoke(alice, "certificateHold")
    clock.at += LOG_MAX_AGE + SECOND
    assert endpoints.ocsp_cache.cached(request(issuer, alice, algorithm=hashes.SHA1())) is None
    assert endpoints.status(alice) == "REVOKED"
    other.release(alice)
    endpoints.settle()
    kept = endpoints.ocsp_cache.cached(request(issuer, alice, algorithm=hashes.SHA1()))
    assert kept is not None
    assert kept.status == "good"
    other.close()


def test_a_response_about_a_new_certificate_is_signed_ahead(issuer: Issuer) -> None:
    endpoints = Desk(issuer)
    endpoints.settle()
    alice = client(issuer, "alice")
    endpoints.settle()
    assert endpoints.ocsp_cache.cached(request(issuer, alice, algorithm=hashes.SHA1())) is not None


def test_requests_with_nonces_or_about_unknown_certificates_are_answered_freshly(issuer: Issuer) -> None:
    alice = client(issuer, "alice")
    endpoints = Desk(issuer)
    endpoints.settle()
    for data in (request(issuer, alice, nonce=b"n" * 16), request(issuer, 42)):
        assert endpoints.ocsp_cache.cached(data) is None
        assert endpoints.ocsp_cache.respond(data) is not endpoints.ocsp_cache.respond(data)
    assert len(endpoints.ocsp_cache) == 2


def test_a_response_is_replaced_at_half_its_validity_and_not_served_near_its_end(
    issuer: Issuer, clock: Clock
) -> None:
    alice = client(issuer, "alice")
    endpoints = Desk(issuer)
    endpoints.settle()
    first = endpoints.ask(alice)
    clock.at = NOW + RESPONSE_LIFETIME / 2 - SECOND
    endpoints.settle()
    assert endpoints.ask(alice) is first
    clock.at = NOW + RESPONSE_LIFETIME / 2
    endpoints.settle()
    second = endpoints.ask(alice)
    assert second is not first
    assert second.next_update == clock.at + RESPONSE_LIFETIME
    clock.at += RESPONSE_LIFETIME * 3 / 4  # and nobody refreshed meanwhile
    assert endpoints.ask(alice) is not second


def test_responses_about_expired_certificates_are_dropped(issuer: Issuer, clock: Clock) -> None:
    client(issuer, "alice")
    endpoints = Desk(issuer)
    endpoints.settle()
    clock.at = NOW + timedelta(days=91)
    endpoints.settle()
    assert len(endpoints.ocsp_cache) == 1  # of the new signer alone


def test_a_full_cache_keeps_the_newest(issuer: Issuer) -> None:
    serials = [client(issuer, name) for name in "abcd"]
    endpoints = Desk(issuer, limit=2)
    for serial in serials:
        endpoints.ask(serial)
    assert len(endpoints.ocsp_cache) == 2
    assert endpoints.ocsp_cache.cached(request(issuer, serials[0], algorithm=hashes.SHA1())) is None
    assert endpoints.ocsp_cache.cached(request(issuer, serials[3], algorithm=hashes.SHA1())) is not None


def test_without_the_register_cached_responses_are_served_for_minutes(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6960 2.3: tryLater."""

    def gone(*_: object) -> None:
        raise DatabaseUnavailable("the database is unavailable")

    alice, bob = client(issuer, "alice"), client(issuer, "bob")
    endpoints = Desk(issuer)
    endpoints.settle()
    for name in ("log_since", "find", "log_length"):
        monkeypatch.setattr(Register, name, gone)
    data = request_without_register(issuer, alice)
    clock.at += UNAVAILABLE_GRACE
    assert endpoints.ocsp_cache.respond(data).status == "good"
    clock.at += SECOND
    assert endpoints.ocsp_cache.respond(data).status == "try_later"
    assert endpoints.ocsp_cache.respond(request_without_register(issuer, bob)).status == "try_later"
    with pytest.raises(DatabaseUnavailable, match="the database is unavailable"):
        endpoints.ocsp_cache.refresh()
    monkeypatch.undo()
    assert endpoints.ocsp_cache.respond(data).status == "good"


def request_without_register(issuer: Issuer, serial: int) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*issuer_ids(issuer), serial, hashes.SHA1())
    return builder.build().public_bytes(Encoding.DER)


def test_responses_are_signed_in_steps(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that requests are answered in between."""
    for name in "abc":
        client(issuer, name)
    monkeypatch.setattr(ocsp_cache, "STEP", 2)
    endpoints = Desk(issuer)
    assert endpoints.ocsp_cache.refresh()
    assert len(endpoints.ocsp_cache) == 2
    endpoints.settle()
    assert len(endpoints.ocsp_cache) == 4


def test_many_threads_get_the_same_response(issuer: Issuer) -> None:
    alice = client(issuer, "alice")
    endpoints = Desk(issuer)
    data = request(issuer, alice, algorithm=hashes.SHA1())
    got: list[EncodedResponse] = []
    threads = [
        threading.Thread(target=lambda: got.append(endpoints.ocsp_cache.respond(data))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.der for answer in got}) == 1
    assert endpoints.responder.count == 1
