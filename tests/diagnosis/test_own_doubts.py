"""What is wrong with our own certificate, in sentences of which each names the alert and the remedy."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

import pki
from bothways.diagnosis.own_doubts import doubts_and_renewal, own_doubts
from bothways.roles import Role
from bothways.trust.own_identity.renewal import overdue
from identities import credentials
from pki import DAY, NOW

CA = pki.intermediate(pki.root(), "Issuing")


@pytest.mark.parametrize(
    ("role", "options", "said"),
    [
        (Role.SERVER, {"usage": ("clientAuth",)}, "is for clientAuth.*: clients .*unsupported_certificate"),
        (Role.CLIENT, {"usage": ("serverAuth",)}, "is for serverAuth.*: servers .*unsupported_certificate"),
        (Role.CLIENT, {"not_after": NOW - DAY}, r"expired on .*: servers .*\(certificate_expired\); "),
        (Role.SERVER, {"not_before": NOW + DAY}, "certificate_expired, OpenSSL by bad_certificate"),
    ],
)
def test_what_peers_refuse_of_ours_is_told_with_their_alert(role: Role, options: dict, said: str) -> None:
    [sentence] = own_doubts(pki.leaf(CA, "one.example", **options).chain, role, NOW)
    assert sentence.startswith("our certificate ")
    assert re.search(said, sentence)


def test_nothing_is_told_of_a_certificate_that_peers_accept() -> None:
    """Whatever its names are: which server is asked for is not known yet."""
    for role in Role:
        assert own_doubts(pki.leaf(CA, "one.example").chain, role, NOW) == []


@pytest.mark.parametrize(
    ("usage", "at", "said"),
    [
        ("serverAuth", NOW, []),
        ("serverAuth", NOW + 29 * DAY, ["was not renewed yet"]),
        ("serverAuth", NOW + 31 * DAY, [": clients will refuse it (certificate_expired)"]),
        (
            "clientAuth",
            NOW + 29 * DAY,
            [": clients will refuse it (unsupported_certificate", "was not renewed yet"],
        ),
    ],
)
def test_the_end_of_a_certificate_is_told_once(usage: str, at: datetime, said: list[str]) -> None:
    """By what peers do about it, and not as one that was not renewed, too."""
    own = credentials(pki.leaf(CA, "one.example", usage=(usage,), not_after=NOW + 30 * DAY))
    late = overdue(own, at)
    told = doubts_and_renewal(own, Role.SERVER, at, [] if late is None else [late])
    assert len(told) == len(said)
    assert all(part in sentence for part, sentence in zip(said, told, strict=True))
