"""Verify a chain as it was sent: find a path to a trust anchor and make every check on it (RFC 5280 6.1).

The first path that passes is the result. If none does, the best one explains the refusal. All of it draws from one
work budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from bothways.faults import Check, Fault, Reason, blame
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import is_signed_by
from bothways.trust.path.constraints import certificate_reasons, is_signed_weakly
from bothways.trust.path.name_constraints import NameConstraintCheck
from bothways.trust.path.name_matching import ServerName, name_reasons, names_of, server_name
from bothways.trust.path.policies import NO_POLICY, Policies, policy_reasons
from bothways.trust.path.reasons import about_anchor, select_reasons
from bothways.trust.path.search import LIMITS, Limits, Path, PathSearch, search_reasons
from bothways.trust.path.web_profile import web_reasons
from bothways.trust.verdict import (
    EvidenceRequest,
    Finding,
    Names,
    Outcome,
    Profile,
    Purpose,
    Refused,
    SlowCheck,
    Trusted,
    Verdict,
    with_profile,
)
from bothways.trust.work import OutOfWork, WorkBudget, WorkStep

__all__ = [
    "LIMITS",
    "Limits",
    "Path",
    "PathCheck",
    "PathRequest",
    "StatusCheck",
    "judge_path",
    "path_through",
    "read_leaf",
]


@dataclass(frozen=True, slots=True)
class PathCheck:
    """The result of a further check on a path: a finding, reasons against the path, and the end of their validity.

    wants: evidence that could change the result.  checks: slow checks to be made first, where these are deferred.
    """

    finding: Finding
    reasons: tuple[Reason, ...] = ()
    until: datetime | None = None
    wants: tuple[EvidenceRequest, ...] = ()
    checks: tuple[SlowCheck, ...] = ()


class PathRequest(NamedTuple):
    """A chain as it was sent, and what its path is verified for.

    chain: DER, the leaf first, the rest in any order; unneeded and repeated certificates are ignored.  anchors: the
    trust anchors.  at: the time, with its time zone.  purpose: of the leaf, or None.  name: for which the leaf must
    be valid, None for any (clients).  key_usage: the use of the leaf's key, "digitalSignature", "keyEncipherment", or
    None for either.  policies: the certificate policies that are required.  limits: the size and work that are
    allowed. leaf: the first of `chain`, if `read_leaf` decoded it.  listed: the number of certificates, from the
    leaf, for which CRLs are checked.  beside: the number of octets that the peer sent in addition to the chain
    (staples).
    """

    chain: Sequence[bytes]
    anchors: TrustStore
    at: datetime
    purpose: Purpose | None
    name: str | ServerName | None = None
    key_usage: str | None = "digitalSignature"
    policies: Policies = NO_POLICY
    limits: Limits = LIMITS
    leaf: ParsedCertificate | None = None
    listed: int = 0
    beside: int = 0


StatusCheck = Callable[[Path, Sequence[ParsedCertificate], WorkBudget], PathCheck]

NO_REVOCATION = Finding("c", Outcome.NOT_CHECKED, "no source configured")
STATUS_NOT_CHECKED = PathCheck(NO_REVOCATION)
# A path with one of these faults has unchecked signatures, so no expensive check is made for it.
_UNSIGNED = frozenset({Fault.WEAK_HASH, Fault.UNSUPPORTED_SIGNATURE, Fault.WEAK_KEY})
STATUS_OF_UNSIGNED_PATH = PathCheck(
    Finding("c", Outcome.NOT_CHECKED, "the path is not signed by acceptable keys")
)
STATUS_WITHOUT_PATH = PathCheck(Finding("c", Outcome.NOT_CHECKED, "there is no path to check"))
# The budget for further reasons against a chain without a path to a trust anchor.
_EXPLANATION_MICROSECONDS = 2_000.0


def judge_path(asked: PathRequest, status: StatusCheck | None = None) -> Verdict:
    """Verify a chain for a purpose and a name, each where it is given.

    status: a further check on a path, such as that of revocation.

    Returns a verdict for any content of the chain. Raises ConfigError only for an invalid `name`.
    """
    chain, anchors, limits, leaf = asked.chain, asked.anchors, asked.limits, asked.leaf
    wanted = server_name(asked.name) if isinstance(asked.name, str) else asked.name
    profile = anchors.profile_for(asked.purpose)
    too_large = _check_size(chain, limits)
    if too_large is not None:
        return with_profile(_refused([too_large], None), profile)
    work = limits.budget(sum(map(len, chain)) + asked.beside)
    try:
        work.spend(WorkStep.CERTIFICATE)
        leaf = leaf or anchors.parsed(bytes(chain[0]))
        work.spend(WorkStep.READ_KIB, (leaf.names_octets + leaf.extensions_octets) / 1024)
        leaf.load()
        names = names_of(leaf, work)
    except ValueError as error:
        unread = Reason(Fault.BAD_ENCODING, 0, "", {"problem": str(error)})
        return with_profile(_refused([unread], None), profile)
    except OutOfWork:
        return with_profile(_refused([_exhausted(work)], None), profile)
    constrained = NameConstraintCheck(work)
    terms = _Terms(asked, wanted, names, constrained, work, profile)
    verdict = _PathVerification(PathSearch(chain, anchors, limits, work), terms, status).verdict(leaf)
    return with_profile(verdict, profile)


def path_through(certificate: ParsedCertificate, above: Path, at: datetime, work: WorkBudget) -> Path | None:
    """Return the valid path from a certificate, of any purpose, through the certificate in `above` that signed it.

    above: the certificates of a valid path, up to its trust anchor.  Raises OutOfWork where `work` is used up.
    """
    constrained = NameConstraintCheck(work)
    for place, issuer in enumerate(above):
        work.spend(WorkStep.CANDIDATE)
        if not issuer.is_named_issuer_of(certificate) or is_signed_weakly(certificate):
            continue
        work.spend_signature(issuer.key, len(certificate.signed))
        if not is_signed_by(certificate, issuer):
            continue
        path = (certificate, *above[place:])
        work.spend(WorkStep.CHECK, len(path))
        reasons = certificate_reasons(path, None, at, None, len(path)) + policy_reasons(path, work=work)
        if not reasons and not constrained.reasons(path):
            return path
    return None


def read_leaf(der: bytes, anchors: TrustStore) -> ParsedCertificate:
    """Decode the certificate that a peer sent first. Raises PeerFault where that fails.

    anchors: by which it will be verified; they may have it cached.
    """
    try:
        leaf = anchors.parsed(der)
        leaf.load()
    except ValueError as error:
        blame(Fault.BAD_ENCODING, problem=str(error))
    return leaf


class _Terms(NamedTuple):
    asked: PathRequest
    wanted: ServerName | None
    names: Names
    constrained: NameConstraintCheck
    work: WorkBudget
    profile: Profile


class _PathVerification:
    """One verification: the paths that were checked, and the best of them."""

    def __init__(self, search: PathSearch, terms: _Terms, status: StatusCheck | None) -> None:
        self._search = search
        self._terms = terms
        self._status = status
        self._best: tuple[list[Reason], PathCheck] | None = None
        self._wanting_more: Verdict | None = None

    def verdict(self, leaf: ParsedCertificate) -> Verdict:
        """Return the verdict on the first path that passes, or the reasons against the best one."""
        exhausted: list[Reason] = []
        try:
            for path in self._search.paths(leaf):
                verdict = self._try(path)
                if verdict is not None:
                    return verdict
            weak = self._search.weak_path(leaf) if self._best is None else None
            if weak is not None:
                self._try(weak)
        except OutOfWork:
            exhausted = [_exhausted(self._terms.work)]
        if self._wanting_more is not None:
            return self._wanting_more
        reasons, found = self._best or (
            self._explain(leaf, bool(exhausted)),
            STATUS_NOT_CHECKED if self._status is None else STATUS_WITHOUT_PATH,
        )
        return _refused(reasons + exhausted, self._terms.names, found.finding)

    def _try(self, path: Path) -> Verdict | None:
        """Make every check on one path; keep the reasons if they are the least so far.

        Returns the verdict where no other path has to be checked, or where deferred checks have to be made first.
        """
        terms = self._terms
        reasons = about_anchor(_check(path, terms), len(path) - 1)
        reasons += policy_reasons(path, terms.asked.policies, terms.work)
        found = self._check_status(path, reasons)
        if found.checks:
            return replace(
                _refused([*reasons, *found.reasons], terms.names, found.finding), checks=found.checks
            )
        reasons += found.reasons
        if not reasons and not found.wants:
            return _trusted(path, terms.names, found)
        if (
            found.wants
            and self._wanting_more is None
            and all(each.fault is Fault.REVOCATION_UNKNOWN for each in reasons)
        ):
            self._wanting_more = _wanting_more(path, terms.names, reasons, found)
        if self._best is None or _severity(reasons) < _severity(self._best[0]):
            self._best = reasons, found
        return None

    def _check_status(self, path: Path, reasons: Sequence[Reason]) -> PathCheck:
        if self._status is None:
            return STATUS_NOT_CHECKED
        if any(each.fault in _UNSIGNED for each in reasons):
            return STATUS_OF_UNSIGNED_PATH
        return self._status(path, self._search.others(), self._terms.work)

    def _explain(self, leaf: ParsedCertificate, exhausted: bool) -> list[Reason]:
        """Return why no path was found, and further reasons against the longest part of one."""
        end = self._search.end(leaf)
        reasons = search_reasons(self._search, end, exhausted)
        work = WorkBudget(_EXPLANATION_MICROSECONDS)
        terms = self._terms._replace(constrained=NameConstraintCheck(work), work=work)
        try:
            return reasons + _check(end.path, terms)
        except OutOfWork:
            return reasons if exhausted else [*reasons, _exhausted(work)]


def _exhausted(work: WorkBudget) -> Reason:
    step, count = work.most_expensive()
    return Reason(Fault.PATH_SEARCH_EXHAUSTED, None, "", {"unit": step.unit, "limit": count})


def _check_size(chain: Sequence[bytes], limits: Limits) -> Reason | None:
    if not chain:
        return Reason(Fault.BAD_ENCODING, None, "", {"problem": "the chain is empty"})
    if len(chain) > limits.certificates:
        return Reason(
            Fault.CHAIN_TOO_LARGE,
            None,
            "",
            {"got": len(chain), "unit": "certificates", "limit": limits.certificates},
        )
    size = sum(map(len, chain))
    if size > limits.octets:
        return Reason(Fault.CHAIN_TOO_LARGE, None, "", {"got": size, "unit": "bytes", "limit": limits.octets})
    return None


def _check(path: Path, terms: _Terms) -> list[Reason]:
    """Make every check on a path that the search does not make; the path may be a part of one."""
    terms.work.spend(WorkStep.CHECK, len(path))
    asked = terms.asked
    reasons = certificate_reasons(path, asked.purpose, asked.at, asked.key_usage, asked.listed)
    reasons += terms.constrained.reasons(path)
    if terms.wanted is not None:
        terms.work.spend(WorkStep.NAME_COMPARISON, terms.names.count)
        reasons += name_reasons(path[0], terms.names, terms.wanted)
    if terms.profile == "web":
        reasons += web_reasons(path, reasons, terms.work)
    return reasons


def _severity(reasons: list[Reason]) -> tuple[int, int]:
    """The sort key of failed paths: the one with the fewest reasons, then with the mildest, explains best."""
    return len(reasons), -min((reason.fault.check or Check.ENCODING).rank for reason in reasons)


def _wanting_more(path: Path, names: Names, reasons: list[Reason], status: PathCheck) -> Verdict:
    """Return the verdict until the wanted evidence is fetched."""
    verdict = _refused(reasons, names, status.finding) if reasons else _trusted(path, names, status)
    return replace(verdict, wants=status.wants)


def _trusted(path: Path, names: Names, status: PathCheck) -> Trusted:
    until = min([each.not_after for each in path])
    findings = (_leads_to(len(path), path[-1].subject_text), _valid_until(until), status.finding)
    valid_until = until if status.until is None else min(until, status.until)
    return Trusted(tuple([each.der for each in path]), names, findings, until, valid_until)


@lru_cache(maxsize=256)
def _leads_to(count: int, anchor: str) -> Finding:
    text = (
        "1 certificate, itself a trust anchor"
        if count == 1
        else f"{count} certificates, up to the trust anchor {anchor}"
    )
    return Finding("a", Outcome.PASSED, text)


@lru_cache(maxsize=256)
def _valid_until(moment: datetime) -> Finding:
    text = f"valid until {moment.replace(tzinfo=None).isoformat(' ', 'minutes')} UTC"
    return Finding("b", Outcome.PASSED, text)


def _refused(reasons: list[Reason], names: Names | None, revocation: Finding = NO_REVOCATION) -> Refused:
    ordered, left_out = select_reasons(reasons)
    letters = {(reason.fault.check or Check.ENCODING).letter for reason in ordered}
    findings = (
        _finding("a", ordered, letters, "the path is valid"),
        _finding("b", ordered, letters, "within the validity period of every certificate seen"),
        _finding("c", ordered, letters, "") if "c" in letters else revocation,
    )
    return Refused(ordered, names, findings, left_out=left_out)


def _finding(letter: str, reasons: tuple[Reason, ...], letters: set[str], passed: str) -> Finding:
    if letter in letters:
        text = "; ".join(
            str(each) for each in reasons if (each.fault.check or Check.ENCODING).letter == letter
        )
        return Finding(letter, Outcome.FAILED, text)
    if letter == "b" and any(each.fault.check is Check.ENCODING for each in reasons):
        return Finding(letter, Outcome.NOT_CHECKED, "the chain could not be decoded")
    return Finding(letter, Outcome.PASSED, passed)
