"""The lines of a gateway's log."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from bothways import Fault, PeerFault
from bothways.faults import Reason
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.log import ConnectionEntry, Log, RequestEntry
from bothways.servers.report_limits import AT_ONCE, ReportLimits
from bothways.tls.events import Peer
from bothways.trust.verdict import Names
from gateway_talk import Setting
from http_callers import peer

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def log(lines: list[str], form: str = "text") -> Log:
    return Log(lines.append, form, limits=ReportLimits(lambda: 1000.0), now=lambda: NOON)


def entry(**fields: object) -> ConnectionEntry:
    made = ConnectionEntry("127.0.0.1:8443", "192.0.2.7:5", "192.0.2.7", 0.0)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_a_line_has_who_what_and_why_and_nothing_that_a_client_made_up(setting: Setting) -> None:
    """Control characters are escaped, quotes stay quotes, and a line stays one."""
    lines: list[str] = []
    mine = peer(setting.mutual)
    asked = 'a" verdict=allowed\n\x1b[31m\u202e' + "x" * 500
    log(lines).connection(
        entry(
            asked=asked,
            route="db",
            peer=mine,
            verdict="allowed",
            rule="dns a",
            received=3,
            sent=4,
            ending=Ending.of(Code.CLOSED, "done"),
        ),
        1.5,
    )
    [line] = lines
    assert line.startswith('2026-06-01T12:00:00.000Z 192.0.2.7:5 route="db" name="a\\" verdict=allowed\\\\n')
    assert line.endswith(
        'who="CN=good client" uri="spiffe://testing.example/client" verdict=allowed rule="dns a" in=3 out=4 '
        'seconds=1.500 code=CLOSED end="done"'
    )
    assert line.isprintable()
    assert len(line) < 450


def test_a_line_has_the_uri_of_a_client_that_has_one(setting: Setting) -> None:
    """The subject of an SVID is often the same for all: the SPIFFE ID says who it is."""
    lines: list[str] = []
    one, two = "spiffe://example.org/a\n", "https://b.example/"
    for uris in ((one,), (one, two), ()):
        mine = Peer(replace(peer(setting.mutual).verdict, names=Names("O=SPIRE", uri=uris)))
        log(lines).connection(entry(peer=mine, verdict="allowed", ending=Ending.of(Code.CLOSED, "")), 0)
    assert ['uri="' in line for line in lines] == [True, False, False]
    assert 'who="O=SPIRE" uri="spiffe://example.org/a\\\\n" verdict' in lines[0]


def test_an_event_of_a_worker_says_of_which() -> None:
    """One has no connections while others drain."""
    lines: list[str] = []
    reported = log(lines)
    reported.event("reloaded")
    reported.worker = 2
    reported.event("draining: there are no connections")
    assert lines == [
        "2026-06-01T12:00:00.000Z reloaded",
        "2026-06-01T12:00:00.000Z worker 2: draining: there are no connections",
    ]


def test_json_has_the_same_for_programs(setting: Setting) -> None:
    lines: list[str] = []
    mine = peer(setting.mutual)
    reported = log(lines, "json")
    reported.connection(
        entry(asked="a\n", peer=mine, verdict="allowed", ending=Ending("CODE", "x" * 1000), version="1.3"),
        0.25,
    )
    reported.event("listening\n")
    first, second = map(json.loads, lines)
    assert first["time"] == "2026-06-01T12:00:00.000Z"
    assert first["server_name"] == "a\\n"
    assert first["who"]["dns"] == ["client.example"]
    assert first["who"]["serial"] == f"{mine.certificate.serial_number:x}"
    assert (first["seconds"], len(first["ended"]), first["tls"]) == (0.25, 400, "1.3")
    assert (first["kind"], first["code"], first["cause"], first["causes"]) == ("connection", "CODE", None, [])
    assert second == {
        "time": "2026-06-01T12:00:00.000Z", "kind": "event", "worker": None, "event": "listening\\n",
    }  # fmt: skip


def test_whose_certificate_was_refused_is_told_as_what_nothing_proves() -> None:
    """Escaped and bounded; not of a client that sent none, or that a rule refuses, whose names are verified."""
    lines: list[str] = []
    reasons = (
        Reason(Fault.NO_PATH, None),
        Reason(Fault.REVOKED, 0, 'CN=a" verdict=allowed\n' + "x" * 500),
        Reason(Fault.REVOKED, 1, "CN=CA"),
    )
    for each in (reasons, (), reasons[:1]):
        refused = entry(failure=PeerFault(Fault.REVOKED, step=None, peer="client", reasons=each))
        log(lines, "json").connection(refused, 0.0)
        log(lines).connection(refused, 0.0)
    as_json, as_text = [json.loads(each) for each in lines[::2]], lines[1::2]
    assert [each["presented"] is None for each in as_json] == [False, True, True]
    assert (
        as_json[0]["presented"].startswith('CN=a" verdict=allowed\\n') and len(as_json[0]["presented"]) <= 120
    )
    assert 'who=- presented="CN=a\\" verdict=allowed\\\\n' in as_text[0]
    assert ["presented=" in each for each in as_text] == [True, False, False]
    assert as_json[0]["who"] is None


def test_unknown_clients_are_reported_so_often_and_the_rest_is_counted(setting: Setting) -> None:
    lines: list[str] = []
    reported = log(lines)
    for _ in range(AT_ONCE + 5):
        reported.connection(entry(ending=Ending("CODE", "refused")), 0.0)
    reported.not_logged()
    assert len(lines) == AT_ONCE
    reported.connection(entry(peer=peer(setting.mutual), verdict="allowed"), 0.0)
    assert lines[-1].endswith(" not_logged=6")
    reported.event("reloaded")
    assert lines[-1] == "2026-06-01T12:00:00.000Z reloaded"


def test_a_request_and_its_connection_are_told_of_the_same_client(setting: Setting) -> None:
    """By the same keys, so that a program can join them."""
    lines: list[str] = []
    reported, mine = log(lines, "json"), entry(peer=peer(setting.mutual), verdict="allowed", rule="dns a")
    reported.request(mine, RequestEntry("GET", "a.example", "/", 0.0, status=200))
    reported.connection(mine, 1.0)
    request, connection = map(json.loads, lines)
    common = ("worker", "client", "proxy", "listener", "route", "who", "rule")
    assert [request[key] for key in common] == [connection[key] for key in common]
    assert [request["kind"], connection["kind"]] == ["request", "connection"]


def test_a_verified_client_that_is_refused_does_not_fill_the_log(setting: Setting) -> None:
    lines: list[str] = []
    reported = log(lines)
    for _ in range(AT_ONCE + 5):
        reported.connection(entry(peer=peer(setting.mutual), verdict="refused"), 0.0)
    assert len(lines) == AT_ONCE


def test_a_line_about_a_tunnel_has_the_server_to_which_it_leads(setting: Setting) -> None:
    """In it `who` is this server; in a line about a client there is none."""
    lines: list[str] = []
    told = entry(client="unix", route="db", leads_to="db.example:5432", asked="db.example", verdict="allowed")
    log(lines).connection(told, 1.5)
    log(lines, "json").connection(told, 1.5)
    log(lines, "json").connection(entry(verdict="allowed"), 1.5)
    assert 'Z unix route="db" server="db.example:5432" name="db.example" who=- verdict=allowed' in lines[0]
    assert [json.loads(each)["server"] for each in lines[1:]] == ["db.example:5432", None]
