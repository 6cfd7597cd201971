"""Decodes values of DER for display: sequences, numbers, object identifiers, strings and times, with their positions.

It checks the encoding only. Whatever has another form is a ValueError that names the byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bothways.describe.escape import visible
from bothways.oids import NAMES
from bothways.trust.der import element, elements
from bothways.trust.names.distinguished import dotted, text_of

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, ENUMERATED = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
TIMES = (UTC_TIME, GENERALIZED_TIME)

BYTES_SHOWN = 32
TEXT_SHOWN = 1000
_DIGITS_SHOWN = 200
_OTHER_STRINGS = (0x19, 0x1A, 0x1B)  # GraphicString, VisibleString, GeneralString
_OID_LIMIT = 63
_DECIMAL_BYTES = 16
_DEPTH, _PARTS = 8, 60
_MOMENT = re.compile(
    rb"(\d\d|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:[.,]\d{1,9})?(?:Z|([+-])(\d\d)(\d\d))?", re.ASCII
)
_AS_RFC_5280 = re.compile(rb"(\d{12}|\d{14})Z", re.ASCII)


class Element(NamedTuple):
    """One element of DER: its position in `data`, its tag, and start and end of its content."""

    data: bytes
    at: int
    tag: int
    start: int
    stop: int

    @property
    def content(self) -> bytes:
        """The content without tag and length."""
        return self.data[self.start : self.stop]

    @property
    def encoded(self) -> bytes:
        """The element with tag and length."""
        return self.data[self.at : self.stop]

    def children(self) -> Iterator[Element]:
        """Yield the elements of the content. Raises ValueError where one is malformed."""
        if not self.tag & 0x20:
            raise ValueError(f"no sequence at byte {self.at}")
        for tag, at, start, stop in elements(self.data, self.start, self.stop):
            yield Element(self.data, at, tag, start, stop)

    def only(self, tag: int, what: str) -> Element:
        """Return the only element of the content, which must have `tag`. Raises ValueError.

        what: its name in the error.
        """
        fields = Fields(self)
        found = fields.take(tag, what)
        fields.end()
        return found

    def expect(self, tag: int, what: str) -> Element:
        """Return this element if it has `tag`. Raises ValueError.

        what: its name in the error.
        """
        if self.tag != tag:
            raise ValueError(f"no {what} at byte {self.at}")
        return self


def first(data: bytes, what: str, tag: int = SEQUENCE) -> Element:
    """Return the element at the start of `data`, which must have `tag`; other data may follow. Raises ValueError.

    what: its name in the error.
    """
    found, start, stop = element(data, 0, len(data))
    return Element(data, 0, found, start, stop).expect(tag, what)


def whole(data: bytes, what: str, tag: int = SEQUENCE) -> Element:
    """Return the element that is all of `data`. Raises ValueError for another tag and for trailing data.

    what: its name in the error.
    """
    found = first(data, what, tag)
    if found.stop != len(data):
        raise ValueError(f"{len(data) - found.stop} bytes follow the {what}")
    return found


class Fields:
    """The fields of a sequence, read in their order; some may be optional."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._rest = element.children()
        self._next = next(self._rest, None)

    def take(self, tag: int | tuple[int, ...], what: str) -> Element:
        """Return the next field, which must have one of these tags. Raises ValueError.

        what: its name in the error.
        """
        found = self.optional(tag)
        if found is None:
            at = self._element.stop if self._next is None else self._next.at
            raise ValueError(f"no {what} at byte {at}")
        return found

    def optional(self, tag: int | tuple[int, ...]) -> Element | None:
        """Return the next field if it has one of these tags, else None. Raises ValueError."""
        found = self._next
        if found is None or found.tag not in (tag if isinstance(tag, tuple) else (tag,)):
            return None
        self._next = next(self._rest, None)
        return found

    def any(self, what: str) -> Element:
        """Return the next field, with any tag. Raises ValueError.

        what: its name in the error.
        """
        found = self._next
        if found is None:
            raise ValueError(f"no {what} at byte {self._element.stop}")
        self._next = next(self._rest, None)
        return found

    def rest(self) -> Iterator[Element]:
        """Yield the remaining fields. Raises ValueError."""
        while self._next is not None:
            yield self.any("field")

    def end(self) -> None:
        """Raise ValueError if a field remains."""
        if self._next is not None:
            raise ValueError(f"a field that does not belong there at byte {self._next.at}")


def integer(found: Element) -> int:
    """Return the value of an INTEGER. Raises ValueError if it is empty."""
    if found.start == found.stop:
        raise ValueError(f"a number of no bytes at byte {found.at}")
    return int.from_bytes(found.content, "big", signed=True)


def number_text(found: Element) -> str:
    """Return an INTEGER in decimal, a long one in hexadecimal. Raises ValueError."""
    number = integer(found)
    return str(number) if found.stop - found.start <= _DECIMAL_BYTES else serial_text(number)


def serial_text(number: int) -> str:
    """Return a serial number in hexadecimal, with an even number of digits; a very long one is cut."""
    digits = f"{abs(number):x}"
    text = ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)
    return visible(text, _DIGITS_SHOWN)


def boolean(found: Element) -> bool:
    """Return the value of a BOOLEAN. Raises ValueError if it is not one byte."""
    if found.tag != BOOLEAN or found.stop - found.start != 1:
        raise ValueError(f"no BOOLEAN at byte {found.at}")
    return found.content != b"\0"


