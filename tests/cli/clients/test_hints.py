"""Hints of `bothways get`: in commands of its own, of what the user gave and of nothing that a peer said."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from bothways.cli.clients.hints import facts_for_get, for_get, lines_for_get, request_words
from bothways.cli.commands import bothways
from bothways.cli.get import command as get
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, facts_of
from bothways.starttls import PROTOCOLS

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


@pytest.mark.parametrize("starttls", ["", *PROTOCOLS])
def test_every_command_of_a_cause_is_one_that_the_command_line_takes(starttls: str) -> None:
    """Each option with its value, in whichever protocol TLS was requested; files are not read."""
    facts = {
        "target": "a:1",
        "host": "a",
        "port": "1",
        "ca": "CA",
        "cert": "c.pem",
        "key": "k.pem",
        "offer": "h2",
        "groups": "x25519",
        "classic": "--classic",
        "later": "--post-handshake",
        "starttls": starttls,
    }
    for cause in Cause:
        for party in Party:
            words = shlex.split(Likely(cause, party, Weight.LIKELY, "", facts).command)
            if words[:1] != ["bothways"]:
                continue
            command = bothways.get_command(click.Context(bothways), words[1])
            assert command is not None, words
            context = click.Context(command, info_name=words[1])
            given, rest, _ = command.make_parser(context).parse_args(args=words[2:])
            assert not rest, words
            for each in command.params:
                value = given.get(each.name or "")
                if value is not None and not isinstance(each.type, click.Path):
                    each.process_value(context, value)
                assert not each.required or value is not None, (words, each.name)


def test_lines_and_values_of_an_explanation_say_the_same() -> None:
    facts = {"target": "api.example:443", "ca": "CA"}
    why = Explanation("it failed", "", (Likely(Cause.NO_NAME_SENT, Party.OURS, Weight.CERTAIN, "", facts),))
    wanted = f"bothways get '{URL}' --ca CA --name NAME"
    assert [line.strip() for line in lines_for_get(why, URL) if "try:" in line] == [f"try:  {wanted}"]
    reported = facts_for_get({"kind": "x", "explanation": facts_of(why)}, URL)
    assert [each["command"] for each in reported["explanation"]["causes"]] == [wanted]
    assert facts_for_get({"kind": "x"}, URL) == {"kind": "x"}
    assert facts_for_get({"explanation": None}, URL) == {"explanation": None}


SECRET = [("Authorization", "Bearer s3cret"), ("Accept", "text/plain"), ("X-Key", "s3cret")]


def test_a_hint_keeps_what_was_requested_and_no_secret() -> None:
    """One change and nothing else; what may be a secret is a word in capitals, to be filled in."""
    kept = tuple(request_words("PUT", SECRET, "password=s3cret", None, "out.json", follow=True))
    made = for_get("bothways connect a:1 --ca CA --cert CERT --key KEY", URL, kept)
    assert made == (
        f"bothways get '{URL}' --ca CA --cert CERT --key KEY -X PUT -H 'Authorization: VALUE' "
        "-H 'Accept: text/plain' -H 'X-Key: VALUE' -d DATA -L -o out.json"
    )
    file = tuple(request_words(None, (), "@body.json", "127.0.0.1:9443", None, follow=False))
    assert for_get("bothways connect a:1 --ca CA", URL, file).endswith(
        " --connect-to 127.0.0.1:9443 -d @body.json"
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Host", "b.example")], "bothways get https://b.example/x --ca CA --connect-to localhost:8443"),
        (
            [("host", "b.example:99"), ("Accept", "*/*")],
            "bothways get https://b.example:99/x --ca CA --connect-to localhost:8443 -H 'Accept: */*'",
        ),
        ([("Host", "b/../c")], "bothways get https://localhost:8443/x --ca CA --name NAME -H 'Host: b/../c'"),
        ([], "bothways get https://localhost:8443/x --ca CA --name NAME"),
    ],
)
def test_a_host_that_was_given_is_connected_to_by_its_own_name(
    headers: list[tuple[str, str]], expected: str
) -> None:
    """The server name, the certificate's and the request's host are one then."""
    kept = tuple(request_words(None, headers, None, None, None, follow=False))
    made = for_get("bothways connect localhost:8443 --ca CA --name NAME", "https://localhost:8443/x", kept)
    assert made == expected
