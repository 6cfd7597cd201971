"""Whose clock is wrong: only where something says so, and never where something is valid by it.

A certificate outside of its period says nothing of a clock by itself: certificates expire.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.diagnosis.case import Case
from bothways.diagnosis.diagnosis import Weight
from bothways.trust.certificate import ParsedCertificate

RELEASED = datetime(2026, 1, 1, tzinfo=UTC)  # set by each release: no clock that is right shows less
SKEW = timedelta(hours=1)  # a certificate that begins so soon is no date but two clocks
ANCHORS_LOOKED_AT = 8
WITNESSES = 3  # certificates outside of their periods that count as evidence for a clock ahead
WITNESSES_BEHIND = 2  # fewer do for a clock behind: nobody installs what is not yet valid


def wrong(case: Case, *, ahead: bool) -> tuple[Weight, str] | None:
    """Say how much speaks for our clock being wrong, and what; None where nothing does.

    ahead: it would run ahead, so that all seems expired; else behind, and all not yet valid.
    """
    now = case.situation.now
    if now < RELEASED:
        return Weight.CERTAIN, f"it is before {RELEASED:%Y-%m-%d}, when this release was made"
    known = list(_known(case))
    if all(_outside(each, now, ahead=ahead) for _, each in known):
        names = list(dict.fromkeys(name for name, _ in known))
        enough = WITNESSES if ahead else WITNESSES_BEHIND
        if len(known) >= enough and len(names) > 1:
            word = "expired" if ahead else "not yet valid"
            return Weight.LIKELY, f"by it {_listed(names)} would be {word}, and nothing is valid"
    return None


def begins_within_the_hour(case: Case, begins: object) -> bool:
    """Whether a certificate that is not yet valid becomes so at once: then two clocks differ a little."""
    return isinstance(begins, datetime) and timedelta(0) < begins - case.situation.now < SKEW


def _known(case: Case) -> Iterator[tuple[str, ParsedCertificate]]:
    """Return the certificates whose periods bear on our clock, and what each is called."""
    for certificate in case.their_chain:
        yield f"the {case.role.peer}'s chain", certificate
    for chain in case.ours.own[:1]:
        yield "our own certificate", ParsedCertificate(chain[0])
    anchors = case.ours.anchors
    if anchors is not None and len(anchors) <= ANCHORS_LOOKED_AT:
        for each in anchors.certificates:
            yield "every CA that we trust", ParsedCertificate(each.public_bytes(Encoding.DER))


def _outside(certificate: ParsedCertificate, now: datetime, *, ahead: bool) -> bool:
    return now > certificate.not_after if ahead else now < certificate.not_before


def _listed(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
