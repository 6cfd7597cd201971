"""The lines of a gateway's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from bothways.gateway.log import Entry, Log
from bothways.gateway.report_limits import AT_ONCE, ReportLimits
from gateway_talk import Setting
from http_callers import peer

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def log(lines: list[str], form: str = "text") -> Log:
    return Log(lines.append, form, limits=ReportLimits(lambda: 1000.0), now=lambda: NOON)


def entry(**fields: object) -> Entry:
    made = Entry("127.0.0.1:8443", "192.0.2.7:5", "192.0.2.7", 0.0)
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
            ended="done",
        ),
        1.5,
    )
    [line] = lines
    assert line.startswith('2026-06-01T12:00:00.000Z 192.0.2.7:5 route="db" name="a\\" verdict=allowed\\\\n')
    assert line.endswith(
        'who="CN=good client" verdict=allowed rule="dns a" in=3 out=4 seconds=1.500 end="done"'
    )
    assert line.isprintable()
    assert len(line) < 400


def test_json_has_the_same_for_programs(setting: Setting) -> None:
    lines: list[str] = []
    mine = peer(setting.mutual)
    reported = log(lines, "json")
    reported.connection(
        entry(asked="a\n", peer=mine, verdict="allowed", ended="x" * 1000, version="1.3"), 0.25
    )
    reported.event("listening\n")
    first, second = map(json.loads, lines)
    assert first["time"] == "2026-06-01T12:00:00.000Z"
    assert first["server_name"] == "a\\n"
    assert first["who"]["dns"] == ["client.example"]
    assert first["who"]["serial"] == f"{mine.certificate.serial_number:x}"
    assert (first["seconds"], len(first["ended"]), first["tls"]) == (0.25, 400, "1.3")
    assert second == {"time": "2026-06-01T12:00:00.000Z", "event": "listening\\n"}


def test_unknown_clients_are_reported_so_often_and_the_rest_is_counted(setting: Setting) -> None:
    lines: list[str] = []
    reported = log(lines)
    for _ in range(AT_ONCE + 5):
        reported.connection(entry(ended="refused"), 0.0)
    reported.untold()
    assert len(lines) == AT_ONCE
    reported.connection(entry(peer=peer(setting.mutual), verdict="allowed"), 0.0)
    assert lines[-1].endswith(" untold=6")
    reported.event("reloaded")
    assert lines[-1] == "2026-06-01T12:00:00.000Z reloaded"
