"""Few reasons out of many: whoever made a certificate decides how much is wrong with it, not how much is told.

Of one kind in one certificate a few are told and the rest is counted; of all reasons for a refusal as many as a
person reads, and one of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bothways.faults import Check, Fault, Reason

MOST_OF_A_KIND = 4
MOST_REASONS = 16


def few(found: Iterable[tuple[Fault, object]]) -> list[tuple[Fault, str]]:
    """Put the first few findings into words; the last of them says how many more there are."""
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


def most_telling(reasons: Sequence[Reason]) -> tuple[tuple[Reason, ...], int]:
    """Return the reasons to tell, the one that decides the alert first, and how many are left out.

    The first of each fault is always among them.
    """
    kept: list[Reason] = []
    seen: set[Fault] = set()
    ordered = by_precedence(reasons)
    spare = MOST_REASONS - len({reason.fault for reason in ordered})
    for reason in ordered:
        if reason.fault in seen:
            spare -= 1
            if spare < 0:
                continue
        seen.add(reason.fault)
        kept.append(reason)
    return tuple(kept), len(ordered) - len(kept)


def by_precedence(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Order reasons: the first decides the alert; equal ones stand from the leaf upwards."""

    def key(reason: Reason) -> tuple[int, int]:
        check = reason.fault.check or Check.ENCODING
        return check.rank, -1 if reason.position is None else reason.position

    return tuple(sorted(reasons, key=key))
