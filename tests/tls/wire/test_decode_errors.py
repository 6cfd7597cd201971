"""RFC 9846 3: an error of decoding says in which field, and what is wrong with it."""

from __future__ import annotations

import pytest

from bothways.tls.wire.codec import decode
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.fields import single_field, vector
from small_messages import PAIR, Pairs


def test_error_reads_as_place_and_problem() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(single_field(Pairs, pairs=vector(PAIR, 1, 255)), b"\1\0", "Pairs")
    assert str(caught.value) == "Pairs.pairs[0].first: 2 bytes must stand here and 1 do (offset 1)"


def test_parts_are_noted_from_the_innermost_outwards() -> None:
    error = DecodeError("too long")
    for part in ("name", "[2]", "names", "ClientHello"):
        error.within(part)
    error.locate()
    assert error.facts == {"place": "ClientHello.names[2].name", "problem": "too long"}
