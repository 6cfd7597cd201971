"""Find a path from a chain as it was sent to an anchor of ours, and judge it (RFC 5280 6.1).

A depth-first search over issuers by name and signature, anchors first; the first path that passes every
check is the answer. When none does, the one that came furthest explains the refusal. All work is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from bothways.faults import Check, Fault, Reason, blame
from bothways.trust.anchors import Edge, TrustStore
from bothways.trust.certificate import Parsed
from bothways.trust.constraints import certificate_reasons, has_weak_key, is_signed_weakly
from bothways.trust.name_constraints import COMPARISONS, OutOfWork, Work, constraint_reasons
from bothways.trust.names import ServerName, name_reasons, names_of, server_name
from bothways.trust.policies import NO_POLICY, Policies, policy_reasons
from bothways.trust.signatures import is_signed_by
from bothways.trust.verdict import (
    Finding,
    Names,
    Outcome,
    Purpose,
    Refused,
    Trusted,
    Verdict,
    Want,
    by_precedence,
)

Path = tuple[Parsed, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much work one chain may cause.

    certificates, octets: size of the chain as sent. depth: certificates in a path, leaf and anchor
    included. candidates: issuers tried. signatures: signatures checked. comparisons: of names with
    the subtrees of name constraints.
    """

    certificates: int = 16
    octets: int = 128 * 1024
    depth: int = 10
    candidates: int = 256
    signatures: int = 32
    comparisons: int = COMPARISONS


@dataclass(frozen=True, slots=True)
class Status:
    """What a further check found of a path: a finding, reasons against it, and until when that holds.

    wants: evidence that could tell more.
    """

    finding: Finding
    reasons: tuple[Reason, ...] = ()
    until: datetime | None = None
    wants: tuple[Want, ...] = ()


StatusCheck = Callable[[Path, Sequence[Parsed]], Status]

LIMITS = Limits()
NO_REVOCATION = Finding("c", Outcome.NOT_CHECKED, "no source configured")
UNASKED = Status(NO_REVOCATION)
# A path with one of these holds signatures that nobody checked: no costly question is asked on its word.
_UNSIGNED = frozenset({Fault.WEAK_HASH, Fault.UNSUPPORTED_SIGNATURE, Fault.WEAK_KEY})
UNSIGNED_TO_ASK = Status(Finding("c", Outcome.NOT_CHECKED, "the path is not signed by keys that count"))
NO_PATH_TO_ASK = Status(Finding("c", Outcome.NOT_CHECKED, "there is no path to check"))


def judge(
    chain: Sequence[bytes],
    anchors: TrustStore,
    *,
    purpose: Purpose | None,
    name: str | ServerName | None,
    at: datetime,
    key_usage: str | None = "digitalSignature",
    policies: Policies = NO_POLICY,
    limits: Limits = LIMITS,
    leaf: Parsed | None = None,
    status: StatusCheck | None = None,
) -> Verdict:
    """Judge a certificate for a purpose, and for a name, each where it is given.

    chain: DER as sent, the leaf first, the rest in any order; surplus and repeated ones are ignored.
    name: whom the certificate must stand for, None where that is not asked (clients).  at: the time, with
    its zone.  key_usage: what the leaf's key is used for, "digitalSignature", "keyEncipherment", or None for
    either.  policies: the certificate policies wanted.  leaf: the first of `chain`, if `read_leaf` read it.
    status: what more is asked of a path, such as revocation.
    Raises ConfigError for a `name` that is none; never for what is in the chain.
    """
    wanted = server_name(name) if isinstance(name, str) else name
    too_large = _check_size(chain, limits)
    if too_large is not None:
        return _refused([too_large], None)
    try:
        leaf = leaf or anchors.parsed(bytes(chain[0]))
        leaf.load()
        names = names_of(leaf)
    except ValueError as error:
        return _refused([Reason(Fault.BAD_ENCODING, 0, "", {"problem": error})], None)
    search = _Search(chain, anchors, limits)
    terms = _Terms(purpose, wanted, at, key_usage, policies, names, Work(limits.comparisons))
    best: tuple[list[Reason], Status] | None = None
    wanting: Verdict | None = None
    for path in search.paths(leaf):
        reasons = _walk(path, terms) + policy_reasons(path, policies)
        if status is None:
            found = UNASKED
        elif any(each.fault in _UNSIGNED for each in reasons):
            found = UNSIGNED_TO_ASK
        else:
            found = status(path, search.others())
        reasons += found.reasons
        if not reasons and not found.wants:
            return _trusted(path, names, found)
        if (
            found.wants
            and wanting is None
            and all(each.fault is Fault.REVOCATION_UNKNOWN for each in reasons)
        ):
            wanting = _wanting(path, names, reasons, found)
        if best is None or _severity(reasons) < _severity(best[0]):
            best = reasons, found
    if wanting is not None:
        return wanting
    reasons, found = best or (search.explain(leaf, terms), UNASKED if status is None else NO_PATH_TO_ASK)
    if search.exhausted is not None:
        reasons.append(search.exhausted)
    return _refused(reasons, names, found.finding)


