"""How statements about one certificate become one."""

from __future__ import annotations

import pytest
from cryptography.x509 import ReasonFlags

from bothways.trust.crl.revocation_list import ALL_REASONS
from bothways.trust.revocation.status import NO_STATEMENT, BadStaple, Good, Revoked, Statement, Unknown, fold
from pki import DAY, NOW

GOOD, LATER = Good(NOW), Good(NOW + DAY)
REVOKED, UNKNOWN, BAD = Revoked(NOW, "superseded"), Unknown("it expired"), BadStaple("it is for another")
SOME = Good(NOW, frozenset({ReasonFlags.key_compromise}))
REST = Good(NOW + DAY, ALL_REASONS - SOME.reasons)


@pytest.mark.parametrize(
    ("statements", "result"),
    [
        ([], NO_STATEMENT),
        ([GOOD], GOOD),
        ([LATER, GOOD], GOOD),
        ([UNKNOWN, GOOD], GOOD),
        ([GOOD, UNKNOWN, REVOKED], REVOKED),
        ([BAD, REVOKED, GOOD], REVOKED),
        ([GOOD, BAD], BAD),
        ([UNKNOWN, Unknown("another")], UNKNOWN),
        ([SOME, REST], GOOD),
        ([SOME, UNKNOWN], UNKNOWN),
        (
            [REST],
            Unknown("the available CRLs do not cover the reasons keyCompromise"),
        ),
    ],
)  # fmt: skip
def test_revoked_has_precedence_and_good_must_cover_all_reasons(
    statements: list[Statement], result: Statement
) -> None:
    """RFC 5280 6.3.3 l; an invalid staple is refused whatever other evidence says."""
    assert fold(statements) == result
    assert isinstance(fold(statements[::-1]), type(result))
