"""Distinguished names: when two of them are the same (RFC 5280 7.1), and their form as text (RFC 4514).

`cryptography` compares names exactly. The rules for case, spaces and string types are applied here, to the DER of the
names in certificates.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from bothways.oids import ATTRIBUTES
from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, SET, elements, encoded, expect_element

_MAX_TYPE_OCTETS = 63  # octets; `cryptography` reads no longer ones
_SHORT_NAME = 512  # octets; longer names are not cached, so that the caches stay small
# A verification decodes a name several times; the names of real certificates have a dozen attributes.
ATTRIBUTES_LIMIT = 64
# Unicode normalization takes quadratic time; RFC 5280 A.1 allows most strings of a name 64 characters.
FOLDED_LIMIT = 256
_CLASS = 0xC0  # these bits are 0 in a tag of a universal type
_UNDECODED = b"?"  # no normalized form begins with it
_STRINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as most implementations decode it
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
# A name must not contain these strings (RFC 5280 4.1.2.4), but others decode and compare them as text:
# VideotexString, GraphicString, VisibleString, GeneralString.
_COMPARED = _STRINGS | {0x15: "latin-1", 0x19: "latin-1", 0x1A: "ascii", 0x1B: "latin-1"}
# Characters that a comparison ignores (RFC 4518 2.2); tabs and line ends count as spaces.
_IGNORED = dict.fromkeys(
    each
    for first, last in (
        (0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x6DD, 0x6DD),
        (0x70F, 0x70F), (0x1806, 0x1806), (0x180B, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2063),
        (0x206A, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFC), (0x1D173, 0x1D17A),
        (0xE0001, 0xE0001), (0xE0020, 0xE007F),
    )
    for each in range(first, last + 1)
)  # fmt: skip


def attributes(name: bytes) -> list[list[tuple[bytes, int, bytes]]]:
    """Decode a name: for each relative distinguished name, type, tag and value of each attribute (RFC 5280 4.1.2.4).

    Raises ValueError for what is not a name, or has more than `ATTRIBUTES_LIMIT` attributes.
    """
    at, end = expect_element(name, 0, len(name), SEQUENCE, "name")
    if end != len(name):
        raise ValueError("bytes follow the name")
    relative: list[list[tuple[bytes, int, bytes]]] = []
    count = 0
    for tag, _, start, stop in elements(name, at, end):
        if tag != SET or start == stop:
            raise ValueError("a relative distinguished name is not a set")
        relative.append([])
        for kind, _, inner, last in elements(name, start, stop):
            if kind != SEQUENCE:
                raise ValueError("an attribute is not a sequence")
            count += 1
            if count > ATTRIBUTES_LIMIT:
                raise ValueError(f"a name of more than {ATTRIBUTES_LIMIT} attributes")
            relative[-1].append(_attribute(name, inner, last))
    return relative


def _attribute(name: bytes, at: int, end: int) -> tuple[bytes, int, bytes]:
    start, stop = expect_element(name, at, end, OBJECT_IDENTIFIER, "attribute type")
    kind = name[start:stop]
    if not is_identifier(kind):
        raise ValueError("an attribute whose type is not an object identifier")
    values = list(elements(name, stop, end))
    if len(values) != 1:
        raise ValueError("an attribute has no single value")
    tag, _, first, last = values[0]
    if tag & _CLASS:
        raise ValueError("an attribute has a value without a universal type")
    return kind, tag, name[first:last]


def is_identifier(content: bytes) -> bool:
    """Whether octets are the content of an object identifier with minimal encoding (X.690 8.19)."""
    if not content or content[-1] >= 0x80:
        return False
    return b"\x80" not in content or not any(
        each == 0x80 and (place == 0 or content[place - 1] < 0x80) for place, each in enumerate(content)
    )


def normal_relatives(name: bytes) -> tuple[bytes, ...]:
    """Return the relative distinguished names in a form that is equal for equal ones (RFC 5280 7.1)."""
    return _short_relatives(name) if len(name) <= _SHORT_NAME else _relatives(name)


Prepared = tuple[bytes, int, str | bytes]


def _relatives(name: bytes) -> tuple[bytes, ...]:
    return tuple(map(_form, _prepared_relatives(name)))


def _prepared_relatives(name: bytes) -> list[list[Prepared]]:
    return [
        [(kind, *_prepared(tag, value)) for kind, tag, value in relative] for relative in attributes(name)
    ]


def _form(relative: list[Prepared]) -> bytes:
    return repr(sorted(relative)).encode("utf-8", "backslashreplace")


def comparable_relatives(name: bytes) -> tuple[bytes, ...] | None:
    """Return the same as `normal_relatives`, or None where a string in the name is only comparable octet by octet.

    That is a string that its type does not allow, or a long one: it may look like another name, and so bypass a
    constraint.  Raises ValueError for what is not a name.
    """
    relatives = _prepared_relatives(name)
    if any(tag in _COMPARED for relative in relatives for _, tag, _ in relative):
        return None
    return tuple(map(_form, relatives))


def normal(name: bytes) -> bytes:
    """Return a name in a form that is equal for equal names (RFC 5280 7.1); an invalid one only equals itself."""
    return _short_normal(name) if len(name) <= _SHORT_NAME else _normal(name)


def _normal(name: bytes) -> bytes:
    try:
        return b"\n".join(normal_relatives(name))
    except ValueError:
        return _UNDECODED + name


def is_readable(name: bytes) -> bool:
    """Whether bytes are a distinguished name: sets of attributes, none of them empty (RFC 5280 4.1.2.4)."""
    return not normal(name).startswith(_UNDECODED)


_short_relatives = lru_cache(maxsize=1024)(_relatives)
_short_normal = lru_cache(maxsize=1024)(_normal)


def _prepared(tag: int, value: bytes) -> tuple[int, str | bytes]:
    """Prepare a string for comparison: case, composition and repeated spaces are ignored (RFC 4518 2)."""
    encoding = _COMPARED.get(tag)
    if encoding is None:
        return tag, value
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        return tag, value
    if _is_too_long_to_fold(text):
        return tag, value
    if not (text.isascii() and text.isprintable()):
        text = text.translate(_IGNORED)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return 0, " ".join(text.lower().split())


def _is_too_long_to_fold(text: str) -> bool:
    return len(text) > FOLDED_LIMIT and not text.isascii()


def has_too_long_text(name: bytes) -> bool:
    """Whether a string in a name is too long to normalize: it is compared exactly, and may bypass a constraint."""
    return len(name) > FOLDED_LIMIT and any(
        tag in _COMPARED and _is_too_long_to_fold(value.decode(_COMPARED[tag], "replace"))
        for relative in attributes(name)
        for _, tag, value in relative
    )


def dn_text(name: bytes) -> str:
    """Return a name as text, `CN=Payments,O=Example`, the last relative distinguished name first (RFC 4514)."""
    return _short_text(name) if len(name) <= _SHORT_NAME else _text(name)


def _text(name: bytes) -> str:
    try:
        relatives = attributes(name)
    except ValueError:
        return name[:_SHORT_NAME].hex()
    return ",".join("+".join(_attribute_text(*each) for each in relative) for relative in reversed(relatives))


_short_text = lru_cache(maxsize=1024)(_text)


def _attribute_text(kind: bytes, tag: int, value: bytes) -> str:
    number = identifier_text(kind)
    return f"{ATTRIBUTES.get(number, number)}={_escaped(tag, value)}"


def identifier_text(kind: bytes) -> str:
    """Return an object identifier in dotted form; for a very long one only its length, so that the cost is bounded."""
    return dotted(kind) if len(kind) <= _MAX_TYPE_OCTETS else f"an identifier of {len(kind)} bytes"


def _escaped(tag: int, value: bytes) -> str:
    """Return a value as RFC 4514 2.4 writes it; what is not a string is written as its DER in hexadecimal."""
    text = text_of(tag, value)
    if text is None:
        return "#" + encoded(tag, value).hex()
    last = len(text) - 1
    return "".join(
        "\\" + each
        if each in ',+"\\<>;' or (each == " " and place in (0, last)) or (each == "#" and place == 0)
        else each
        for place, each in enumerate(text)
    )


@lru_cache(maxsize=256)
def dotted(kind: bytes) -> str:
    """Return an object identifier's content in dotted form (X.690 8.19)."""
    parts = []
    number = 0
    for byte in kind:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            parts.append(number)
            number = 0
    if not parts:
        return "?"
    first = min(parts[0] // 40, 2)
    return ".".join(map(str, (first, parts[0] - 40 * first, *parts[1:])))


def string(tag: int, value: bytes) -> str:
    """Return the text of a string in a name; what is not a string is returned in hexadecimal."""
    text = text_of(tag, value)
    return value.hex() if text is None else text


def text_of(tag: int, value: bytes) -> str | None:
    """Return the text of a string of one of the types that names use; None for other types."""
    encoding = _STRINGS.get(tag)
    return None if encoding is None else value.decode(encoding, "replace")


def common_name(name: bytes) -> str | None:
    """Return the last common name in a name, which is the most specific one; None where there is none."""
    return _short_common_name(name) if len(name) <= _SHORT_NAME else _common_name(name)


def _common_name(name: bytes) -> str | None:
    try:
        for relative in reversed(attributes(name)):
            for kind, tag, value in relative:
                if kind == b"\x55\x04\x03" and tag in _STRINGS:
                    return value.decode(_STRINGS[tag], "replace")
    except ValueError:
        pass
    return None


_short_common_name = lru_cache(maxsize=1024)(_common_name)
