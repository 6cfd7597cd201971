"""Hints of `bothways get`: in commands of its own, of what the user gave and of nothing that a peer said."""

from __future__ import annotations

import re

import pytest

from bothways.cli.get import command as get
from bothways.cli.hints import facts_for_get, for_get, lines_for_get
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, facts_of

URL = "https://api.example/v1?a=1&b=2"
COMMANDS = [
    ("bothways connect api.example:443 --ca CA", f"bothways get '{URL}' --ca CA"),
    ("bothways connect api.example:443 --ca CA --name NAME", f"bothways get '{URL}' --ca CA --name NAME"),
    ("bothways connect '[::1]:443' --ca 'my ca.pem' --tls 1.2 --classic",
     f"bothways get '{URL}' --ca 'my ca.pem' --tls 1.2 --classic"),
    ("bothways connect a:1 --ca CA --alpn http/1.1", f"bothways get '{URL}' --ca CA --http 1.1"),
    ("bothways connect a:1 --alpn h2 --alpn http/1.1 --ca CA", f"bothways get '{URL}' --ca CA"),
    ("bothways connect a:1 --alpn h2 --ca CA", f"bothways get '{URL}' --ca CA --http 2"),
    ("bothways connect a:1 --alpn PROTOCOL --ca CA", "bothways connect a:1 --alpn PROTOCOL --ca CA"),
    ("bothways connect a:1 --ca CA --ladder handshake.html", "bothways connect a:1 --ca CA --ladder handshake.html"),
    ("bothways verify CERT --ca CA", "bothways verify CERT --ca CA"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("command", "expected"), COMMANDS)
def test_a_command_of_connect_becomes_one_of_get_where_that_has_its_options(
    command: str, expected: str
) -> None:
    assert for_get(command, URL) == expected


def test_every_hint_that_becomes_one_of_get_has_options_that_get_has() -> None:
    """Of every cause that there is."""
    known = {option for parameter in get.params for option in parameter.opts}
    for cause in Cause:
        for template in (cause.value.our_command, cause.value.their_command):
            made = for_get(template.replace("{target}", "a:1"), URL)
            if made.startswith("bothways get"):
                assert set(re.findall(r" (--[a-z-]+)", made)) <= known, made


def test_lines_and_values_of_an_explanation_say_the_same() -> None:
    facts = {"target": "api.example:443", "ca": "CA"}
    why = Explanation("it failed", "", (Likely(Cause.NO_NAME_SENT, Party.OURS, Weight.CERTAIN, "", facts),))
    wanted = f"bothways get '{URL}' --ca CA --name NAME"
    assert [line.strip() for line in lines_for_get(why, URL) if "try:" in line] == [f"try:  {wanted}"]
    reported = facts_for_get({"kind": "x", "explanation": facts_of(why)}, URL)
    assert [each["command"] for each in reported["explanation"]["causes"]] == [wanted]
    assert facts_for_get({"kind": "x"}, URL) == {"kind": "x"}
    assert facts_for_get({"explanation": None}, URL) == {"explanation": None}
