"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Return a number of things, such as "1 entry" or "2 entries". what: one of them."""
    if number == 1:
        return f"1 {what}"
    is_ies = what.endswith("y") and what[-2:-1] not in "aeiou"
    return f"{number} {what[:-1]}ies" if is_ies else f"{number} {what}s"
