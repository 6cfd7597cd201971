"""What a report says of a peer with an external pre-shared key."""

from __future__ import annotations

from bothways import ExternalPSK, ExternalPSKs
from bothways.describe.names import every_name_of, peer_name
from bothways.describe.recorder import Recorder
from bothways.ladder.layout import lay_out
from bothways.ladder.report import peer_facts
from bothways.ladder.text import as_text
from pair import NOON, Pair, pair
from tls.handshake.conversations import PSK_CLIENT, PSK_SERVER, client_config, psk, server_config


def test_a_peer_with_a_key_is_named_by_it_and_has_nothing_of_a_certificate() -> None:
    """The identity comes from the peer, and is shown escaped."""
    secret = psk("client.example", "localhost").secret
    one, other = (
        ExternalPSKs([ExternalPSK(identity=b"k\x1b[31m\xff", secret=secret, own=own, peer=peer)])
        for own, peer in (("client.example", "localhost"), ("localhost", "client.example"))
    )
    talk = pair(
        client_config(**PSK_CLIENT | {"psk_peers": one}), server_config(**PSK_SERVER | {"psk_peers": other})
    )
    talk.exchange()
    peer = talk.server.peer
    facts = peer_facts(peer)
    assert facts is not None
    assert facts["kind"] == "pre-shared key" and facts["valid_until"] is None
    assert facts["pre_shared_key"] == {"identity": r"k\x1b[31m\xff", "peer": "client.example"}
    assert facts["raw_public_key"] is None and facts["path"] == [] and facts["subject"] == ""
    assert peer_name(peer) == "client.example"
    assert every_name_of(peer) == "client.example (by a pre-shared key)"


def test_a_picture_of_a_handshake_by_a_key_is_one_of_a_mutual_handshake() -> None:
    """No certificate is shown by either side, and both are authenticated."""
    ours, theirs = Recorder(), Recorder()
    talk = Pair(
        client_config(**PSK_CLIENT).connection("localhost", observer=ours),
        server_config(**PSK_SERVER).connection(observer=theirs),
    )
    talk.exchange()
    drawn = as_text(lay_out(ours.notes, theirs.notes, NOON))
    assert "A mutual handshake" in drawn and "Certificate" not in drawn
    assert "the binder verifies: the client has the key of client.example" in drawn
    assert drawn.count("ok: it has the pre-shared key of") == 2
