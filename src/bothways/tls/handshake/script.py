"""The only words that a script has: expect, judge, sign_with.

A script is a generator that yields where it must wait and nowhere else; its position is the state. What
it waits for is checked against the table in `steps` before it is resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from bothways.faults import Blame
from bothways.iana import SignatureScheme
from bothways.roles import Role, Version
from bothways.tls.crypto.draws import Draws
from bothways.tls.crypto.suites import Suite
from bothways.tls.events import (
    Caution,
    ChecksWanted,
    EvidenceWanted,
    Judged,
    Observer,
    Peer,
    Request,
    SignatureWanted,
)
from bothways.tls.handshake.config import Clock
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.handshake.steps import LEGAL, Step
from bothways.tls.keys.transcript import Transcript
from bothways.trust.credentials import Credentials
from bothways.trust.evidence.asking import Answer, Found, Missing, read_given, with_nonces
from bothways.trust.evidence.gathered import ROUNDS, Gathered
from bothways.trust.ocsp import OCSPStore
from bothways.trust.request import VerificationRequest
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Refused, Verdict, Want

M = TypeVar("M")
N = TypeVar("N")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """Where a script stands. With a `request`, it waits for the answer to that event; else for a message."""

    step: Step
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """The script passes through a step without waiting, so that what fails there is named by it."""

    step: Step


@dataclass(frozen=True, slots=True)
class ChangeCipherSpec:
    """The record of TLS 1.2 from which on its sender protects what it sends (RFC 5246 7.1)."""


Exporter = Callable[[str, bytes | None, int], bytes]

# Each round may find more to check, such as the CRL of a CRL's signer; what is left then is checked at once.
CHECK_ROUNDS = 8

_WAITS = {step: Wait(step) for step in Step}
_JUDGING, _SIGNING = Enter(Step.JUDGING), Enter(Step.SIGNING)

Script = Generator[Wait | Enter, Any, T]


@dataclass(slots=True)
class Handshake:
    """What every script of one connection works with; it learns, in the order of the conversation.

    `version`, `suite`, `group`, `alpn` are what was chosen, None until it is; `offered` has the codes of the
    extensions to which the peer may now answer. `request` is how the peer was judged, by evidence of the
    generation `evidence_seen`. `defers_checks`: whoever drives us makes the checks that take long. `deadline` is
    when the handshake must be done, on the monotonic clock.
    """

    role: Role
    draws: Draws
    clock: Clock
    transcript: Transcript
    out: Outbox
    inbox: Inbox
    observer: Observer | None
    revocation: Revocation | None = None
    staples: OCSPStore | None = None
    request: VerificationRequest | None = None
    evidence_seen: int = 0
    defers_checks: bool = False
    deadline: float = math.inf
    warnings: list[Caution] = field(default_factory=list)
    offered: frozenset[int] = frozenset()
    version: Version | None = None
    suite: Suite | None = None
    group: int | None = None
    alpn: bytes | None = None
    exporter: Exporter | None = field(default=None, repr=False)
    keylog: Callable[[str], None] | None = field(default=None, repr=False)

    @property
    def asks_status(self) -> bool:
        """Whether the peer is to send the revocation status of its certificates along with them."""
        return self.revocation is not None and self.revocation.staples != "ignore"

    @property
    def evidence_generation(self) -> int:
        """Rises whenever there is new evidence about peers."""
        return 0 if self.revocation is None else self.revocation.generation

    def own_staples(self, credentials: Credentials) -> tuple[bytes | None, ...]:
        """Return for each certificate of ours the OCSP response that goes with it, while it holds."""
        if self.staples is None:
            return ()
        return self.staples.staples(credentials.certificates, self.clock.now())

    def log_keys(self, lines: Callable[[bytes, T], Iterable[str]], client_random: bytes, secrets: T) -> None:
        """Tell new secrets to a key log, of which there is none unless the configuration has one."""
        if self.keylog is not None:
            for line in lines(client_random, secrets):
                self.keylog(line)

    def forget(self) -> None:
        """Let go of every secret: what was chosen may still be asked for."""
        self.inbox.forget()
        self.out.forget()
        self.transcript.forget()
        self.exporter = None
        self.request = None


@overload
def expect(step: Step, kind: type[M], /) -> Script[M]: ...
@overload
def expect(step: Step, kind: type[M], other: type[N], /) -> Script[M | N]: ...
@overload
def expect(step: Step, kind: type[M], other: type[N], third: type[T], /) -> Script[M | N | T]: ...
def expect(step: Step, *kinds: type[Any]) -> Script[Any]:
    """Wait at `step` for a message of one of `kinds`."""
    message = yield _WAITS[step]
    if not isinstance(message, kinds):
        raise TypeError(f"{step.name} accepts a message that its script does not expect")
    return message


def judge(hs: Handshake, request: VerificationRequest) -> Script[Peer]:
    """Judge the peer's certificates, or blame it for every reason at once (steps 2.3 and 3.3)."""
    yield _JUDGING
    hs.request = request
    return (yield from judge_with_fetching(hs, request))


