"""Recorder, messages, story and report: made from the notes of two real engines."""

from __future__ import annotations

import json

import pytest

import skins
from bothways import ClientConfig, ServerConfig
from bothways.explain import recorder as recorder_source
from bothways.explain.messages import listed, summary, title, version
from bothways.explain.recorder import Recorder
from bothways.explain.report import checks, error_facts, own_part, peer_facts, report_facts, report_lines
from bothways.explain.steps import STEPS
from bothways.explain.story import StepView, story
from bothways.tls.events import Caution, MessageSeen
from bothways.tls.wire import tls12
from bothways.tls.wire.tls13 import Certificate, CertificateEntry, KeyUpdate, NewSessionTicket
from pair import Pair


class Talk:
    """A conversation of two engines, each watched by a recorder."""

    def __init__(self, client: ClientConfig, server: ServerConfig, name: str = "localhost") -> None:
        self.client, self.server = Recorder(), Recorder()
        self.pair = Pair(
            client.connection(name, observer=self.client), server.connection(observer=self.server)
        )
        self.pair.exchange()

    def steps(self) -> dict[str, StepView]:
        return {view.name.id: view for view in story(self.client.notes, self.server.notes)}


def mutual(**options) -> Talk:
    return Talk(skins.client_config(skins.client(), **options), skins.server_config())


def acts(view: StepView) -> list[tuple[str, str]]:
    return [(line.side, line.act) for line in view.lines]


# -- story -------------------------------------------------------------------------------------------------


def test_a_mutual_handshake_does_every_step():
    """MISSION: all ids; revocation says why it was not checked."""
    talk = mutual()
    talk.pair.client.send(b"question")
    talk.pair.server.send(b"answer")
    talk.pair.exchange()
    talk.pair.client.close()
    talk.pair.exchange()
    steps = talk.steps()
    assert list(steps) == list(STEPS)
    left_out = {id_ for id_, view in steps.items() if view.standing == "not checked"}
    assert left_out == {"2.3c", "3.3c"}
    assert all(view.standing == "done" for id_, view in steps.items() if id_ not in left_out)
    assert [line.text for line in steps["3.3c"].lines] == ["no source configured"]
    assert acts(steps["3.4"]) == [("server", "passed")]
    assert set(acts(steps["4.3"])) == {
        (side, act) for side in ("client", "server") for act in ("sent", "received")
    }
    assert [key.kind for key in steps["2.5"].keys] == ["session"]
    assert all(line.at >= 0 for view in steps.values() for line in view.lines)


def test_key_shares_stand_at_the_step_of_the_secret():
    """A hello serves two steps, and says at each what belongs there."""
    steps = mutual(versions=("1.3",)).steps()
    offered = next(line for line in steps["2.4"].lines if line.act == "sent")
    assert offered.detail == "public shares for x25519 (32 bytes)"
    hello = next(line for line in steps["1.1"].lines if line.act == "sent")
    assert hello.detail.startswith("TLS 1.3; suites TLS_AES_128_GCM_SHA256")
    assert hello.detail.endswith("for localhost")
    answered = [line.detail for line in steps["2.4"].lines if (line.side, line.act) == ("server", "sent")]
    assert answered == ["public share for x25519 (32 bytes)"]


def test_a_one_way_handshake_has_no_third_phase():
    """The server asked for nobody."""
    steps = Talk(skins.client_config(), skins.server_config(client_anchors=None)).steps()
    assert {view.standing for id_, view in steps.items() if id_[0] == "3"} == {"not part of it"}
    assert {view.standing for id_, view in steps.items() if id_[0] == "2"} == {"done", "not checked"}
    assert steps["3.1"].keys == ()


def test_a_refused_handshake_says_where_it_failed_and_what_was_not_reached():
    """A failed check is told as such; what came after it was not reached."""
    steps = Talk(skins.client_config(skins.client()), skins.server_config(), "elsewhere.example").steps()
    assert steps["2.3a"].standing == "failed"
    assert acts(steps["2.3a"]) == [("client", "failed")]
    assert steps["3.1"].standing == "not reached"
    assert steps["4.3"].standing == "not reached"


def test_a_retry_is_called_by_its_name():
    """RFC 9846 4.2.4: a ServerHello by its type, a HelloRetryRequest by its random."""
    steps = Talk(
        skins.client_config(skins.client(), groups=("x25519", "secp256r1"), key_shares=("x25519",)),
        skins.server_config(groups=("secp256r1",)),
    ).steps()
    sent = [line for line in steps["1.2"].lines if (line.side, line.act) == ("server", "sent")]
    assert sent[0].text == "HelloRetryRequest"
    assert sent[0].detail == "TLS_AES_128_GCM_SHA256; wants a share for secp256r1"
    share = [line.detail for line in steps["2.4"].lines if line.text == "HelloRetryRequest"]
    assert share[0] == "no share yet"


def test_nothing_noted_is_nothing_told():
    """An empty story has every step, and none was reached."""
    assert {view.standing for view in story([], [])} == {"not reached"}


# -- recorder ----------------------------------------------------------------------------------------------


def test_a_recorder_stops_when_told_and_is_bounded(monkeypatch):
    """A connection that lives on costs no more notes."""
    talk = mutual()
    talk.client.stop()
    count = len(talk.client.notes)
    talk.pair.client.send(b"x")
    assert len(talk.client.notes) == count
    monkeypatch.setattr(recorder_source, "NOTE_LIMIT", 3)
    assert len(mutual().server.notes) == 3


