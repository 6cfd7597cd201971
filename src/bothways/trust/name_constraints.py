"""Which names the CAs on a path permit to those below them (RFC 5280 4.2.1.10, 6.1.3 b and c, 6.1.4 g).

Every name below a CA must be in one of its permitted subtrees, if it has any for that kind of name, and in
none of its excluded ones. A kind of name that cannot be compared is refused where a CA constrains that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from bothways.faults import Fault, Reason
from bothways.trust.certificate import EMPTY_NAME, Parsed
from bothways.trust.distinguished import attributes, normal_relatives, spelled, string
from bothways.trust.reasons import few
from bothways.trust.work import Step, WorkBudget

_EMAIL = bytes.fromhex("2a864886f70d010901")


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a certificate: the kind of general name, its value to compare, and where its text is from."""

    kind: type[x509.GeneralName]
    value: object
    source: object

    def __str__(self) -> str:
        """The name for a person."""
        return str(_text(self.source) if isinstance(self.source, x509.GeneralName) else self.source)


Violation = tuple[Fault, str]


def constraint_reasons(path: Sequence[Parsed], work: WorkBudget) -> list[Reason]:
    """Hold the names on a path to the constraints of every CA above them, the anchor included."""
    return NameConstraintCheck(work).reasons(path)


class NameConstraintCheck:
    """Holds names to constraints, for all the paths of one judgement: no pair of certificates is compared twice."""

    def __init__(self, work: WorkBudget) -> None:
        self._work = work
        self._names: dict[bytes, list[Name]] = {}
        self._trees: dict[bytes, tuple[Subtrees, Subtrees]] = {}
        self._violations: dict[tuple[bytes, bytes], Sequence[Violation]] = {}

    def reasons(self, path: Sequence[Parsed]) -> list[Reason]:
        """Return a few of the names that are not permitted for each CA and certificate, or raise OutOfWork."""
        reasons: list[Reason] = []
        for above in range(len(path) - 1, 0, -1):
            if path[above].extension(x509.NameConstraints) is None:
                continue
            issuer = path[above].subject_text
            for position in range(above - 1, -1, -1):
                if position and path[position].is_self_issued:
                    continue
                for fault, text in self._found(path[above], path[position]):
                    facts = {"name": text, "issuer": issuer}
                    reasons.append(Reason(fault, position, path[position].subject_text, facts))
        return reasons

    def _found(self, issuer: Parsed, below: Parsed) -> Sequence[Violation]:
        pair = issuer.der, below.der
        found = self._violations.get(pair)
        if found is None:
            found = self._violations[pair] = few(self._compare(issuer, below))
            self._work.spend(Step.REASON, len(found))
        return found

    def _compare(self, issuer: Parsed, below: Parsed) -> Iterator[tuple[Fault, Name]]:
        trees = self._trees.get(issuer.der)
        if trees is None:
            trees = self._trees[issuer.der] = _both_subtrees(issuer, self._work)
        names = self._names.get(below.der)
        if names is None:
            names = self._names[below.der] = names_to_constrain(below, self._work)
        return _outside(names, *trees, self._work)


Subtrees = dict[type[x509.GeneralName], list[object]]


def _both_subtrees(issuer: Parsed, work: WorkBudget) -> tuple[Subtrees, Subtrees]:
    constraints = issuer.extension(x509.NameConstraints)
    if constraints is None:
        return {}, {}
    return _subtrees(constraints.permitted_subtrees, work), _subtrees(constraints.excluded_subtrees, work)


def _subtrees(names: Sequence[x509.GeneralName] | None, work: WorkBudget) -> Subtrees:
    work.spend(Step.NAME, len(names or ()))
    kinds: Subtrees = {}
    for each in names or ():
        kinds.setdefault(type(each), []).append(_folded(each, _FOLDED_SUBTREES))
    return kinds


Fold = Callable[[str], object]


def _folded(name: x509.GeneralName, folds: Mapping[type[x509.GeneralName], Fold]) -> object:
    """Return a name as it is compared: folded once, and not again for each comparison."""
    if isinstance(name, x509.DirectoryName):
        return normal_relatives(name.value.public_bytes())
    fold = folds.get(type(name))
    return name.value if fold is None else fold(name.value)


