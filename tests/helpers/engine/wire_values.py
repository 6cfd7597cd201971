"""Values for Hypothesis, drawn from the tables that read and write the wire."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from bothways.tls.wire import tls12
from bothways.tls.wire.codec import (
    Codec,
    Custom,
    Fixed,
    Opaque,
    Optional,
    Record,
    Rest,
    Uint,
    Variants,
    Vector,
)
from bothways.tls.wire.extension_table import OUTER_HELLO, SERVER_NAME_LIST, STATUS, STATUS_REQUEST
from bothways.tls.wire.extensions import (
    CertificateStatus,
    EncryptedClientHello,
    ServerName,
    StatusRequest,
    UnknownExtension,
)

# Messages are large and many: each is drawn more seldom than the profile in `conftest` says.
SAMPLE = settings(max_examples=settings().max_examples // (5 if settings().derandomize else 2))

LONG = 40  # what a field without a lower bound mostly stays under

HOST_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=LONG)

CUSTOM = {
    SERVER_NAME_LIST.notation: st.builds(ServerName, HOST_NAMES),
    STATUS.notation: st.builds(CertificateStatus, st.binary(min_size=1, max_size=LONG)),
    STATUS_REQUEST.notation: st.builds(
        StatusRequest,
        st.lists(st.binary(min_size=1, max_size=LONG), max_size=3).map(tuple),
        st.binary(max_size=LONG),
    ),
    OUTER_HELLO.notation: st.builds(
        EncryptedClientHello,
        st.just(0),
        st.integers(0, 2**16 - 1),
        st.integers(0, 2**16 - 1),
        st.integers(0, 255),
        st.binary(max_size=LONG),
        st.binary(min_size=1, max_size=LONG),
    )
    | st.just(EncryptedClientHello(1)),
    tls12.SIGNED_SERVER_KEY.notation: st.builds(
        tls12.ServerKeyExchange,
        st.integers(0, 2**16 - 1),
        st.binary(min_size=1, max_size=LONG),
        st.integers(0, 2**16 - 1),
        st.binary(max_size=LONG),
    ),
}


def values(codec: Codec[Any]) -> st.SearchStrategy[Any]:
    """Any value that `codec` writes."""
    match codec.shape:
        case Uint(size, registry):
            numbers = st.integers(0, 256**size - 1)
            known = [int(each) for each in registry or ()]
            return numbers | st.sampled_from(known) if known else numbers
        case Fixed(size):
            return st.binary(min_size=size, max_size=size)
        case Opaque(low, high):
            return st.binary(min_size=low, max_size=min(high, low + LONG))
        case Rest():
            return st.binary(max_size=LONG)
        case Vector(item, low, high):
            return _lists(item, low, high)
        case Record(cls, _, fields, _):
            return st.builds(cls, *(values(form) for _, form in fields))
        case Optional(inner):
            return st.none() | values(inner)
        case Variants(choices):
            return extensions(choices)
        case Custom():
            return CUSTOM.get(codec.notation, st.just(ServerName(None)))
    raise TypeError(codec)


def _lists(item: Codec[Any], low: int, high: int) -> st.SearchStrategy[tuple[Any, ...]]:
    size = item.shape.size if isinstance(item.shape, Uint) else low or 1
    fewest = -(-low // size)
    return st.lists(values(item), min_size=fewest, max_size=fewest + 6).map(tuple)


def extensions(choices: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """The extensions of one message, each at most once, and some that nobody knows."""
    unknown = st.integers(0, 2**16 - 1).filter(lambda number: number not in choices)
    strategies = [values(form) for form in choices.values()]
    strategies.append(st.builds(UnknownExtension, unknown, st.binary(max_size=LONG)))
    return st.lists(st.one_of(strategies), max_size=6).map(tuple)
