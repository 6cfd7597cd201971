"""Decides whether our clock is wrong: only with evidence, and never while a certificate is valid by it.

An expired certificate alone is no evidence about a clock: certificates expire.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.diagnosis.case import Case
from bothways.diagnosis.diagnosis import Weight
from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import ParsedCertificate

RELEASED = datetime(2026, 1, 1, tzinfo=UTC)  # set by each release: a correct clock shows no earlier time
SKEW = timedelta(hours=1)  # a certificate that becomes valid so soon means that two clocks differ
ANCHORS_LOOKED_AT = 8
APART = timedelta(days=14)  # certificates that are forgotten together expire together
WITNESSES = 3  # certificates outside their validity periods that are evidence for a clock that is ahead
WITNESSES_BEHIND = (
    2  # fewer are evidence for a clock that is behind: nobody installs a certificate that is not yet valid
)


def wrong_clock(case: Case, *, ahead: bool) -> tuple[Weight, str] | None:
    """Return how strong the evidence is that our clock is wrong, and the evidence; None where there is none.

    ahead: whether it would be ahead, so that certificates seem expired; otherwise behind, so that they seem not yet
    valid.
    """
    now = case.situation.now
    if now < RELEASED:
        return Weight.CERTAIN, f"it is before {RELEASED:%Y-%m-%d}, the date of this release of bothways"
    known = list(_known(case))
    if all(_outside(each, now, ahead=ahead) for _, each in known):
        names = list(dict.fromkeys(name for name, _ in known))
        enough = WITNESSES if ahead else WITNESSES_BEHIND
        if len(known) >= enough and len(names) > 1:
            word = "expired" if ahead else "not yet valid"
            return Weight.LIKELY, f"by it {_listed(names)} would be {word}, and nothing is valid"
    found = _overdue(case) if ahead else issued_later(case)
    if found is not None:
        return Weight.LIKELY, found
    if not ahead and _are_both_early(case):
        both = f"neither the {case.role.peer}'s certificate nor our own"
        return Weight.LIKELY, f"by it {both} would be valid yet"
    return None


def _overdue(case: Case) -> str | None:
    """Return the evidence where both sides use expired certificates, and more than forgetting them explains that."""
    ends = _both_expired(case)
    if ends is None:
        return None
    nexts = [ends_at for _, ends_at in case.own_side.lists if ends_at is not None]
    if nexts and max(nexts) < case.situation.now:
        return "by it both sides' certificates would have expired, and every CRL that we have"
    if abs(ends[0] - ends[1]) > APART:
        days = abs(ends[0] - ends[1]).days
        return f"by it both sides' certificates would have expired, {days} days apart, and both are in use"
    return None


def doubt(case: Case, reason: Reason) -> tuple[Weight, str]:
    """Return how likely it is that our clock is wrong, by which something is outside its validity period.

    Certificates expire, so that a clock is not the first thing to doubt; few are installed before they are valid.
    """
    if reason.fault is Fault.CERTIFICATE_NOT_YET_VALID:
        return (
            Weight.LIKELY,
            "clocks are behind more often than certificates are installed before they are valid",
        )
    if _both_expired(case) is None:
        return Weight.POSSIBLE, ""
    return Weight.LIKELY, "by it our own certificate would have expired too: compare it with another clock"


def made_after(case: Case, ends: object) -> str | None:
    """Return the evidence that a time has passed, whatever our clock shows; None where there is none.

    What we have ourselves was made before now: this release, CRLs, our certificate and our trust anchors.
    """
    if not isinstance(ends, datetime):
        return None
    made = [(RELEASED, "this release of bothways")]
    made += [(issued, "a CRL that we have") for issued, _ in case.own_side.lists]
    made += [(each.not_before, "our own certificate") for each in _own_leaf(case)]
    made += [(each.not_before, f"our trust anchor {each.subject_text}") for each in _anchors(case)]
    made = [each for each in made if ends < each[0] <= case.situation.now]
    latest = max(made, default=None, key=lambda each: each[0])
    return None if latest is None else f"{latest[1]} is of {latest[0]:%Y-%m-%d}, later than its end"


def _both_expired(case: Case) -> tuple[datetime, datetime] | None:
    """Return when the leaf certificates of both sides expired; None unless both have."""
    leaves = [*case.peer_chain[:1], *_own_leaf(case)]
    if len(leaves) < 2 or not all(_outside(each, case.situation.now, ahead=True) for each in leaves):
        return None
    return leaves[0].not_after, leaves[1].not_after


def issued_later(case: Case) -> str | None:
    """Return the evidence that a CRL of ours was issued after the time that our clock shows."""
    latest = max((issued for issued, _ in case.own_side.lists), default=None)
    if latest is None or latest - case.situation.now < SKEW:
        return None
    return f"a CRL that we have was issued on {latest:%Y-%m-%d %H:%M} UTC, later than that"


def is_a_list_overdue(case: Case) -> bool:
    """Whether a CRL of ours is out of date by our clock, and nothing else shows that its nextUpdate has passed."""
    ends = [ends_at for _, ends_at in case.own_side.lists if ends_at is not None]
    return any(each < case.situation.now and made_after(case, each) is None for each in ends)


def _are_both_early(case: Case) -> bool:
    """Whether both sides use a certificate that is not valid yet: one may be a mistake, two are a clock."""
    leaves = [*case.peer_chain[:1], *_own_leaf(case)]
    return len(leaves) > 1 and all(_outside(each, case.situation.now, ahead=False) for each in leaves)


def begins_within_the_hour(case: Case, begins: object) -> bool:
    """Whether a certificate becomes valid within the hour: then two clocks differ a little."""
    return isinstance(begins, datetime) and timedelta(0) < begins - case.situation.now < SKEW


def _known(case: Case) -> Iterator[tuple[str, ParsedCertificate]]:
    """Return the certificates whose validity periods are evidence about our clock, each with its name."""
    for certificate in case.peer_chain:
        yield f"the {case.role.peer}'s chain", certificate
    for certificate in _own_leaf(case):
        yield "our own certificate", certificate
    for certificate in _anchors(case):
        yield "every CA that we trust", certificate


def _own_leaf(case: Case) -> list[ParsedCertificate]:
    return [ParsedCertificate(chain[0]) for chain in case.own_side.own[:1]]


def _anchors(case: Case) -> list[ParsedCertificate]:
    """Return our trust anchors, where they are few: a large store has some of every age."""
    anchors = case.own_side.anchors
    if anchors is None or len(anchors) > ANCHORS_LOOKED_AT:
        return []
    return [ParsedCertificate(each.public_bytes(Encoding.DER)) for each in anchors.certificates]


def _outside(certificate: ParsedCertificate, now: datetime, *, ahead: bool) -> bool:
    return now > certificate.not_after if ahead else now < certificate.not_before


def _listed(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
