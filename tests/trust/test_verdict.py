"""What a verdict says in addition to its fields."""

from __future__ import annotations

from bothways.trust.verdict import Finding, Names, Outcome, Trusted
from pki import NOW


def test_names_are_counted_over_all_their_kinds() -> None:
    """The subject and its common name are no alternative names."""
    names = Names("CN=a", "a", dns=("a", "b"), ip=("192.0.2.1",), uri=("x:y",), email=("a@b",))
    assert names.count == 5
    assert Names("CN=a", "a").count == 0


def test_a_verdict_says_whether_an_unknown_status_was_accepted() -> None:
    """As configured, and said so."""
    for outcome, accepts in ((Outcome.UNKNOWN, True), (Outcome.PASSED, False), (Outcome.NOT_CHECKED, False)):
        verdict = Trusted((), Names("CN=a"), (Finding("c", outcome, ""),), NOW, NOW)
        assert verdict.accepts_unknown is accepts
