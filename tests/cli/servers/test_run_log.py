"""The log of `run`."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import identities
from bothways.cli.servers.run_log import ExplainingFormatter, RateLimitFilter
from bothways.diagnosis.situation import Files
from bothways.servers.report_limits import AT_ONCE
from pair import Pair


def test_lines_about_clients_that_fail_fill_no_disk():
    """So many at once, then one now and then; what concerns us is written always."""
    now = SimpleNamespace(at=0.0)
    seldom = RateLimitFilter(SimpleNamespace(monotonic=lambda: now.at))
    info, warning = SimpleNamespace(levelno=20), SimpleNamespace(levelno=30)
    assert sum(seldom.filter(info) for _ in range(1000)) == AT_ONCE
    assert seldom.filter(warning)
    now.at = 3600.0
    assert sum(seldom.filter(info) for _ in range(1000)) == AT_ONCE


def test_a_failed_handshake_is_explained_where_its_line_is_written():
    """As `serve` does; a line that `RateLimitFilter` holds back is not explained."""
    talk = Pair(
        identities.client_config(identities.stranger()).connection("localhost"),
        identities.server_config().connection(),
    )
    talk.exchange()
    failure = talk.server_failure
    text = "handshake with %s failed: %s"
    record = logging.LogRecord("bothways", logging.INFO, "", 0, text, ("x", "a\nHint: b."), None)
    formatter = ExplainingFormatter("%(message)s", Files(ca="clients.pem"))
    assert formatter.format(record) == "handshake with x failed: a\nHint: b."
    record.args, record.failure = ("x", failure), failure
    written = formatter.format(record)
    lines = written.splitlines()
    assert lines[0].startswith("handshake with x failed: the client sent a certificate")
    assert "Hint:" not in written and written.count("That means:") == 1
    assert "from its operator, to clients.pem" in " ".join(written.split())
