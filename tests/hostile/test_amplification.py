"""Nothing that a stranger sends costs us much more than it cost him.

The allowance: two microseconds of processor time and 64 bytes of memory for each byte that is received before the
peer is trusted, beside an honest handshake of the same configuration and a fixed part. Nothing here is timed.
Counted are the steps that judging pays for, by the prices of `trust.work`, and calls of functions, of which a
microsecond has ten; `make bench ARGS=amplification` measures both anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial

import pytest

import pki
from bothways import TrustStore
from bothways.errors import InternalError
from bothways.tls.handshake.steps import Role
from bothways.trust.crl import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.path import judge
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Profile, Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify
from bothways.trust.work import FIXED_MICROSECONDS, MICROSECONDS_A_BYTE, MOST_MICROSECONDS, OCTETS_A_BYTE
from hostile import chains, evidence, messages
from hostile.meters import budgets, calls_of, memory_of
from hostile.talks import MUTUAL, MUTUAL12, TRANSPORT12, Attack, counted, play, showing, weighed, whole

CALLS_A_MICROSECOND = 10
# What nobody pays for, decoding above all, stays far below the two microseconds.
UNPAID_MICROSECONDS_A_BYTE = 0.5
UNPAID_MICROSECONDS = 1_000.0
RECEIVE_MICROSECONDS = 60.0
# Of one call of `receive`. Those that take most calls are quick ones, of half the price.
CALLS_AT_ONCE = 300_000
FIXED_OCTETS = 64 * 1024
# What is said of a chain that leads nowhere has a budget of its own, as long as few reasons take.
EXPLAINED_MICROSECONDS = 2_000.0

SIZES = (400, 3_000, 15_000)
Seeded = tuple[str, int, int]


def draws(kinds: list[str], share: int, each: int, full: bool) -> list[Seeded]:
    """Title, size and seed: of a sample every kind in turn by another share; in full each several times."""
    if full:
        return [
            (kind, random.Random(f"{kind} {seed}").randrange(300, 60_000), seed)
            for kind in kinds
            for seed in range(each)
        ]
    return [(kind, SIZES[at % len(SIZES)], 0) for at, kind in enumerate(kinds) if at % share == 0]


@cache
def anchors(profile: Profile = "private") -> TrustStore:
    return TrustStore.from_pem(pki.root(chains.ANCHOR).pem, remember_paths=0, profile=profile)


def judged(chain: chains.Chain, purpose: Purpose = Purpose.CLIENT, profile: Profile = "private") -> Verdict:
    name = "localhost" if purpose is Purpose.SERVER else None
    return judge(chain, anchors(profile), purpose=purpose, name=name, at=pki.NOW)


def drawn_chain(kind: str, size: int, seed: int) -> chains.Chain:
    chance = random.Random(f"{seed} {kind} {size}")
    return chains.ended(chains.KINDS[kind](chance, size), chance.choice(chains.ENDS))


def hold_calls(
    what: str, calls: int, paid: float, received: int, a_byte: float = UNPAID_MICROSECONDS_A_BYTE
) -> None:
    """What takes calls was paid for, but for a small part of each byte."""
    allowed = paid + a_byte * received
    assert calls / CALLS_A_MICROSECOND <= allowed, (
        f"{what}: {calls} calls for {received} bytes, {paid} us paid"
    )


def hold_judgement(what: str, chain: chains.Chain, purpose: Purpose, profile: Profile) -> None:
    """Judge a chain three times: for the steps, the calls and the memory."""
    received = sum(map(len, chain))
    with budgets() as made:
        verdict = judged(chain, purpose, profile)
    paid = sum(each.used for each in made)
    allowed = min(FIXED_MICROSECONDS + MICROSECONDS_A_BYTE * received, MOST_MICROSECONDS)
    assert paid <= allowed + EXPLAINED_MICROSECONDS, f"{what}: {paid} us for {received} bytes"
    calls = calls_of(lambda: judged(chain, purpose, profile))
    hold_calls(what, calls, paid + UNPAID_MICROSECONDS, received)
    peak, _, _ = memory_of(lambda: judged(chain, purpose, profile))
    assert peak <= FIXED_OCTETS + OCTETS_A_BYTE * received, f"{what}: {peak} bytes for {received}"
    assert isinstance(verdict, Refused), what
    texts = [str(each) for each in verdict.reasons] + [each.text for each in verdict.findings]
    assert len(texts) <= 20 and max(map(len, texts)) <= 12_000, f"{what}: {texts}"
    assert sum(map(len, texts)) <= 24_000, what


def test_chains_of_a_stranger_cost_no_more_than_their_allowance(full: bool) -> None:
    """Names, constraints, extensions, policies, keys and paths of every kind, ended at an anchor's name or nowhere."""
    for number, (kind, size, seed) in enumerate(draws(list(chains.KINDS), 1, 12, full)):
        purpose = Purpose.SERVER if number % 2 else Purpose.CLIENT
        profile: Profile = "web" if number % 4 == 3 else "private"
        hold_judgement(f"{kind}, {size}, {seed}", drawn_chain(kind, size, seed), purpose, profile)


_honest: dict[tuple[Role, str, bool], tuple[int, int]] = {}


def honest_cost(attack: Attack) -> tuple[int, int]:
    """Calls and memory of the same handshake without a lie."""
    key = attack.liar, attack.course.name, attack.cut is whole
    if key not in _honest:
        honest = attack.honest()
        play(honest)
        _honest[key] = counted(honest)[1], weighed(honest)
    return _honest[key]


