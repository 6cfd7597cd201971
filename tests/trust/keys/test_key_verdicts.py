"""A verdict about a key says what cannot be checked of it."""

from __future__ import annotations

from bothways.faults import Fault, Reason
from bothways.trust.keys.key_verdicts import KeyVerdicts
from bothways.trust.verdict import Outcome, SharedKey

VERDICTS = KeyVerdicts("a pre-shared key", "it is removed")
NOT_CHECKED = [
    ("b", Outcome.NOT_CHECKED, "a pre-shared key has no period of validity"),
    ("c", Outcome.NOT_CHECKED, "a pre-shared key cannot be revoked: it is trusted until it is removed"),
]


def test_a_trusted_key_has_a_reason_and_no_end() -> None:
    key = SharedKey(b"one", "one.example")
    verdict = VERDICTS.trusted(key, "it is known")
    found = [(each.letter, each.outcome, each.text) for each in verdict.findings]
    assert found == [("a", Outcome.PASSED, "it is known"), *NOT_CHECKED]
    assert verdict.by_key is key and verdict.names.count == 0
    assert verdict.not_after == verdict.valid_until


def test_a_refused_key_has_its_reason_alone() -> None:
    reason = Reason(Fault.PSK_REMOVED, facts={"name": "one.example"})
    verdict = VERDICTS.refused(reason)
    found = [(each.letter, each.outcome, each.text) for each in verdict.findings]
    assert found == [("a", Outcome.FAILED, str(reason)), *NOT_CHECKED]
    assert verdict.reasons == (reason,)
