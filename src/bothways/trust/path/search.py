"""Finds the certification paths from a certificate to a trust anchor, by names and signatures (RFC 4158).

A depth-first search over issuers, trust anchors first. Each step draws from the work budget of the verification.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from bothways.faults import Fault, Reason
from bothways.trust.anchors import Edge, TrustStore
from bothways.trust.certificate.issuers import most_likely_first
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import is_signed_by
from bothways.trust.path.chain_links import NOT_TOLD, is_self_signed, key_difference
from bothways.trust.path.constraints import has_weak_key, is_signed_weakly
from bothways.trust.work import FIXED_OCTETS, OCTETS_PER_BYTE, WorkBudget, WorkStep

Path = tuple[ParsedCertificate, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """The size of a chain that is accepted, and the work that verifying it may take.

    certificates, octets: size of the chain as sent. depth: certificates in a path, with leaf and trust anchor and
    without self-issued ones between them. microseconds: processor time that verifying it may take, by the prices in
    `work`; by default it grows with the size of the chain.
    """

    certificates: int = 16
    octets: int = 128 * 1024
    depth: int = 10
    microseconds: float | None = None

    def budget(self, received: int) -> WorkBudget:
        """Return the budget for verifying a chain. received: octets that the peer sent for it."""
        if self.microseconds is None:
            return WorkBudget.for_bytes(received)
        return WorkBudget(self.microseconds, FIXED_OCTETS + OCTETS_PER_BYTE * received)


LIMITS = Limits()


class LongestPath(NamedTuple):
    """The longest partial path of a failed search, and a certificate with the issuer's name that did not sign."""

    path: Path
    wrong_signer: ParsedCertificate | None = None


class PathSearch:
    """One search for paths, and its intermediate results. Each step raises OutOfWork where the budget is used up.

    Attributes: `anchors`, `chain`, `depth`; `unreadable` has a reason for each certificate that cannot be read.
    """

    def __init__(self, chain: Sequence[bytes], anchors: TrustStore, limits: Limits, work: WorkBudget) -> None:
        self.anchors = anchors
        self.chain = chain
        self.depth = limits.depth
        self.unreadable: list[Reason] = []
        self._work = work
        self._pool: list[ParsedCertificate] | None = None
        self._bad: set[bytes] = set()
        self._links: dict[tuple[bytes, bytes], bool] = {}
        self._furthest: Path = ()
        self._wrong_signer: ParsedCertificate | None = None
        self._met_weak = False

    def paths(self, leaf: ParsedCertificate) -> Iterator[Path]:
        """Return every path from the leaf to a trust anchor whose signatures are valid, the nearest anchors first."""
        return self._extend((leaf,), weakly=False)

    def weak_path(self, leaf: ParsedCertificate) -> Path | None:
        """Return a path with signatures that are not acceptable, so that it can be described, or None.

        Anybody can create any number of such paths, so one is enough.
        """
        return next(self._extend((leaf,), weakly=True), None) if self._met_weak else None

    def end(self, leaf: ParsedCertificate) -> LongestPath:
        """Return the end of the longest partial path."""
        return LongestPath(self._furthest or (leaf,), self._wrong_signer)

    def others(self) -> list[ParsedCertificate]:
        """Return the chain without its leaf, repetitions and what cannot be read."""
        if self._pool is None:
            self._pool = []
            seen = {bytes(self.chain[0])}
            for position, der in enumerate(map(bytes, self.chain[1:]), 1):
                if der in seen:
                    continue
                seen.add(der)
                try:
                    other = self.anchors.parsed(der)
                except ValueError as error:
                    self.unreadable.append(Reason(Fault.BAD_ENCODING, position, "", {"problem": str(error)}))
                    continue
                if not other.is_loaded:
                    self._work.spend(WorkStep.READ_KIB, other.names_octets / 1024)
                self._pool.append(other)
        return self._pool

    def _extend(self, path: Path, weakly: bool) -> Iterator[Path]:
        last = path[-1]
        if self.anchors.own(last) is not None:
            yield self._complete(path, weakly)
        if len(path) >= self.depth and depth_of(path) >= self.depth:
            self._note_end(path, None)
            return
        extended = False
        wrong = None
        for issuer, is_anchor in self.possible_issuers(path):
            holds = self._is_edge(last, issuer, weakly)
            if not holds:
                wrong = issuer if wrong is None and holds is False else wrong
                continue
            extended = True
            if is_anchor:
                yield self._complete((*path, issuer), weakly)
            else:
                yield from self._extend((*path, issuer), weakly)
        if not extended:
            self._note_end(path, wrong)

    def possible_issuers(self, path: Path) -> Iterator[tuple[ParsedCertificate, bool]]:
        """Yield the certificates named as the issuer, anchors first, none twice on a path (RFC 4158 5.2)."""
        last = path[-1]
        for anchor in self.anchors.issuers_of(last):
            if self._take(path, anchor):
                yield anchor, True
        for other in most_likely_first(last, self._named_issuers(path)):
            yield other, False

    def _named_issuers(self, path: Path) -> list[ParsedCertificate]:
        """Return the certificates of the chain whose subject is the last one's issuer, without trust anchors."""
        self._work.spend(WorkStep.CANDIDATE, len(self.others()))
        return [
            each
            for each in self.others()
            if each.is_named_issuer_of(path[-1]) and self.anchors.own(each) is None and self._take(path, each)
        ]

    def _take(self, path: Path, candidate: ParsedCertificate) -> bool:
        self._work.spend(WorkStep.CANDIDATE)
        for each in path:
            if candidate.spki == each.spki and candidate.subject == each.subject:
                return False
        if candidate.der in self._bad:
            return False
        try:
            if not candidate.is_loaded:
                self._work.spend(WorkStep.CERTIFICATE)
                self._work.spend(WorkStep.READ_KIB, candidate.extensions_octets / 1024)
            candidate.load()
        except ValueError as error:
            self._bad.add(candidate.der)
            position = len(path)
            self.unreadable.append(
                Reason(Fault.BAD_ENCODING, position, candidate.subject_text, {"problem": str(error)})
            )
            return False
        return True

    def _is_edge(self, child: ParsedCertificate, issuer: ParsedCertificate, weakly: bool) -> bool | None:
        """Whether the issuer's key signed the child; checked once, and not at all where it is cached.

        None where the signature does not count, for its algorithm or for a weak key: it is not checked, and only
        followed `weakly`.
        """
        link = (child.der, issuer.spki)
        known = self._links.get(link)
        if known is not None:
            return known
        if self.anchors.remembers_paths and self.anchors.is_verified(_edge(child, issuer)):
            self._links[link] = True
            return True
        if is_signed_weakly(child) or has_weak_key(issuer):
            self._met_weak = True
            return True if weakly else None
        self._work.spend_signature(issuer.key, len(child.signed))
        holds = is_signed_by(child, issuer)
        self._links[link] = holds
        return holds

    def _complete(self, path: Path, weakly: bool) -> Path:
        """Return a path that ends at its trust anchor; the store remembers its signatures, if all of them hold."""
        if self.anchors.remembers_paths and not weakly:
            for child, issuer in pairwise(path):
                if self._links.get((child.der, issuer.spki)):
                    self.anchors.remember(_edge(child, issuer), child)
        return path

    def _note_end(self, path: Path, wrong: ParsedCertificate | None) -> None:
        """Keep the longest partial path; of equal ones that with a signer that did not sign, which explains more."""
        if len(path) > len(self._furthest) or (wrong is not None and len(path) == len(self._furthest)):
            self._furthest = path
            self._wrong_signer = wrong


