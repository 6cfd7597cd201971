"""Generated revocations, verified by us and by `openssl verify -crl_check_all`: every difference has its reason.

A root, an intermediate and a leaf with a CRL from each CA, changed in up to two ways, as in
`test_against_others`. `CHANGES` says whether the path still passes; `DIFFERENT` where OpenSSL sees it otherwise.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from interop.peers import find
from pki import DAY, NOW, Issued, crl, intermediate, issuing_point, key, leaf, points, root

SAMPLE, SEED = 60, 6
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
POINT = "URI:http://crl.example/1"


@dataclass
class Plan:
    """What is made: options of the two CAs' CRLs, of the certificates, and further or other CRLs."""

    top: dict[str, object] = field(default_factory=dict)
    middle: dict[str, object] = field(default_factory=dict)
    end: dict[str, object] = field(default_factory=dict)
    ca: dict[str, object] = field(default_factory=dict)
    revoked: dict[str, str | None] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    beside: list[Callable[[Issued, Issued, Issued], bytes]] = field(default_factory=list)


def option(part: str, **options: object) -> Callable[[Plan], None]:
    return lambda plan: getattr(plan, part).update(options)


def revoking(who: str, reason: str | None = None) -> Callable[[Plan], None]:
    return lambda plan: plan.revoked.update({who: reason})


def beside(make: Callable[[Issued, Issued, Issued], bytes]) -> Callable[[Plan], None]:
    return lambda plan: plan.beside.append(make)


LATER = NOW - timedelta(hours=1)

# change -> (how, acceptable)
CHANGES: dict[str, tuple[Callable[[Plan], None], bool]] = {
    "nothing": (lambda _: None, True),
    "leaf revoked": (revoking("leaf"), False),
    "leaf revoked with a reason": (revoking("leaf", "key_compromise"), False),
    "leaf on hold": (revoking("leaf", "certificate_hold"), False),
    "intermediate revoked": (revoking("intermediate"), False),
    "stranger revoked": (revoking("stranger"), True),
    "no list of the intermediate": (lambda plan: plan.missing.add("middle"), False),
    "no list of the root": (lambda plan: plan.missing.add("top"), False),
    "intermediate's list expired": (option("middle", next_update=NOW - DAY / 2), False),
    "root's list expired": (option("top", next_update=NOW - DAY / 2), False),
    "intermediate's list not yet valid": (option("middle", this_update=NOW + DAY), False),
    "intermediate's list expires soon": (option("middle", next_update=NOW + timedelta(minutes=1)), True),
    "intermediate's list by another key": (option("middle", signed_by=key("P-256", 3100)), False),
    "root's list by another key": (option("top", signed_by=key("P-256", 3100)), False),
    "intermediate's list for users": (option("middle", point=issuing_point(users=True)), True),
    "intermediate's list for CAs": (option("middle", point=issuing_point(cas=True)), False),
    "root's list for CAs": (option("top", point=issuing_point(cas=True)), True),
    "root's list for users": (option("top", point=issuing_point(users=True)), False),
    "intermediate's list for attributes": (option("middle", point=issuing_point(attributes=True)), False),
    "intermediate's list for a point": (option("middle", point=issuing_point([POINT])), False),
    "leaf names that point": (option("end", extra=[points(POINT)]), True),
    "intermediate's list for some reasons": (
        option("middle", point=issuing_point(reasons=["key_compromise"])), False,
    ),
    "intermediate's list with a critical extension": (option("middle", extra=[(UNKNOWN, True)]), False),
    "intermediate's list with an extension": (option("middle", extra=[(UNKNOWN, False)]), True),
    "intermediate may not sign lists": (option("ca", key_usage=("key_cert_sign",)), False),
    "intermediate's list without a number": (option("middle", number=None), True),
    "a newer list revokes the leaf": (
        beside(lambda _, ca, end: crl(ca, end, number=2, this_update=LATER)), False,
    ),
    "an older list had the leaf on hold": (
        beside(lambda _, ca, end: crl(ca, (end, "certificate_hold"), number=0, this_update=NOW - 5 * DAY)), True,
    ),
    "a forged list revokes the leaf": (
        beside(lambda _, ca, end: crl(ca, end, number=2, this_update=LATER, signed_by=key("P-256", 3100))), True,
    ),
    "a list of a stranger revokes the leaf": (beside(lambda _, ca, end: crl(root("Stranger"), end)), True),
    "a delta revokes the leaf": (beside(lambda _, ca, end: crl(ca, end, number=2, base=1)), False),
    "a delta revokes nobody": (beside(lambda _, ca, end: crl(ca, number=2, base=1)), True),
    "a delta of a later base revokes the leaf": (
        beside(lambda _, ca, end: crl(ca, end, number=9, base=8)), False,
    ),
}  # fmt: skip

