"""What a stranger may cost: each price of `trust.work` measured anew, and every kind of hostile chain and message.

Processor time, the best of some runs; memory of Python objects by tracemalloc. The allowance is 2 us and 64 bytes
for each byte received, beside an honest handshake, 64 KiB a connection and 60 us a call of `receive`.
"""

from __future__ import annotations

import hashlib
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

import pki
from bench.measure import timed
from bothways import Connection, TrustStore
from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.path.constraints import certificate_reasons
from bothways.trust.path.name_constraints import NameConstraintCheck
from bothways.trust.path.name_matching import names_of
from bothways.trust.path.policies import policy_reasons
from bothways.trust.path.search import LIMITS, PathSearch
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose
from bothways.trust.verification import verify
from bothways.trust.verification import verify as judge
from bothways.trust.work import (
    MICROSECONDS_PER_BYTE,
    OCTETS_PER_BYTE,
    WorkBudget,
    WorkStep,
    signature_price,
)
from hostile import chains, messages
from hostile.meters import budgets, memory_of
from hostile.talks import Attack, play, weighed, whole

CHAIN_SIZES = (2_000, 40_000)
MESSAGE_SIZE = 60_000
SHOWN = 40
ENDLESS = 1e12
RSA_KEYS = ((2048, 17), (2048, 256), (3072, 256), (4096, 17), (8192, 17), (16384, 17), (16384, 64))


def main(runs: int) -> None:
    warnings.simplefilter("ignore")
    print(
        "\nPrices of the steps that judging pays for: table, measured, ratio (over 1: dearer than it is sold for)"
    )
    for name, price, measured in [*steps(runs), *signatures(runs)]:
        print(f"  {name:44} {price:9.1f} {measured:9.2f} us   {measured / price:5.2f}")
    report("Hostile chains, judged", list(judged_chains(runs)))
    report("Hostile messages and records, received", list(received_messages(runs)))


# -- prices --------------------------------------------------------------------------------------------


def best(once: Callable[[], object], runs: int) -> float:
    """Microseconds of one call, the best of several."""
    once()
    return min(timed(once) for _ in range(max(3, runs))) * 1e6


class Priced(NamedTuple):
    name: str
    price: float
    measured: float


def steps(runs: int) -> Iterator[Priced]:
    """Measure each kind of step where it is done many times, and by the kind of input that makes it dearest."""
    for step, once, count in _work(runs):
        yield Priced(step.name.lower(), step.price.microseconds, best(once, runs) / count)


def _work(runs: int) -> Iterator[tuple[WorkStep, Callable[[], object], float]]:
    leaf = pki.leaf(pki.intermediate(pki.root()))
    path = tuple(ParsedCertificate(each.der) for each in (leaf, *leaf.above))
    yield WorkStep.CERTIFICATE, lambda: ParsedCertificate(leaf.der).load(), 1
    yield WorkStep.READ_KIB, *_dearest_reading(runs)
    named = ParsedCertificate(
        pki.leaf(pki.root(), alternatives=[f"DNS:h{each}.example" for each in range(1000)]).der
    )
    yield WorkStep.NAME, lambda: _collect(named), 1000
    yield WorkStep.NAME_COMPARISON, *_comparisons()
    yield WorkStep.CANDIDATE, *_candidates()
    yield (
        WorkStep.CHECK,
        lambda: certificate_reasons(path, Purpose.SERVER, pki.NOW, "digitalSignature"),
        len(path),
    )
    yield WorkStep.POLICY, *_policies()
    reason = Reason(Fault.NAME_NOT_PERMITTED, 0, "CN=Leaf", {"name": "a.example", "issuer": "CN=CA"})
    yield WorkStep.REASON, lambda: str(reason), 1
    yield WorkStep.EVIDENCE, *_lists()
    data = bytes(1024 * 1024)
    yield WorkStep.HASHED_KIB, lambda: hashlib.sha512(data).digest(), 1024


def _collect(certificate: ParsedCertificate) -> object:
    certificate.names = None
    return names_of(certificate)


