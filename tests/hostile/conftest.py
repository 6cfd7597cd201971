"""What was there before these tests is left to itself: they look for rubbish often, and the process is large."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def rubbish_of_others() -> Iterator[None]:
    """Within, the garbage collector looks only at what was made since."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
