"""Counts the forks of this process, so that a copy of a connection in another process sends no close_notify."""

from __future__ import annotations

import os

_counted = [0]


def count() -> int:
    """Return the number of forks between the first process and this one."""
    return _counted[0]


def _forked() -> None:
    _counted[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_forked, after_in_child=_forked)
