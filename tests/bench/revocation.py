"""A revocation list of a million entries: how it loads, what it holds, how fast it answers; and what checking costs."""

from __future__ import annotations

import random
import sys
import tracemalloc
from statistics import median
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.measure import Contender, budgeted, by_turns, show
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose
from bothways.trust.verification import verify as judge
from pki import NOW, Issued, crl, der, intermediate, leaf, ocsp_response, root

ENTRIES = 1_000_000
ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
REASON = der(0x30, der(0x30, der(6, b"\x55\x1d\x15") + der(4, der(10, b"\x01"))))


def main(runs: int) -> None:
    """Load the long list once a run, then ask it by turns for what is there and what is not."""
    ca = root("Bench CA")
    draw = random.Random(1)
    serials = [draw.getrandbits(126) | 1 << 125 for _ in range(ENTRIES)]
    data = long_list(ca, serials)
    times = []
    for _ in range(max(1, runs // 2)):
        start = process_time()
        held = CRL(data)
        held.read_entries()
        times.append(process_time() - start)
    print(f"\nA revocation list of {len(held):,} entries, {len(data) / 1e6:.0f} MB")
    print(f"  load         {' '.join(f'{each:6.2f}' for each in times)}   median {median(times):6.2f} s")
    start = process_time()
    if not held.is_signed_by(ParsedCertificate(ca.der)):
        raise SystemExit("the list is not signed by its CA")
    print(f"  signature    {process_time() - start:.2f} s, once for each list and key")
    budgeted("  memory", "bytes an entry, DER and index", bytes_an_entry(data), 100)
    issuer = ParsedCertificate(ca.der).normal_subject
    there = [each.to_bytes(16, "big") for each in serials[:1000]]
    absent = [(each ^ 1 << 60).to_bytes(16, "big") for each in serials[:1000]]
    asked = [
        Contender(name, lambda those=those: [held.find(each, issuer) for each in those], "for a thousand")
        for name, those in (("revoked", there), ("not revoked", absent))
    ]
    by_turns(asked, runs)
    show("Looking up a thousand serial numbers in it", asked)
    for each in asked:
        budgeted(" ", f"{each.name}, us a lookup", each.median / 1000, 10)
    judging(runs)


def bytes_an_entry(data: bytes) -> float:
    """What the list keeps once it is read, the DER counted."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = CRL(data[: len(data)])
    held.read_entries()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return (kept + len(data)) / len(held)


def judging(runs: int) -> None:
    """A path of three certificates, remembered, without and with each kind of evidence."""
    top = root("Bench root")
    ca = intermediate(top, "Bench issuing")
    server = leaf(ca)
    lists = CRLStore([CRL(crl(top)), CRL(crl(ca))])
    staples = [ocsp_response(server), ocsp_response(ca)]
    anchors = TrustStore.from_pem(top.pem)

    def contender(name: str, policy: Revocation | None) -> Contender:
        asked = {"purpose": Purpose.SERVER, "name": "server.example", "at": NOW, "staples": staples}
        return Contender(name, lambda: judge(server.chain, anchors, revocation=policy, **asked))

    contenders = [
        contender("without revocation", None),
        contender("by lists", Revocation(crls=lists)),
        contender("by staples", Revocation(staples="use")),
    ]
    by_turns(contenders, runs)
    show("Judging three certificates, their path remembered", contenders)


def long_list(ca: Issued, serials: list[int]) -> bytes:
    """A signed list in DER, put together by hand: a builder of objects would take minutes."""
    entries = b"".join(
        der(0x30, der(2, each.to_bytes(16, "big")) + der(0x17, b"260501000000Z") + REASON) for each in serials
    )
    number = der(0xA0, der(0x30, der(0x30, der(6, bytes.fromhex("551d14")) + der(4, b"\x02\x01\x05"))))
    times = der(0x17, b"260501000000Z") + der(0x17, b"260701000000Z")
    subject = ca.certificate.subject.public_bytes()
    signed = long(0x30, b"\x02\x01\x01" + ALGORITHM + subject + times + long(0x30, entries) + number)
    signature = ca.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return long(0x30, signed + ALGORITHM + der(0x03, b"\x00" + signature))


def long(tag: int, content: bytes) -> bytes:
    """One DER element of up to 4 GiB."""
    size = len(content).to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag, 0x80 | len(size)]) + size + content


if __name__ == "__main__":
    main(int(sys.argv[1]))
