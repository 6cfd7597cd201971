"""What a stranger's bytes may cost, and how that is counted.

The allowance: two microseconds of processor time and 64 bytes of memory for each byte that is received before the
peer is trusted, beside an honest handshake of the same configuration and a fixed part. Nothing is timed.
Counted are the steps that judging pays for, by the prices of `trust.work`, and calls of functions, of which a
microsecond has ten; `make bench ARGS=amplification` measures both anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import pki
from bothways import TrustStore
from bothways.errors import InternalError
from bothways.tls.handshake.steps import Role
from bothways.trust.verdict import Profile, Purpose, Refused, Verdict
from bothways.trust.verification import verify as judge
from bothways.trust.work import FIXED_MICROSECONDS, MICROSECONDS_PER_BYTE, MOST_MICROSECONDS, OCTETS_PER_BYTE
from hostile import chains
from hostile.meters import budgets, calls_of, memory_of
from hostile.talks import MUTUAL, MUTUAL12, TRANSPORT12, Attack, counted, play, weighed, whole

CALLS_A_MICROSECOND = 10
# What nobody pays for, decoding above all, stays far below the two microseconds.
UNPAID_MICROSECONDS_PER_BYTE = 0.5
UNPAID_MICROSECONDS = 1_000.0
RECEIVE_MICROSECONDS = 60.0
# Of one call of `receive`. Those that take most calls are quick ones, of half the price.
CALLS_AT_ONCE = 300_000
FIXED_OCTETS = 64 * 1024
# What is said of a chain that leads nowhere has a budget of its own, as long as few reasons take.
EXPLAINED_MICROSECONDS = 2_000.0

SIZES = (400, 3_000, 10_000)
COURSES = (
    (MUTUAL, Role.CLIENT),
    (MUTUAL, Role.SERVER),
    (MUTUAL12, Role.CLIENT),
    (MUTUAL12, Role.SERVER),
    (TRANSPORT12, Role.CLIENT),
    (TRANSPORT12, Role.SERVER),
)

Meter = Literal["calls", "memory", "both"]


class Draw(NamedTuple):
    """One hostile input to make, and what to count while it is taken."""

    kind: str
    size: int
    seed: int
    meter: Meter


def draws(kinds: list[str], share: int, each: int, full: bool) -> list[Draw]:
    """Of a sample every kind in turn by another share, and one meter in turn; in full each several times, by both."""
    if full:
        return [
            Draw(kind, random.Random(f"{kind} {seed}").randrange(300, 60_000), seed, "both")
            for kind in kinds
            for seed in range(each)
        ]
    meters: tuple[Meter, ...] = ("calls", "memory")
    return [
        Draw(kind, SIZES[at % len(SIZES)], 0, meters[at // share % 2])
        for at, kind in enumerate(kinds)
        if at % share == 0
    ]


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
    what: str, calls: int, paid: float, received: int, a_byte: float = UNPAID_MICROSECONDS_PER_BYTE
) -> None:
    """What takes calls was paid for, but for a small part of each byte."""
    allowed = paid + a_byte * received
    assert calls / CALLS_A_MICROSECOND <= allowed, (
        f"{what}: {calls} calls for {received} bytes, {paid} us paid"
    )


def hold_meters(what: str, received: int, once: Callable[[], object], paid: float, meter: Meter) -> None:
    """Do something again under one meter, or each."""
    if meter != "memory":
        hold_calls(what, calls_of(once), paid + UNPAID_MICROSECONDS, received)
    if meter != "calls":
        peak, _, _ = memory_of(once)
        assert peak <= FIXED_OCTETS + OCTETS_PER_BYTE * received, f"{what}: {peak} bytes for {received}"


def hold_judgement(
    what: str, chain: chains.Chain, purpose: Purpose, profile: Profile, meter: Meter = "both"
) -> None:
    """Judge a chain for the steps, and once more each for the calls and the memory."""
    received = sum(map(len, chain))
    with budgets() as made:
        verdict = judged(chain, purpose, profile)
    paid = sum(each.used for each in made)
    allowed = min(FIXED_MICROSECONDS + MICROSECONDS_PER_BYTE * received, MOST_MICROSECONDS)
    assert paid <= allowed + EXPLAINED_MICROSECONDS, f"{what}: {paid} us for {received} bytes"
    hold_meters(what, received, lambda: judged(chain, purpose, profile), paid, meter)
    assert isinstance(verdict, Refused), what
    texts = [str(each) for each in verdict.reasons] + [each.text for each in verdict.findings]
    assert len(texts) <= 20 and max(map(len, texts)) <= 12_000, f"{what}: {texts}"
    assert sum(map(len, texts)) <= 24_000, what


_honest: dict[tuple[Role, str, bool], tuple[int, int]] = {}


def honest_cost(attack: Attack) -> tuple[int, int]:
    """Calls and memory of the same handshake with no message altered."""
    key = attack.sender, attack.course.name, attack.cut is whole
    if key not in _honest:
        honest = attack.honest()
        play(honest)
        _honest[key] = counted(honest)[1], weighed(honest)
    return _honest[key]


def hold_talk(what: str, attack: Attack, meter: Meter) -> None:
    """Play an attack: for the calls, of all and of the dearest `receive`, and once more for the memory."""
    own_calls, own_memory = honest_cost(attack)
    with budgets() as made:
        played, calls = counted(attack)
    paid = sum(each.used for each in made)
    allowed = FIXED_MICROSECONDS + MICROSECONDS_PER_BYTE * played.received + EXPLAINED_MICROSECONDS
    assert paid <= min(allowed, MOST_MICROSECONDS + EXPLAINED_MICROSECONDS), f"{what}: {paid} us"
    received = RECEIVE_MICROSECONDS * played.calls
    hold_calls(what, calls - own_calls, paid + UNPAID_MICROSECONDS + received, played.received)
    assert played.longest - own_calls <= CALLS_AT_ONCE, f"{what}: {played.longest} calls at once"
    if meter != "calls":
        peak = weighed(attack)
        assert peak - own_memory <= FIXED_OCTETS + OCTETS_PER_BYTE * played.received, f"{what}: {peak} bytes"
    for end in (played.talk.client, played.talk.server):
        assert not isinstance(end.failure, InternalError), f"{what}: a defect of ours"
        assert end.failure is None or len(str(end.failure)) < 8_000, what


def hold_evidence(what: str, received: int, once: Callable[[], object], meter: Meter) -> None:
    """Judge an insider by evidence that a stranger made, for the steps, and once more each for calls and memory."""
    with budgets() as made:
        once()
    paid = sum(each.used for each in made)
    allowed = FIXED_MICROSECONDS + MICROSECONDS_PER_BYTE * received + EXPLAINED_MICROSECONDS
    assert paid <= min(allowed, MOST_MICROSECONDS + EXPLAINED_MICROSECONDS), f"{what}: {paid} us"
    hold_meters(what, received, once, paid, meter)
