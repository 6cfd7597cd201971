"""The fields of a message as text, from the same codecs that decode it: for ladders and reports.

Whatever a field contains, the text is printable ASCII of bounded length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from bothways.faults import shown
from bothways.iana import ExtensionType, name
from bothways.tls.wire.codec import Codec, Custom, Optional, Record, Uint, Variants, Vector
from bothways.tls.wire.extension_table import code
from bothways.tls.wire.extensions import UnknownExtension

BYTES_SHOWN = 16
ITEMS_SHOWN = 64


class FieldSeen(NamedTuple):
    """One field: its name, its value, and the value as text."""

    name: str
    value: object
    text: str


def fields_in(codec: Codec[Any], value: Any) -> list[FieldSeen]:
    """Return the fields of a message or an extension, in order."""
    shape = codec.shape
    forms = dict(shape.fields) if isinstance(shape, (Record, Custom)) else {}
    seen = []
    for field in type(value).__slots__:
        each = getattr(value, field)
        seen.append(FieldSeen(field, each, in_words(forms[field], each) if field in forms else _plain(each)))
    return seen


def in_words(codec: Codec[Any], value: Any) -> str:
    """Return the value of one field as text."""
    shape = codec.shape
    if value is None:
        return "left out"
    match shape:
        case Optional():
            return in_words(shape.inner, value)
        case Uint():
            return str(value) if shape.registry is None else name(shape.registry, value)
        case Variants():
            return _listed(value, "; ", partial(_extension_words, shape))
        case Vector():
            separator = ", " if isinstance(shape.item.shape, Uint) else "; "
            return _listed(value, separator, partial(in_words, shape.item))
        case Record():
            return ", ".join(f"{field} {text}" for field, _, text in fields_in(codec, value))
        case _:
            return _plain(value)


def _extension_words(shape: Variants, extension: Any) -> str:
    extension_type = code(extension)
    title = name(ExtensionType, extension_type)
    if isinstance(extension, UnknownExtension):
        return f"{title} {_plain(extension.data)}"
    seen = [text for _, _, text in fields_in(shape.choices[extension_type], extension)]
    return " ".join([title, *seen])


def _listed(values: Sequence[Any], separator: str, tell: Callable[[Any], str]) -> str:
    texts = [tell(each) for each in values[:ITEMS_SHOWN]]
    if len(values) > ITEMS_SHOWN:
        texts.append(f"and {len(values) - ITEMS_SHOWN} more")
    return separator.join(texts) or "none"


def _plain(value: object) -> str:
    """Return bytes as text: the first ones in hexadecimal and the size; names of protocols and hosts as they are."""
    if not isinstance(value, bytes):
        return shown(value)
    if not value:
        return "empty"
    if len(value) <= BYTES_SHOWN:
        return value.hex()
    return f"{value[:BYTES_SHOWN].hex()}... ({len(value)} bytes)"
