"""Which names the CAs of a path permit in the certificates below them (RFC 5280 4.2.1.10, 6.1.3 b and c, 6.1.4 g).

Each name must be in a permitted subtree of every CA above, if that CA has any for this kind of name, and in no
excluded subtree. A name that cannot be compared is refused where a CA constrains its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import EMPTY_NAME, ParsedCertificate
from bothways.trust.names.distinguished import attributes, string
from bothways.trust.names.general import (
    GeneralName,
    GeneralNameKind,
    directory_form,
    further_work,
    mailbox_form,
    uri_host_form,
)
from bothways.trust.names.subtrees import Form, Subtree, Subtrees, Value, dns_value, form_of, value_of
from bothways.trust.path.reasons import first_few
from bothways.trust.work import WorkBudget, WorkStep

_COMMON_NAME, _EMAIL = bytes.fromhex("550403"), bytes.fromhex("2a864886f70d010901")


class Name(NamedTuple):
    """One name of a certificate: its kind for constraints, its value to compare, and the source of its text."""

    form: Form
    value: Value
    source: GeneralName | str


Violation = tuple[Fault, str]


class NameConstraintCheck:
    """Checks name constraints on all paths of one verification: no pair of certificates is compared twice."""

    def __init__(self, work: WorkBudget) -> None:
        self._work = work
        self._names: dict[tuple[bytes, bool], list[Name]] = {}
        self._trees: dict[bytes, tuple[Subtrees, Subtrees]] = {}
        self._violations: dict[tuple[bytes, bytes, bool], Sequence[Violation]] = {}

    def reasons(self, path: Sequence[ParsedCertificate]) -> list[Reason]:
        """Return some of the names that are not permitted, for each CA and certificate. Raises OutOfWork."""
        reasons: list[Reason] = []
        for above in range(len(path) - 1, 0, -1):
            if path[above].name_constraints is None:
                continue
            issuer = path[above].subject_text
            for position in range(above - 1, -1, -1):
                if position and path[position].is_self_issued:
                    continue
                for fault, text in self._found(path[above], path[position], position == 0):
                    facts = {"name": text, "issuer": issuer}
                    reasons.append(Reason(fault, position, path[position].subject_text, facts))
        return reasons

    def _found(
        self, issuer: ParsedCertificate, below: ParsedCertificate, is_leaf: bool
    ) -> Sequence[Violation]:
        key = issuer.der, below.der, is_leaf
        found = self._violations.get(key)
        if found is None:
            found = self._violations[key] = first_few(self._compare(issuer, below, is_leaf))
            self._work.spend(WorkStep.REASON, len(found))
        return found

    def _compare(
        self, issuer: ParsedCertificate, below: ParsedCertificate, is_leaf: bool
    ) -> Iterator[tuple[Fault, object]]:
        subtrees = self._trees.get(issuer.der)
        if subtrees is None:
            subtrees = self._trees[issuer.der] = _both_subtrees(issuer, self._work)
        names = self._names.get((below.der, is_leaf))
        if names is None:
            names = self._names[below.der, is_leaf] = names_to_constrain(below, self._work, is_leaf)
        return _outside(names, *subtrees, self._work)


def _both_subtrees(issuer: ParsedCertificate, work: WorkBudget) -> tuple[Subtrees, Subtrees]:
    permitted, excluded = issuer.name_constraints or ((), ())
    return _subtrees(permitted, False, work), _subtrees(excluded, True, work)


def _subtrees(found: Sequence[Subtree], excluding: bool, work: WorkBudget) -> Subtrees:
    work.spend(WorkStep.NAME, len(found))
    work.spend(WorkStep.NAME_COMPARISON, further_work(each.base for each in found))
    return Subtrees(found, excluding=excluding)


def names_to_constrain(certificate: ParsedCertificate, work: WorkBudget, is_leaf: bool) -> list[Name]:
    """Return the names that are constrained: subject, names in it, and alternative names (RFC 5280 4.2.1.10)."""
    alternatives = certificate.alternative_names or ()
    work.spend(WorkStep.NAME, 1 + len(alternatives))
    work.spend(WorkStep.NAME_COMPARISON, further_work(alternatives))
    names = [Name(form_of(each), value_of(each), each) for each in alternatives]
    names += [
        Name(GeneralNameKind.EMAIL, mailbox_form(each.utf8_mailbox, ascii_only=False), each)
        for each in alternatives
        if each.utf8_mailbox is not None
    ]
    if certificate.subject == EMPTY_NAME:
        return names
    own = GeneralName(GeneralNameKind.DIRECTORY, certificate.subject)
    work.spend(WorkStep.NAME_COMPARISON, 2 * further_work([own]))
    names.append(Name(GeneralNameKind.DIRECTORY, directory_form(own.value), certificate.subject_text))
    kinds = {each.kind for each in alternatives}
    return names + [each for each in _in_subject(own.value, is_leaf) if each.form not in kinds]


def _in_subject(subject: bytes, is_leaf: bool) -> Iterator[Name]:
    """Yield the names in a subject, which count where there is no alternative name of their kind.

    They are email addresses, and in a leaf the common names that look like an identity. RFC 5280 does not constrain
    common names, but some applications take them for identities.
    """
    for relative in attributes(subject):
        for kind, tag, value in relative:
            if kind == _EMAIL:
                text = string(tag, value)
                yield Name(GeneralNameKind.EMAIL, mailbox_form(text), text)
            elif kind == _COMMON_NAME and is_leaf:
                found = _identity(string(tag, value))
                if found is not None:
                    yield found


def _identity(text: str) -> Name | None:
    """Return the name that a common name can be mistaken for, or None. A single label does not count as a DNS name."""
    candidates: list[tuple[GeneralNameKind, Value]] = [
        (GeneralNameKind.EMAIL, mailbox_form(text)),
        (GeneralNameKind.URI, uri_host_form(text)),
        (GeneralNameKind.IP, _address(text)),
        (GeneralNameKind.DNS, dns_value(text) if "." in text.strip(".") else None),
    ]
    return next((Name(kind, value, text) for kind, value in candidates if value is not None), None)


def _address(text: str) -> bytes | None:
    try:
        return ip_address(text).packed
    except ValueError:
        return None


def _outside(
    names: Sequence[Name], permitted: Subtrees, excluded: Subtrees, work: WorkBudget
) -> Iterator[tuple[Fault, object]]:
    for name in names:
        work.spend(WorkStep.NAME_COMPARISON, 1 + permitted.cost(name.form) + excluded.cost(name.form))
        if not (permitted.can_compare(name.form) and excluded.can_compare(name.form)):
            yield Fault.NAME_NOT_COMPARABLE, name.source
        elif excluded.has(name.form, name.value):
            yield Fault.NAME_EXCLUDED, name.source
        elif permitted.constrain(name.form) and not permitted.has(name.form, name.value):
            yield Fault.NAME_NOT_PERMITTED, name.source