def _dearest_reading(runs: int) -> tuple[Callable[[], object], float]:
    """The kind of certificate that takes longest to read for what is paid."""
    ratios = []
    for title, draw in chains.KINDS.items():
        der = draw(random.Random(title), 20_000)[0]
        try:
            certificate = ParsedCertificate(der)
            certificate.load()
        except ValueError:
            continue
        paid = (certificate.names_octets + certificate.extensions_octets) / 1024
        if paid > 4:
            ratios.append(
                (best(lambda der=der: ParsedCertificate(der).load(), runs) / paid, title, der, paid)
            )
    _, title, der, paid = max(ratios)
    print(f"  (dearest to read: {title})")
    return lambda: ParsedCertificate(der).load(), paid


def _comparisons() -> tuple[Callable[[], object], float]:
    chain = [
        ParsedCertificate(der)
        for der in (
            chains.certificate(
                chains.EMPTY, chains.name("CA"), [chains.alternatives(8_000, "dNSName of many labels")]
            ),
            chains.own_ca(chains.name("CA"), chains.constraints(8_000, "dNSName", 0)),
        )
    ]
    for each in chain:
        each.load()
    work = WorkBudget(ENDLESS, int(ENDLESS))
    check = NameConstraintCheck(work)
    check.reasons(chain)

    def again() -> object:
        check._violations.clear()  # names and subtrees stay read
        return check.reasons(chain)

    before = work.spent[WorkStep.NAME_COMPARISON]
    again()
    return again, work.spent[WorkStep.NAME_COMPARISON] - before


def _candidates() -> tuple[Callable[[], object], float]:
    chain = chains.KINDS["paths: CAs of one name"](random.Random(1), 6_000)
    anchors = TrustStore.from_pem(pki.root().pem, remember_paths=0)
    work = WorkBudget(ENDLESS, int(ENDLESS))
    search = PathSearch(chain, anchors, LIMITS, work)
    leaf = ParsedCertificate(chain[0])
    leaf.load()
    list(search.possible_issuers((leaf,)))
    before = work.spent[WorkStep.CANDIDATE]
    list(search.possible_issuers((leaf,)))
    return lambda: list(search.possible_issuers((leaf,))), work.spent[WorkStep.CANDIDATE] - before


def _policies() -> tuple[Callable[[], object], float]:
    drawn = chains.KINDS["policies, mapped by many CAs"](random.Random(1), 20_000)
    path = tuple(map(ParsedCertificate, (*drawn, pki.root().der)))
    work = WorkBudget(ENDLESS, int(ENDLESS))
    policy_reasons(path, work=work)
    return lambda: policy_reasons(path, work=WorkBudget(ENDLESS, int(ENDLESS))), work.spent[WorkStep.POLICY]


def _lists() -> tuple[Callable[[], object], float]:
    """Sixty lists of one CA at hand, of which each has to be looked at."""
    leaf = pki.leaf(pki.root())
    anchors = TrustStore.from_pem(pki.root().pem)
    lists = [CRL(pki.crl(pki.root(), number=number)) for number in range(1, 61)]
    revocation = Revocation(crls=CRLStore(lists))

    def once() -> object:
        return verify(
            leaf.chain, anchors, purpose=Purpose.SERVER, name="localhost", at=pki.NOW, revocation=revocation
        )

    with budgets() as made:
        once()
    return once, sum(each.spent.get(WorkStep.EVIDENCE, 0) for each in made)


