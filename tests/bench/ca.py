"""What a CA does in a second on each kind of database, and how that changes with the size of its register.

Issuing waits for the disk, so what is counted here is time that passed, beside the processor's.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.home.init import InitOptions
from bothways.ca.import_existing import import_certificates
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType, new_key, signature_hash
from bothways.ca.ocsp import Responder
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.transaction import ImportedRecord, batched
from bothways.ca_server.ocsp_cache import OCSPCache
from ca.databases import running_cluster

SECONDS = 3.0
SIZES = (1_000, 100_000)
REVOKED = 20  # one of so many
AT_ONCE = 10_000
ASKED = 2_000


def main(_runs: int) -> None:
    """Certificates per second by type of key; then what grows with the register."""
    with stores() as urls:
        for kind, url in urls:
            print(f"\nCertificates issued one after the other, {kind}, fsync on")
            for key_type in KeyType:
                issuing(key_type, url)
        for kind, url in urls:
            growth(kind, url, SIZES)


@contextmanager
def stores() -> Iterator[list[tuple[str, Callable[[], str]]]]:
    """Each available kind of database, with a function that makes an empty one."""
    try:
        with running_cluster("fsync = on\n") as cluster:
            yield [("SQLite", lambda: ""), ("PostgreSQL", cluster.new_database)]
    except pytest.skip.Exception as reason:
        print(f"\nPostgreSQL is left out: {reason}")
        yield [("SQLite", lambda: "")]


@contextmanager
def issuer(key_type: KeyType, url: str) -> Iterator[Issuer]:
    """An authority on the disk that this machine has for temporary files."""
    folder = Path(tempfile.mkdtemp(prefix="bench-ca-"))
    made = Issuer.create(folder / "ca", InitOptions("Bench", key_type, database_url=url), None, actor="bench")
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


@dataclass
class Spent:
    """What something took: seconds that passed, and of the processor."""

    passed: float
    computed: float


def timed(work: Callable[[], object]) -> Spent:
    """Do something once."""
    passed, computed = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - passed, time.process_time() - computed)


def per_second(work: Callable[[], object]) -> tuple[float, float]:
    """How often something is done in a second, of time that passed and of the processor's."""
    work()
    count, passed, computed = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - passed < SECONDS:
        work()
        count += 1
    return count / (time.perf_counter() - passed), count / max(time.process_time() - computed, 1e-9)


def issuing(key_type: KeyType, url: Callable[[], str]) -> None:
    """Certificates for requests, whose keys were made elsewhere, by an authority with this type of key."""
    key = new_key(key_type)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, signature_hash(key))
    data = request.public_bytes(Encoding.DER)
    with issuer(key_type, url()) as made:
        passed, computed = per_second(lambda: made.sign(data, Profile.CLIENT))
    print(
        f"  {key_type.value:8} {passed:7.0f} a second   {computed:7.0f} in a second of the processor",
        flush=True,
    )


def growth(kind: str, url: Callable[[], str], sizes: tuple[int, ...]) -> None:
    """The same questions to registers of several sizes, of which one certificate in twenty is revoked."""
    print(f"\nBy certificates in the register, {kind}; one in {REVOKED} revoked")
    for size in sizes:
        with issuer(KeyType.P256, url()) as made:
            filling = timed(lambda: fill(made, size))  # noqa: B023 - it is called in this turn
            reported(size, "fill, each", filling, size, "us")
            measure(made, size)


def measure(made: Issuer, size: int) -> None:
    """What is asked of a register of a size."""
    revoked = size // REVOKED
    reported(size, f"CRL of {revoked:,}", timed(made.crl), 1, "s")
    reported(size, "its delta", timed(lambda: made.publish_due()), 1, "s")
    reported(size, "which CRLs are due", timed(lambda: made.register.crl_state(made.authority.now())), 1, "s")
    reported(size, "audit", timed(made.register.check_audit), 1, "s")
    expiring = made.authority.now() + timedelta(days=30)
    reported(
        size,
        "what expires soon",
        timed(lambda: made.register.expiring(expiring, made.authority.now())),
        1,
        "s",
    )
    signed, kept = answering(made)
    for what, work in (
        ("issued", lambda: made.issue(Profile.CLIENT, Holder("client"))),
        ("OCSP responses signed", signed),
        ("OCSP responses cached", kept),
    ):
        passed, computed = per_second(work)
        print(
            f"  {size:9,}  {what:22} {passed:9.0f} a second   {computed:9.0f} of the processor's", flush=True
        )


def reported(size: int, what: str, spent: Spent, count: int, unit: str) -> None:
    """Print a line."""
    scale = 1e6 if unit == "us" else 1.0
    passed, computed = spent.passed / count * scale, spent.computed / count * scale
    print(
        f"  {size:9,}  {what:22} {passed:9.3f} {unit}   {computed:9.3f} {unit} of the processor", flush=True
    )


def fill(made: Issuer, size: int) -> None:
    """Certificates of a CA, imported as those of an existing one."""
    public = new_key(KeyType.P256).public_key()
    now = made.authority.now()
    for numbers in batched(range(size), AT_ONCE):
        import_certificates(made, [_adopted(made, number, public, now) for number in numbers])


def _adopted(made: Issuer, number: int, public: Any, now: datetime) -> ImportedRecord:
    name = f"client {number}"
    leaf = made.authority.sign(Profile.CLIENT, Holder(name), public)
    gone = number % REVOKED == 0
    return ImportedRecord(
        leaf.serial_number,
        Profile.CLIENT.value,
        name,
        {"cn": [name]},
        (leaf.not_valid_before_utc, leaf.not_valid_after_utc),
        leaf.public_bytes(Encoding.DER),
        now if gone else None,
        "superseded" if gone else None,
    )


def answering(made: Issuer) -> tuple[Callable[[], object], Callable[[], object]]:
    """Requests about certificates of the register: the response signed on request, and signed ahead."""
    issuer = made.authority.certificate
    requests = [
        ocsp.OCSPRequestBuilder()
        .add_certificate(x509.load_der_x509_certificate(entry.certificate), issuer, hashes.SHA1())
        .build()
        .public_bytes(Encoding.DER)
        for entry in islice(made.register.all(), ASKED)
    ]
    responder = Responder(issuer, lambda: made.issue(Profile.OCSP, Holder("OCSP signer")), made.authority.now)
    answers = OCSPCache(responder, made.register, made.authority.now)
    draw = random.Random(1)

    def signed() -> None:
        question = responder.read(draw.choice(requests))
        responder.sign(question, made.register.find(question.serial))

    for request in requests:
        answers.respond(request)
    return signed, lambda: answers.respond(draw.choice(requests))


if __name__ == "__main__":
    main(int(sys.argv[1]))
