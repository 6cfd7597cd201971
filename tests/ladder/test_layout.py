"""Ladders out of what real engines noted: order, arrival, phases, fields, failures, and what is withheld."""

from __future__ import annotations

from dataclasses import fields

import pytest

import identities
from bothways import PeerRule
from bothways.cli.demo.identities import issue_identities
from bothways.cli.demo.scenes import forged_finished
from bothways.describe.recorder import Noted
from bothways.describe.steps import STEPS
from bothways.ladder.by_step import step_views
from bothways.ladder.json_form import as_json, from_json
from bothways.ladder.layout import WITHHELD, lay_out
from bothways.ladder.model import AlertSent, CheckMade, ChoiceMade, DataSent, KeysTaken, Message
from bothways.roles import StepId
from bothways.tls.events import Epoch, MessageSeen
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.extensions import PreSharedKeys, PskIdentity, ServerName, SessionTicket
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello
from explain_talks import ladder_of, recorded, swapped
from pair import NOON
from watched import Talk


def messages(ladder) -> list[Message]:
    return [each for each in ladder.events if isinstance(each, Message)]


def test_messages_are_in_the_order_of_the_wire_with_ids_keys_and_bytes():
    """RFC 9846 2, figure 1: each once, though both sides noted it."""
    ladder = ladder_of()
    assert [(each.by, each.name, each.keys) for each in messages(ladder)] == [
        ("client", "ClientHello", "plaintext"),
        ("server", "ServerHello", "plaintext"),
        ("server", "EncryptedExtensions", "handshake keys"),
        ("server", "CertificateRequest", "handshake keys"),
        ("server", "Certificate", "handshake keys"),
        ("server", "CertificateVerify", "handshake keys"),
        ("server", "Finished", "handshake keys"),
        ("client", "Certificate", "handshake keys"),
        ("client", "CertificateVerify", "handshake keys"),
        ("client", "Finished", "handshake keys"),
        ("server", "NewSessionTicket", "application keys"),
    ]
    for each in messages(ladder):
        assert each.arrival == "whole"
        assert each.bytes is None if each.name == "NewSessionTicket" else len(each.bytes) == 2 * each.size
        assert set(each.steps) <= set(STEPS)
    assert (ladder.outcome, ladder.tls, ladder.group) == ("succeeded", "TLS 1.3", "x25519")
    assert ladder.suite == "TLS_AES_128_GCM_SHA256"
    assert ladder.sides == ("client", "server")
    assert {each.status for each in ladder.steps} == {"done", "not checked"}


def test_the_four_phases_follow_one_another():
    """The server's Finished (4.2) is in its flight, before the client has verified the server."""
    ladder = ladder_of()
    phases = [each.phase for each in ladder.events]
    assert phases == sorted(phases) and set(phases) == set("1234")
    where = {(each.by, each.name): each.phase for each in messages(ladder)}
    assert where["server", "Finished"] == "2"
    assert where["client", "Finished"] == "3"
    checks = {each.step: each.phase for each in ladder.events if isinstance(each, CheckMade)}
    assert (checks["2.3a"], checks["3.3a"]) == ("2", "3")
    assert all(each.phase == "4" for each in ladder.events if isinstance(each, DataSent))


@pytest.mark.network
def test_a_finished_that_is_refused_opens_no_channel():
    """Step 4.2 failed: it is in the phase that the handshake had reached."""
    play = forged_finished(issue_identities())
    notes = play.client.recorder.notes, play.server.recorder.notes
    ladder = lay_out(*notes, NOON, client_error=play.client.error, server_error=play.server.error)
    failed = [each for each in ladder.events if isinstance(each, CheckMade) and each.outcome == "failed"]
    assert [(each.step, each.phase) for each in failed] == [("4.2", "2")]
    assert {each.phase for each in ladder.events} == {"1", "2"}
    assert {each.arrival for each in messages(ladder) if each.name == "Finished"} == {"lost", "altered"}


def test_choices_keys_and_data_are_shown_without_content():
    """Offered, chosen, by whom; which side sends under which keys; how much, never what."""
    ladder = ladder_of()
    chosen = {each.what: each for each in ladder.events if isinstance(each, ChoiceMade)}
    assert {each.by for each in chosen.values()} == {"server"}
    assert chosen["cipher suite"].chosen in chosen["cipher suite"].offered
    keys = [(each.by, each.keys) for each in ladder.events if isinstance(each, KeysTaken)]
    assert ("client", "application keys") in keys and ("server", "handshake keys") in keys
    data = [each for each in ladder.events if isinstance(each, DataSent)]
    assert [(each.by, each.arrival) for each in data] == [("client", "whole")]
    text = as_json(ladder)
    assert "secret word" not in text and b"secret word".hex() not in text


