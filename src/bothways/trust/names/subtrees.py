"""The subtrees of name constraints, and whether a name is within one of them (RFC 5280 4.2.1.10).

Each kind of name has an index, so that the cost of a lookup grows with the name, not with the number of subtrees. A
name that cannot be compared is in no permitted subtree and in every excluded one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bothways.trust.der import SEQUENCE, element, elements, expect_element
from bothways.trust.names.general import (
    NAMES_LIMIT,
    GeneralName,
    GeneralNameKind,
    Mailbox,
    directory_form,
    embedded_ipv4,
    general_name,
    host_form,
    mailbox_form,
    other_name,
    uri_host_form,
)

_PERMITTED, _EXCLUDED = 0xA0, 0xA1
_MINIMUM, _MAXIMUM = 0x80, 0x81
_SUBNETS = (8, 32)
_MAPPED_BITS = 96

# The kind of a name for constraints: each type of otherName counts as a kind.
Form = GeneralNameKind | bytes
# The compared form: a host, a mailbox, an address, the relative names of a directory name; None if malformed.
Value = str | Mailbox | bytes | tuple[bytes, ...] | None


class Subtree(NamedTuple):
    """One subtree; `limited` if it has a minimum other than 0 or a maximum, which no kind of name uses."""

    base: GeneralName
    limited: bool


def subtrees_in(der: bytes) -> tuple[tuple[Subtree, ...], tuple[Subtree, ...]]:
    """Return the permitted and the excluded subtrees, from the value of nameConstraints. Raises ValueError."""
    at, end = expect_element(der, 0, len(der), SEQUENCE, "name constraints")
    if end != len(der):
        raise ValueError(f"{len(der) - end} bytes follow the name constraints")
    found: dict[int, tuple[Subtree, ...]] = {}
    for tag, _, start, stop in elements(der, at, end):
        if tag not in (_PERMITTED, _EXCLUDED) or tag in found or (tag == _PERMITTED and found):
            raise ValueError("an element that does not belong in name constraints")
        found[tag] = tuple(_subtrees(der, start, stop))
        if not found[tag]:
            raise ValueError("a list of subtrees is empty")
    if not found:
        raise ValueError("name constraints without a subtree")
    return found.get(_PERMITTED, ()), found.get(_EXCLUDED, ())


def _subtrees(data: bytes, at: int, end: int) -> Iterator[Subtree]:
    for number, (tag, begin, start, stop) in enumerate(elements(data, at, end)):
        if number == NAMES_LIMIT:
            raise ValueError(f"more than {NAMES_LIMIT} subtrees")
        if tag != SEQUENCE:
            raise ValueError(f"no subtree at byte {begin}")
        kind, first, last = element(data, start, stop)
        base = general_name(kind, data[first:last], _SUBNETS)
        if base.kind is GeneralNameKind.IP:
            _prefix_length(base.value)
        yield Subtree(base, _is_limited(data, last, stop))


def _is_limited(data: bytes, at: int, end: int) -> bool:
    """Whether minimum and maximum are not the default (RFC 5280 4.2.1.10: 0, and absent); an encoded 0 is accepted."""
    limited, last = False, 0
    for tag, _, start, stop in elements(data, at, end):
        if tag not in (_MINIMUM, _MAXIMUM) or tag <= last or start == stop:
            raise ValueError("an element that does not belong in a subtree")
        limited = limited or tag == _MAXIMUM or data[start:stop] != b"\0"
        last = tag
    return limited


def _prefix_length(value: bytes) -> int:
    """Return the prefix length of an address with a mask; ValueError for a mask that is no prefix (RFC 4632 3.1)."""
    mask = value[len(value) // 2 :]
    ones = int.from_bytes(mask, "big")
    length = ones.bit_count()
    if ones != ((1 << length) - 1) << (len(mask) * 8 - length):
        raise ValueError("a subtree of IP addresses whose mask is not contiguous")
    return length


def form_of(name: GeneralName) -> Form:
    """Return the kind of a name for constraints."""
    return other_name(name.value)[0] if name.kind is GeneralNameKind.OTHER else name.kind


def value_of(name: GeneralName) -> Value:
    """Return a name in the form that is compared; None where it is malformed or of a kind that cannot be compared."""
    if name.kind is GeneralNameKind.IP:
        return name.value
    if name.kind is GeneralNameKind.DIRECTORY:
        return directory_form(name.value)
    text = name.text
    if text is None:
        return None
    if name.kind is GeneralNameKind.DNS:
        return dns_value(text)
    return mailbox_form(text) if name.kind is GeneralNameKind.EMAIL else uri_host_form(text)


def dns_value(text: str) -> str | None:
    """Return a DNS name, whose first label may be a wildcard, in the form that is compared; None for other text."""
    if not text.startswith("*."):
        return host_form(text)
    rest = host_form(text[2:])
    return None if rest is None else "*." + rest


class _Index(ABC):
    """The subtrees of one kind, all permitted or all excluded."""

    def __init__(self, excluding: bool) -> None:
        self.excluding = excluding

    @property
    def cost(self) -> int:
        """The maximum work of a lookup, in units of `Step.NAME_COMPARISON`."""
        return 1

    @abstractmethod
    def add(self, base: GeneralName) -> bool:
        """Add a subtree; False where it is malformed."""

    @abstractmethod
    def has(self, value: Value) -> bool:
        """Whether a well-formed name is within one of the subtrees.

        Of several hosts that it covers (wildcard, IPv4-mapped address), one is enough to be excluded; all must be
        permitted.
        """


class Subtrees:
    """The permitted or the excluded subtrees of one CA."""

    def __init__(self, subtrees: Sequence[Subtree], *, excluding: bool) -> None:
        self._excluding = excluding
        self._indices: dict[Form, _Index] = {}
        self._refused: set[Form] = set()
        for each in subtrees:
            self._take(each)

    def _take(self, subtree: Subtree) -> None:
        form = form_of(subtree.base)
        index = self._indices.get(form)
        if index is None:
            maker = _INDICES.get(form)
            if maker is None or subtree.limited:
                self._refused.add(form)
                return
            index = self._indices[form] = maker(self._excluding)
        if subtree.limited or (not index.add(subtree.base) and self._excluding):
            self._refused.add(form)

    def constrain(self, form: Form) -> bool:
        """Whether there are subtrees for a kind of name."""
        return form in self._indices or form in self._refused

    def can_compare(self, form: Form) -> bool:
        """Whether all subtrees for a kind of name, if any, can be compared with names (RFC 5280 4.2.1.10)."""
        return form not in self._refused

    def cost(self, form: Form) -> int:
        """Return the work of a lookup of a name of a kind, in units of `Step.NAME_COMPARISON`."""
        index = self._indices.get(form)
        return 0 if index is None else index.cost

    def has(self, form: Form, value: Value) -> bool:
        """Whether a name is within one of the subtrees."""
        index = self._indices.get(form)
        if index is None:
            return False
        return self._excluding if value is None else index.has(value)


def _suffixes(host: str) -> Iterator[str]:
    """Yield the parent domains of a host, the nearest first."""
    at = host.find(".")
    while at >= 0:
        yield host[at + 1 :]
        at = host.find(".", at + 1)


class _Hosts(_Index):
    """Hosts by name, and domains with all hosts below them."""

    def __init__(self, excluding: bool) -> None:
        super().__init__(excluding)
        self.hosts: set[str] = set()
        self.domains: set[str] = set()

    def add_host(self, text: str | None) -> bool:
        host = None if text is None else host_form(text.removeprefix("."))
        if text is None or host is None:
            return False
        (self.domains if text.startswith(".") else self.hosts).add(host)
        return True

    def match(self, host: str) -> bool:
        return host in self.hosts or (
            bool(self.domains) and any(map(self.domains.__contains__, _suffixes(host)))
        )


class _DNSNames(_Index):
    """Domains with all names below them; a constraint that begins with a period requires at least one more label."""

    def __init__(self, excluding: bool) -> None:
        super().__init__(excluding)
        self._domains: set[str] = set()
        self._below: set[str] = set()
        self._above: set[str] = set()
        self._all = False

    def add(self, base: GeneralName) -> bool:
        text = base.text
        if text == "":
            self._all = True
            return True
        host = None if text is None else host_form(text.removeprefix("."))
        if text is None or host is None:
            return False
        if text.startswith("."):
            self._below.add(host)
        else:
            self._domains.add(host)
            self._above.add(host.partition(".")[2])
        return True

    def has(self, value: Value) -> bool:
        """A wildcard is permitted only if all names that it matches are, and excluded if any of them is."""
        host = str(value)
        rest = host.removeprefix("*.")
        if self._all or rest in self._domains:
            return True
        if rest is not host and (rest in self._below or (self.excluding and rest in self._above)):
            return True
        return any(each in self._domains or each in self._below for each in _suffixes(rest))


class _Mailboxes(_Hosts):
    """Mailboxes, all mailboxes at a host, and all mailboxes below a domain."""

    def __init__(self, excluding: bool) -> None:
        super().__init__(excluding)
        self._mailboxes: set[Mailbox] = set()

    def add(self, base: GeneralName) -> bool:
        text = base.text
        if text is None or "@" not in text:
            return self.add_host(text)
        mailbox = mailbox_form(text)
        if mailbox is None:
            return False
        self._mailboxes.add(mailbox)
        return True

    def has(self, value: Value) -> bool:
        return isinstance(value, Mailbox) and (value in self._mailboxes or self.match(value.host))


class _URIHosts(_Hosts):
    """Hosts of URIs, and all hosts below a domain."""

    def add(self, base: GeneralName) -> bool:
        return self.add_host(base.text)

    def has(self, value: Value) -> bool:
        return self.match(str(value))


class _Networks(_Index):
    """IPv4 and IPv6 networks, by the length of the address and the number of bits after the prefix."""

    def __init__(self, excluding: bool) -> None:
        super().__init__(excluding)
        self._networks: dict[tuple[int, int], set[int]] = {}

    def add(self, base: GeneralName) -> bool:
        size = len(base.value) // 2
        address, fixed = base.value[:size], _prefix_length(base.value)
        self._take(address, size * 8 - fixed)
        other = embedded_ipv4(address)
        if self.excluding and other is not None and fixed >= _MAPPED_BITS:
            self._take(other, size * 8 - fixed)
        return True

    @property
    def cost(self) -> int:
        """It grows with the number of different prefix lengths."""
        return 1 + len(self._networks) // 8

    def _take(self, address: bytes, shift: int) -> None:
        network = int.from_bytes(address, "big") >> shift
        self._networks.setdefault((len(address), shift), set()).add(network)

    def has(self, value: Value) -> bool:
        """An IPv4-mapped address is excluded if either form is, and permitted only if both forms are."""
        address = value if isinstance(value, bytes) else b""
        other = embedded_ipv4(address)
        if other is None:
            return self._contains(address)
        found = self._contains(address), self._contains(other)
        return any(found) if self.excluding else all(found)

    def _contains(self, address: bytes) -> bool:
        number, size = int.from_bytes(address, "big"), len(address)
        return any(
            length == size and number >> shift in networks
            for (length, shift), networks in self._networks.items()
        )


class _Directories(_Index):
    """Directory names, compared by their first relative distinguished names."""

    def __init__(self, excluding: bool) -> None:
        super().__init__(excluding)
        self._prefixes: set[tuple[bytes, ...]] = set()
        self._lengths: set[int] = set()

    @property
    def cost(self) -> int:
        """It grows with the number of different lengths of directory names."""
        return 1 + len(self._lengths) // 8

    def add(self, base: GeneralName) -> bool:
        relatives = directory_form(base.value)
        if relatives is None:
            return False
        self._prefixes.add(relatives)
        self._lengths.add(len(relatives))
        return True

    def has(self, value: Value) -> bool:
        if not isinstance(value, tuple):
            return False
        return any(
            tuple(value[:length]) in self._prefixes for length in self._lengths if length <= len(value)
        )


_INDICES: dict[Form, type[_Index]] = {
    GeneralNameKind.DNS: _DNSNames,
    GeneralNameKind.EMAIL: _Mailboxes,
    GeneralNameKind.URI: _URIHosts,
    GeneralNameKind.IP: _Networks,
    GeneralNameKind.DIRECTORY: _Directories,
}
