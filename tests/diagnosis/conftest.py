"""What libraries leave behind in the tests of their exceptions."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def sockets_collected() -> Iterator[None]:
    """Collect the sockets that are left open at the end of a module, so that no later test is blamed for them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
