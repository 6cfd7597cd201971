"""Which evidence of revocation is needed, what it says of a path, and what stale or missing evidence means.

By RFC 5280 6.3.3 and RFC 6960 over lists and responses that are at hand: all that apply are consulted, never
just the first; lists must together speak of all reasons; revoked wins over good; unknown is not good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from cryptography import x509

from bothways.errors import ConfigError
from bothways.faults import Fault, Reason
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import Parsed
from bothways.trust.crl import (
    ALL_REASONS,
    CRL,
    HOLD,
    REMOVED,
    Entry,
    Names,
    general_names,
    point_names,
)
from bothways.trust.crl_store import CRLStore
from bothways.trust.distinguished import normal, normal_relatives
from bothways.trust.evidence.asking import TOLERANCE, Missing
from bothways.trust.evidence.gathered import Gathered
from bothways.trust.evidence.policy import Fetch
from bothways.trust.evidence.sources import delta_wants, list_wants, response_wants
from bothways.trust.names import ServerName
from bothways.trust.ocsp import MAX_AGE, Answer, OCSPResponse, OCSPStore, needs_no_check
from bothways.trust.path import LIMITS, Limits, Path, Status, StatusCheck, find_path
from bothways.trust.path import judge as judge_path
from bothways.trust.policies import NO_POLICY, Policies
from bothways.trust.verdict import Finding, Outcome, Purpose, Verdict, Want

_MAX_DEPTH = 3
_MAX_LISTS = 64
_MAX_POINTS = 32
# A list may be large, and a peer sends certificates of its own making: so many bytes are held against their keys.
CHECKED_BYTES = 128 * 1024 * 1024
_NEVER = datetime.max.replace(tzinfo=UTC)
_NO_REVOCATION_AVAILABLE = x509.ObjectIdentifier("2.5.29.56")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """How peers' certificates are checked for revocation.

    crls, ocsp: the lists and responses at hand.  staples: what becomes of the responses that a peer sends
    with its certificates: "ignore", "use", or "require" one for the leaf.  fetch: what may be fetched beside,
    and from whom, where the evidence at hand does not settle it.  covers: "path" (every certificate
    below the anchor) or "leaf".  unknown: "refuse" a peer whose status cannot be known, or "accept" it and
    say so; a revoked one is refused always, and so is a missing staple that its certificate demands.
    tolerance: how far clocks may differ where a list or a response begins and ends.
    """

    crls: CRLStore | None = None
    ocsp: OCSPStore | None = None
    staples: Literal["ignore", "use", "require"] = "ignore"
    fetch: Fetch | None = None
    covers: Literal["path", "leaf"] = "path"
    unknown: Literal["refuse", "accept"] = "refuse"
    tolerance: timedelta = TOLERANCE

    def __post_init__(self) -> None:
        if not isinstance(self.crls, CRLStore | None):
            raise ConfigError("crls: expected a CRLStore")
        if not isinstance(self.ocsp, OCSPStore | None):
            raise ConfigError("ocsp: expected an OCSPStore")
        if self.staples not in ("ignore", "use", "require"):
            raise ConfigError(f"staples: {self.staples!r} is none of ignore, use, require")
        if not isinstance(self.fetch, Fetch | None):
            raise ConfigError("fetch: expected a Fetch")
        if self.crls is None and self.ocsp is None and self.staples == "ignore" and self.fetch is None:
            raise ConfigError("revocation: it needs a source: crls, ocsp, staples or fetch")
        if self.covers not in ("path", "leaf"):
            raise ConfigError(f"covers: {self.covers!r} is neither path nor leaf")
        if self.unknown not in ("refuse", "accept"):
            raise ConfigError(f"unknown: {self.unknown!r} is neither refuse nor accept")
        if self.tolerance < timedelta(0):
            raise ConfigError("tolerance: expected a time of zero or more")

    @property
    def generation(self) -> int:
        """Rises whenever the lists or responses at hand change."""
        lists = 0 if self.crls is None else self.crls.generation
        return lists if self.ocsp is None else lists + self.ocsp.generation

    @classmethod
    def preset(
        cls,
        name: str,
        crls: CRLStore | None = None,
        ocsp: OCSPStore | None = None,
        fetch: Fetch | None = None,
    ) -> Revocation:
        """Make one of `PRESETS` by its name. Raises ConfigError."""
        if name not in PRESETS:
            raise ConfigError(f"revocation: {name!r} is no preset; expected {', '.join(PRESETS)}")
        crls, ocsp = crls or None, ocsp or None
        if crls is None and ocsp is None and fetch is None and not name.startswith("staple"):
            raise ConfigError(f"revocation: {name} needs a source, such as a CRL or an OCSP response")
        return cls(crls=crls, ocsp=ocsp, fetch=fetch, **PRESETS[name])


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "require": {},
    "leaf": {"covers": "leaf"},
    "tolerant": {"unknown": "accept"},
    "staple": {"staples": "require"},
    "staple-leaf": {"staples": "require", "covers": "leaf"},
}


def judge(
    chain: Sequence[bytes],
    anchors: TrustStore,
    *,
    purpose: Purpose,
    name: str | ServerName | None,
    at: datetime,
    revocation: Revocation | None,
    key_usage: str | None = "digitalSignature",
    policies: Policies = NO_POLICY,
    limits: Limits = LIMITS,
    leaf: Parsed | None = None,
    staples: Sequence[bytes | None] = (),
    gathered: Gathered | None = None,
) -> Verdict:
    """Judge a chain as `path.judge` does, and its revocation where a source is configured.

    staples: the OCSP responses that came with the certificates of `chain`, in their order; None where none did.
    gathered: what was fetched for this peer so far. The verdict's `wants` say what is missing, to be
    fetched and judged with again; None where nothing is to be fetched.
    """
    stapled = {bytes(der): staple for der, staple in zip(chain, staples, strict=False) if staple is not None}
    return judge_path(
        chain, anchors,
        purpose=purpose, name=name, at=at, key_usage=key_usage, policies=policies, limits=limits, leaf=leaf,
        status=None if revocation is None else status_check(revocation, anchors, at, stapled, gathered),
    )  # fmt: skip


def status_check(
    revocation: Revocation,
    anchors: TrustStore,
    at: datetime,
    stapled: Mapping[bytes, bytes],
    gathered: Gathered | None = None,
) -> StatusCheck:
    """Return the check of a path for `path.judge`; `stapled` has the responses by their certificates."""
    return partial(_path_status, _Sources(revocation, anchors, at, stapled, gathered))


class _Work:
    """How many bytes of lists may yet be held against other keys than that of the certificate's own issuer."""

    def __init__(self) -> None:
        self._left = CHECKED_BYTES

    def affords(self, crl: CRL, signer: Parsed) -> bool:
        """Take what it costs to look whether a key signed a list; False where too little is left."""
        if not crl.has_met(signer):
            self._left -= len(crl.der)
        return self._left >= 0


