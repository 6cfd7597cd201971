"""What rules compare of a verified certificate: found once for all rules about it, however many names it has.

Peers are decided about one after another, by all rules of a route. A CA may have certified thousands of names for one.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.names.distinguished import attributes, text_of
from bothways.trust.names.general import is_dns_name, lower_ascii

CERTIFICATES = 16  # of the paths of the last peers
PEERS = 4

Texts = tuple[str, ...]
Mailbox = tuple[str, str]  # the local part, and the domain in lower case


@lru_cache(maxsize=CERTIFICATES)
def parsed(der: bytes) -> ParsedCertificate:
    """Return a certificate, with what is read of it again and again."""
    return ParsedCertificate(der)


@lru_cache(maxsize=16 * PEERS)
def subject_texts(subject: bytes, kind: bytes) -> tuple[str | None, ...]:
    """Return the values of one kind of attribute in a subject, None where it cannot be decoded. Raises ValueError."""
    return tuple(text_of(tag, value) for each in attributes(subject) for of, tag, value in each if of == kind)


class Hosts(NamedTuple):
    """DNS names in lower case, the names above them, and those above wildcard names."""

    names: frozenset[str]
    parents: frozenset[str]
    under_wildcards: frozenset[str]


@lru_cache(maxsize=PEERS)
def hosts(dns: Texts) -> Hosts:
    """Return the DNS names of a certificate."""
    lower = [lower_ascii(each) for each in dns]
    names = frozenset(each for each in lower if is_dns_name(each))
    parents = frozenset(each.partition(".")[2] for each in names)
    return Hosts(names, parents, frozenset(each[2:] for each in lower if each.startswith("*.")))


@lru_cache(maxsize=PEERS)
def uris(uri: Texts) -> frozenset[str]:
    """Return the URIs of a certificate."""
    return frozenset(uri)


def mailbox(text: str) -> Mailbox | None:
    """Return an email address in its parts; None for what is none."""
    local, at, domain = text.rpartition("@")
    return (local, lower_ascii(domain)) if at and local and "@" not in local else None


class Mailboxes(NamedTuple):
    """Email addresses, and their domains."""

    whole: frozenset[Mailbox]
    domains: frozenset[str]


@lru_cache(maxsize=PEERS)
def mailboxes(email: Texts) -> Mailboxes:
    """Return the email addresses of a certificate."""
    whole = frozenset(found for each in email if (found := mailbox(each)) is not None)
    return Mailboxes(whole, frozenset(domain for _, domain in whole))


class PresentedAddresses:
    """IP addresses, which are compared by their first bits."""

    def __init__(self, addresses: list[IPv4Address | IPv6Address]) -> None:
        self._addresses = addresses
        self._prefixes: dict[tuple[int, int], frozenset[int]] = {}

    def prefixes(self, version: int, rest: int) -> frozenset[int]:
        """Return the first bits of those of a version of IP. rest: how many bits follow."""
        found = self._prefixes.get((version, rest))
        if found is None:
            found = frozenset(int(each) >> rest for each in self._addresses if each.version == version)
            self._prefixes[version, rest] = found
        return found


@lru_cache(maxsize=PEERS)
def addresses(ip: Texts) -> PresentedAddresses:
    """Return the IP addresses of a certificate."""
    return PresentedAddresses([address for each in ip if (address := _address(each)) is not None])


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:  # a certificate may contain an invalid address
        return None
