"""From what a server showed to findings: each level and each sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bothways.diagnosis import explain
from bothways.doctor.findings import (
    DATED,
    handshake_rows,
    outcome_rows,
    request_rows,
    server_rows,
    unreachable_rows,
)
from bothways.doctor.probes import OUTDATED_SUITES, VERSIONS
from bothways.doctor.report import (
    Choices,
    HandshakeReport,
    ReplyReport,
    ReportRow,
    RequestedCertificate,
    ServerBehaviour,
    VersionSupport,
)

NONE = Choices((), complete=False)
SERVER = ServerBehaviour(
    address="192.0.2.1:443", milliseconds=12.5, speaks="TLS", start="", through="",
    versions=tuple(
        VersionSupport(name, "spoken" if name[4:] in ("1.3", "1.2") else "refused") for name in VERSIONS.values()
    ),
    suites_13=Choices(("TLS_AES_128_GCM_SHA256",), complete=True),
    suites_12=Choices(("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",), complete=False),
    dated=(), groups=Choices(("X25519MLKEM768", "x25519"), complete=True),
    session_ids=False, tickets_12=False, cut_short="",
)  # fmt: skip
REQUEST = RequestedCertificate("in the handshake", ("CN=Bank Root",), 0, ("ed25519",), ())
LOOK = HandshakeReport(
    offered=("TLS 1.3",), with_certificate=False, outcome="succeeded", version="TLS 1.3",
    suite="TLS_AES_128_GCM_SHA256", group="x25519", protocol="http/1.1", scheme="ed25519", staple=False,
    tickets=2, request=None, sent_certificate=False, confirmed="accepted", reply=None, failure=None, warnings=(),
)  # fmt: skip


def by_id(rows) -> dict[str, ReportRow]:
    return {row.id: row for row in rows}


def of_server(**changes) -> dict[str, ReportRow]:
    return by_id(server_rows(replace(SERVER, **changes)))


def of_request(*looks: HandshakeReport) -> ReportRow:
    return by_id(request_rows(looks))["request.when"]


def versions(**standings: str) -> tuple[VersionSupport, ...]:
    names = {name.replace("TLS 1.", "t").replace("SSL 3", "s3"): name for name in VERSIONS.values()}
    return tuple(VersionSupport(name, standings.get(key, "refused")) for key, name in names.items())


def test_a_good_server_has_no_problem():
    """Its own order of suites and groups, and that nothing more was found."""
    rows = of_server()
    assert {row.level for row in rows.values()} == {"good"}
    assert rows["server.suites12"].text.endswith("and perhaps more")
    assert rows["server.hybrid"].text.startswith("X25519MLKEM768")


def test_old_versions_are_warned_of_and_nothing_newer_is_a_problem():
    """RFC 8996; RFC 9325 3.1.1."""
    assert of_server(versions=versions(t3="spoken", t0="spoken"))["server.old"].level == "warning"
    alone = of_server(versions=versions(t0="spoken", s3="spoken"))
    assert alone["server.versions"].level == "problem"
    assert "TLS 1.0, SSL 3 are" in alone["server.old"].text
    assert of_server(versions=versions(t2="spoken"))["server.no13"].level == "note"
    assert "TLS 1.3" in of_server(versions=versions(t2="spoken", t3="not known"))["server.unknown"].text


def test_outdated_suites_are_reported_with_their_fault():
    """Each kind that is asked for has its sentence."""
    assert set(DATED) == set(OUTDATED_SUITES)
    rows = of_server(dated=tuple(DATED))
    levels = {id_.removeprefix("server.dated."): row.level for id_, row in rows.items() if "dated" in id_}
    assert levels["rc4"] == levels["3des"] == levels["noprotection"] == "problem"
    assert levels["cbc"] == levels["rsakeytransport"] == "warning"
    assert of_server(suites_12=Choices((), complete=True))["server.suites12"].level == "problem"


def test_other_protocols_and_silence_are_problems():
    """With what was heard, and where to look."""
    why = explain(ConnectionResetError())
    assert by_id(server_rows(replace(SERVER, speaks="SSH"), why))["server.tls"].cause == why.first.cause.name
    behind = of_server(speaks="TLS only after a header")["server.tls"]
    assert behind.text == "it uses TLS only after a header"
    other = of_server(speaks="SSH", start="SSH-2.0-x")
    assert set(other) == {"server.reached", "server.tls"}
    assert other["server.tls"].text == 'no TLS; it uses SSH: "SSH-2.0-x"'
    assert (
        "it accepts connections and does not answer a ClientHello, or closes them"
        in of_server(speaks="nothing")["server.tls"].text
    )
    assert of_server(cut_short="tired")["server.cut_short"].level == "warning"
    assert of_server(groups=Choices(("x25519",), complete=True))["server.hybrid"].level == "note"


def test_a_handshake_shows_what_was_agreed_resumption_staple_and_clock():
    """One line for each version that was spoken."""
    older = replace(LOOK, version="TLS 1.2", staple=True, tickets=0, protocol=None)
    reported = replace(LOOK, reply=ReplyReport(200, "HTTP/1.1 200 OK", 300.0))
    rows = by_id(handshake_rows(replace(SERVER, tickets_12=True, session_ids=True), (reported, older, LOOK)))
    assert {"handshake.tls13", "handshake.tls12"} <= set(rows)
    assert rows["handshake.resumption"].text == (
        "it offers 2 tickets in TLS 1.3, a ticket in TLS 1.2, a session ID in TLS 1.2"
    )
    assert rows["handshake.staple"].level == "good"
    assert rows["handshake.clock"].text == "its clock is 5 minutes ahead of ours"
    assert rows["handshake.alpn"].text == "it chooses http/1.1"
    plain = by_id(handshake_rows(SERVER, (replace(older, staple=False, reply=ReplyReport(200, "x", -5.0)),)))
    assert plain["handshake.resumption"].text == "none was offered"
    assert plain["handshake.clock"].level == "good"
    assert not by_id(handshake_rows(SERVER, (replace(LOOK, version=None),)))


FORBIDDEN = ReplyReport(403, "HTTP/1.1 403 Forbidden", None)
REFUSED = {"kind": "PeerAlert", "text": "the server refused. That means: no", "step": "3.1", "hint": "h"}
LATER = RequestedCertificate("after the handshake", (), 0, (), ())


@pytest.mark.parametrize(
    ("look", "words", "level"),
    [
        (LOOK, "no", "note"),
        (
            replace(LOOK, reply=FORBIDDEN),
            'not in the handshake; but without one it answers "HTTP/1.1 403',
            "note",
        ),
        (replace(LOOK, request=REQUEST), ", and continues without one: optional", "note"),
        (
            replace(LOOK, request=REQUEST, reply=FORBIDDEN),
            ", and continues without one; but then it answers",
            "note",
        ),
        (
            replace(LOOK, request=REQUEST, outcome="failed", version=None, failure=REFUSED),
            "in the handshake of TLS 1.3, and without one it refuses the handshake: required",
            "note",
        ),
        (
            replace(LOOK, request=REQUEST, outcome="failed", failure={"kind": "PeerFault", "text": "x"}),
            "; whether it continues without one is not known",
            "note",
        ),
        (
            replace(LOOK, version="TLS 1.2", request=LATER),
            "it requests renegotiation (HelloRequest)",
            "warning",
        ),
        (
            replace(LOOK, request=LATER, reply=FORBIDDEN),
            'post-handshake authentication, and without one it answers "HTTP/1.1 403 Forbidden"',
            "note",
        ),
        (replace(LOOK, version=None, outcome="failed"), "no handshake got far enough to find out", "unknown"),
    ],
)
def test_the_time_of_a_certificate_request_is_reported(look: HandshakeReport, words: str, level: str):
    """In the handshake, afterwards, on some requests, or never."""
    row = of_request(look)
    assert words in row.text
    assert row.level == level


def test_what_a_server_accepts_is_listed_up_to_a_limit():
    """A list may be long."""
    many = replace(
        REQUEST, authorities=tuple(f"CN={n}" for n in range(100)), more_authorities=7, types=("rsa_sign",)
    )
    rows = by_id(request_rows((replace(LOOK, request=many),)))
    assert rows["request.authorities"].text.endswith("CN=7; and 99 more")
    assert rows["request.types"].text == "rsa_sign"
    anybody = by_id(request_rows((replace(LOOK, request=replace(REQUEST, authorities=())),)))
    assert "it names no CAs, so any CA may be accepted" in anybody["request.authorities"].text
    assert not list(request_rows(()))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (LOOK, {"outcome": "good", "outcome.certificate": "note"}),
        (replace(LOOK, request=REQUEST), {"outcome.certificate": "note"}),
        (replace(LOOK, sent_certificate=True), {"outcome.certificate": "good"}),
        (replace(LOOK, sent_certificate=True, confirmed="unknown"), {"outcome.certificate": "unknown"}),
        (replace(LOOK, sent_certificate=True, confirmed="refused"), {"outcome.certificate": "problem"}),
        (replace(LOOK, reply=FORBIDDEN), {"outcome": "good", "outcome.reply": "warning"}),
        (replace(LOOK, reply=ReplyReport(200, "x", None)), {"outcome.reply": "good"}),
        (replace(LOOK, warnings=("w",)), {"outcome": "good", "outcome.warning.1": "warning"}),
        (replace(LOOK, outcome="failed", failure=REFUSED), {"outcome": "problem", "outcome.cause.1": "problem"}),
    ],
)  # fmt: skip
def test_the_result_of_the_last_handshake_is_reported(made: HandshakeReport, expected: dict[str, str]):
    """And why, by its likely causes."""
    explanation = explain(ConnectionResetError(104, "Connection reset by peer"))
    rows = by_id(outcome_rows(made, explanation))
    assert {id_: rows[id_].level for id_ in expected} == expected
    if made.outcome == "failed":
        assert rows["outcome"].subject == "failed at step 3.1"
        assert rows["outcome"].text == "the server refused"


def test_an_unreachable_server_is_reported_with_its_causes():
    """The likeliest first."""
    rows = by_id(unreachable_rows(explain(ConnectionRefusedError(111, "Connection refused"))))
    assert rows["server.reached"].level == "problem"
    assert rows["server.cause.1"].level == "problem"
    assert rows["server.cause.1"].hint