def names_to_constrain(certificate: Parsed, work: WorkBudget) -> list[Name]:
    """Collect the subject, its e-mail addresses and the alternative names (RFC 5280 4.2.1.10)."""
    alternatives = certificate.extension(x509.SubjectAlternativeName) or ()
    work.spend(Step.NAME, len(list(alternatives)))
    names = [Name(type(each), _folded(each, _FOLDED_NAMES), each) for each in alternatives]
    if certificate.subject != EMPTY_NAME:
        subject = certificate.subject
        names.append(Name(x509.DirectoryName, normal_relatives(subject), certificate.subject_text))
        if not any(each.kind is x509.RFC822Name for each in names):
            names += [Name(x509.RFC822Name, _mailbox(address), address) for address in _addresses(subject)]
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
    names: Sequence[Name], permitted: Subtrees, excluded: Subtrees, work: WorkBudget
) -> Iterator[tuple[Fault, Name]]:
    for name in names:
        allowed, forbidden = permitted.get(name.kind), excluded.get(name.kind)
        match = _MATCHES.get(name.kind)
        work.spend(Step.NAME_COMPARISON)
        if match is None:
            if allowed is not None or forbidden is not None:
                yield Fault.NAME_NOT_PERMITTED, name
            continue
        if forbidden is not None and _any(match, name, forbidden, work, True):
            yield Fault.NAME_EXCLUDED, name
        elif allowed is not None and not _any(match, name, allowed, work, False):
            yield Fault.NAME_NOT_PERMITTED, name


Match = Callable[[object, object, bool], bool]


def _any(match: Match, name: Name, subtrees: Sequence[object], work: WorkBudget, excluding: bool) -> bool:
    for subtree in subtrees:
        work.spend(Step.NAME_COMPARISON)
        if match(name.value, subtree, excluding):
            return True
    return False


def _dns(name: object, subtree: object, excluding: bool) -> bool:
    """Whether a DNS name is the subtree's or has labels to its left; ".a.example" asks for at least one.

    A wildcard is permitted only with all that it stands for, and excluded with any of it.
    """
    host, base = str(name), str(subtree)
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


Mailbox = tuple[str | None, str]  # the local part, None where there is none, and the host


def _mailbox(text: str) -> Mailbox:
    local, at, host = text.rpartition("@")
    return (local if at else None), _host(host)


def _email(name: object, subtree: object, excluding: bool) -> bool:
    """Whether a mailbox is the subtree's mailbox, at its host, or below its domain."""
    (local, host), (wanted, base) = _pair(name), _pair(subtree)
    if local is None:
        return excluding
    if wanted is not None:
        return (local, host) == (wanted, base)
    return _at_host(host, base)


def _pair(value: object) -> Mailbox:
    return value if isinstance(value, tuple) else (None, str(value))


def _at_host(host: str, base: str) -> bool:
    """Whether a host is the one named, or below a domain that begins with a period (RFC 5280 4.2.1.10)."""
    return _below(host, base) if base.startswith(".") else host == base


def _uri(name: object, subtree: object, excluding: bool) -> bool:
    """Whether a URI's host is the subtree's; one without a DNS host is refused either way."""
    return excluding if name is None else _at_host(str(name), str(subtree))


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


_FOLDED_NAMES: dict[type[x509.GeneralName], Fold] = {
    x509.DNSName: _host,
    x509.RFC822Name: _mailbox,
    x509.UniformResourceIdentifier: _uri_host,
}
_FOLDED_SUBTREES: dict[type[x509.GeneralName], Fold] = {
    x509.DNSName: _host,
    x509.RFC822Name: _mailbox,
    x509.UniformResourceIdentifier: _host,
}
_MATCHES: dict[type[x509.GeneralName], Match] = {
    x509.DNSName: _dns,
    x509.RFC822Name: _email,
    x509.UniformResourceIdentifier: _uri,
    x509.IPAddress: _ip,
    x509.DirectoryName: _directory,
}
