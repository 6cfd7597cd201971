"""Generated PKIs with a revocation state at every level, verified by us and by `openssl verify -crl_check_all`.

`STATES` says of each state whether a certificate in it passes, and so of each PKI whether its leaf does: every
level must. `OTHERWISE` has the states that OpenSSL sees otherwise, `DIFFERENT` such PKIs, and why.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.faults import Fault
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify as judge
from interop.peers import find
from pki import (
    DAY,
    NOW,
    Issued,
    alternative,
    crl,
    intermediate,
    issue,
    issuing_point,
    key,
    leaf,
    name,
    points,
    root,
)

SAMPLE, FULL, SEED = 40, 3000, 5280
DEPTHS = (1, 2, 3)
OLDER, NEWER = {"number": 1, "this_update": NOW - 5 * DAY}, {"number": 2, "this_update": NOW - DAY}
HOLD = "certificate_hold"
REASONS = [each.name for each in x509.ReasonFlags if each.name not in ("unspecified", "remove_from_crl")]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
REMOVED = "remove_from_crl"
EARLY = {"number": 3, "this_update": NOW + DAY}
FORGER = key("P-256", 3100)
OTHER_CA, MAIL = x509.DirectoryName(name("Other CA")), x509.RFC822Name("ca@other.example")
POINT, THERE = ["URI:http://crl.example/1"], ["URI:http://crl.example/signers"]
FRESHEST = x509.FreshestCRL(
    [x509.DistributionPoint([alternative("URI:http://crl.example/delta")], None, None, None)]
)


@dataclass(frozen=True)
class Level:
    """A certificate, its issuer, one that it replaced, a sibling, and others with the name of its issuer.

    namesake: a CA below another anchor.  second: whom the issuer lets sign its CRLs.  elsewhere: whom another CA below
    the same anchor calls so.
    """

    subject: Issued
    issuer: Issued
    predecessor: Issued
    neighbour: Issued
    namesake: Issued
    second: Issued
    elsewhere: Issued

    @property
    def is_ca(self) -> bool:
        return self.subject.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    def scoped(self, *, fitting: bool) -> x509.IssuingDistributionPoint:
        return issuing_point(cas=True) if self.is_ca is fitting else issuing_point(users=True)


Lists = Callable[[Level], list[bytes]]


def about_signers(*cas: Issued) -> list[bytes]:
    """CRLs that speak of those who sign CRLs alone, so that these are good themselves."""
    return [crl(each, point=issuing_point(THERE)) for each in cas]


def by_second(at: Level, *revoked: Issued) -> list[bytes]:
    return [crl(at.second, *revoked), *about_signers(at.issuer)]


def by_elsewhere(at: Level, *revoked: Issued) -> list[bytes]:
    other, top = at.elsewhere.above
    return [crl(at.elsewhere, *revoked, **NEWER), *about_signers(other, top)]


def in_names_of(at: Level, *names: x509.GeneralName, critical: bool) -> list[bytes]:
    """An indirect CRL whose entry for the certificate names issuers: `None` means its own."""
    named = x509.CertificateIssuer(
        [each or x509.DirectoryName(at.issuer.certificate.subject) for each in names]
    )
    point = issuing_point(indirect=True)
    return [crl(at.issuer, at.subject, entry_extra=[(named, critical)], point=point)]


def with_delta(at: Level, base: tuple[object, ...], delta: tuple[object, ...]) -> list[bytes]:
    named = {"extra": [(FRESHEST, False)]}
    return [crl(at.issuer, *base, **OLDER, **named), crl(at.issuer, *delta, base=1, **NEWER)]


# state -> (the CRLs about a certificate in it, whether it passes)
STATES: dict[str, tuple[Lists, bool]] = {
    "clean": (lambda at: [crl(at.issuer)], True),
    "another is revoked": (lambda at: [crl(at.issuer, at.neighbour)], True),
    "issued anew, as the one before was revoked": (lambda at: [crl(at.issuer, at.predecessor)], True),
    "held, and released in the next list": (
        lambda at: [crl(at.issuer, (at.subject, HOLD), **OLDER), crl(at.issuer, **NEWER)], True,
    ),
    "held, and removed by a delta": (
        lambda at: with_delta(at, ((at.subject, HOLD),), ((at.subject, "remove_from_crl"),)), True,
    ),
    "a list of its kind": (lambda at: [crl(at.issuer, point=at.scoped(fitting=True))], True),
    "all reasons, in two lists": (
        lambda at: [
            crl(at.issuer, point=issuing_point(reasons=REASONS[:3])),
            crl(at.issuer, point=issuing_point(reasons=REASONS[3:])),
        ],
        True,
    ),
    "a forged list revokes it": (
        lambda at: [crl(at.issuer, **OLDER), crl(at.issuer, at.subject, signed_by=key("P-256", 3100), **NEWER)],
        True,
    ),
    "revoked": (lambda at: [crl(at.issuer, at.subject)], False),
    "revoked for a reason": (lambda at: [crl(at.issuer, (at.subject, "key_compromise"))], False),
    "on hold": (lambda at: [crl(at.issuer, (at.subject, HOLD))], False),
    "revoked in the next list": (
        lambda at: [crl(at.issuer, **OLDER), crl(at.issuer, at.subject, **NEWER)], False,
    ),
    "revoked by a delta": (lambda at: with_delta(at, (), (at.subject,)), False),
    "revoked beside a forged list that is newer": (
        lambda at: [crl(at.issuer, at.subject, **OLDER), crl(at.issuer, signed_by=key("P-256", 3100), **NEWER)],
        False,
    ),
    "stale": (lambda at: [crl(at.issuer, next_update=NOW - DAY / 2)], False),
    "stale, and revoked": (lambda at: [crl(at.issuer, at.subject, next_update=NOW - DAY / 2)], False),
    "not yet valid": (lambda at: [crl(at.issuer, this_update=NOW + DAY)], False),
    "without a list": (lambda _: [], False),
    "signed by another key": (lambda at: [crl(at.issuer, signed_by=key("P-256", 3100))], False),
    "signed by a CA of the same name": (lambda at: [crl(at.namesake)], False),
    "a list of the other kind": (lambda at: [crl(at.issuer, point=at.scoped(fitting=False))], False),
    "a list of a point that it does not name": (lambda at: [crl(at.issuer, point=issuing_point(POINT))], False),
    "a list of attributes": (lambda at: [crl(at.issuer, point=issuing_point(attributes=True))], False),
    "some reasons": (lambda at: [crl(at.issuer, point=issuing_point(reasons=REASONS[:3]))], False),
    "a critical extension": (lambda at: [crl(at.issuer, extra=[(UNKNOWN, True)])], False),
    "a critical extension, and revoked": (
        lambda at: [crl(at.issuer, at.subject, extra=[(UNKNOWN, True)])], False,
    ),
    "a critical extension of an entry": (
        lambda at: [crl(at.issuer, at.neighbour, entry_extra=[(UNKNOWN, True)])], False,
    ),
    "removed in a complete list": (lambda at: [crl(at.issuer, (at.subject, REMOVED))], True),
    "held, and removed in the same list": (
        lambda at: [crl(at.issuer, (at.subject, HOLD), (at.subject, REMOVED))], False,
    ),
    "removed, and held in the same list": (
        lambda at: [crl(at.issuer, (at.subject, REMOVED), (at.subject, HOLD))], False,
    ),
    "clean beside a list from the future": (
        lambda at: [crl(at.issuer, **OLDER), crl(at.issuer, **EARLY)], True,
    ),
    "revoked beside a list from the future": (
        lambda at: [crl(at.issuer, at.subject, **OLDER), crl(at.issuer, **EARLY)], False,
    ),
    "revoked by a list from the future": (
        lambda at: [crl(at.issuer, **OLDER), crl(at.issuer, at.subject, **EARLY)], False,
    ),
    "clean beside several forged lists": (
        lambda at: [crl(at.issuer, **OLDER), *(crl(at.issuer, at.subject, signed_by=FORGER, number=each,
                                                   this_update=NOW - DAY / each) for each in range(2, 6))],
        True,
    ),
    "an entry of another CA's": (lambda at: in_names_of(at, OTHER_CA, critical=True), True),
    "an entry of another CA's, not marked": (lambda at: in_names_of(at, OTHER_CA, critical=False), True),
    "an entry of several CAs'": (lambda at: in_names_of(at, MAIL, OTHER_CA, None, critical=True), False),
    "an entry of several CAs', not marked": (lambda at: in_names_of(at, OTHER_CA, None, critical=False), False),
    "clean by whom the CA lets sign": (by_second, True),
    "revoked by whom the CA lets sign": (lambda at: by_second(at, at.subject), False),
    "clean by a namesake elsewhere": (by_elsewhere, False),
    "revoked by a namesake elsewhere": (
        lambda at: [crl(at.issuer, **OLDER), *by_elsewhere(at, at.subject)], True,
    ),
    "revoked beside a clean list of a namesake elsewhere": (
        lambda at: [crl(at.issuer, at.subject, **OLDER), *by_elsewhere(at)], False,
    ),
}  # fmt: skip
ALONG: dict[str, Callable[[Level], tuple[Issued, ...]]] = {
    **dict.fromkeys([each for each in STATES if "lets sign" in each], lambda at: (at.second,)),
    **dict.fromkeys(
        [each for each in STATES if "elsewhere" in each], lambda at: (at.elsewhere, at.elsewhere.above[0])
    ),
}
GOOD = [state for state, (_, passes) in STATES.items() if passes]

States = tuple[str, ...]

# state -> whether it passes with OpenSSL, and why
OTHERWISE: dict[str, tuple[bool, str]] = {
    "removed, and held in the same list": (True, "the first of two entries counts; here the worse"),
    "revoked by a list from the future": (True, "such a list says nothing; here it may revoke"),
    "clean by a namesake elsewhere": (
        True, "any certificate with that name below the anchor may sign; here only by leave of the CAs of the path",
    ),
}  # fmt: skip
_ANCHOR = "before 3.6 it asks about the anchor too, of which no list at hand says anything"


@cache
def _asks_about_the_anchor() -> bool:
    """Whether the installed OpenSSL is older than 3.6."""
    printed = subprocess.run([find("openssl"), "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in printed.split()[1].split(".")[:2]) < (3, 6)


# The same where the issuer is the anchor.
AT_THE_TOP: dict[str, tuple[bool, str]] = {
    "clean by whom the CA lets sign": (False, _ANCHOR),
    "clean by a namesake elsewhere": (False, _ANCHOR),
}
# states from the leaf up -> why OpenSSL sees that PKI otherwise
DIFFERENT: dict[States, str] = {("a list of its kind",): _ANCHOR}


@cache
def levels(depth: int) -> tuple[Level, ...]:
    """From the leaf up to the anchor: `depth` certificates below it."""
    issuers = [root("Drawn root")]
    strangers = [root("Drawn root", own_key=key("P-256", 3200))]
    for place in range(depth - 1):
        issuers.append(intermediate(issuers[-1], f"Drawn CA {place}"))
        strangers.append(intermediate(strangers[-1], f"Drawn CA {place}", own_key=key("P-256", 3201 + place)))
    other = intermediate(issuers[0], "Elsewhere", extra=[points(*THERE)])
    found = []
    for place, (issuer, namesake) in enumerate(zip(issuers, strangers, strict=True)):
        if place + 1 < depth:
            name = f"Drawn CA {place}"
            those = issuers[place + 1], intermediate(issuer, name), intermediate(issuer, "Neighbour")
        else:
            those = leaf(issuer), leaf(issuer), leaf(issuer, "neighbour.example")
        subject, predecessor, neighbour = those
        called = {
            "own_key": key("P-256", 3210 + place),
            "key_usage": ("crl_sign",),
            "extra": [points(*THERE)],
        }
        second, elsewhere = (issue(issuer.certificate.subject, by, **called) for by in (issuer, other))
        found.append(Level(subject, issuer, predecessor, neighbour, namesake, second, elsewhere))
    return tuple(reversed(found))


def drawn(count: int) -> list[States]:
    """Every state at every level of every depth, the others without faults; then a random sample."""
    alone = [
        tuple(state if place == at else "clean" for place in range(depth))
        for depth in DEPTHS for at in range(depth) for state in STATES
    ]  # fmt: skip
    draw = random.Random(SEED)
    mixed = [
        tuple(draw.choice(GOOD if draw.random() < 0.6 else list(STATES)) for _ in range(draw.choice(DEPTHS)))
        for _ in range(count)
    ]
    return [*alone, *mixed]


def sample(full: bool) -> list[States]:
    """All of them, or those of the shallowest PKIs alone and some more."""
    if full:
        return drawn(FULL)
    return [*((state,) for state in STATES), *random.Random(SEED).sample(drawn(SAMPLE), SAMPLE)]


def made(states: States) -> tuple[tuple[Level, ...], list[bytes]]:
    those = levels(len(states))
    return those, [der for state, at in zip(states, those, strict=True) for der in STATES[state][0](at)]


def along(states: States) -> list[Issued]:
    """Certificates that are sent in addition to those of the path."""
    those = levels(len(states))
    return [
        each for state, at in zip(states, those, strict=True) if state in ALONG for each in ALONG[state](at)
    ]


def expected(states: States) -> bool:
    return all(STATES[state][1] for state in states)


def expected_of_openssl(states: States) -> bool:
    views = [OTHERWISE.get(state, (STATES[state][1], ""))[0] for state in states]
    if _asks_about_the_anchor():
        views[-1] = AT_THE_TOP.get(states[-1], (views[-1], ""))[0]
    # To judge who signs a CRL it looks for no CRL that somebody else signs in turn.
    is_nested = sum("lets sign" in state for state in states) > 1
    return (all(views) and not is_nested) is not (states in DIFFERENT and _asks_about_the_anchor())


def ours(states: States) -> Verdict:
    those, lists = made(states)
    return judge(
        [each.der for each in (*(level.subject for level in those), *along(states))],
        TrustStore.from_pem(those[-1].issuer.pem),
        purpose=Purpose.SERVER,
        name=None,
        at=NOW,
        revocation=Revocation(crls=CRLStore(map(CRL, lists)), tolerance=timedelta(0)),
    )


def by_openssl(states: States, directory: Path) -> bool:
    those, lists = made(states)
    (directory / "leaf.pem").write_bytes(those[0].subject.pem)
    untrusted = [*(each.subject for each in those[1:]), *along(states)]
    (directory / "above.pem").write_bytes(b"".join(each.pem for each in untrusted))
    (directory / "root.pem").write_bytes(those[-1].issuer.pem)
    pem = [x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in lists]
    (directory / "lists.pem").write_bytes(b"".join(pem))
    command = [find("openssl"), "verify", "-x509_strict", "-CAfile", "root.pem"]
    command += ["-untrusted", "above.pem"] if untrusted else []
    command += ["-crl_check_all", "-extended_crl", "-use_deltas", "-attime", str(int(NOW.timestamp()))]
    command += ["-CRLfile", "lists.pem"] if lists else []
    run = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, check=False, timeout=60)
    return run.returncode == 0


def test_every_level_of_a_generated_pki_counts(full: bool) -> None:
    """RFC 5280 6.1.3 a 3, 6.3.3: the leaf passes when all do, and each that does not is named at its place."""
    for states in sample(full):
        verdict = ours(states)
        assert isinstance(verdict, Trusted) is expected(states), states
        if isinstance(verdict, Refused):
            bad = [place for place, state in enumerate(states) if not STATES[state][1]]
            assert sorted(each.position for each in verdict.reasons if each.position is not None) == bad, (
                states
            )
            assert {each.fault for each in verdict.reasons} <= {Fault.REVOKED, Fault.REVOCATION_UNKNOWN}


@pytest.mark.interop
def test_openssl_verifies_a_generated_pki_as_we_do_or_the_table_has_the_reason(
    full: bool, tmp_path: Path
) -> None:
    """openssl verify -crl_check_all, with extended support and deltas."""
    wrong = [each for each in sample(full) if by_openssl(each, tmp_path) is not expected_of_openssl(each)]
    assert wrong == []


@pytest.mark.interop
@pytest.mark.parametrize(
    "states",
    [
        *DIFFERENT,
        *((state, "clean") for state in OTHERWISE),
        *((state,) for state in AT_THE_TOP if state not in OTHERWISE),
    ],
)
def test_every_difference_from_openssl_in_the_table_occurs(states: States, tmp_path: Path) -> None:
    """A row that no longer applies is removed."""
    if not _asks_about_the_anchor() and _ANCHOR in (
        DIFFERENT.get(states),
        AT_THE_TOP.get(states[0], (False, ""))[1],
    ):
        pytest.skip("OpenSSL 3.6 and later verify this PKI as we do")
    assert by_openssl(states, tmp_path) is not expected(states)