# Two changes that bear on each other, judged by hand: (one, other) -> acceptable
TOGETHER: dict[tuple[str, str], bool] = {
    ("intermediate's list for a point", "leaf names that point"): True,
}
# Pairs that edit different places and still bear on each other in ways that this table does not spell out.
ENTANGLED = ("a delta", "a newer list", "an older list", "leaf names", "without a number")

# change -> why OpenSSL sees it otherwise
DIFFERENT: dict[str, str] = {
    "a delta revokes the leaf": "it looks for a delta only where the certificate or the list has freshestCRL",
    "a delta of a later base revokes the leaf": "it heeds no delta that fits no list at hand, though the CA signed it",
}


def places(change: str) -> set[str]:
    plan = Plan()
    CHANGES[change][0](plan)
    options = {f"{part} {name}" for part in ("top", "middle", "end", "ca") for name in getattr(plan, part)}
    lists = {"beside"} if plan.beside else set()
    return options | set(plan.revoked) | plan.missing | lists


def sample() -> list[tuple[str, ...]]:
    """Every change alone, the pairs with a result given by hand, then random pairs with a fixed seed."""
    simple = [
        change for change in sorted(CHANGES) if not change.startswith(ENTANGLED) and "without" not in change
    ]
    pairs = [pair for pair in combinations(simple, 2) if places(pair[0]).isdisjoint(places(pair[1]))]
    return [(each,) for each in CHANGES] + list(TOGETHER) + random.Random(SEED).sample(pairs, SAMPLE)


def make(changes: tuple[str, ...]) -> tuple[list[Issued], list[bytes]]:
    plan = Plan()
    for change in changes:
        CHANGES[change][0](plan)
    top = root("Top")
    ca = intermediate(top, "Middle", **plan.ca)
    end = leaf(ca, "server.example", **plan.end)
    who = {"leaf": end, "intermediate": ca, "stranger": leaf(ca, "stranger.example")}
    of = {
        "top": [(who[each], why) for each, why in plan.revoked.items() if each == "intermediate"],
        "middle": [(who[each], why) for each, why in plan.revoked.items() if each != "intermediate"],
    }
    lists = []
    if "top" not in plan.missing:
        lists.append(crl(top, *of["top"], **plan.top))
    if "middle" not in plan.missing:
        lists.append(crl(ca, *of["middle"], **plan.middle))
    return [end, ca, top], lists + [each(top, ca, end) for each in plan.beside]


def ours(chain: list[Issued], lists: list[bytes]) -> bool:
    verdict = judge(
        [each.der for each in chain[:-1]],
        TrustStore.from_pem(chain[-1].pem),
        purpose=Purpose.SERVER,
        name=None,
        at=NOW,
        revocation=Revocation(crls=CRLStore(map(CRL, lists)), tolerance=timedelta(0)),
    )
    return isinstance(verdict, Trusted)


def by_openssl(chain: list[Issued], lists: list[bytes], directory: Path) -> bool:
    (directory / "leaf.pem").write_bytes(chain[0].pem)
    (directory / "ca.pem").write_bytes(chain[1].pem)
    (directory / "top.pem").write_bytes(chain[2].pem)
    pem = [x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in lists]
    (directory / "lists.pem").write_bytes(b"".join(pem))
    command = [find("openssl"), "verify", "-x509_strict", "-CAfile", "top.pem", "-untrusted", "ca.pem"]
    command += ["-crl_check_all", "-extended_crl", "-use_deltas", "-attime", str(int(NOW.timestamp()))]
    command += ["-CRLfile", "lists.pem"] if lists else []
    run = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, check=False, timeout=60)
    return run.returncode == 0


def expected(changes: tuple[str, ...]) -> bool:
    return TOGETHER.get(changes, all(CHANGES[change][1] for change in changes))


def test_revocation_is_verified_as_the_table_says():
    """RFC 5280 6.3.3."""
    wrong = [" + ".join(changes) for changes in sample() if ours(*make(changes)) is not expected(changes)]
    assert wrong == []


@pytest.mark.interop
def test_openssl_verifies_revocation_as_we_do_or_the_table_has_the_reason(tmp_path):
    """openssl verify -crl_check_all, with extended support and deltas."""
    differing = [each for each in sample() if by_openssl(*make(each), tmp_path) is not expected(each)]
    assert [" + ".join(each) for each in differing if not set(each) & set(DIFFERENT)] == []


@pytest.mark.interop
def test_every_difference_from_openssl_in_the_table_occurs(tmp_path):
    """A row that no longer applies is removed."""
    for change in DIFFERENT:
        assert by_openssl(*make((change,)), tmp_path) is not expected((change,)), change
