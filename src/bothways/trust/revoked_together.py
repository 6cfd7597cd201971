"""Peers whose certificates are revoked together: what is above their leaves is verified once for all of them.

A CRL may list thousands of peers of open connections. The first one is verified in full. If it is refused for its
revoked leaf alone, nothing is wrong with the CAs above that; of another peer that was trusted by the same path only the
status of the leaf is then found. Nobody is accepted here: this only refuses, or leaves it to the full verification.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.faults import Fault, Reason
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.key_identifiers import AuthorityKey
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.path.search import PathSearch
from bothways.trust.path.validation import Path
from bothways.trust.request import VerificationRequest
from bothways.trust.revocation.available import Available
from bothways.trust.revocation.check import leaf_revocation
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import Refused, Trusted, Verdict
from bothways.trust.work import FIXED_MICROSECONDS, OutOfWork, WorkBudget

LASTING = timedelta(seconds=1)  # how long what was found of the CAs counts: within it their status may change
MOST_GROUPS = 64  # of peers with the same CAs
MOST_CRLS = 16  # of one issuer in which a leaf is looked for


class _Group(NamedTuple):
    """What peers have in common that are refused alike.

    above: the DER of the certificates above the leaf, as they were sent.  issuer, authority_key: what the leaf says of
    its issuer.
    """

    above: tuple[bytes, ...]
    issuer: bytes
    authority_key: AuthorityKey


class _Proven(NamedTuple):
    """A path on which nothing but the leaf was wrong, and by what that was found.

    terms: what the peer was verified for.  path: above the leaf, up to the trust anchor.  others: the certificates that
    were sent beside the leaf.  at: when.
    """

    terms: tuple[object, ...]
    path: Path
    others: tuple[ParsedCertificate, ...]
    anchors: TrustStore
    revocation: Revocation
    generation: int
    at: datetime

    def counts_for(self, request: VerificationRequest, trusted: Trusted, at: datetime) -> bool:
        """Whether it holds at this time, by the evidence at hand, for a peer that was trusted before."""
        return (
            self.at <= at <= self.at + LASTING
            and self.anchors is request.anchors.current
            and self.revocation is request.revocation
            and self.generation == request.generation
            and self.terms == _terms_of(request)
            and trusted.path_der[1:] == tuple([each.der for each in self.path])
        )


class RevokedTogether:
    """Refuses peers for the same reasons as the full verification, once that has refused another one for them."""

    def __init__(self) -> None:
        self._proven: dict[_Group, _Proven] = {}

    def note(self, request: VerificationRequest, verdict: Verdict, generation: int, at: datetime) -> None:
        """Note that a peer was refused, if that was for its leaf alone.

        generation: of the evidence that was used.  at: when that was.
        """
        revocation = request.revocation
        if revocation is None or not _is_for_the_leaf(verdict) or not _is_plain(request, revocation):
            return
        anchors = request.anchors.current
        path, others = _only_path(request, anchors)
        if len(path) > 1 and _is_apart(path[0], path[1:], revocation):
            if len(self._proven) >= MOST_GROUPS:
                self._proven.clear()
            proven = _Proven(_terms_of(request), path[1:], others, anchors, revocation, generation, at)
            self._proven[_group_of(request, path[0])] = proven

    def reason(self, request: VerificationRequest, trusted: Trusted, at: datetime) -> Reason | None:
        """Return why a peer is refused, the only reason of the full verification; None where that has to decide.

        trusted: the earlier verdict about it, by the same request.  at: the time.
        """
        revocation = request.revocation
        if revocation is None or not self._proven or not _is_plain(request, revocation):
            return None
        anchors = request.anchors.current
        leaf = anchors.parsed(bytes(request.chain[0]))
        proven = self._proven.get(_group_of(request, leaf))
        if proven is None or not proven.counts_for(request, trusted, at) or not _is_listed(leaf, revocation):
            return None
        if trusted.path_der[0] != leaf.der or anchors.own(leaf) is not None:
            return None
        if not leaf.not_before <= at <= leaf.not_after or not _is_apart(leaf, proven.path, revocation):
            return None
        available = Available(revocation, anchors, at, {}, None, defers=True)
        work = WorkBudget(FIXED_MICROSECONDS / 2)  # the full verification has to have enough for the rest
        try:
            return leaf_revocation(available, (leaf, *proven.path), proven.others, work)
        except OutOfWork:
            return None


def _is_for_the_leaf(verdict: Verdict) -> bool:
    """Whether a peer was refused, and for nothing but its revoked leaf."""
    if not isinstance(verdict, Refused) or len(verdict.reasons) != 1 or verdict.profile != "private":
        return False
    [reason] = verdict.reasons
    is_whole = not (verdict.wants or verdict.checks or verdict.left_out)
    return is_whole and reason.fault is Fault.REVOKED and reason.position == 0


def _is_plain(request: VerificationRequest, revocation: Revocation) -> bool:
    """Whether nothing that a peer sent beside its chain counts, and CRLs are checked for its leaf."""
    return (
        revocation.staples == "ignore" and revocation.listed > 0 and request.chain[0] not in request.chain[1:]
    )


def _is_apart(leaf: ParsedCertificate, above: Path, revocation: Revocation) -> bool:
    """Whether a leaf has the name of nobody who signs certificates or CRLs, so that it only stands at its end."""
    name = leaf.normal_subject
    return all(name != each.normal_subject for each in above) and not _crls_of(name, revocation)


def _only_path(
    request: VerificationRequest, anchors: TrustStore
) -> tuple[Path, tuple[ParsedCertificate, ...]]:
    """Return the path of a chain and what was sent beside the leaf; an empty path where there are several or none."""
    search = PathSearch(request.chain, anchors, request.limits, request.limits.budget(0))
    try:
        paths = list(search.paths(anchors.parsed(bytes(request.chain[0]))))
        return (paths[0] if len(paths) == 1 else ()), tuple(search.others())
    except OutOfWork:
        return (), ()


def _terms_of(request: VerificationRequest) -> tuple[object, ...]:
    return request.purpose, request.name, request.key_usage, request.policies, request.limits


def _group_of(request: VerificationRequest, leaf: ParsedCertificate) -> _Group:
    return _Group(tuple(map(bytes, request.chain[1:])), leaf.issuer, leaf.authority_key)


def _is_listed(leaf: ParsedCertificate, revocation: Revocation) -> bool:
    """Whether a CRL of its issuer lists a leaf, of which the signature is verified."""
    issuer = leaf.normal_issuer
    crls = (each for each in _crls_of(issuer, revocation) if each.signer is not None)
    return any(each.lists(leaf.serial, issuer) for each in crls)


def _crls_of(normal_issuer: bytes, revocation: Revocation) -> list[CRL]:
    """Return some CRLs of an issuer; all if there are few."""
    stores = (revocation.crls, None if revocation.news is None else revocation.news.crls)
    return [crl for store in stores if store is not None for crl in store.of(normal_issuer, MOST_CRLS)]
