"""What one side can say of a connection, and of its failure."""

from __future__ import annotations

import json

import identities
from bothways.ladder.report import (
    checks,
    error_facts,
    own_authentication,
    peer_facts,
    report_facts,
    report_lines,
)
from bothways.tls.events import Caution
from watched import Talk, mutual


class Reported:
    """What a report asks of a connection."""

    def __init__(self, talk: Talk) -> None:
        engine = talk.pair.client
        self.peer, self.version, self.suite = engine.peer, engine.version, engine.suite
        self.group, self.alpn, self.resumed = engine.group, engine.alpn, engine.resumed
        self.warnings = [Caution.NO_CREDENTIALS]


def test_a_report_lists_checks_names_and_warnings():
    """`connect` prints this."""
    talk = Talk(
        identities.client_config(identities.client(), alpn=("echo/1",)),
        identities.server_config(alpn=("echo/1",)),
    )
    lines = report_lines("there:1", Reported(talk), talk.client.notes)
    assert lines[0] == "connected to there:1: TLS 1.3, TLS_AES_128_GCM_SHA256, x25519"
    assert lines[1] == "application protocol: echo/1"
    assert lines[2].startswith("the peer is CN=server, DNS localhost")
    assert [line.split()[0] for line in lines[3:-1]] == ["2.2", "2.3a", "2.3b", "2.3c", "3.1", "3.3", "4.2"]
    assert lines[-1].startswith("warning: the server requested a certificate")
    facts = report_facts(Reported(talk), talk.client.notes)
    assert json.loads(json.dumps(facts))["peer"]["ip"] == ["127.0.0.1", "::1"]
    assert peer_facts(None) is None


def test_a_report_of_tls_1_2_has_the_servers_verdict():
    """RFC 5246 7.4.9: the server's Finished comes last."""
    talk = mutual()
    reported = Reported(talk)
    reported.version = "1.2"
    lines = report_lines("there:1", reported, talk.client.notes)
    assert [line.split()[1:3] for line in lines if line.startswith("  3.3")] == [["not", "refused"]]


def test_a_report_says_whether_our_certificate_was_sent():
    """Sent, none sent, or not asked for."""
    assert own_authentication(mutual().client.notes)["outcome"] == "sent"
    nothing = Talk(identities.client_config(), identities.server_config())
    assert own_authentication(nothing.client.notes)["outcome"] == "none sent"
    one_way = Talk(identities.client_config(), identities.server_config(client_anchors=None))
    assert own_authentication(one_way.client.notes)["outcome"] == "not asked"


def test_a_report_of_a_resumed_session_does_not_say_that_the_server_requested_no_certificate():
    """In TLS 1.3 none is requested again (RFC 9846 4.4.2); the first handshake has shown it."""
    notes = Talk(identities.client_config(), identities.server_config(client_anchors=None)).client.notes
    resumed = own_authentication(notes, resumed=True)
    assert resumed["outcome"] == "not asked"
    assert "first handshake" in str(resumed["text"])
    reported = Reported(mutual())
    reported.resumed = True
    assert any("first handshake" in line for line in report_lines("there:1", reported, notes))


def test_checks_are_in_the_order_of_their_ids():
    """Whatever their order on the wire."""
    assert [check["id"] for check in checks(mutual().server.notes)] == ["3.3a", "3.3b", "3.3c", "3.4", "4.1"]


def test_errors_are_converted_to_values():
    """Both sides of a refusal, a cut, and the network's own."""
    pair = Talk(
        identities.client_config(identities.client()), identities.server_config(), "elsewhere.example"
    ).pair
    ours, theirs = error_facts(pair.client_failure), error_facts(pair.server_failure)
    assert (ours["kind"], ours["fault"], ours["by"], ours["step"]) == (
        "PeerFault", "NAME_MISMATCH", "server", "2.3a",
    )  # fmt: skip
    assert ours["alert"] == theirs["alert"] == "bad_certificate"
    assert (theirs["kind"], theirs["by"], theirs["step"]) == ("PeerAlert", "client", "2.3a")
    cut = mutual().pair.client.receive_eof()[0].error
    assert error_facts(cut) == {"kind": "Truncated", "text": str(cut), "by": "server", "step": cut.step}
    assert error_facts(ConnectionRefusedError(111, "no"))["errno"] == 111
    json.dumps([ours, theirs])
