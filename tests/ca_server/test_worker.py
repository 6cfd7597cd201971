"""What is kept fresh by itself, and what is said when it cannot be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from bothways.ca.crl_schedule import CRL_LIFETIME
from bothways.ca.errors import ClockSetBack, DatabaseUnavailable
from bothways.ca.issuer import Issuer
from bothways.ca.register.register import Register
from bothways.ca.register.values import WHOLE, Series
from bothways.ca_server import worker as worker_module
from bothways.ca_server.worker import CRL_INTERVAL, Worker
from ca.issuers import DAY, NOW, Clock, client, new_issuer
from ca.ocsp_requests import request

DELTA = Series(delta=True)
FIRST = Series(0)


@pytest.fixture
def issuer(tmp_path: Path, clock: Clock) -> Iterator[Issuer]:
    made = new_issuer(tmp_path / "ca", clock, url="http://ca.example", partition=2)
    yield made
    made.close()


def keep(issuer: Issuer) -> tuple[Worker, list[str]]:
    reported: list[str] = []
    return Worker(issuer, reported.append), reported


def serials(made: Worker, series: Series) -> set[int]:
    document = made.crl(series)
    assert document is not None
    return {entry.serial_number for entry in x509.load_der_x509_crl(document.content)}


def test_crls_follow_a_revocation_within_seconds(issuer: Issuer, clock: Clock) -> None:
    alice = client(issuer, "alice")
    made, reported = keep(issuer)
    assert serials(made, WHOLE) == serials(made, FIRST) == set()
    other = Issuer.open(issuer.path, None, actor="another", now=clock)
    other.revoke(alice, "superseded")
    clock.at += CRL_INTERVAL
    made.tick()
    assert serials(made, WHOLE) == serials(made, FIRST) == {alice}
    clock.at += CRL_INTERVAL
    made.tick()
    assert serials(made, DELTA) == set()
    assert reported == []
    other.close()


def test_a_crl_that_another_process_published_is_served(issuer: Issuer, clock: Clock) -> None:
    made, _ = keep(issuer)
    before = made.crl(WHOLE)
    other = Issuer.open(issuer.path, None, actor="another", now=clock)
    published = other.crl()
    clock.at += CRL_INTERVAL
    made.tick()
    after = made.crl(WHOLE)
    assert before is not None
    assert after is not None
    assert after.content != before.content
    assert x509.load_der_x509_crl(after.content) == published
    other.close()


def test_crls_are_replaced_before_they_end(issuer: Issuer, clock: Clock) -> None:
    made, _ = keep(issuer)
    clock.at = NOW + CRL_LIFETIME - 2 * DAY
    made.tick()
    document = made.crl(WHOLE)
    assert document is not None
    assert document.next_update == clock.at + CRL_LIFETIME


def test_there_is_no_crl_of_an_unknown_or_expired_partition(issuer: Issuer, clock: Clock) -> None:
    client(issuer, "alice")
    made, _ = keep(issuer)
    assert made.crl(FIRST) is not None
    assert made.crl(Series(1)) is None
    clock.at = NOW + 91 * DAY
    made.tick()
    assert made.crl(FIRST) is None


def test_the_cache_of_crls_keeps_to_its_limit(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcdef":
        client(issuer, name)
    monkeypatch.setattr(worker_module, "CRL_CACHE_LIMIT", 500)
    made, _ = keep(issuer)
    read: list[Series] = []

    def counted(register: Register, series: Series) -> bytes | None:
        read.append(series)
        return newest_crl(register, series)

    newest_crl = Register.newest_crl
    monkeypatch.setattr(Register, "newest_crl", counted)
    for partition in (0, 1, 1, 2, 2, 0):
        assert made.crl(Series(partition)) is not None
    assert read == [Series(0), Series(1), Series(2), Series(0)]


def test_the_signer_is_rotated_and_responses_renewed_by_themselves(issuer: Issuer, clock: Clock) -> None:
    alice = client(issuer, "alice")
    made, _ = keep(issuer)
    while made.tick():
        pass
    first, until = made.ocsp_cache.cached(request(issuer, alice)), made.signer_not_after
    clock.at = NOW + 4 * DAY
    while made.tick():
        pass
    assert until is not None
    assert made.signer_not_after is not None
    assert made.signer_not_after > until
    second = made.ocsp_cache.cached(request(issuer, alice, algorithm=hashes.SHA1()))
    assert second is not None
    assert second is not first
    assert made.health().problems == ()


def test_a_failure_is_reported_once_and_retried(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, reported = keep(issuer)
    assert made.health().problems == ()

    def gone(*_: object) -> None:
        raise DatabaseUnavailable("the database is unavailable")

    for name in ("log_since", "log_length"):
        monkeypatch.setattr(Register, name, gone)
    assert not made.tick()
    assert not made.tick()
    assert reported == ["OCSP responses and CRLs cannot be renewed: the database is unavailable"]
    assert made.failures == 2
    assert made.health().problems == ("the register is unavailable",)
    monkeypatch.undo()
    made.tick()
    assert made.health().problems == ()
    monkeypatch.setattr(Register, "log_since", gone)
    made.tick()
    assert len(reported) == 2


def test_an_expired_crl_or_responder_is_a_health_problem(issuer: Issuer, clock: Clock) -> None:
    client(issuer, "alice")
    made, _ = keep(issuer)
    clock.at = NOW + CRL_LIFETIME + timedelta(seconds=1)
    assert made.health().problems == ("the OCSP responder's certificate has expired", "a CRL has expired")
    clock.at = NOW + 6 * 365 * DAY
    assert "the root's CRL has expired" in made.health().problems


def test_a_worker_that_cannot_start_raises_an_error(issuer: Issuer, clock: Clock) -> None:
    issuer.crl()
    clock.at -= timedelta(minutes=1)
    with pytest.raises(ClockSetBack, match="set the clock"):
        keep(issuer)


def test_a_file_is_hashed_once_and_not_for_each_request(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CRL may have many MiB."""
    own = Worker(issuer, print)
    first = own.crl(WHOLE)
    assert first is not None
    monkeypatch.setattr(worker_module, "sha256", None)
    again = own.crl(WHOLE)
    assert again is not None and again.tag == first.tag == hashlib.sha256(first.content).hexdigest()[:32]
