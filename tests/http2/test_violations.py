"""The table of what a peer may do wrong, against RFC 9113: what each ends, by which code, and where that is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bothways import http2
from bothways.http2.violations import Ends, ErrorCode, Rule, Violation

# By hand from RFC 9113: the section, whether the connection ends, and the code.
TYPED = {
    Rule.PREFACE: ("3.4", True, 0x1),
    Rule.FIRST_FRAME: ("3.4", True, 0x1),
    Rule.TOO_LONG: ("4.2", True, 0x6),
    Rule.LENGTH: ("4.2", True, 0x6),
    Rule.WITHOUT_STREAM: ("6", True, 0x1),
    Rule.WITH_STREAM: ("6", True, 0x1),
    Rule.PADDING: ("6.1", True, 0x1),
    Rule.WITHIN_HEAD: ("6.10", True, 0x1),
    Rule.CONTINUATION: ("6.10", True, 0x1),
    Rule.IDLE_STREAM: ("5.1", True, 0x1),
    Rule.STREAM_NUMBER: ("5.1.1", True, 0x1),
    Rule.PUSH: ("8.4", True, 0x1),
    Rule.SETTING: ("6.5.2", True, 0x1),
    Rule.WINDOW_SETTING: ("6.5.2", True, 0x3),
    Rule.CONNECTION_INCREMENT: ("6.9", True, 0x1),
    Rule.STREAM_INCREMENT: ("6.9", False, 0x1),
    Rule.PRIORITY_LENGTH: ("6.3", False, 0x6),
    Rule.TOO_MANY_STREAMS: ("5.1.2", False, 0x7),
    Rule.STATE: ("5.1", True, 0x1),
    Rule.ENDED_STREAM: ("5.1", True, 0x5),
    Rule.WINDOW: ("6.9.1", True, 0x3),
    Rule.FLOOD: ("10.5", True, 0xB),
    Rule.HEAD_BYTES: ("10.5.1", True, 0xB),
    Rule.COMPRESSION: ("4.3", True, 0x9),
    Rule.NAME: ("8.2.1", False, 0x1),
    Rule.VALUE: ("8.2.1", False, 0x1),
    Rule.CONNECTION_FIELD: ("8.2.2", False, 0x1),
    Rule.PSEUDO_FIELD: ("8.3", False, 0x1),
    Rule.REQUEST_FIELDS: ("8.3.1", False, 0x1),
    Rule.AUTHORITY: ("8.3.1", False, 0x1),
    Rule.STATUS: ("8.3.2", False, 0x1),
    Rule.CONNECT: ("8.5", False, 0x1),
    Rule.SWITCH: ("8.6", False, 0x1),
    Rule.CONTENT_LENGTH: ("8.1.1", False, 0x1),
    Rule.ORDER: ("8.1", False, 0x1),
    Rule.HEADS: ("10.5", False, 0xB),
    Rule.FIELDS_BYTES: ("10.5.1", False, 0xB),
}


def test_each_rule_ends_what_the_rfc_says() -> None:
    assert {rule: (rule.value[2], rule.ends is Ends.CONNECTION, rule.code.value) for rule in Rule} == TYPED


@pytest.mark.parametrize("rule", Rule)
def test_a_violation_says_what_is_wrong_and_where_that_is_said(rule: Rule) -> None:
    violation = Violation(rule, 7)
    assert str(violation) == f"{rule.value[3]} (RFC 9113 {rule.value[2]})" and violation.stream == 7
    assert str(violation).isascii()


def test_every_rule_is_applied_somewhere() -> None:
    root = Path(http2.__file__).parents[1]
    files = [*(root / "http2").glob("*.py"), *(root / "gateway/http").glob("*.py")]
    used = {name for each in files for name in re.findall(r"Rule\.([A-Z_]+)", each.read_text())}
    assert used == {each.name for each in Rule}


def test_no_code_is_that_of_success() -> None:
    assert ErrorCode.NO_ERROR not in {each.code for each in Rule}
