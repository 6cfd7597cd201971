"""Texts are matched in any case, and by no other than what they say."""

from __future__ import annotations

import pytest

from bothways.diagnosis.service_texts import CERTIFICATES, Says, said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Client Certificate Required", Says.CERTIFICATE_WANTED),
        ("invalid client certificate", Says.CERTIFICATE_WRONG),
        ("untrusted CA", Says.CERTIFICATE_UNTRUSTED),
        ("trusted CA", None),
        ("we give certificates to good students", None),
        ("certificate subject CN=ada is not permitted", Says.FORBIDDEN),
    ],
)
def test_a_text_is_read_for_what_it_says_of_a_certificate(text: str, says: Says | None) -> None:
    found = said(text, CERTIFICATES)
    assert (None if found is None else found.says) is says


def test_what_changes_its_length_in_lower_case_is_quoted_in_lower_case() -> None:
    found = said("\u0130 No Required SSL Certificate was sent", CERTIFICATES)
    assert found is not None and found.words == "no required ssl certificate was sent"
    assert said("", CERTIFICATES) is None
