"""Which names the CAs on a path permit to those below them (RFC 5280 4.2.1.10, 6.1.3 b and c, 6.1.4 g).

Every name below a CA must be in one of its permitted subtrees, if it has any for that kind of name, and in
none of its excluded ones. A kind of name that cannot be compared is refused where a CA constrains that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509

from bothways.faults import Fault, Reason
from bothways.trust.certificate import EMPTY_NAME, Parsed
from bothways.trust.distinguished import attributes, normal_relatives, spelled, string

COMPARISONS = 20_000

_EMAIL = bytes.fromhex("2a864886f70d010901")


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a certificate: the kind of general name, its value to compare, and its text."""

    kind: type[x509.GeneralName]
    value: object
    text: str


class OutOfWork(Exception):
    """There were more comparisons to make than are granted."""


class Work:
    """How many comparisons of a name with a subtree may still be made."""

    def __init__(self, comparisons: int = COMPARISONS) -> None:
        self.granted = self.left = comparisons

    def spend(self) -> None:
        """Take one comparison, or raise OutOfWork."""
        self.left -= 1
        if self.left < 0:
            raise OutOfWork


def constraint_reasons(path: Sequence[Parsed], work: Work) -> list[Reason]:
    """Hold the names on a path to the constraints of every CA above them, the anchor included."""
    reasons: list[Reason] = []
    for above in range(len(path) - 1, 0, -1):
        constraints = path[above].extension(x509.NameConstraints)
        if constraints is None:
            continue
        issuer = path[above].subject_text
        permitted, excluded = (
            _subtrees(constraints.permitted_subtrees),
            _subtrees(constraints.excluded_subtrees),
        )
        for position in range(above - 1, -1, -1):
            if position and path[position].is_self_issued:
                continue
            for name, fault in _outside(names_to_constrain(path[position]), permitted, excluded, work):
                facts = {"name": name.text, "issuer": issuer}
                reasons.append(Reason(fault, position, path[position].subject_text, facts))
    return reasons


Subtrees = dict[type[x509.GeneralName], list[object]]


def _subtrees(names: Iterable[x509.GeneralName] | None) -> Subtrees:
    kinds: Subtrees = {}
    for each in names or ():
        kinds.setdefault(type(each), []).append(_comparable(each))
    return kinds


def _comparable(name: x509.GeneralName) -> object:
    return normal_relatives(name.value.public_bytes()) if isinstance(name, x509.DirectoryName) else name.value


def names_to_constrain(certificate: Parsed) -> list[Name]:
    """Collect the subject, its e-mail addresses and the alternative names (RFC 5280 4.2.1.10)."""
    alternatives = certificate.extension(x509.SubjectAlternativeName)
    names = [Name(type(each), _comparable(each), str(_text(each))) for each in alternatives or ()]
    if certificate.subject != EMPTY_NAME:
        subject = certificate.subject
        names.append(Name(x509.DirectoryName, normal_relatives(subject), spelled(subject)))
        if not any(each.kind is x509.RFC822Name for each in names):
            names += [Name(x509.RFC822Name, address, address) for address in _addresses(subject)]
    return names


def _text(name: x509.GeneralName) -> object:
    if isinstance(name, x509.DirectoryName):
        return spelled(name.value.public_bytes())
    return name.type_id.dotted_string if isinstance(name, x509.OtherName) else name.value


def _addresses(subject: bytes) -> Iterator[str]:
    for relative in attributes(subject):
        for kind, tag, value in relative:
            if kind == _EMAIL:
                yield string(tag, value)


def _outside(
    names: Sequence[Name], permitted: Subtrees, excluded: Subtrees, work: Work
) -> Iterator[tuple[Name, Fault]]:
    for name in names:
        allowed, forbidden = permitted.get(name.kind), excluded.get(name.kind)
        match = _MATCHES.get(name.kind)
        if match is None:
            if allowed is not None or forbidden is not None:
                yield name, Fault.NAME_NOT_PERMITTED
            continue
        if forbidden is not None and _any(match, name, forbidden, work, True):
            yield name, Fault.NAME_EXCLUDED
        elif allowed is not None and not _any(match, name, allowed, work, False):
            yield name, Fault.NAME_NOT_PERMITTED


Match = Callable[[object, object, bool], bool]


def _any(match: Match, name: Name, subtrees: Sequence[object], work: Work, excluding: bool) -> bool:
    for subtree in subtrees:
        work.spend()
        if match(name.value, subtree, excluding):
            return True
    return False


def _dns(name: object, subtree: object, excluding: bool) -> bool:
    """Whether a DNS name is the subtree's or has labels to its left; ".a.example" asks for at least one.

    A wildcard is permitted only with all that it stands for, and excluded with any of it.
    """
    host, base = _host(str(name)), _host(str(subtree))
    if host.startswith("*."):
        if excluding and base.lstrip(".").partition(".")[2] == host[2:]:
            return True
        if base.startswith(".") and host[1:] == base:
            return True
        host = host[2:]
    return _below(host, base)


def _host(text: str) -> str:
    """A host in lower case without the final dot: with it the same host is meant."""
    return text.lower().removesuffix(".")


def _below(host: str, base: str) -> bool:
    if not base or base.startswith("."):
        return host.endswith(base) and len(host) > len(base)
    return host == base or host.endswith("." + base)


def _email(name: object, subtree: object, _excluding: bool) -> bool:
    """Whether a mailbox is the subtree's mailbox, at its host, or below its domain."""
    local, at, host = str(name).rpartition("@")
    base = str(subtree)
    if not at:
        return _excluding
    if "@" in base:
        base_local, _, base_host = base.rpartition("@")
        return local == base_local and _host(host) == _host(base_host)
    return _at_host(_host(host), _host(base))


def _at_host(host: str, base: str) -> bool:
    """Whether a host is the one named, or below a domain that begins with a period (RFC 5280 4.2.1.10)."""
    return _below(host, base) if base.startswith(".") else host == base


def _uri(name: object, subtree: object, excluding: bool) -> bool:
    """Whether a URI's host is the subtree's; one without a DNS host is refused either way."""
    host = _uri_host(str(name))
    if host is None:
        return excluding
    return _at_host(host, _host(str(subtree)))


def _uri_host(uri: str) -> str | None:
    scheme, separator, rest = uri.partition("://")
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]
    host = _host(authority.partition(":")[0])
    if not scheme or not separator or not host or host.startswith("[") or host.rpartition(".")[2].isdigit():
        return None
    return host


def _ip(name: object, subtree: object, _excluding: bool) -> bool:
    """Whether an address lies in the subtree's network."""
    return getattr(subtree, "version", 0) == getattr(name, "version", 1) and name in subtree  # type: ignore[operator]


def _directory(name: object, subtree: object, _excluding: bool) -> bool:
    """Whether a distinguished name begins with the subtree's."""
    return isinstance(name, tuple) and isinstance(subtree, tuple) and name[: len(subtree)] == subtree


_MATCHES: dict[type[x509.GeneralName], Match] = {
    x509.DNSName: _dns,
    x509.RFC822Name: _email,
    x509.UniformResourceIdentifier: _uri,
    x509.IPAddress: _ip,
    x509.DirectoryName: _directory,
}