def bits(found: Element) -> list[int]:
    """Return the numbers of the bits that are set in a BIT STRING, of its first 64. Raises ValueError."""
    content = found.content
    if not content or content[0] > 7:
        raise ValueError(f"no BIT STRING at byte {found.at}")
    return [
        8 * place + bit for place, byte in enumerate(content[1:9]) for bit in range(8) if byte & 0x80 >> bit
    ]


def oid(found: Element) -> str:
    """Return an object identifier in dotted form; of a very long one only the length. Raises ValueError."""
    content = found.expect(OID, "object identifier").content
    if not content or content[-1] & 0x80:
        raise ValueError(f"an object identifier that does not end at byte {found.at}")
    return dotted(content) if len(content) <= _OID_LIMIT else f"an identifier of {len(content)} bytes"


def named(identifier: str) -> str:
    """Return an object identifier with its name, if it is known: `extended validation (2.23.140.1.1)`."""
    name = NAMES.get(identifier)
    return identifier if name is None else f"{name} ({identifier})"


def time_of(found: Element) -> datetime:
    """Return a time, also in forms that RFC 5280 4.1.2.5 forbids but that occur. Raises ValueError."""
    content = found.content
    match = _MOMENT.fullmatch(content)
    if found.tag not in TIMES or match is None or (len(match[1]) == 4) != (found.tag == GENERALIZED_TIME):
        raise ValueError(f"no time at byte {found.at}: {string(found)}")
    year = int(match[1])
    if found.tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    try:
        month, day, hour, minute, second = (int(each or 0) for each in match.group(2, 3, 4, 5, 6))
        result = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
        return result + offset if match[7] == b"-" else result - offset
    except (ValueError, OverflowError):
        raise ValueError(f"no time at byte {found.at}: {string(found)}") from None


def time_text(found: Element) -> str:
    """Return a time as text; an invalid one as the string that is there."""
    try:
        result = f"{time_of(found):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return f"{string(found)} (which is not a valid time)"
    return result if _AS_RFC_5280.fullmatch(found.content) else f"{result} (written {string(found)})"


def string(found: Element) -> str:
    """Return the text of a string in quotation marks, escaped and cut."""
    text = text_of(found.tag, found.content)
    if text is None:
        text = found.content[: TEXT_SHOWN + 1].decode("utf-8", "backslashreplace")
    return quoted(text)


def quoted(text: str) -> str:
    """Return text in quotation marks, escaped and cut."""
    return '"' + visible(text, TEXT_SHOWN).replace('"', '\\"') + '"'


def short_hex(data: bytes) -> str:
    """Return bytes in hexadecimal; of many only the first ones and their number."""
    if len(data) <= BYTES_SHOWN:
        return data.hex() or "nothing"
    return f"{data[:BYTES_SHOWN].hex()}... ({len(data)} bytes)"


def describe_each(parts: Iterable[Element], describe: Callable[[Element], str]) -> list[str]:
    """Return each element as text; one that cannot be decoded is reported as such and does not hide the others."""
    result = []
    try:
        for each in parts:
            try:
                result.append(describe(each))
            except ValueError as error:
                result.append(f"one that cannot be read ({error}): {short_hex(each.encoded)}")
    except ValueError as error:
        result.append(f"what follows cannot be read: {error}")
    return result


def outline(data: bytes) -> str:
    """Return a value of unknown meaning as text: its strings and numbers, nested as they are."""
    try:
        found = whole(data, "value", data[0] if data else 0)
        return visible(_outline(found, _DEPTH, [_PARTS]), 1000)
    except ValueError:
        return short_hex(data)


def _outline(found: Element, depth: int, remaining: list[int]) -> str:
    remaining[0] -= 1
    if found.tag & 0x20:
        return _group(found, depth, remaining)
    match found.tag:
        case 0x01:
            return "true" if boolean(found) else "false"
        case 0x02 | 0x0A:
            return number_text(found)
        case 0x05:
            return "null"
        case 0x06:
            return named(oid(found))
        case 0x17 | 0x18:
            return time_text(found)
        case 0x04:
            return _inner(found.content, depth, remaining)
        case tag if tag in _OTHER_STRINGS or text_of(tag, found.content) is not None:
            return string(found)
    mark = f"[{found.tag & 0x1F}] " if found.tag & 0xC0 == 0x80 else ""
    text = found.content
    return mark + (
        string(found) if mark and text and text.isascii() and text.decode().isprintable() else short_hex(text)
    )


def _group(found: Element, depth: int, remaining: list[int]) -> str:
    mark = f"[{found.tag & 0x1F}] " if found.tag & 0xC0 == 0x80 else ""
    if depth == 0:
        return mark + f"{{{found.stop - found.start} bytes}}"
    parts = []
    for each in found.children():
        if remaining[0] <= 0:
            parts.append("...")
            break
        parts.append(_outline(each, depth - 1, remaining))
    return mark + "{" + ", ".join(parts) + "}"


def _inner(content: bytes, depth: int, remaining: list[int]) -> str:
    """Return the content of an OCTET STRING as text, decoded if it is DER."""
    try:
        if depth and content[:1] in (b"\x30", b"\x0c", b"\x13", b"\x16"):
            return _outline(whole(content, "value", content[0]), depth - 1, remaining)
    except ValueError:
        pass
    return short_hex(content)
