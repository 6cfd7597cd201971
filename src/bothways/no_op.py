"""What is called where nobody listens, or listens no more."""

from __future__ import annotations


def do_nothing(*_given: object) -> None:
    """Do nothing, whatever is given."""
