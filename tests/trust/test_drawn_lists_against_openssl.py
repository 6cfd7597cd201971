"""Drawn PKIs with a state of revocation at every level, judged by us and by `openssl verify -crl_check_all`.

`STATES` says of each state whether a certificate in it passes, and so of each PKI whether its leaf does: every
level must. `DIFFERENT` has the PKIs that OpenSSL sees otherwise, and why.
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
from bothways.trust.crl import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify as judge
from interop.peers import find
from pki import DAY, NOW, Issued, alternative, crl, intermediate, issuing_point, key, leaf, root

SAMPLE, FULL, SEED = 40, 3000, 5280
DEPTHS = (1, 2, 3)
OLDER, NEWER = {"number": 1, "this_update": NOW - 5 * DAY}, {"number": 2, "this_update": NOW - DAY}
HOLD = "certificate_hold"
REASONS = [each.name for each in x509.ReasonFlags if each.name not in ("unspecified", "remove_from_crl")]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
POINT = ["URI:http://crl.example/1"]
FRESHEST = x509.FreshestCRL(
    [x509.DistributionPoint([alternative("URI:http://crl.example/delta")], None, None, None)]
)


@dataclass(frozen=True)
class Level:
    """A certificate, who issued it, one that it replaced, one beside it, and a CA that is only called the same."""

    subject: Issued
    issuer: Issued
    predecessor: Issued
    neighbour: Issued
    namesake: Issued

    @property
    def is_ca(self) -> bool:
        return self.subject.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    def scoped(self, *, fitting: bool) -> x509.IssuingDistributionPoint:
        return issuing_point(cas=True) if self.is_ca is fitting else issuing_point(users=True)


Lists = Callable[[Level], list[bytes]]


def with_delta(at: Level, base: tuple[object, ...], delta: tuple[object, ...]) -> list[bytes]:
    named = {"extra": [(FRESHEST, False)]}
    return [crl(at.issuer, *base, **OLDER, **named), crl(at.issuer, *delta, base=1, **NEWER)]


# state -> (the lists about a certificate in it, whether it passes)
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
}  # fmt: skip
GOOD = [state for state, (_, passes) in STATES.items() if passes]

States = tuple[str, ...]

# states from the leaf up -> why OpenSSL sees that PKI otherwise
DIFFERENT: dict[States, str] = {
    ("a list of its kind",): "it asks about the anchor too, of which a list for users says nothing",
}


@cache
def levels(depth: int) -> tuple[Level, ...]:
    """From the leaf up to the anchor: `depth` certificates below it."""
    issuers = [root("Drawn root")]
    strangers = [root("Drawn root", own_key=key("P-256", 3200))]
    for place in range(depth - 1):
        issuers.append(intermediate(issuers[-1], f"Drawn CA {place}"))
        strangers.append(intermediate(strangers[-1], f"Drawn CA {place}", own_key=key("P-256", 3201 + place)))
    found = []
    for place, (issuer, namesake) in enumerate(zip(issuers, strangers, strict=True)):
        if place + 1 < depth:
            name = f"Drawn CA {place}"
            those = issuers[place + 1], intermediate(issuer, name), intermediate(issuer, "Neighbour")
        else:
            those = leaf(issuer), leaf(issuer), leaf(issuer, "neighbour.example")
        subject, predecessor, neighbour = those
        found.append(Level(subject, issuer, predecessor, neighbour, namesake))
    return tuple(reversed(found))


def drawn(count: int) -> list[States]:
    """Every state at every level of every depth, with clean ones beside it; then what is drawn."""
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


def expected(states: States) -> bool:
    return all(STATES[state][1] for state in states)


def ours(states: States) -> Verdict:
    those, lists = made(states)
    return judge(
        [each.subject.der for each in those],
        TrustStore.from_pem(those[-1].issuer.pem),
        purpose=Purpose.SERVER,
        name=None,
        at=NOW,
        revocation=Revocation(crls=CRLStore(map(CRL, lists)), tolerance=timedelta(0)),
    )


def by_openssl(states: States, directory: Path) -> bool:
    those, lists = made(states)
    (directory / "leaf.pem").write_bytes(those[0].subject.pem)
    (directory / "above.pem").write_bytes(b"".join(each.subject.pem for each in those[1:]))
    (directory / "root.pem").write_bytes(those[-1].issuer.pem)
    pem = [x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in lists]
    (directory / "lists.pem").write_bytes(b"".join(pem))
    command = [find("openssl"), "verify", "-x509_strict", "-CAfile", "root.pem"]
    command += ["-untrusted", "above.pem"] if len(those) > 1 else []
    command += ["-crl_check_all", "-extended_crl", "-use_deltas", "-attime", str(int(NOW.timestamp()))]
    command += ["-CRLfile", "lists.pem"] if lists else []
    run = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, check=False, timeout=60)
    return run.returncode == 0


def test_every_level_of_a_drawn_pki_counts(full: bool) -> None:
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
def test_openssl_judges_a_drawn_pki_as_we_do_or_the_table_says_why(full: bool, tmp_path: Path) -> None:
    """openssl verify -crl_check_all, with extended support and deltas."""
    wrong = [each for each in sample(full) if by_openssl(each, tmp_path) is not expected(each)]
    assert [each for each in wrong if each not in DIFFERENT] == []


@pytest.mark.interop
@pytest.mark.parametrize("states", DIFFERENT)
def test_every_difference_from_openssl_in_the_table_is_real(states: States, tmp_path: Path) -> None:
    """A row that no longer holds is taken out."""
    assert by_openssl(states, tmp_path) is not expected(states)