def hold_talk(what: str, attack: Attack) -> None:
    """Play an attack twice: for the calls, of all and of the dearest `receive`, and for the memory."""
    own_calls, own_memory = honest_cost(attack)
    with budgets() as made:
        played, calls = counted(attack)
    paid = sum(each.used for each in made)
    allowed = FIXED_MICROSECONDS + MICROSECONDS_A_BYTE * played.received + EXPLAINED_MICROSECONDS
    assert paid <= min(allowed, MOST_MICROSECONDS + EXPLAINED_MICROSECONDS), f"{what}: {paid} us"
    received = RECEIVE_MICROSECONDS * played.calls
    hold_calls(what, calls - own_calls, paid + UNPAID_MICROSECONDS + received, played.received)
    assert played.longest - own_calls <= CALLS_AT_ONCE, f"{what}: {played.longest} calls at once"
    peak = weighed(attack)
    assert peak - own_memory <= FIXED_OCTETS + OCTETS_A_BYTE * played.received, f"{what}: {peak} bytes"
    for end in (played.talk.client, played.talk.server):
        assert not isinstance(end.failure, InternalError), f"{what}: a defect of ours"
        assert end.failure is None or len(str(end.failure)) < 8_000, what


def test_messages_and_records_of_a_stranger_cost_no_more_than_their_allowance(full: bool) -> None:
    """Hellos, requests, certificates, alerts and records of every kind, by both roles and in both versions."""
    for kind, size, seed in draws(list(messages.KINDS), 4, 4, full):
        chance = random.Random(f"{seed} {kind} {size}")
        hold_talk(f"{kind}, {size}, {seed}", messages.KINDS[kind](chance, size))


COURSES = (
    (MUTUAL, Role.CLIENT),
    (MUTUAL, Role.SERVER),
    (MUTUAL12, Role.CLIENT),
    (MUTUAL12, Role.SERVER),
    (TRANSPORT12, Role.CLIENT),
    (TRANSPORT12, Role.SERVER),
)


def test_chains_shown_in_a_handshake_cost_no_more_than_their_allowance(full: bool) -> None:
    """As above, but signed for by the key of the leaf: reading, the proof, the judgement and the error's words."""
    for number, (kind, size, seed) in enumerate(draws(list(chains.KINDS), 3, 4, full)):
        course, liar = COURSES[number % len(COURSES)]
        chain = drawn_chain(kind, min(size, 40_000), seed)
        hold_talk(f"{kind}, {size}, {seed}, {course}", showing(chain, liar, course))


def hold_evidence(what: str, received: int, once: Callable[[], object]) -> None:
    """Judge an insider by evidence that a stranger made, for the steps, the calls and the memory."""
    with budgets() as made:
        once()
    paid = sum(each.used for each in made)
    allowed = FIXED_MICROSECONDS + MICROSECONDS_A_BYTE * received + EXPLAINED_MICROSECONDS
    assert paid <= min(allowed, MOST_MICROSECONDS + EXPLAINED_MICROSECONDS), f"{what}: {paid} us"
    calls = calls_of(once)
    hold_calls(what, calls, paid + UNPAID_MICROSECONDS, received)
    peak, _, _ = memory_of(once)
    assert peak <= FIXED_OCTETS + OCTETS_A_BYTE * received, f"{what}: {peak} bytes for {received}"


def test_staples_of_a_stranger_cost_no_more_than_their_allowance(full: bool) -> None:
    """Only where a certificate leads to an anchor is any read: answers, extensions, names, delegates and their keys."""
    who = evidence.insider()
    revocation = Revocation(staples="require")
    for kind, size, seed in draws(list(evidence.STAPLES), 1, 20, full):
        staple = evidence.STAPLES[kind](random.Random(f"{seed} {kind}"), size)
        judged_by = partial(
            verify,
            who.chain,
            anchors(),
            purpose=Purpose.CLIENT,
            name=None,
            at=pki.NOW,
            revocation=revocation,
            staples=(staple,),
        )
        assert isinstance(judged_by(), Refused)
        hold_evidence(f"{kind}, {size}, {seed}", len(staple) + len(who.der), judged_by)


def test_lists_that_nobody_signed_cost_no_more_than_their_allowance(full: bool) -> None:
    """Headers are read and the signature is looked at; entries are not."""
    who = evidence.insider()

    def judged_by(data: bytes) -> object:
        try:
            lists = CRLStore([CRL(data)])
        except ValueError:
            return None
        revocation = Revocation(crls=lists)
        return verify(
            who.chain, anchors(), purpose=Purpose.CLIENT, name=None, at=pki.NOW, revocation=revocation
        )

    for kind, size, seed in draws(list(evidence.LISTS), 1, 20, full):
        data = evidence.LISTS[kind](random.Random(f"{seed} {kind}"), size)
        assert not isinstance(judged_by(data), Trusted)
        hold_evidence(f"{kind}, {size}, {seed}", len(data) + len(who.der), partial(judged_by, data))


@pytest.mark.parametrize("size", [2_000, 20_000])
def test_the_worst_chains_that_there_were_are_refused_within_their_allowance(size: int) -> None:
    """Each took more than a second, or a megabyte of words, for 20,000 bytes."""
    for kind in (
        "names below constraints: directoryName, empty",
        "names below constraints: registeredID",
        "names below constraints: otherName",
        "names below constraints: URI of one letter",
        "unknown critical extensions and many names",
        "paths: weakly signed",
        "keys: Diffie-Hellman of a huge prime",
        "keys: RSA of 3072 bits with a long exponent",
    ):
        for end in chains.ENDS:
            chain = chains.ended(chains.KINDS[kind](random.Random(f"{kind} {size}"), size), end)
            hold_judgement(f"{kind}, {size}, {end}", chain, Purpose.CLIENT, "private")
