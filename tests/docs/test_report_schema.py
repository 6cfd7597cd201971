"""docs/report.schema.json is what the code gives, is a schema, and takes nothing that it does not name."""

from __future__ import annotations

import copy
import json

import pytest
from jsonschema import Draft202012Validator

import report_schema
from bothways.diagnosis import Cause
from bothways.faults import Fault

WHOLE = json.loads(report_schema.PATH.read_text(encoding="utf-8"))
MISUSE = {"error": {"kind": "Misuse", "text": "no such file", "code": "UNREADABLE", "hint": ""}}


def test_the_schema_is_that_of_the_code() -> None:
    """`make failures` writes it."""
    assert report_schema.PATH.read_text(encoding="utf-8") == report_schema.text()


def test_report_schema_is_valid_and_names_the_stable_codes() -> None:
    Draft202012Validator.check_schema(WHOLE)
    assert set(WHOLE["$defs"]["cause"]["enum"]) == {each.name for each in Cause}
    assert set(WHOLE["$defs"]["fault"]["enum"]) == {each.name for each in Fault}


@pytest.mark.parametrize("command", report_schema.COMMANDS)
def test_every_command_has_a_definition(command: str) -> None:
    assert report_schema.report(command, json.dumps(MISUSE)) == MISUSE


@pytest.mark.parametrize("command", report_schema.COMMANDS)
@pytest.mark.parametrize("change", ["another key", "no text", "a kind that has other keys"])
def test_undocumented_values_do_not_match_the_schema(command: str, change: str) -> None:
    """A check that takes everything would hold nothing."""
    wrong = copy.deepcopy(MISUSE)
    if change == "another key":
        wrong["error"]["more"] = "x"
    elif change == "no text":
        del wrong["error"]["text"]
    else:
        wrong["error"]["kind"] = "PeerAlert"
    with pytest.raises(AssertionError):
        report_schema.report(command, json.dumps(wrong))
