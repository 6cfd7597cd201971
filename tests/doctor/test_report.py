"""The report as values: its JSON form is the documented one, and its words count right."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from pathlib import Path

import pytest

from bothways.counts import counted
from bothways.doctor import report as schema
from bothways.doctor.report import Report, ReportRow, Section, as_json, moment, summary
from bothways.ladder.model import Card
from report_schema import DOCTOR

GUIDE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
BLANK = Report(
    "bothways-doctor", 1, None, "2026-06-01T12:00:00+00:00", "private", "not tried", 0, 0, None, (), (), ()
)
PROBLEM = Section("s", "S", (ReportRow("a", "problem", "a", "b"), ReportRow("w", "warning", "a", "b")))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (BLANK, "No problem was found in these files"),
        (dataclasses.replace(BLANK, sections=(PROBLEM,)), "1 problem in these files"),
        (dataclasses.replace(BLANK, sections=(PROBLEM, PROBLEM)), "2 problems in these files"),
        (
            dataclasses.replace(BLANK, examined="pay.example:443", outcome="succeeded"),
            "A handshake with pay.example:443 succeeds",
        ),
        (
            dataclasses.replace(BLANK, examined="pay.example:443", outcome="failed"),
            "No handshake with pay.example:443 succeeds",
        ),
    ],
)
def test_the_result_is_summed_up_in_one_line(report: Report, words: str):
    """Of files, and of a server."""
    assert summary(report) == words


def test_findings_are_found_and_counted():
    """By id and by level."""
    report = dataclasses.replace(BLANK, sections=(PROBLEM,))
    assert report.row("w") == PROBLEM.rows[1]
    assert report.row("x") is None
    assert (report.count("problem"), report.count("good")) == (1, 0)
    assert (counted(1, "warning"), counted(0, "warning")) == ("1 warning", "0 warnings")
    assert moment("2026-06-01T14:05:00+02:00") == "2026-06-01 12:05 UTC"


def test_json_is_ascii_and_says_all():
    """Whatever a peer wrote."""
    report = dataclasses.replace(
        BLANK, sections=(Section("s", "S", (ReportRow("a", "note", "é\u202e", "b"),)),)
    )
    text = as_json(report)
    assert text.isascii()
    assert json.loads(text)["sections"][0]["rows"][0]["subject"] == "é\u202e"


def test_the_guide_documents_every_key():
    """Each class of the schema is a table of docs/doctor.md with exactly its keys."""
    tables = dict(
        re.findall(r"^### (\w+)\n(?:.+\n)*?\| key \|.*\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    )
    documented = {name.capitalize(): form for form, name in DOCTOR.items() if form is not Card}
    for name, form in documented.items():
        keys = [
            key for line in tables[name].splitlines() for key in re.findall(r"`(\w+)`", line.split("|")[1])
        ]
        assert keys == [field.name for field in dataclasses.fields(form)], name


def test_the_guide_names_every_level_and_outcome():
    """What programs match on."""
    for kind in (schema.Level, schema.Outcome, schema.VersionStatus, schema.Confirmed):
        for word in typing.get_args(kind):
            assert f'`"{word}"`' in GUIDE