@dataclass(frozen=True, slots=True)
class _Sources:
    """What is at hand for one judgement, and by when and whose word it is judged."""

    policy: Revocation
    anchors: TrustStore
    at: datetime
    stapled: Mapping[bytes, bytes]
    gathered: Gathered | None
    work: _Work = field(default_factory=_Work)


@dataclass(frozen=True, slots=True)
class Good:
    """Every list that is needed is there, and none names the certificate."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """The status cannot be known, and why."""

    problem: str


@dataclass(frozen=True, slots=True)
class Misstapled:
    """What came with the certificate as its OCSP response is none, and why: refused whatever else is known."""

    problem: str


def _path_status(sources: _Sources, path: Path, others: Sequence[Parsed]) -> Status:
    """Ask for every certificate below the anchor, or for the leaf alone (RFC 5280 6.1.3 a 3)."""
    revocation = sources.policy
    covered = path[:-1] if revocation.covers == "path" else path[:-1][:1]
    if not covered:
        return Status(Finding("c", Outcome.NOT_CHECKED, "the certificate is itself an anchor"))
    inquiry = _Inquiry(sources, path, others)
    reasons, unknown, until = [], [], []
    for position, certificate in enumerate(covered):
        answer = inquiry.status(certificate, path[position + 1])
        subject = certificate.subject_text
        if isinstance(answer, Entry):
            facts: dict[str, object] = {"revoked_at": answer.revoked_at, "reason": answer.reason}
            reasons.append(Reason(Fault.REVOKED, position, subject, facts))
        elif isinstance(answer, Misstapled):
            reasons.append(Reason(Fault.BAD_STAPLE, position, subject, {"problem": answer.problem}))
        elif isinstance(answer, Unknown):
            unknown.append(f"certificate {position} ({subject}): {answer.problem}")
            if revocation.unknown == "refuse":
                facts = {"problem": answer.problem, "advice": _advice(certificate, revocation)}
                reasons.append(Reason(Fault.REVOCATION_UNKNOWN, position, subject, facts))
        else:
            until.append(answer.until)
    reasons = inquiry.staple_reasons() + reasons
    lapses = min(until, default=None)
    if unknown:
        text = "unknown, and accepted as configured: " + "; ".join(unknown)
        return Status(Finding("c", Outcome.UNKNOWN, text), tuple(reasons), lapses, inquiry.wants())
    count = "1 certificate" if len(covered) == 1 else f"{len(covered)} certificates"
    text = f"{count} not revoked by {_said(sources)}"
    return Status(Finding("c", Outcome.PASSED, text), tuple(reasons), lapses, inquiry.wants())


def _said(sources: _Sources) -> str:
    revocation, fetched = sources.policy, str(sources.gathered or "")
    if fetched:
        return f"the evidence (fetched: {fetched})"
    alone = revocation.ocsp is None and revocation.staples == "ignore" and revocation.fetch is None
    return "the lists at hand" if alone else "the evidence at hand"


def _advice(certificate: Parsed, revocation: Revocation) -> str:
    reach = (
        "see that its responder or its list can be asked from here, " if revocation.fetch is not None else ""
    )
    return f"{reach}supply a current CRL of {certificate.issuer_text}, or say that unknown is accepted"


@dataclass(frozen=True, slots=True)
class Point:
    """One distribution point of a certificate: its names, who issues the lists there, and their reasons."""

    names: Names | None
    issuers: tuple[bytes, ...]
    named_issuers: Names | None
    reasons: frozenset[x509.ReasonFlags]


@dataclass(slots=True)
class _Found:
    """What the lists of one certificate have said so far."""

    reasons: frozenset[x509.ReasonFlags] = frozenset()
    until: list[datetime] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    revoked: Entry | None = None
    misstapled: str | None = None
    unfetched: list[str] = field(default_factory=list)


class _Inquiry:
    """One path being asked about, with what is at hand to answer for it."""

    def __init__(self, sources: _Sources, path: Path, others: Sequence[Parsed]) -> None:
        self._revocation = sources.policy
        self._gathered = sources.gathered
        self._work = sources.work
        self._crls = sources.policy.crls or CRLStore()
        self._anchors = sources.anchors
        self._at = sources.at
        self._stapled = sources.stapled if sources.policy.staples != "ignore" else {}
        self._path = path
        self._others = others
        self._asking: list[bytes] = []
        self._signers: dict[tuple[int, bytes], Parsed | str] = {}
        self._vouched: dict[bytes, datetime] = {}
        self._wants: list[Want] = []

    def status(self, certificate: Parsed, issuer: Parsed) -> Good | Entry | Unknown | Misstapled:
        """Say of one certificate, issued by `issuer`, whether it is revoked (RFC 5280 6.3.3)."""
        self._asking.append(certificate.der)
        try:
            found = _Found()
            self._ask_responders(certificate, issuer, found)
            self._ask_lists(certificate, issuer, found)
        finally:
            self._asking.pop()
        if found.revoked is not None:
            return found.revoked
        if found.misstapled is not None:
            return Misstapled(found.misstapled)
        if found.reasons >= ALL_REASONS:
            return Good(min(found.until))
        if _has_no_revocation(certificate):
            return Good(certificate.not_after)
        self._wish(certificate, issuer, found)
        return Unknown("; ".join(self._problems(certificate, found)))

    def _problems(self, certificate: Parsed, found: _Found) -> list[str]:
        """Say what keeps us from knowing: of what is at hand the first, of what was to be fetched all."""
        if found.unfetched and not found.problems and not found.reasons:
            return found.unfetched
        return [self._problem(certificate, found), *found.unfetched]

    def _problem(self, certificate: Parsed, found: _Found) -> str:
        if found.problems:
            return found.problems[0]
        if found.reasons:
            missing = sorted(each.value for each in ALL_REASONS - found.reasons)
            return f"the CRLs at hand do not speak of {', '.join(missing)}"
        alone = self._revocation.crls is not None and self._revocation.fetch is None
        what = "CRL" if alone else "OCSP response or CRL"
        return f"no {what} of {certificate.issuer_text} for it is at hand"

    def wants(self) -> tuple[Want, ...]:
        """Return what may be fetched to know more, as far as one peer may cause that."""
        if self._revocation.fetch is None or self._gathered is None:
            return ()
        left = max(self._revocation.fetch.requests - len(self._gathered), 0)
        return tuple(self._gathered.missing(self._wants)[:left])

    def _wish(self, certificate: Parsed, issuer: Parsed, found: _Found) -> None:
        """Want what a certificate says may be fetched: its OCSP response, and lists where that was no help."""
        policy, gathered = self._revocation.fetch, self._gathered
        if policy is None:
            return
        if gathered is None:
            found.unfetched.append("nothing is fetched before the peer has proved that it holds the key")
            return
        wishes = response_wants(certificate, issuer, policy), list_wants(certificate, issuer, policy)
        if not any(wishes):
            found.unfetched.append("no evidence about it is at hand, and it names no place to fetch any from")
        for wants in wishes:
            answers = {want: gathered.answer(want) for want in wants}
            found.unfetched += [each.problem for each in answers.values() if isinstance(each, Missing)]
            new = [want for want, answer in answers.items() if answer is None]
            if new:
                self._wants += new
                return

    def staple_reasons(self) -> list[Reason]:
        """Refuse a leaf without a good staple where its certificate (RFC 7633) or our configuration needs one."""
        policy, leaf = self._revocation.staples, self._path[0]
        if policy == "ignore" or not (policy == "require" or _must_staple(leaf)):
            return []
        problem = "it sent none"
        found = _Found()
        staple = self._stapled.get(leaf.der)
        if staple is not None:
            found.misstapled = self._ask_responder(staple, leaf, self._path[1], found)
            problem = found.problems[0] if found.problems else ""
        if found.reasons or found.revoked is not None or found.misstapled is not None:
            return []
        return [Reason(Fault.STAPLE_REQUIRED, 0, leaf.subject_text, {"problem": problem})]

    def _ask_responders(self, certificate: Parsed, issuer: Parsed, found: _Found) -> None:
        """Take what responses say of a certificate: the one stapled to it, and those at hand."""
        stapled = self._stapled.get(certificate.der)
        if stapled is not None:
            found.misstapled = self._ask_responder(stapled, certificate, issuer, found)
        if self._revocation.ocsp is not None:
            for response in self._revocation.ocsp.of(certificate):
                self._ask_responder(response, certificate, issuer, found)
        if self._gathered is not None:
            for response in self._gathered.responses(certificate):
                self._ask_responder(response, certificate, issuer, found)

    def _ask_responder(
        self, response: OCSPResponse | bytes, certificate: Parsed, issuer: Parsed, found: _Found
    ) -> str | None:
        """Take what one response says, if who signed it may and it holds now (RFC 6960 3.2).

        Returns why it is no response of the issuer about the certificate at all, or None.
        """
        try:
            response = response if isinstance(response, OCSPResponse) else OCSPResponse(response)
        except ValueError as error:
            found.problems.append(f"its OCSP response cannot be read: {error}")
            return f"it cannot be read: {error}"
        if response.problem is not None:
            found.problems.append(f"its OCSP response cannot be used: {response.problem}")
            return None
        signer = response.signer(issuer, self._at)
        answer = response.answer(certificate, issuer)
        if isinstance(signer, str) or answer is None:
            false = signer if isinstance(signer, str) else "it is for another certificate"
            found.problems.append(f"its OCSP response cannot be used: {false}")
            return false
        problem = self._unfit_responder(signer, issuer, found)
        if problem is not None:
            found.problems.append(f"its OCSP response cannot be used: {problem}")
        else:
            self._take(answer, signer, found)
        return None

    def _take(self, answer: Answer, signer: Parsed, found: _Found) -> None:
        """Take an answer: good while it holds, revoked for good, and unknown is not good (RFC 6960 2.2)."""
        untimely = answer.untimeliness(self._at, self._revocation.tolerance, MAX_AGE)
        if answer.state == "revoked" and not (untimely and answer.reason == HOLD):
            found.revoked = Entry(answer.revoked_at or answer.this_update, answer.reason)
        elif untimely:
            found.problems.append(f"its OCSP response does not hold: {untimely}")
        elif answer.state == "good":
            found.reasons = ALL_REASONS
            found.until += [self._lapse(answer.until(MAX_AGE)), signer.not_after]
        else:
            found.problems.append("the OCSP responder does not know it")

    def _unfit_responder(self, signer: Parsed, issuer: Parsed, found: _Found) -> str | None:
        """Say why a delegate's own status keeps it from answering, or None (RFC 6960 4.2.2.2.1)."""
        if signer is issuer or needs_no_check(signer):
            return None
        if signer.der in self._asking or len(self._asking) >= _MAX_DEPTH:
            return f"it is signed by {signer.subject_text}, whose own status depends on it"
        answer = self.status(signer, issuer)
        if not isinstance(answer, Good):
            return f"it is signed by {signer.subject_text}, whose own status is not good"
        found.until.append(answer.until)
        return None

    def _ask_lists(self, certificate: Parsed, issuer: Parsed, found: _Found) -> None:
        """Take what the lists at the certificate's distribution points say (RFC 5280 6.3.3)."""
        for point in _points(certificate):
            applicable = [crl for crl in self._lists(point) if _applies(crl, point, certificate)]
            for crl, signer in self._usable(applicable, issuer, found):
                self._ask(crl, signer, point, certificate, found)

    def _lists(self, point: Point) -> list[CRL]:
        found = [crl for name in point.issuers for crl in self._lists_of(name)]
        return [crl for crl in found if crl.base is None][:_MAX_LISTS]

    def _lists_of(self, name: bytes) -> list[CRL]:
        fetched = [] if self._gathered is None else self._gathered.lists(name)
        return [*self._crls.of(name), *fetched]

    def _usable(self, crls: list[CRL], issuer: Parsed, found: _Found) -> list[tuple[CRL, Parsed]]:
        """Return the authentic lists with their signers, of one series the newest alone."""
        newest: dict[tuple[object, ...], tuple[CRL, Parsed]] = {}
        for crl in crls:
            signer = self._signer_of(crl, issuer)
            if isinstance(signer, str):
                found.problems.append(signer)
                continue
            series = (*crl.scope_key, signer.key_digest)
            if series not in newest or newest[series][0].age < crl.age:
                newest[series] = (crl, signer)
        return list(newest.values())

    def _ask(self, crl: CRL, signer: Parsed, point: Point, certificate: Parsed, found: _Found) -> None:
        """Take what one list, with its delta, says of a certificate (RFC 5280 6.3.3 c to l)."""
        deltas = self._deltas(crl, signer)
        problem = self._untimely(crl)
        names = (certificate.serial, certificate.normal_issuer)
        entry = next((said for delta in deltas if (said := delta.find(*names)) is not None), None)
        if entry is None:
            entry = crl.find(*names)
        elif entry.reason == REMOVED:
            entry = None
        if entry is not None and not (problem and entry.reason == HOLD):
            found.revoked = entry  # a revocation is for good, so that even an expired list proves it
        elif problem:
            found.problems.append(problem)
        else:
            self._freshen(crl, signer, certificate, found)
            found.reasons |= crl.scope.reasons & point.reasons
            ends = [each.next_update for each in (crl, *deltas) if each.next_update is not None]
            found.until += [*map(self._lapse, ends), self._vouched.get(signer.der, signer.not_after)]

    def _freshen(self, crl: CRL, signer: Parsed, certificate: Parsed, found: _Found) -> None:
        """Want what amends a list that is leaned on; the list holds should that not be had."""
        policy = self._revocation.fetch
        if policy is not None and self._gathered is not None and not found.reasons >= ALL_REASONS:
            self._wants += delta_wants(certificate, crl, signer, policy)

    def _deltas(self, crl: CRL, signer: Parsed) -> list[CRL]:
        """Return the newest delta list that amends `crl`, if one does (RFC 5280 5.2.4, 6.3.3 c)."""
        fitting = [
            each
            for each in self._lists_of(crl.normal_issuer)
            if each.base is not None
            and each.scope_key == crl.scope_key
            and each.authority_key == crl.authority_key
            and crl.number is not None
            and each.base <= crl.number < (each.number or 0)
            and each.problem is None
            and self._untimely(each) is None
            and each.is_signed_by(signer)
        ]
        return sorted(fitting, key=lambda each: each.age)[-1:]

    def _lapse(self, end: datetime) -> datetime:
        """Return until when evidence counts that says it holds until `end`."""
        tolerance = self._revocation.tolerance
        return end + tolerance if end < _NEVER - tolerance else _NEVER

    def _untimely(self, crl: CRL) -> str | None:
        """Say why a list does not hold now, or None."""
        tolerance = self._revocation.tolerance
        if crl.this_update > self._at + tolerance:
            return f"the CRL of {crl.issuer_text} is from the future: {crl.this_update:%Y-%m-%d %H:%M}"
        if crl.next_update is None:
            return f"the CRL of {crl.issuer_text} does not say until when it holds"
        if crl.next_update < self._at - tolerance:
            return f"the CRL of {crl.issuer_text} expired on {crl.next_update:%Y-%m-%d %H:%M}"
        return None

    def _signer_of(self, crl: CRL, issuer: Parsed) -> Parsed | str:
        """Find a list's signer, once for all the distribution points of the certificate asked about."""
        key = (id(crl), issuer.der + b"".join(self._asking))
        if key not in self._signers:
            self._signers[key] = self._signer(crl, issuer)
        return self._signers[key]

    def _signer(self, crl: CRL, issuer: Parsed) -> Parsed | str:
        """Return who signed a list and may, or say why it cannot be used (RFC 5280 6.3.3 f and g)."""
        if crl.problem is not None:
            return f"the CRL of {crl.issuer_text} cannot be used: {crl.problem}"
        weak = crl.weakness()
        if weak is not None:
            return f"the CRL of {crl.issuer_text} is signed with {weak}"
        refused = None
        for candidate in self._candidates(crl, issuer):
            if candidate is not issuer and not self._work.affords(crl, candidate):
                return f"the CRL of {crl.issuer_text} is too large to be held against every key in that CA's name"
            if crl.is_signed_by(candidate):
                problem = self._unfit(candidate)
                if problem is None:
                    return candidate
                refused = f"the CRL of {crl.issuer_text} is signed by {problem}"
        return refused or f"the CRL of {crl.issuer_text} is not signed by a key known as that CA's"

    def _candidates(self, crl: CRL, issuer: Parsed) -> Iterator[Parsed]:
        """Yield the certificates in the name of a list's issuer, the certificate's own issuer first."""
        seen: set[bytes] = set()
        for each in (issuer, *self._path, *self._others):
            if each.der not in seen and each.normal_subject == crl.normal_issuer:
                seen.add(each.der)
                try:
                    each.load()
                except ValueError:
                    continue
                yield each

    def _unfit(self, signer: Parsed) -> str | None:
        """Say why a key may not sign lists: by its usage, its path, or its own status; None if it may."""
        usage = signer.extension(x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return "a key whose usage lacks cRLSign"
        if signer in self._path[1:]:
            return None
        if len(self._asking) > 1 and self._asking[-1] == signer.der:
            return None  # a signer whose CA has named no other list for it answers for itself
        if signer.der in self._asking or len(self._asking) >= _MAX_DEPTH:
            return "a certificate whose own status depends on it"
        path = find_path(signer, (*self._path[1:-1], *self._others), self._anchors, self._at)
        if path is None or path[-1].der != self._path[-1].der:
            return "a certificate without a path to the same anchor"
        until = [each.not_after for each in path]
        for position, certificate in enumerate(path[:-1]):
            if certificate in self._path[1:]:
                break
            answer = self.status(certificate, path[position + 1])
            if not isinstance(answer, Good):
                return f"{certificate.subject_text}, whose own status is not good"
            until.append(answer.until)
        self._vouched[signer.der] = min(until)
        return None


def _must_staple(certificate: Parsed) -> bool:
    """Whether a certificate demands that its OCSP response comes with it (RFC 7633 4.2.3)."""
    features = certificate.extension(x509.TLSFeature)
    return features is not None and x509.TLSFeatureType.status_request in features


def _has_no_revocation(certificate: Parsed) -> bool:
    """Whether the CA says that it never revokes this end entity's certificate (RFC 9608 4)."""
    basic = certificate.extension(x509.BasicConstraints)
    return (
        _NO_REVOCATION_AVAILABLE in certificate.extensions
        and not (basic is not None and basic.ca)
        and certificate.extension(x509.CRLDistributionPoints) is None
    )


def _points(certificate: Parsed) -> list[Point]:
    """Return a certificate's distribution points; its issuer is always one (RFC 5280 6.3.3)."""
    issuer = certificate.normal_issuer
    points = []
    for each in list(certificate.extension(x509.CRLDistributionPoints) or ())[:_MAX_POINTS]:
        named = None if each.crl_issuer is None else general_names(each.crl_issuer)
        issuers = _directory_names(each.crl_issuer) or (certificate.issuer,)
        names = point_names(each.full_name, each.relative_name, issuers[0])
        reasons = ALL_REASONS if each.reasons is None else frozenset(each.reasons)
        points.append(Point(names, tuple(map(normal, issuers)), named, reasons))
    own = frozenset({("DirectoryName", normal_relatives(certificate.issuer))})
    points.append(Point(own, (issuer,), None, ALL_REASONS))
    return points


def _directory_names(names: list[x509.GeneralName] | None) -> tuple[bytes, ...]:
    return tuple(each.value.public_bytes() for each in names or () if isinstance(each, x509.DirectoryName))


def _applies(crl: CRL, point: Point, certificate: Parsed) -> bool:
    """Whether a list speaks of a certificate at a distribution point (RFC 5280 6.3.3 b)."""
    scope = crl.scope
    if point.named_issuers is not None and not scope.indirect:
        return False
    if scope.names is not None:
        names = point.names if point.names is not None else point.named_issuers
        if names is None or scope.names.isdisjoint(names):
            return False
    basic = certificate.extension(x509.BasicConstraints)
    is_ca = basic is not None and basic.ca
    return not scope.attributes_only and (scope.ca_certificates if is_ca else scope.user_certificates)
