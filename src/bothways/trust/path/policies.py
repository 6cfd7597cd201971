"""Certificate policies of a path, by the graph of RFC 9618, which replaces the tree of RFC 5280 6.1.

A level of the graph is a dictionary from a policy to its node. A policy occurs once on a level, so the work grows
with the size of the certificates and not with the number of ways through the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, elements, expect_element
from bothways.trust.names.distinguished import dotted
from bothways.trust.work import WorkBudget, WorkStep

ANY = "2.5.29.32.0"
_SHORTEST_PAIR = 8  # octets
OID_LIMIT = 63  # octets, as in `cryptography`; to convert one takes quadratic time


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that a path must have (RFC 5280 6.1.1 c, e, f, g).

    acceptable: object identifiers in dotted form, empty for any.  required: whether a path must be valid for one of
    them; otherwise only where a CA requires it.  map_policies: whether CAs may map one policy to another. allow_any:
    whether anyPolicy in a certificate counts.
    """

    acceptable: frozenset[str] = frozenset()
    required: bool = False
    map_policies: bool = True
    allow_any: bool = True


NO_POLICY = Policies()


@dataclass(slots=True)
class _Node:
    """One policy on one level: its parents on the level above, and the policies expected in the next certificate."""

    parents: set[str]
    expected: set[str]


Level = dict[str, _Node]


@dataclass(slots=True)
class _State:
    """The state of processing (RFC 5280 6.1.2); empty `levels` are the NULL graph."""

    levels: list[Level]
    explicit: int
    mapping: int
    inhibit_any: int
    reasons: list[Reason] = field(default_factory=list)


def policy_reasons(
    path: Sequence[ParsedCertificate], wanted: Policies = NO_POLICY, work: WorkBudget | None = None
) -> list[Reason]:
    """Return the reasons against a path, from the leaf to the trust anchor, for its policies.

    wanted: the policies that are required.  work: the budget. Raises OutOfWork where it is used up.
    """
    if not wanted.required and not any(map(_restricts, path[:-1])):
        return []
    if work is not None:
        work.spend(WorkStep.POLICY, sum(map(_named_policies, path[:-1])))
    return valid_policies(path, wanted)[1]


def _named_policies(certificate: ParsedCertificate) -> int:
    """Return the maximum number of policies that a certificate asserts or maps."""
    asserted = certificate.extension(x509.CertificatePolicies)
    mapped = certificate.extensions.get(ExtensionOID.POLICY_MAPPINGS)
    value = mapped.value if mapped is not None else None
    pairs = len(value.value) // _SHORTEST_PAIR if isinstance(value, x509.UnrecognizedExtension) else 0
    return len(asserted or ()) + pairs


def _restricts(certificate: ParsedCertificate) -> bool:
    extensions = certificate.extensions
    return ExtensionOID.POLICY_CONSTRAINTS in extensions or ExtensionOID.POLICY_MAPPINGS in extensions


def valid_policies(
    path: Sequence[ParsedCertificate], wanted: Policies = NO_POLICY
) -> tuple[frozenset[str], list[Reason]]:
    """Return a path's user-constrained policy set, and the reasons against it (RFC 5280 6.1, RFC 9618 5).

    The policies of the trust anchor do not count.
    """
    certificates = list(reversed(path[:-1]))
    unlimited = len(certificates) + 1
    state = _State(
        levels=[{ANY: _Node(set(), {ANY})}],
        explicit=0 if wanted.required else unlimited,
        mapping=unlimited if wanted.map_policies else 0,
        inhibit_any=unlimited if wanted.allow_any else 0,
    )
    failed = False
    for number, certificate in enumerate(certificates, 1):
        final = number == len(certificates)
        _process(state, certificate, final)
        failed = failed or (state.explicit == 0 and not state.levels)
        if not final:
            _prepare(state, certificate, position=len(certificates) - number)
    if certificates:
        _wrap_up(state, certificates[-1])
    found = _user_constrained(state.levels, wanted.acceptable)
    if failed or (state.explicit == 0 and not found):
        facts = {"wanted": sorted(wanted.acceptable) or "any"}
        state.reasons.append(Reason(Fault.NO_VALID_POLICY, None, path[0].subject_text, facts))
    return (frozenset() if state.reasons else found), state.reasons


def _process(state: _State, certificate: ParsedCertificate, final: bool) -> None:
    """Add the level of one certificate (RFC 5280 6.1.3 d and e)."""
    extension = certificate.extension(x509.CertificatePolicies)
    if extension is None:
        state.levels = []
    if extension is None or not state.levels:
        return
    above = state.levels[-1]
    by_expected: dict[str, set[str]] = {}
    for policy, node in above.items():
        for name in node.expected:
            by_expected.setdefault(name, set()).add(policy)
    asserted = {each.policy_identifier.dotted_string for each in extension}
    level: Level = {}
    for policy in asserted - {ANY}:
        parents = by_expected.get(policy) or ({ANY} if ANY in above else set())
        if parents:
            level[policy] = _Node(set(parents), {policy})
    if ANY in asserted and (state.inhibit_any > 0 or (not final and certificate.is_self_issued)):
        for name, parents in by_expected.items():
            if name not in level:
                level[name] = _Node(set(parents), {name})
    state.levels.append(level)
    if not level:
        state.levels = []