def find_path(
    certificate: Parsed, others: Sequence[Parsed], anchors: TrustStore, at: datetime
) -> Path | None:
    """Return a valid path from a certificate, whatever it is for, to an anchor: that of a CRL's signer."""
    search = _Search([certificate.der, *(each.der for each in others)], anchors, LIMITS)
    for path in search.paths(certificate):
        reasons = certificate_reasons(path, None, at, None) + policy_reasons(path)
        if not reasons and not _constrained(path, Work()):
            return path
    return None


def read_leaf(der: bytes, anchors: TrustStore) -> Parsed:
    """Read the certificate that a peer sent first, or blame the peer for one that cannot be read.

    anchors: by which it will be judged; they may know what it says, if it led to them before.
    """
    try:
        leaf = anchors.parsed(der)
        leaf.load()
    except ValueError as error:
        blame(Fault.BAD_ENCODING, problem=error)
    return leaf


class _Terms(NamedTuple):
    purpose: Purpose | None
    wanted: ServerName | None
    at: datetime
    key_usage: str | None
    policies: Policies
    names: Names
    work: Work


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


def _walk(path: Path, terms: _Terms) -> list[Reason]:
    """Make every check that is not the search's on a path, whole or not."""
    reasons = certificate_reasons(path, terms.purpose, terms.at, terms.key_usage)
    reasons += _constrained(path, terms.work)
    if terms.wanted is not None:
        reasons += name_reasons(path[0], terms.names, terms.wanted)
    return reasons


def _constrained(path: Path, work: Work) -> list[Reason]:
    try:
        return constraint_reasons(path, work)
    except OutOfWork:
        facts = {"unit": "comparisons of names", "limit": work.granted}
        return [Reason(Fault.PATH_SEARCH_EXHAUSTED, None, "", facts)]


def _severity(reasons: list[Reason]) -> tuple[int, int]:
    """Order failed paths: the one with the fewest reasons, then with the mildest, explains best."""
    return len(reasons), -min((reason.fault.check or Check.ENCODING).rank for reason in reasons)


