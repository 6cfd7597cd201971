"""Limits on reasons: the author of a certificate decides how much is wrong with it, not how much is reported.

Of each fault in one certificate a few are reported and the others counted; of all reasons for a refusal a limited
number, at least one of each fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bothways.faults import OF_ANCHOR, Check, Fault, Reason

MOST_OF_A_KIND = 4
MOST_REASONS = 16


def first_few(found: Iterable[tuple[Fault, object]]) -> list[tuple[Fault, str]]:
    """Convert the first few findings to text; the last one says how many more there are."""
    kept: list[tuple[Fault, str]] = []
    more = 0
    for fault, what in found:
        if len(kept) < MOST_OF_A_KIND:
            kept.append((fault, str(what)))
        else:
            more += 1
    if more:
        fault, text = kept[-1]
        kept[-1] = fault, f"{text} and {more} more"
    return kept


def about_anchor(reasons: Iterable[Reason], position: int) -> list[Reason]:
    """Return the reasons against a path to a trust anchor; those against the anchor itself, which is ours, say so.

    position: that of the trust anchor. One that the peer sent as its own certificate is the peer's.
    """
    return [
        replace(each, facts={**each.facts, "anchor": each.subject})
        if 0 < position == each.position and each.fault in OF_ANCHOR
        else each
        for each in reasons
    ]


def select_reasons(reasons: Sequence[Reason]) -> tuple[tuple[Reason, ...], int]:
    """Return the reasons to report, the one that decides the alert first, and the number of those left out.

    The first one of each fault is always reported.
    """
    kept: list[Reason] = []
    seen: set[Fault] = set()
    ordered = by_precedence(reasons)
    remaining = MOST_REASONS - len({reason.fault for reason in ordered})
    for reason in ordered:
        if reason.fault in seen:
            remaining -= 1
            if remaining < 0:
                continue
        seen.add(reason.fault)
        kept.append(reason)
    return tuple(kept), len(ordered) - len(kept)


def by_precedence(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Sort reasons: the first decides the alert; equal ones are in the order of the path, from the leaf."""

    def key(reason: Reason) -> tuple[int, int]:
        check = reason.fault.check or Check.ENCODING
        return check.rank, -1 if reason.position is None else reason.position

    return tuple(sorted(reasons, key=key))
