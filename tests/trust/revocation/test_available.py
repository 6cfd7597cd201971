"""How much evidence may cost."""

from __future__ import annotations

import pytest

from bothways.trust.certificate import Parsed
from bothways.trust.crl import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation, available, judge
from bothways.trust.verdict import Purpose
from pki import (
    NOW,
    crl,
    key,
    root,
)
from trust.revocation.judging import (
    ANCHORS,
    CA,
    ROOT,
    SERVER,
    problem,
)


def test_keys_of_a_peers_own_making_are_not_held_against_a_large_list_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its chain may have a dozen certificates in the name of the list's CA; each would cost the hash of it all."""
    strangers = [Parsed(root("Intermediate", own_key=key("P-256", at)).der) for at in range(10)]
    chain = [SERVER.der, CA.der, *(each.der for each in strangers)]
    for affordable, problem_said in (
        (10, "is not signed by a key known"),
        (4, "is too large to be held against"),
    ):
        forged = CRL(crl(CA, signed_by=ROOT.key))
        monkeypatch.setattr(available, "CHECKED_BYTES", affordable * len(forged.der))
        verdict = judge(
            chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
            revocation=Revocation(crls=CRLStore([forged]), covers="leaf"),
        )  # fmt: skip
        assert problem_said in problem(verdict)
        assert sum(forged.has_met(each) for each in strangers) == affordable
