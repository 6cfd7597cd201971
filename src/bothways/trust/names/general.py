"""General names in a certificate (RFC 5280 4.2.1.6), and the form in which each kind is compared.

Decoded here, since the parser of `cryptography` refuses two kinds and has no limits. A malformed name of a known kind
is kept: it matches nothing, and name constraints refuse it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from itertools import pairwise
from string import ascii_letters, ascii_lowercase, digits
from typing import NamedTuple

from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, element, elements, expect_element
from bothways.trust.names.distinguished import comparable_relatives, dn_text, identifier_text

_UTF8_STRING = 0x0C
_VALUE = 0xA0
# A usual certificate has at most a hundred names, few of them directory names.
NAMES_LIMIT = 4096
_URI_LIMIT = 8192
_IDENTIFIER_LIMIT = 63
_SMTP_UTF8_MAILBOX = bytes.fromhex("2b06010505070809")
_HOST_LIMIT = 253
LABEL_LIMIT = 63
_HOST_CHARACTERS = frozenset(ascii_lowercase + digits + "-_")
_LOCAL_LIMIT = 256  # RFC 5321 4.5.3.1.1 allows 64
_ALPHANUMERIC = frozenset(ascii_letters + digits)
_ATOM = _ALPHANUMERIC | frozenset("!#$%&'*+-/=?^_`{|}~")
_URI_CHARACTERS = _ALPHANUMERIC | frozenset("-._~:/?#[]@!$&'()*+,;=%")
_SCHEME = _ALPHANUMERIC | frozenset("+-.")
_MAPPED = bytes(10) + b"\xff\xff"  # the prefix of an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2)


class GeneralNameKind(Enum):
    """The kinds of general names; the values are their tags."""

    OTHER = 0xA0
    EMAIL = 0x81
    DNS = 0x82
    X400 = 0xA3
    DIRECTORY = 0xA4
    EDI = 0xA5
    URI = 0x86
    IP = 0x87
    REGISTERED_ID = 0x88

    __hash__ = object.__hash__  # Enum's own is a call in Python


_KINDS = {kind.value: kind for kind in GeneralNameKind}
_TEXTS = (GeneralNameKind.EMAIL, GeneralNameKind.DNS, GeneralNameKind.URI)


class GeneralName(NamedTuple):
    """One general name: its kind and the content of its element; of a directory name the DER of the whole name."""

    kind: GeneralNameKind
    value: bytes

    @property
    def text(self) -> str | None:
        """An email address, DNS name or URI; None for other kinds, and for what is not ASCII (IA5String)."""
        return self.value.decode() if self.kind in _TEXTS and self.value.isascii() else None

    @property
    def utf8_mailbox(self) -> str | None:
        """The mailbox of an otherName of type SmtpUTF8Mailbox (RFC 9598 3), None for others; "" for a malformed one."""
        if self.kind is not GeneralNameKind.OTHER:
            return None
        identifier, value = other_name(self.value)
        return _utf8_string(value) if identifier == _SMTP_UTF8_MAILBOX else None

    def __str__(self) -> str:
        """The name as text."""
        if self.kind in _TEXTS:
            return self.value.decode("ascii", "backslashreplace")
        if self.kind is GeneralNameKind.DIRECTORY:
            return dn_text(self.value)
        if self.kind is GeneralNameKind.IP:
            return address_text(self.value)
        if self.kind is GeneralNameKind.REGISTERED_ID:
            return identifier_text(self.value)
        if self.kind is GeneralNameKind.OTHER:
            return self.utf8_mailbox or identifier_text(other_name(self.value)[0])
        return {GeneralNameKind.X400: "an X.400 address", GeneralNameKind.EDI: "an EDI party name"}[self.kind]


def general_names(der: bytes) -> tuple[GeneralName, ...]:
    """Decode a sequence of general names, such as the value of subjectAltName. Raises ValueError."""
    at, end = expect_element(der, 0, len(der), SEQUENCE, "list of names")
    if end != len(der):
        raise ValueError(f"{len(der) - end} bytes follow the list of names")
    names = tuple(names_between(der, at, end))
    if not names:
        raise ValueError("the list of names is empty")
    return names


def names_between(data: bytes, at: int, end: int) -> Iterator[GeneralName]:
    """Decode the general names between `at` and `end`. Raises ValueError."""
    for number, (tag, _, start, stop) in enumerate(elements(data, at, end)):
        if number == NAMES_LIMIT:
            raise ValueError(f"more than {NAMES_LIMIT} names")
        yield general_name(tag, data[start:stop])


def general_name(tag: int, value: bytes, addresses: tuple[int, ...] = (4, 16)) -> GeneralName:
    """Make a general name from the tag and the content of its element. Raises ValueError.

    addresses: the lengths that an IP address may have, in octets; in a subtree, with its mask, twice as many.
    """
    kind = _KINDS.get(tag)
    if kind is None:
        raise ValueError(f"a name of an unknown type: tag {tag:02x}")
    if kind is GeneralNameKind.IP and len(value) not in addresses:
        raise ValueError(f"an IP address of {len(value)} bytes")
    if kind is GeneralNameKind.DIRECTORY and expect_element(value, 0, len(value), SEQUENCE, "name")[1] != len(
        value
    ):
        raise ValueError("bytes follow a directory name")
    if kind is GeneralNameKind.OTHER:
        other_name(value)
    if kind is GeneralNameKind.REGISTERED_ID and not _is_identifier(value):
        raise ValueError("a registeredID that is not an object identifier")
    return GeneralName(kind, value)


def further_work(names: Iterable[GeneralName]) -> int:
    """Return the work of preparing names for comparison, beyond one `Step.NAME` for each, in units of that step."""
    return sum(map(_further_work, names))


def _further_work(name: GeneralName) -> int:
    if name.kind is GeneralNameKind.DIRECTORY:
        return len(name.value) // 3
    return (6 if name.kind is GeneralNameKind.OTHER else 0) + len(name.value) // 32


def other_name(value: bytes) -> tuple[bytes, bytes]:
    """Decode an otherName: its type, and the DER of its value. Raises ValueError."""
    start, stop = expect_element(value, 0, len(value), OBJECT_IDENTIFIER, "identifier of an otherName")
    if not _is_identifier(value[start:stop]):
        raise ValueError("the identifier of an otherName is not an object identifier")
    at, end = expect_element(value, stop, len(value), _VALUE, "value of an otherName")
    if end != len(value) or at == end or element(value, at, end)[2] != end:
        raise ValueError("an otherName that has not exactly one value")
    return value[start:stop], value[at:end]


def _is_identifier(value: bytes) -> bool:
    """Whether bytes are the content of an object identifier (X.690 8.19)."""
    if not 1 <= len(value) <= _IDENTIFIER_LIMIT or value[-1] >= 0x80:
        return False
    return value[0] != 0x80 and not any(first < 0x80 and second == 0x80 for first, second in pairwise(value))


def _utf8_string(value: bytes) -> str:
    try:
        start, stop = expect_element(value, 0, len(value), _UTF8_STRING, "mailbox")
        return value[start:stop].decode() if stop == len(value) else ""
    except ValueError:
        return ""


def address_text(value: bytes) -> str:
    """Return an IP address, or an address with its mask, as text."""
    half = len(value) // 2
    if len(value) in (8, 32):
        return f"{ip_address(value[:half])}/{ip_address(value[half:])}"
    return str(ip_address(value))


def embedded_ipv4(address: bytes) -> bytes | None:
    """Return the IPv4 address in an IPv4-mapped IPv6 address, else None (RFC 4291 2.5.5.2)."""
    return address[12:] if len(address) == 16 and address.startswith(_MAPPED) else None


# -- the forms in which names are compared; None for malformed ones -----------------------------------


def is_dns_name(name: str) -> bool:
    """Whether `name` is a DNS name in lower case; with underscores, but no numeric last label (RFC 1123 2.1)."""
    return len(name) <= _HOST_LIMIT and _has_labels(name)


@lru_cache(maxsize=1024)
def _has_labels(name: str) -> bool:
    labels = name.split(".")
    return all(map(_is_label, labels)) and not labels[-1].isdigit()


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= LABEL_LIMIT
        and _HOST_CHARACTERS.issuperset(label)
        and label[0] != "-"
        and label[-1] != "-"
    )


def lower_ascii(text: str) -> str:
    """Return ASCII text in lower case, and other text unchanged: DNS ignores the case of ASCII only (RFC 9525 6.3)."""
    return text.lower() if text.isascii() else text


def host_form(text: str) -> str | None:
    """Return a DNS name in lower case and without its final dot (RFC 1034 3.1); None where it is none."""
    host = lower_ascii(text).removesuffix(".")
    return host if is_dns_name(host) else None


def directory_form(name: bytes) -> tuple[bytes, ...] | None:
    """Return the relative names of a directory name in the form that RFC 5280 7.1 compares; None where it is not valid.

    None also for one with a string that cannot be compared by these rules: not allowed by its type, or too long.
    """
    try:
        return comparable_relatives(name)
    except ValueError:
        return None


class Mailbox(NamedTuple):
    """A mailbox: its local part without quotation marks, and its host in lower case."""

    local: str
    host: str


def mailbox_form(text: str, *, ascii_only: bool = True) -> Mailbox | None:
    """Return a mailbox in the form that is compared, without quotation; None for other text (RFC 5321 4.1.2).

    ascii_only: whether the local part must be ASCII.
    """
    local, at, host = text.rpartition("@")
    name = host_form(host)
    if not at or name is None or len(local) > _LOCAL_LIMIT or (ascii_only and not local.isascii()):
        return None
    unquoted = _unquoted(local)
    return None if unquoted is None else Mailbox(unquoted, name)


def _unquoted(local: str) -> str | None:
    """Return a local part without its quotation; None where it is malformed."""
    if not local.startswith('"'):
        atoms = local.split(".")
        is_valid = all(each and all(_is_atom_character(character) for character in each) for each in atoms)
        return local if is_valid else None
    if len(local) < 2 or not local.endswith('"'):
        return None
    unquoted = []
    characters = iter(local[1:-1])
    for character in characters:
        literal = next(characters, "") if character == "\\" else character
        if not literal or (character == '"') or ord(literal) < 0x20 or ord(literal) == 0x7F:
            return None
        unquoted.append(literal)
    return "".join(unquoted)


def _is_atom_character(character: str) -> bool:
    return character in _ATOM or ord(character) > 0x9F


def uri_host_form(uri: str) -> str | None:
    """Return the DNS name that is the host of a URI; None where it has none (RFC 3986 3.2, RFC 5280 4.2.1.10)."""
    scheme, separator, rest = uri.partition("://")
    if len(uri) > _URI_LIMIT or not separator:
        return None
    if not _is_scheme(scheme) or not _URI_CHARACTERS.issuperset(uri):
        return None
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    if authority.count("@") > 1:
        return None
    host, _, port = authority.rpartition("@")[2].partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return None
    return host_form(host)


def _is_scheme(scheme: str) -> bool:
    return scheme[:1].isalpha() and _SCHEME.issuperset(scheme)