def depth_of(path: Path) -> int:
    """Return the length of a path below its trust anchor, without self-issued CAs (RFC 5280 6.1.4 l)."""
    return 1 + sum(not each.is_self_issued for each in path[1:])


def search_reasons(search: PathSearch, end: LongestPath, exhausted: bool) -> list[Reason]:
    """Return why a search found no path. exhausted: the work budget ended it."""
    path, signer = end
    last, position = path[-1], len(path) - 1
    reasons = list(search.unreadable)
    facts: dict[str, object] = {"issuer": last.issuer_text}
    if depth_of(path) >= search.depth:
        reasons.append(Reason(Fault.PATH_TOO_LONG, position, last.subject_text, {"limit": search.depth}))
    elif signer is not None and not _names_another_key(last, signer):
        reasons.append(Reason(Fault.BAD_CERTIFICATE_SIGNATURE, position, last.subject_text, facts))
    elif not exhausted:
        facts["advice"] = _advice(search, end)
        reasons.append(Reason(Fault.NO_PATH, position, last.subject_text, facts))
    return reasons


def _advice(search: PathSearch, end: LongestPath) -> str:
    path, signer = end
    last = path[-1]
    difference = None if signer is None else key_difference(last, signer)
    if signer is not None and search.anchors.own(signer) is None:
        which = (
            f"that is not for the key which signed the one below it: {difference}"
            if difference
            else f"and {NOT_TOLD}"
        )
        return (
            f"the chain has a certificate of {last.issuer_text} {which}; the right one has to take its place"
        )
    if signer is not None:
        how = "but with another key" if difference else "and its key did not sign it"
        return (
            f"a CA named {last.issuer_text} is known here, {how}: it was probably created "
            "again; issue the certificate again or replace the trust anchor"
        )
    if is_self_signed(last):
        if len(path) == 1:
            return "the certificate is self-signed: if it is the one you expect, add it to the trust anchors"
        return (
            f"the chain ends at the root {last.subject_text}, which is not one of our trust anchors: "
            "add it to them if it should be trusted"
        )
    ours = ", ".join(search.anchors.readable_names)
    if len(path) == 1 and len(search.chain) == 1:
        return (
            f"no certificate of its issuer, {last.issuer_text}, came with it: if that is an intermediate CA, its "
            f"certificate has to come too; if it is a root to trust, add it to the trust anchors (now: {ours})"
        )
    return (
        f"the chain ends at {last.issuer_text}: if that is an intermediate CA, its certificate has to come too; "
        f"if it is a root to trust, add it to the trust anchors (now: {ours})"
    )


def _edge(child: ParsedCertificate, issuer: ParsedCertificate) -> Edge:
    return child.digest, issuer.key_digest


def _names_another_key(child: ParsedCertificate, signer: ParsedCertificate) -> bool:
    """Whether the child names a key of its issuer that is not the signer's (RFC 5280 4.2.1.1)."""
    wanted, has = child.authority_key_identifier, signer.subject_key_identifier
    return wanted is not None and has is not None and wanted != has
