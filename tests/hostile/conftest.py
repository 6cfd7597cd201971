"""What was there before these tests is left to itself: they look for rubbish often, and the process is large."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def rubbish_of_others() -> None:
    """From here on the garbage collector looks only at what is made within."""
    gc.collect()
    gc.freeze()
