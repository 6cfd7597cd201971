"""The suites that few have: what a probe offers last, and how they are named."""

from __future__ import annotations

from bothways.diagnosis.own_side.rare_suites import RARE_SUITES, RareSuite, suite_names
from bothways.iana import CipherSuite


def test_every_rare_suite_is_offered_and_no_other() -> None:
    assert set(RareSuite) < set(RARE_SUITES)
    assert set(RARE_SUITES).isdisjoint(CipherSuite)
    assert len(RARE_SUITES) == len(set(RARE_SUITES))


def test_rare_suites_and_all_others_are_named() -> None:
    assert suite_names((0xC0AE,)) == ["TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"]
    assert suite_names((0xC02B,)) == ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    assert len(suite_names((0xC0B0,))) == 1