def test_fields_are_from_the_codec_tables_and_lists_have_their_items():
    """A new field or extension shows up by itself."""
    ladder = ladder_of()
    for each in messages(ladder):
        assert each.fields
    hello = messages(ladder)[0]
    assert [each.name for each in hello.fields] == [each.name for each in fields(ClientHello)]
    listed = {each.name: each.items for each in hello.fields}
    assert "TLS_AES_128_GCM_SHA256" in listed["cipher_suites"]
    assert "server_name localhost" in listed["extensions"]


def test_certificates_are_cards_that_messages_refer_to():
    """Each once for each side that sent it."""
    ladder = ladder_of()
    sent = {each.by: each.certificates for each in messages(ladder) if each.name == "Certificate"}
    assert [ladder.certificates[at].depth for at in sent["server"]] == [0, 1]
    assert ladder.certificates[sent["server"][0]].title == "server"
    assert ladder.certificates[sent["client"][0]].by == "client"
    assert len(ladder.certificates) == len(sent["server"]) + len(sent["client"])
    assert dict(ladder.certificates[0].facts)["subject"]


def test_a_refusal_is_a_failed_check_and_a_failure_for_each_side():
    """Step 2.3a: the client finds the fault, the server receives an alert."""
    ladder = ladder_of("elsewhere.example")
    assert ladder.outcome == "failed"
    fault = ladder.failures[0]
    assert (fault.side, fault.kind, fault.step) == ("client", "PeerFault", "2.3a")
    assert ladder.failures[1].kind == "PeerAlert" and ladder.failures[1].meaning
    assert ladder.failures[0].alert == "bad_certificate" and ladder.failures[0].rule
    failed = [each for each in ladder.events if isinstance(each, CheckMade) and each.outcome == "failed"]
    assert [(each.by, each.step) for each in failed] == [("client", "2.3a")]
    alerts = [each for each in ladder.events if isinstance(each, AlertSent)]
    assert [(each.by, each.name) for each in alerts] == [("client", "bad_certificate")]
    statuses = {each.id: each.status for each in ladder.steps}
    assert statuses["2.3a"] == "failed" and statuses["3.1"] == "not reached"


def test_a_fault_without_a_verdict_is_shown_before_its_alert():
    """Step 3.1: no certificate came, so nothing was verified; the sent data is in the same phase."""
    ladder = ladder_of(who=False)
    at = next(i for i, each in enumerate(ladder.events) if isinstance(each, AlertSent))
    check = ladder.events[at - 1]
    assert isinstance(check, CheckMade)
    assert (check.by, check.step, check.outcome) == ("server", "3.1", "failed")
    assert ladder.events[at].name == "certificate_required"
    assert {each.id: each.status for each in ladder.steps}["4.3"] == "not reached"


def test_a_message_that_was_altered_is_shown_twice():
    """A device on the way altered the ServerHello."""
    hellos = [each for each in messages(ladder_of(to_client=swapped)) if each.name == "ServerHello"]
    assert {each.arrival for each in hellos} == {"lost", "altered"}


def test_a_ladder_of_one_side_shows_only_what_that_side_knows():
    """`connect` sees no check of the server."""
    _, ours, theirs = recorded()
    ladder = lay_out(ours.notes, [], NOON)
    assert ladder.sides == ("client",)
    assert {each.arrival for each in messages(ladder)} == {"unknown"}
    assert len(messages(ladder)) == 11
    statuses = {each.id: each.status for each in ladder.steps}
    assert statuses["3.3a"] == "not seen" and statuses["2.3a"] == "done"
    assert any(isinstance(each, ChoiceMade) and each.by == "server" for each in ladder.events)
    other = lay_out([], theirs.notes, NOON)
    assert other.sides == ("server",)
    assert {each.id: each.status for each in other.steps}["2.3a"] == "not seen"


def test_phase_3_is_not_part_of_a_one_way_handshake():
    """The client's certificate was not requested."""
    pair, ours, theirs = recorded(server={"client_anchors": None}, who=False)
    assert pair.client_failure is None
    for ladder in (lay_out(ours.notes, theirs.notes, NOON), lay_out(ours.notes, [], NOON)):
        phase = {each.status for each in ladder.steps if each.id.startswith("3")}
        assert phase == {"not part of it"}


def test_tls_12_has_its_messages_in_the_same_bands():
    """RFC 5246 7.3: the request is after the server's certificate, the client's key exchange after its own."""
    ladder = ladder_of(versions=("1.2",))
    assert (ladder.outcome, ladder.tls) == ("succeeded", "TLS 1.2")
    where = {(each.by, each.name): each.phase for each in messages(ladder)}
    assert where["server", "CertificateRequest"] == "2"
    assert where["client", "ClientKeyExchange"] == "3"
    phases = [each.phase for each in ladder.events]
    assert phases == sorted(phases)
    assert all(each.fields for each in messages(ladder) if each.name != "ServerHelloDone")