def _prepare(state: _State, certificate: ParsedCertificate, position: int) -> None:
    """Map policies, decrement the counters, and apply the constraints of the CA (RFC 5280 6.1.4 a, b, h, i, j)."""
    mappings = _mappings(state, certificate, position)
    if state.levels:
        _map(state, mappings)
    if not certificate.is_self_issued:
        state.explicit = max(state.explicit - 1, 0)
        state.mapping = max(state.mapping - 1, 0)
        state.inhibit_any = max(state.inhibit_any - 1, 0)
    constraints = certificate.extension(x509.PolicyConstraints)
    if constraints is not None:
        if constraints.require_explicit_policy is not None:
            state.explicit = min(state.explicit, constraints.require_explicit_policy)
        if constraints.inhibit_policy_mapping is not None:
            state.mapping = min(state.mapping, constraints.inhibit_policy_mapping)
    inhibited = certificate.extension(x509.InhibitAnyPolicy)
    if inhibited is not None:
        state.inhibit_any = min(state.inhibit_any, inhibited.skip_certs)


def _mappings(state: _State, certificate: ParsedCertificate, position: int) -> dict[str, set[str]]:
    """Return which policies the CA maps to which; anyPolicy must not occur (RFC 5280 6.1.4 a)."""
    extension = certificate.extensions.get(ExtensionOID.POLICY_MAPPINGS)
    if extension is None or not isinstance(extension.value, x509.UnrecognizedExtension):
        return {}
    mappings: dict[str, set[str]] = {}
    try:
        for issuers, subjects in _pairs(extension.value.value):
            mappings.setdefault(issuers, set()).add(subjects)
    except ValueError as error:
        facts = {"problem": f"policyMappings: {error}"}
        state.reasons.append(Reason(Fault.BAD_ENCODING, position, certificate.subject_text, facts))
        return {}
    if ANY in mappings or any(ANY in each for each in mappings.values()):
        state.reasons.append(Reason(Fault.BAD_POLICY_MAPPING, position, certificate.subject_text))
    return mappings


def _pairs(value: bytes) -> Iterator[tuple[str, str]]:
    at, end = expect_element(value, 0, len(value), SEQUENCE, "sequence")
    for tag, _, start, stop in elements(value, at, end):
        if tag != SEQUENCE:
            raise ValueError("a mapping is not a sequence")
        first, middle = expect_element(value, start, stop, OBJECT_IDENTIFIER, "policy")
        second, last = expect_element(value, middle, stop, OBJECT_IDENTIFIER, "policy")
        if max(middle - first, last - second) > OID_LIMIT:
            raise ValueError(f"a policy's identifier has more than {OID_LIMIT} bytes")
        yield dotted(value[first:middle]), dotted(value[second:last])


def _map(state: _State, mappings: dict[str, set[str]]) -> None:
    """Let the next certificate use the mapped names of a policy, or forbid it (RFC 5280 6.1.4 b, RFC 9618 5.4)."""
    level = state.levels[-1]
    for policy, others in mappings.items():
        node = level.get(policy)
        if state.mapping == 0:
            level.pop(policy, None)
        elif node is not None:
            node.expected = set(others)
        elif ANY in level:
            level[policy] = _Node({ANY}, set(others))
    if not level:
        state.levels = []


def _wrap_up(state: _State, leaf: ParsedCertificate) -> None:
    """Decrement the counter again, and apply the leaf's own constraint (RFC 5280 6.1.5 a and b)."""
    state.explicit = max(state.explicit - 1, 0)
    constraints = leaf.extension(x509.PolicyConstraints)
    if constraints is not None and constraints.require_explicit_policy == 0:
        state.explicit = 0


def _user_constrained(levels: list[Level], acceptable: frozenset[str]) -> frozenset[str]:
    """Return the acceptable policies, by the trust anchor's names, for which the leaf is valid (RFC 9618 5.5)."""
    if not levels:
        return frozenset()
    authority: set[str] = set()
    alive = set(levels[-1])
    if ANY in alive:
        authority.add(ANY)
    for level in reversed(levels[1:]):
        above: set[str] = set()
        for policy in alive:
            parents = level[policy].parents
            if ANY in parents and policy != ANY:
                authority.add(policy)
            above |= parents
        alive = above
    if not acceptable or ANY in acceptable:
        return frozenset(authority)
    return acceptable if ANY in authority else frozenset(authority) & acceptable
