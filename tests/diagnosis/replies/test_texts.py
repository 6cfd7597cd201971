"""Texts are matched in any case, and by no other than what they say."""

from __future__ import annotations

import pytest

from bothways.diagnosis.replies.certificate_texts import CERTIFICATES
from bothways.diagnosis.replies.texts import Meaning, match_text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Client Certificate Required", Meaning.CERTIFICATE_WANTED),
        ("invalid client certificate", Meaning.CERTIFICATE_WRONG),
        ("untrusted CA", Meaning.CERTIFICATE_UNTRUSTED),
        ("trusted CA", None),
        ("we give certificates to good students", None),
        ("certificate subject CN=ada is not permitted", Meaning.FORBIDDEN),
    ],
)
def test_a_text_is_read_for_what_it_says_of_a_certificate(text: str, says: Meaning | None) -> None:
    found = match_text(text, CERTIFICATES)
    assert (None if found is None else found.meaning) is says


def test_a_text_that_changes_its_length_in_lower_case_is_quoted_in_lower_case() -> None:
    found = match_text("\u0130 No Required SSL Certificate was sent", CERTIFICATES)
    assert found is not None and found.text == "no required ssl certificate was sent"
    assert match_text("", CERTIFICATES) is None