class _Search:
    """One search for paths, with the bounds of its work and what it learned on the way."""

    def __init__(self, chain: Sequence[bytes], anchors: TrustStore, limits: Limits) -> None:
        self._anchors = anchors
        self._limits = limits
        self._chain = chain
        self._pool: list[Parsed] | None = None
        self._unreadable: list[Reason] = []
        self._links: dict[tuple[bytes, bytes], bool] = {}
        self._candidates = 0
        self._signatures = 0
        self._furthest: Path = ()
        self._wrong_signer: Parsed | None = None
        self.exhausted: Reason | None = None

    def paths(self, leaf: Parsed) -> Iterator[Path]:
        """Yield every path from the leaf to an anchor whose signatures hold, nearest anchors first."""
        yield from self._extend((leaf,))

    def _extend(self, path: Path) -> Iterator[Path]:
        last = path[-1]
        if self._anchors.own(last) is not None:
            self._remember(path)
            yield path
        if len(path) >= self._limits.depth:
            self._note_end(path, None)
            return
        extended = False
        wrong = None
        for issuer, is_anchor in self._issuers(path):
            if self.exhausted is not None:
                return
            if not self._is_edge(last, issuer):
                wrong = wrong or issuer
                continue
            extended = True
            longer = (*path, issuer)
            if is_anchor:
                self._remember(longer)
                yield longer
            else:
                yield from self._extend(longer)
        if not extended:
            self._note_end(path, wrong)

    def _issuers(self, path: Path) -> Iterator[tuple[Parsed, bool]]:
        """Yield the certificates named as the issuer, anchors first, none twice on a path (RFC 4158 5.2)."""
        last = path[-1]
        for anchor in self._anchors.issuers_of(last):
            if self._take(path, anchor):
                yield anchor, True
        for other in self.others():
            if (
                other.is_named_issuer_of(last)
                and self._anchors.own(other) is None
                and self._take(path, other)
            ):
                yield other, False

    def _take(self, path: Path, candidate: Parsed) -> bool:
        if any(candidate.spki == each.spki and candidate.subject == each.subject for each in path):
            return False
        self._candidates += 1
        if self._candidates > self._limits.candidates:
            self._exhaust("candidates", self._limits.candidates)
            return True
        try:
            candidate.load()
        except ValueError as error:
            position = len(path)
            self._unreadable.append(
                Reason(Fault.BAD_ENCODING, position, candidate.subject_text, {"problem": error})
            )
            return False
        return True

    def others(self) -> list[Parsed]:
        """Return the chain without its leaf, repetitions and what cannot be read."""
        if self._pool is None:
            self._pool = []
            seen = {bytes(self._chain[0])}
            for position, der in enumerate(map(bytes, self._chain[1:]), 1):
                if der in seen:
                    continue
                seen.add(der)
                try:
                    self._pool.append(self._anchors.parsed(der))
                except ValueError as error:
                    self._unreadable.append(Reason(Fault.BAD_ENCODING, position, "", {"problem": error}))
        return self._pool

    def _is_edge(self, child: Parsed, issuer: Parsed) -> bool:
        """Whether the issuer's key signed the child; checked once, and not at all when remembered.

        What is refused for its algorithm or for a weak key is not checked: the path is followed for what else
        there is to say, and `certificate_reasons` refuses it. Anybody can make such paths, so each counts.
        """
        link = (child.der, issuer.spki)
        known = self._links.get(link)
        if known is not None:
            return known
        if self._anchors.remembers_paths and self._anchors.remembers(_edge(child, issuer)):
            self._links[link] = True
            return True
        self._signatures += 1
        if self._signatures > self._limits.signatures:
            self._exhaust("signatures", self._limits.signatures)
            return False
        if is_signed_weakly(child) or has_weak_key(issuer):
            return True
        holds = is_signed_by(child, issuer.key)
        self._links[link] = holds
        return holds

    def _exhaust(self, unit: str, limit: int) -> None:
        self.exhausted = Reason(Fault.PATH_SEARCH_EXHAUSTED, None, "", {"unit": unit, "limit": limit})

    def _remember(self, path: Path) -> None:
        """Give the store what was verified on a path that ended at its anchor."""
        if self._anchors.remembers_paths:
            for child, issuer in pairwise(path):
                if self._links.get((child.der, issuer.spki)):
                    self._anchors.remember(_edge(child, issuer), child)

    def _note_end(self, path: Path, wrong: Parsed | None) -> None:
        """Keep the furthest place where the search ended; one with a signer that did not sign says more."""
        if len(path) > len(self._furthest) or (wrong is not None and len(path) == len(self._furthest)):
            self._furthest = path
            self._wrong_signer = wrong

    def explain(self, leaf: Parsed, terms: _Terms) -> list[Reason]:
        """Say why no path was found, and what else is wrong with the part of it that there is."""
        path = self._furthest or (leaf,)
        last, position = path[-1], len(path) - 1
        reasons = list(self._unreadable)
        signer = self._wrong_signer
        facts: dict[str, object] = {"issuer": last.issuer_text}
        if len(path) >= self._limits.depth:
            reasons.append(
                Reason(Fault.PATH_TOO_LONG, position, last.subject_text, {"limit": self._limits.depth})
            )
        elif signer is not None and not _names_another_key(last, signer):
            reasons.append(Reason(Fault.BAD_CERTIFICATE_SIGNATURE, position, last.subject_text, facts))
        elif self.exhausted is None:
            facts["advice"] = self._advice(path, signer)
            reasons.append(Reason(Fault.NO_PATH, position, last.subject_text, facts))
        return reasons + _walk(path, terms)

    def _advice(self, path: Path, signer: Parsed | None) -> str:
        last = path[-1]
        if signer is not None:
            return (
                f"a CA named {last.issuer_text} is known here, but with another key: it was probably created "
                "anew, so issue the certificate again or replace the anchor"
            )
        if last.is_self_issued:
            if len(path) == 1:
                return "the certificate is self-signed: if it is the one you expect, make it an anchor itself"
            return (
                f"the chain ends at the root {last.subject_text}, which is no anchor of ours: "
                "add it to the anchors if it is to be trusted"
            )
        ours = ", ".join(self._anchors.names_for_people)
        if len(path) == 1 and len(self._chain) == 1:
            return (
                f"the peer sent its certificate alone: let it send the intermediate {last.issuer_text} too, "
                f"or make that CA an anchor (our anchors: {ours})"
            )
        return (
            f"the chain stops at {last.issuer_text}: let the peer send that CA's certificate too, "
            f"or make it an anchor (our anchors: {ours})"
        )