def hello(*extensions) -> ClientHello:
    return ClientHello(0x0303, bytes(32), b"", (0x1301,), b"\x00", extensions)


TICKET = b"whoever has this may resume"


@pytest.mark.parametrize(
    "message",
    [
        tls12.NewSessionTicket(60, TICKET),
        tls13.NewSessionTicket(60, 1, b"n", TICKET, ()),
        hello(SessionTicket(TICKET)),
        hello(ServerName("localhost"), PreSharedKeys((PskIdentity(TICKET, 1),), (bytes(32),))),
    ],
)
def test_tickets_are_withheld(message):
    """With a ticket a session can be resumed, so neither its field nor the bytes around it are shown."""
    note = MessageSeen(True, message, encode_message(message), Epoch.PLAINTEXT, (StepId("4.3"),))
    ladder = lay_out([Noted(0.0, note)], [], NOON)
    (shown,) = messages(ladder)
    assert shown.bytes is None
    text = as_json(ladder)
    assert WITHHELD in text
    assert TICKET[:16].hex() not in text and "whoever has this" not in text


def test_undecodable_certificates_and_other_errors_are_shown():
    """A picture of what came must not fail where judging it does."""
    bad = tls12.Certificate((b"no certificate",))
    note = MessageSeen(False, bad, encode_message(bad), Epoch.PLAINTEXT, (StepId("2.1"),))
    ladder = lay_out([Noted(0.0, note)], [], NOON, client_error=OSError("cut \x1b[31m here"))
    assert ladder.certificates[0].title == "14 bytes that are not a certificate"
    assert ladder.failures[0].text == "cut \\x1b[31m here"
    assert ladder.outcome == "failed"
    assert lay_out([], [], NOON).outcome == "unfinished"


def test_a_step_at_which_the_other_side_refused_is_failed_though_it_was_not_recorded():
    """By its alert, which is all that one side alone can know."""
    pair, ours, theirs = recorded(who=identities.stranger())
    alone = lay_out(ours.notes, [], NOON, client_error=pair.client_failure)
    both = lay_out(
        ours.notes, theirs.notes, NOON, client_error=pair.client_failure, server_error=pair.server_failure
    )
    for ladder in (alone, both):
        assert [each.id for each in ladder.steps if each.status == "failed"] == ["3.3a"]


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_an_unauthorized_client_fails_a_step_of_the_list(version):
    """The refusal is of the verdict as a whole: it is shown at the first part, and the alert follows."""
    talk = Talk(
        identities.client_config(identities.client(), versions=(version,)),
        identities.server_config(allow=PeerRule(dns="nobody.example")),
    )
    errors = {"client_error": talk.pair.client.failure, "server_error": talk.pair.server.failure}
    ladder = lay_out(talk.client.notes, talk.server.notes, NOON, **errors)
    assert {each.status for each in ladder.steps if each.id == "3.3a"} == {"failed"}
    *_, refused, alert = ladder.events
    assert isinstance(refused, CheckMade) and isinstance(alert, AlertSent)
    assert (refused.by, refused.step, refused.outcome) == ("server", "3.3a", "failed")
    assert refused.text == "the client is not allowed to connect: no rule holds for CN=Ada"
    assert (alert.by, alert.name) == ("server", "access_denied")
    assert from_json(as_json(ladder)) == ladder
    alone = lay_out(talk.client.notes, (), NOON, client_error=talk.pair.client.failure)
    assert {each.status for each in alone.steps if each.id == "3.3a"} == {"failed"}


def test_a_resumed_session_has_no_signatures_and_is_verified_again():
    """RFC 9846 2.2: no step has a signature, and both sides were verified in this handshake."""
    client, server = identities.client_config(identities.client()), identities.server_config()
    Talk(client, server)
    talk = Talk(client, server)
    assert talk.pair.client.resumed
    for ours, theirs in (
        (talk.client.notes, talk.server.notes),
        (talk.client.notes, ()),
        ((), talk.server.notes),
    ):
        ladder = lay_out(ours, theirs, NOON)
        assert ladder.outcome == "succeeded"
        statuses = {each.id: each.status for each in ladder.steps}
        assert {statuses[step] for step in ("2.1", "2.2", "3.1", "3.2", "3.4")} == {"not part of it"}
        assert statuses["2.3a"] == ("done" if ours else "not seen")
        assert statuses["3.3a"] == ("done" if theirs else "not seen")
        assert "2.2" not in {step for each in messages(ladder) for step in each.steps}
        assert not any(
            isinstance(each, ChoiceMade) and each.what == "signature scheme" for each in ladder.events
        )
    assert {
        each.status for each in step_views(talk.client.notes, talk.server.notes) if each.name.id == "2.2"
    } == {"not part of it"}
