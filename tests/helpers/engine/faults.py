"""`with blames(Fault.X, got="y"):` - the block must blame the peer for exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bothways.faults import Blame, Fault, sentence


class Walked(tuple[int, ...]):
    """Values that may be gone through from end to end, but not searched again for each question."""

    __slots__ = ()

    def __contains__(self, value: object) -> bool:
        raise AssertionError(f"searched for {value!r}")


@contextmanager
def blames(fault: Fault, **facts: object) -> Iterator[None]:
    with pytest.raises(Blame) as caught:
        yield
    assert caught.value.fault is fault, f"blamed for {caught.value.fault.name}"
    assert {name: caught.value.facts[name] for name in facts} == facts
    assert "?" not in sentence(fault.sentence, caught.value.facts), "a fact of the sentence is missing"