def judge_with_fetching(hs: Handshake, request: VerificationRequest) -> Script[Peer]:
    """Judge, and as long as evidence is wanted wait for it and judge again by all that there is then."""
    fetched = Gathered() if request.may_fetch else None
    verdict = yield from _checked(hs, request, fetched)
    for _ in range(ROUNDS):
        if not verdict.wants or fetched is None:
            break
        wanted = _wanted(hs, verdict.wants)
        found: Sequence[Found] = yield Wait(Step.JUDGING, wanted)
        fetched.take(wanted.wants, found)
        verdict = yield from _checked(hs, request, fetched)
    return _concluded(hs, verdict)


def _checked(hs: Handshake, request: VerificationRequest, fetched: Gathered | None) -> Script[Verdict]:
    """Judge, after waiting for checks that take long where whoever drives us makes them."""
    for _ in range(CHECK_ROUNDS if hs.defers_checks else 0):
        verdict = _verdict(hs, request, fetched, defer=True)
        if not verdict.checks:
            return verdict
        yield Wait(Step.JUDGING, ChecksWanted(verdict.checks))
    return _verdict(hs, request, fetched)


def check_at_hand(hs: Handshake, request: VerificationRequest) -> None:
    """Blame the peer if it is refused by what is known already, whatever may yet be fetched."""
    fetched = Gathered() if request.may_fetch else None
    verdict = _verdict(hs, request, fetched, defer=hs.defers_checks)
    if isinstance(verdict, Refused) and not verdict.wants and not verdict.checks:
        _concluded(hs, verdict)


def _verdict(
    hs: Handshake, request: VerificationRequest, fetched: Gathered | None, *, defer: bool = False
) -> Verdict:
    hs.evidence_seen = hs.evidence_generation
    return request.verify(hs.clock.now(), fetched, defer=defer)


def _wanted(hs: Handshake, wants: Sequence[Want]) -> EvidenceWanted:
    """Ask whoever drives us for evidence; each OCSP request has a nonce of its own (RFC 9654)."""
    policy = None if hs.revocation is None else hs.revocation.fetch
    if policy is None:
        raise TypeError("evidence is wanted that nobody may fetch")
    if policy.nonce != "none":
        wants = with_nonces(wants, hs.draws.random)
    seconds = min(policy.seconds, max(hs.deadline - hs.clock.monotonic(), 0.0))
    return EvidenceWanted(tuple(wants), policy, hs.clock.now(), seconds)


def evidence_found(
    wanted: EvidenceWanted, answers: Sequence[Answer] | None, problem: str = "it could not be had"
) -> list[Found]:
    """Return what was found for each want; without answers all of it is missing, for a problem."""
    policy = wanted.policy
    if answers is None:
        return [Missing(f"{each.locations[0]}: {problem}") for each in wanted.wants]
    return [
        read_given(want, answer, wanted.at, policy.limit(want), requires_nonce=policy.nonce == "require")
        for want, answer in zip(wanted.wants, answers, strict=True)
    ]


def _concluded(hs: Handshake, verdict: Verdict) -> Peer:
    if hs.observer is not None:
        hs.observer(Judged(LEGAL[hs.role][Step.JUDGING].id, verdict))
    if isinstance(verdict, Refused):
        first = verdict.reasons[0]
        raise Blame(first.fault, first.facts, verdict.reasons, verdict.left_out)
    if verdict.accepts_unknown and Caution.REVOCATION_UNKNOWN not in hs.warnings:
        hs.warnings.append(Caution.REVOCATION_UNKNOWN)
    return Peer(verdict)


def sign_with(hs: Handshake, credentials: Credentials, scheme: int, data: bytes) -> Script[bytes]:
    """Sign `data` with the key of `credentials`, or wait for whoever holds it (steps 2.2 and 3.2)."""
    if credentials.key is None:
        request = SignatureWanted(SignatureScheme(scheme), data, credentials.certificate)
        signature: bytes = yield Wait(Step.SIGNING, request)
        return signature
    yield _SIGNING
    return hs.draws.sign(scheme, credentials.key, data)
