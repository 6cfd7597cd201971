"""How often this process has forked: of a connection that another process goes on with, a copy ends in silence."""

from __future__ import annotations

import os

_counted = [0]


def count() -> int:
    """Return how many forks lie behind this process, those that made it included."""
    return _counted[0]


def _forked() -> None:
    _counted[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_forked, after_in_child=_forked)
