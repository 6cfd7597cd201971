"""A text about a certificate says more than a code, and services that verify certificates have done so by then."""

from __future__ import annotations

from bothways.diagnosis.replies.found import Found, judged, verified
from bothways.diagnosis.replies.texts import Meaning


def test_a_text_about_a_certificate_is_preferred_to_a_code() -> None:
    assert judged("certificate has expired", Meaning.LOGIN) == Found(
        "certificate has expired", Meaning.CERTIFICATE_EXPIRED
    )
    assert judged("no", Meaning.LOGIN) == Found("no", Meaning.LOGIN)
    assert judged("no", None) is None


def test_a_service_that_refuses_for_another_reason_has_accepted_our_certificate() -> None:
    for meaning, accepted in (
        (Meaning.LOGIN, True),
        (Meaning.CERTIFICATE_EXPIRED, False),
        (Meaning.BUSY, False),
    ):
        found = verified(Found("no", meaning))
        assert found is not None and found.verifies is accepted
    assert verified(None) is None
