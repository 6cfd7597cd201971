"""The ladder of plain text, drawn from the notes of real engines."""

from __future__ import annotations

import identities
from bothways.describe.recorder import Recorder
from bothways.ladder.text import ladder
from pair import Pair


def talk(name: str = "localhost", to_client=None) -> tuple[Recorder, Recorder]:
    client, server = Recorder(), Recorder()
    config = identities.client_config(identities.client(), versions=("1.3",))
    pair = Pair(
        config.connection(name, observer=client), identities.server_config().connection(observer=server)
    )
    if to_client is not None:
        pair.to_client = to_client
    pair.exchange()
    if pair.client_failure is None:
        pair.client.send(b"data")
        pair.exchange()
        pair.client.close()
        pair.exchange()
    return client, server


def test_a_ladder_shows_messages_checks_and_keys_in_their_order():
    """Arrows from the sender, checks at the side that makes them."""
    client, server = talk()
    lines = ladder(client.notes, server.notes)
    assert lines[0].split() == ["client", "server"]
    assert all(len(line) <= 100 and line.isascii() for line in lines)
    text = "\n".join(lines)
    assert text.count("ClientHello (1.1, 2.4)") == 1
    order = [
        " |--- ClientHello", " |<---", "CertificateRequest (1.2)", "2.3a ok", "2.3c not checked: no source",
        " |=== Certificate (3.1)", " |=== Finished (4.1)", "3.4 ok", " |### data (4.3)", "alert close_notify",
    ]  # fmt: skip
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    assert "x|" not in text
    assert " | 2.3a" in text


def test_one_side_alone_can_be_drawn():
    """What `connect` knows: both directions, its own checks."""
    client, _ = talk()
    text = "\n".join(ladder(client.notes, []))
    assert text.count("Finished (") == 2
    assert "ServerHello (1.2, 2.4)" in text
    assert "3.3a" not in text
    assert len(ladder([], [])) == 1


def test_a_refusal_is_in_the_ladder_with_its_alert():
    """The failed step is marked."""
    client, server = talk("elsewhere.example")
    text = "\n".join(ladder(client.notes, server.notes, 80))
    assert "2.3a REFUSED" in text
    assert " |=== alert bad_certificate" in text
    assert max(map(len, text.splitlines())) == 80


def test_a_message_that_did_not_arrive_unaltered_ends_in_x():
    """A device on the way altered the ServerHello: both copies are drawn."""
    client, server = talk(to_client=lambda data: data[:44] + bytes((data[44] ^ 1,)) + data[45:])
    lines = ladder(client.notes, server.notes)
    hellos = [line for line in lines if "ServerHello" in line]
    assert len(hellos) == 2
    assert {line[2] for line in hellos} == {"x", "<"}