# -- messages ------------------------------------------------------------------------------------------------


def test_messages_are_summed_up_in_one_line():
    """Every message of the handshake says what a reader wants to know."""
    talk = Talk(skins.client_config(skins.client(), alpn=("echo/1",)), skins.server_config(alpn=("echo/1",)))
    told = {
        title(each.note.message): summary(each.note.message)
        for each in talk.server.notes
        if isinstance(each.note, MessageSeen)
    }
    assert told["EncryptedExtensions"] == "application protocol echo/1"
    assert told["CertificateRequest"].endswith("; issued under CN=Test Root")
    assert told["Certificate"].startswith("CN=Ada with a key: ECDSA on secp256r1; CN=Test Intermediate")
    assert told["CertificateVerify"].startswith("ecdsa_secp256r1_sha256, a signature of ")
    assert told["Finished"] == "a MAC of 32 bytes"
    assert "session ID of 32 bytes echoed" in told["ServerHello"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (Certificate(b"", ()), "empty: no certificate"),
        (Certificate(b"", (CertificateEntry(b"junk", ()),)), "4 bytes that are no certificate"),
        (KeyUpdate(1), "the peer shall change its keys too"),
        (KeyUpdate(0), "from here on new keys"),
        (NewSessionTicket(7200, 1, b"n", b"t", ()), "a ticket for 7200 seconds"),
        (tls12.Certificate(()), "empty: no certificate"),
        (tls12.CertificateRequest((64,), (0x0403,), ()), "schemes ecdsa_secp256r1_sha256"),
        (
            tls12.ServerKeyExchange(29, bytes(32), 0x0403, b"s"),
            "public share for x25519 (32 bytes), signed by ecdsa_secp256r1_sha256",
        ),
        (tls12.ClientKeyExchange(bytes(32)), "32 bytes of which only the server can make the secret"),
        (tls12.NewSessionTicket(60, b"t"), "a ticket for 60 seconds"),
        (tls12.ServerHelloDone(), ""),
        (object(), ""),
    ],
)
def test_rarer_messages_are_summed_up_too(message, told):
    """A picture of what came never fails."""
    assert summary(message) == told


def test_long_lists_are_cut_and_versions_written_as_people_do():
    """The first few, and how many more."""
    assert listed(list("abcdefgh")) == "a, b, c, d and 4 more"
    assert listed([]) == "none"
    assert (version(0x0304), version(0x0303)) == ("TLS 1.3", "TLS 1.2")


# -- report --------------------------------------------------------------------------------------------------


class Reported:
    """What a report asks of a connection."""

    def __init__(self, talk: Talk) -> None:
        engine = talk.pair.client
        self.peer, self.version, self.suite = engine.peer, engine.version, engine.suite
        self.group, self.alpn, self.resumed = engine.group, engine.alpn, engine.resumed
        self.warnings = [Caution.NO_CREDENTIALS]


def test_a_report_lists_checks_names_and_warnings():
    """`connect` prints this."""
    talk = (
        mutual(alpn=("echo/1",))
        if False
        else Talk(
            skins.client_config(skins.client(), alpn=("echo/1",)), skins.server_config(alpn=("echo/1",))
        )
    )
    lines = report_lines("there:1", Reported(talk), talk.client.notes)
    assert lines[0] == "connected to there:1: TLS 1.3, TLS_AES_128_GCM_SHA256, x25519"
    assert lines[1] == "application protocol: echo/1"
    assert lines[2].startswith("the peer is CN=server, DNS localhost")
    assert [line.split()[0] for line in lines[3:-1]] == ["2.2", "2.3a", "2.3b", "2.3c", "3.1", "3.3", "4.2"]
    assert lines[-1].startswith("warning: the server asked for a certificate")
    facts = report_facts(Reported(talk), talk.client.notes)
    assert json.loads(json.dumps(facts))["peer"]["ip"] == ["127.0.0.1", "::1"]
    assert peer_facts(None) is None


def test_a_report_of_tls_1_2_knows_what_the_server_thinks_of_us():
    """RFC 5246 7.4.9: the server's Finished comes last."""
    talk = mutual()
    reported = Reported(talk)
    reported.version = "1.2"
    lines = report_lines("there:1", reported, talk.client.notes)
    assert [line.split()[1] for line in lines if line.startswith("  3.3")] == ["accepted"]


def test_a_report_says_what_became_of_our_own_certificate():
    """Sent, none sent, or not asked for."""
    assert own_part(mutual().client.notes)["outcome"] == "sent"
    nothing = Talk(skins.client_config(), skins.server_config())
    assert own_part(nothing.client.notes)["outcome"] == "none sent"
    one_way = Talk(skins.client_config(), skins.server_config(client_anchors=None))
    assert own_part(one_way.client.notes)["outcome"] == "not asked"


def test_checks_stand_in_the_order_of_their_ids():
    """Whatever their order on the wire."""
    assert [check["id"] for check in checks(mutual().server.notes)] == ["3.3a", "3.3b", "3.3c", "3.4", "4.1"]


def test_errors_become_values_for_programs():
    """Both sides of a refusal, a cut, and the network's own."""
    pair = Talk(skins.client_config(skins.client()), skins.server_config(), "elsewhere.example").pair
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
