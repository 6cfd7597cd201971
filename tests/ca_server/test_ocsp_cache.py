"""Answers that were signed ahead: who gets the same one, and when there is a new one."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.errors import StoreUnavailable
from bothways.ca.issuer import Issuer
from bothways.ca.ocsp import ANSWER_LIFETIME, Answer, Responder
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.register import Register
from bothways.ca.register.values import Entry
from bothways.ca_server import ocsp_cache
from bothways.ca_server.ocsp_cache import FRESH, GRACE, Answers
from ca.issuers import NOW, Clock, client
from ca.ocsp_requests import issuer_ids, read, request

SECOND = timedelta(seconds=1)


class Counting(Responder):
    """Counts how many answers were signed."""

    count = 0

    def sign(self, question: object, entry: Entry | None) -> Answer:
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
        self.answers = Answers(self.responder, issuer.register, issuer.authority.now, **terms)

    def ask(self, serial: int, **how: object) -> Answer:
        return self.answers.answer(request(self.issuer, serial, algorithm=hashes.SHA1(), **how))  # type: ignore[arg-type]

    def status(self, serial: int) -> str:
        return read(self.ask(serial).response).certificate_status.name

    def settle(self) -> None:
        while self.answers.refresh():
            pass


def test_what_stands_in_the_register_is_signed_ahead(issuer: Issuer) -> None:
    """RFC 5019 2.2: then a request costs no signature."""
    alice, bob = client(issuer, "alice"), client(issuer, "bob")
    desk = Desk(issuer)
    assert desk.answers.at_hand(request(issuer, alice, algorithm=hashes.SHA1())) is None
    desk.settle()
    signed = desk.responder.count
    assert signed == 3  # and the signer's own
    first = desk.answers.at_hand(request(issuer, alice, algorithm=hashes.SHA1()))
    assert first is not None
    assert first.status == "good"
    assert desk.ask(alice) is first
    assert desk.status(bob) == "GOOD"
    assert desk.responder.count == signed


def test_one_signed_on_demand_is_kept_too(issuer: Issuer) -> None:
    """By the hash that was asked with."""
    desk = Desk(issuer)
    alice = client(issuer, "alice")
    data = request(issuer, alice, algorithm=hashes.SHA384())
    assert desk.answers.answer(data) is desk.answers.answer(data)
    assert desk.responder.count == 1
    desk.ask(alice)
    assert desk.responder.count == 2


def test_a_revocation_by_another_process_is_in_the_next_answer(issuer: Issuer, clock: Clock) -> None:
    """Its own copy of the issuer, and nothing that both share but the store."""
    alice = client(issuer, "alice")
    desk = Desk(issuer)
    desk.settle()
    other = Issuer.open(issuer.path, None, actor="another", now=clock)
    other.revoke(alice, "certificateHold")
    clock.at += FRESH + SECOND
    assert desk.answers.at_hand(request(issuer, alice, algorithm=hashes.SHA1())) is None
    assert desk.status(alice) == "REVOKED"
    other.release(alice)
    desk.settle()
    kept = desk.answers.at_hand(request(issuer, alice, algorithm=hashes.SHA1()))
    assert kept is not None
    assert kept.status == "good"
    other.close()


def test_a_new_certificate_is_answered_for_ahead(issuer: Issuer) -> None:
    desk = Desk(issuer)
    desk.settle()
    alice = client(issuer, "alice")
    desk.settle()
    assert desk.answers.at_hand(request(issuer, alice, algorithm=hashes.SHA1())) is not None


def test_nonces_and_strangers_are_answered_freshly(issuer: Issuer) -> None:
    alice = client(issuer, "alice")
    desk = Desk(issuer)
    desk.settle()
    for data in (request(issuer, alice, nonce=b"n" * 16), request(issuer, 42)):
        assert desk.answers.at_hand(data) is None
        assert desk.answers.answer(data) is not desk.answers.answer(data)
    assert len(desk.answers) == 2


def test_an_answer_is_replaced_at_half_its_time_and_never_given_near_its_end(
    issuer: Issuer, clock: Clock
) -> None:
    alice = client(issuer, "alice")
    desk = Desk(issuer)
    desk.settle()
    first = desk.ask(alice)
    clock.at = NOW + ANSWER_LIFETIME / 2 - SECOND
    desk.settle()
    assert desk.ask(alice) is first
    clock.at = NOW + ANSWER_LIFETIME / 2
    desk.settle()
    second = desk.ask(alice)
    assert second is not first
    assert second.next_update == clock.at + ANSWER_LIFETIME
    clock.at += ANSWER_LIFETIME * 3 / 4  # and nobody refreshed meanwhile
    assert desk.ask(alice) is not second


def test_what_ended_is_not_kept(issuer: Issuer, clock: Clock) -> None:
    client(issuer, "alice")
    desk = Desk(issuer)
    desk.settle()
    clock.at = NOW + timedelta(days=91)
    desk.settle()
    assert len(desk.answers) == 1  # of the new signer alone


def test_of_more_than_are_kept_the_newest_stay(issuer: Issuer) -> None:
    serials = [client(issuer, name) for name in "abcd"]
    desk = Desk(issuer, limit=2)
    for serial in serials:
        desk.ask(serial)
    assert len(desk.answers) == 2
    assert desk.answers.at_hand(request(issuer, serials[0], algorithm=hashes.SHA1())) is None
    assert desk.answers.at_hand(request(issuer, serials[3], algorithm=hashes.SHA1())) is not None


def test_without_the_register_what_is_known_goes_for_minutes_and_then_no_answer_is_given(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6960 2.3: tryLater."""

    def gone(*_: object) -> None:
        raise StoreUnavailable("the store cannot be reached")

    alice, bob = client(issuer, "alice"), client(issuer, "bob")
    desk = Desk(issuer)
    desk.settle()
    for name in ("log_since", "find", "log_length"):
        monkeypatch.setattr(Register, name, gone)
    data = request_without_register(issuer, alice)
    clock.at += GRACE
    assert desk.answers.answer(data).status == "good"
    clock.at += SECOND
    assert desk.answers.answer(data).status == "try_later"
    assert desk.answers.answer(request_without_register(issuer, bob)).status == "try_later"
    with pytest.raises(StoreUnavailable, match="the store cannot be reached"):
        desk.answers.refresh()
    monkeypatch.undo()
    assert desk.answers.answer(data).status == "good"


def request_without_register(issuer: Issuer, serial: int) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*issuer_ids(issuer), serial, hashes.SHA1())
    return builder.build().public_bytes(Encoding.DER)


def test_work_is_done_in_steps(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that requests have their turn in between."""
    for name in "abc":
        client(issuer, name)
    monkeypatch.setattr(ocsp_cache, "STEP", 2)
    desk = Desk(issuer)
    assert desk.answers.refresh()
    assert len(desk.answers) == 2
    desk.settle()
    assert len(desk.answers) == 4


def test_many_threads_get_the_same_answer(issuer: Issuer) -> None:
    alice = client(issuer, "alice")
    desk = Desk(issuer)
    data = request(issuer, alice, algorithm=hashes.SHA1())
    got: list[Answer] = []
    threads = [threading.Thread(target=lambda: got.append(desk.answers.answer(data))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.response for answer in got}) == 1
    assert desk.responder.count == 1