def _edge(child: Parsed, issuer: Parsed) -> Edge:
    return child.digest, issuer.key_digest


def _names_another_key(child: Parsed, signer: Parsed) -> bool:
    """Whether the child names a key of its issuer that is not the signer's (RFC 5280 4.2.1.1)."""
    wanted, has = child.authority_key_identifier, signer.subject_key_identifier
    return wanted is not None and has is not None and wanted != has


def _wanting(path: Path, names: Names, reasons: list[Reason], status: Status) -> Verdict:
    """Return what holds of a path as long as what it wants is not fetched."""
    verdict = _refused(reasons, names, status.finding) if reasons else _trusted(path, names, status)
    return replace(verdict, wants=status.wants)


def _trusted(path: Path, names: Names, status: Status) -> Trusted:
    until = min([each.not_after for each in path])
    findings = (_leads_to(len(path), path[-1].subject_text), _valid_until(until), status.finding)
    lapses = until if status.until is None else min(until, status.until)
    return Trusted(tuple([each.x509 for each in path]), names, findings, lapses)


@lru_cache(maxsize=256)
def _leads_to(count: int, anchor: str) -> Finding:
    text = (
        "1 certificate, itself an anchor"
        if count == 1
        else f"{count} certificates, up to the anchor {anchor}"
    )
    return Finding("a", Outcome.PASSED, text)


@lru_cache(maxsize=256)
def _valid_until(moment: datetime) -> Finding:
    text = f"valid until {moment.replace(tzinfo=None).isoformat(' ', 'minutes')} UTC"
    return Finding("b", Outcome.PASSED, text)


def _refused(reasons: list[Reason], names: Names | None, revocation: Finding = NO_REVOCATION) -> Refused:
    ordered = by_precedence(reasons)
    letters = {(reason.fault.check or Check.ENCODING).letter for reason in ordered}
    findings = (
        _finding("a", ordered, letters, "the chain holds"),
        _finding("b", ordered, letters, "within the period of every certificate seen"),
        _finding("c", ordered, letters, "") if "c" in letters else revocation,
    )
    return Refused(ordered, names, findings)


def _finding(letter: str, reasons: tuple[Reason, ...], letters: set[str], passed: str) -> Finding:
    if letter in letters:
        text = "; ".join(
            str(each) for each in reasons if (each.fault.check or Check.ENCODING).letter == letter
        )
        return Finding(letter, Outcome.FAILED, text)
    if letter == "b" and any(each.fault.check is Check.ENCODING for each in reasons):
        return Finding(letter, Outcome.NOT_CHECKED, "the chain could not be read")
    return Finding(letter, Outcome.PASSED, passed)