def signatures(runs: int) -> Iterator[Priced]:
    """One check by each kind of key. Who made the key chose its size and its exponent."""
    data, digest = bytes(1024), hashes.SHA256()
    for kind in ("P-256", "P-384", "P-521", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"):
        private: Any = pki.key(kind, 0)
        more = (ec.ECDSA(digest),) if kind.startswith("P-") else ()
        check = partial(private.public_key().verify, private.sign(data, *more), data, *more)
        yield _check(kind, private.public_key(), check, runs)
    for bits, exponent_bits in RSA_KEYS:
        modulus = random.Random(bits).getrandbits(bits) | 1 << (bits - 1) | 1
        key = rsa.RSAPublicNumbers(1 << (exponent_bits - 1) | 1, modulus).public_key()
        wrong = b"\0" + random.Random(1).randbytes(bits // 8 - 1)
        yield _check(f"RSA-{bits}, e of {exponent_bits} bits", key, partial(_refused, key, wrong, data), runs)


def _check(name: str, key: CertificatePublicKeyTypes, once: Callable[[], object], runs: int) -> Priced:
    return Priced(f"signature: {name}", signature_price(key), best(once, runs))


def _refused(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except Exception:  # noqa: BLE001 - a forged signature is what is measured
        return


# -- kinds ---------------------------------------------------------------------------------------------


class Row(NamedTuple):
    title: str
    octets: int
    seconds: float
    memory: int
    longest: float

    @property
    def time_a_byte(self) -> float:
        return self.seconds * 1e6 / self.octets

    @property
    def memory_a_byte(self) -> float:
        return self.memory / self.octets


def report(title: str, rows: list[Row]) -> None:
    """Print the dearest kinds by time and by memory, and whether any is above the limit."""
    print(f"\n{title}: bytes, us a byte, bytes a byte, longest call in ms")
    by_time = sorted(rows, key=lambda row: -row.time_a_byte)[:SHOWN]
    by_memory = sorted(rows, key=lambda row: -row.memory_a_byte)[: SHOWN // 2]
    by_call = sorted(rows, key=lambda row: -row.longest)[: SHOWN // 2]
    for row in dict.fromkeys((*by_time, *by_memory, *by_call)):
        print(
            f"  {row.octets:7} {row.time_a_byte:6.2f} {row.memory_a_byte:6.1f} {row.longest * 1e3:6.1f}   {row.title}"
        )
    above = [
        row.title
        for row in rows
        if row.seconds * 1e6 > 5_000 + MICROSECONDS_PER_BYTE * row.octets
        or row.memory > 65_536 + OCTETS_PER_BYTE * row.octets
    ]
    print(
        f"  {len(rows)} kinds and sizes, {len(above)} above the limit{': ' if above else ''}{', '.join(above)}"
    )


def judged_chains(runs: int) -> Iterator[Row]:
    anchors = TrustStore.from_pem(pki.root(chains.ANCHOR).pem, remember_paths=0)

    def judged(chain: chains.Chain) -> object:
        return judge(chain, anchors, purpose=Purpose.CLIENT, name=None, at=pki.NOW)

    for title, draw in chains.KINDS.items():
        for size in CHAIN_SIZES:
            chance = random.Random(f"{title} {size}")
            chain = chains.ended(draw(chance, size), chance.choice(chains.ENDS))
            seconds = best(lambda chain=chain: judged(chain), min(runs, 5)) / 1e6
            peak, _, _ = memory_of(lambda chain=chain: judged(chain))
            yield Row(title, sum(map(len, chain)), seconds, peak, seconds)


def received_messages(runs: int) -> Iterator[Row]:
    honest: dict[tuple[object, ...], tuple[float, int]] = {}
    for title, draw in messages.KINDS.items():
        attack = draw(random.Random(title), MESSAGE_SIZE)
        key = attack.sender, attack.course.name, attack.cut is whole
        if key not in honest:
            honest[key] = _least(attack.honest(), runs)[0], weighed(attack.honest())
        own_seconds, own_memory = honest[key]
        seconds, longest, received = _least(attack, min(runs, 3))
        memory = max(weighed(attack) - own_memory, 0)
        yield Row(title, received, max(seconds - own_seconds, 0.0), memory, longest)


def _least(attack: Attack, runs: int) -> tuple[float, float, int]:
    """Seconds of all calls of `receive`, of the longest, and the bytes that came; the best of several runs."""
    found = []
    for _ in range(max(runs, 2)):
        spent: list[float] = []

        def take(honest: Connection, data: bytes, spent: list[float] = spent) -> list[Any]:
            start = process_time()
            events = honest.receive(data)
            spent.append(process_time() - start)
            return events

        played = play(attack, take)
        found.append((sum(spent), max(spent), played.received))
    return min(found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
