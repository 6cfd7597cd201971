"""How far a connection has come: told once by the connection, and by what ended it."""

from __future__ import annotations

from typing import Any

import pytest

import pki
from bothways import Failed, PeerAlert, PeerFault, Truncated
from bothways.roles import Progress
from bothways.tls.events import Note, Progressed
from pair import Pair
from tls.handshake.conversations import authority, client_config, credentials_of, server_config

HELLO, CHOSEN, JUDGED, ACCEPTED = Progress
EXPIRED = {"credentials": credentials_of(pki.leaf(authority(), "localhost", not_after=pki.NOW - pki.DAY))}
OF_CLIENT = {
    "1.3": {"START": HELLO, "WAIT_SH": HELLO, "JUDGING": CHOSEN, "CONNECTED": JUDGED},
    "1.2": {"WAIT_SH": HELLO, "WAIT_SERVER_CERT": CHOSEN, "WAIT_SERVER_CCS": JUDGED, "CONNECTED": ACCEPTED},
}


def told_of(
    version: str, client: dict[str, Any], server: dict[str, Any]
) -> tuple[Pair, list[list[Progress]]]:
    """A conversation, and what each side was told of its progress, from the beginning on."""
    heard: list[list[Progress]] = [[HELLO], [HELLO]]

    def listen(side: list[Progress]) -> Any:
        def note(what: Note) -> None:
            if isinstance(what, Progressed):
                side.append(what.progress)

        return note

    versions = {"versions": (version,)}
    talk = Pair(
        client_config(**versions | client).connection("localhost", observer=listen(heard[0])),
        server_config(**versions | server).connection(observer=listen(heard[1])),
    )
    talk.exchange()
    return talk, heard


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_both_sides_tell_how_far_they_have_come_each_once(version: str) -> None:
    """RFC 9846 4.5.3: in TLS 1.3 a client learns by the first record after its Finished that it is accepted."""
    talk, heard = told_of(version, {}, {})
    known_later = version == "1.3"
    assert heard == [[HELLO, CHOSEN, JUDGED] + [ACCEPTED] * (not known_later), [HELLO, JUDGED, ACCEPTED]]
    talk.server.send(b"a word")
    talk.exchange()
    assert heard[0] == [HELLO, CHOSEN, JUDGED, ACCEPTED]
    assert talk.client.progress is talk.server.progress is ACCEPTED


@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize(
    ("client", "server", "refuser", "by_error"),
    [
        ({}, EXPIRED, "client", (CHOSEN, JUDGED)),
        ({"credentials": None}, {}, "server", (JUDGED, JUDGED)),
        ({"alpn": ("h2",)}, {"alpn": ("x",)}, "server", (HELLO, HELLO)),
    ],
    ids=["the server has expired", "the client has no certificate", "no protocol is shared"],
)
def test_each_error_tells_how_far_the_connection_had_come_for_its_side(
    version: str,
    client: dict[str, Any],
    server: dict[str, Any],
    refuser: str,
    by_error: tuple[Progress, Progress],
) -> None:
    """Of who refuses, and of who is refused; nobody has to work it out from the step."""
    talk, heard = told_of(version, client, server)
    sides = {"client": (talk.client, heard[0]), "server": (talk.server, heard[1])}
    refusing, reported = sides.pop(refuser)
    ((refused, other_reported),) = sides.values()
    assert isinstance(refusing.failure, PeerFault) and isinstance(refused.failure, PeerAlert)
    assert (refusing.failure.progress, refused.failure.progress) == by_error
    assert (reported[-1], other_reported[-1]) == by_error


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_cut_tells_how_far_the_connection_had_come(version: str) -> None:
    """At each step of a client; the same as its connection says before the cut."""
    found = {}
    for flights in range(4):
        talk = Pair(
            client_config(versions=(version,)).connection("localhost"),
            server_config(versions=(version,)).connection(),
        )
        for _ in range(flights):
            talk.server.receive(talk.client.data_to_send())
            talk.client.receive(talk.server.data_to_send())
        step, before = talk.client.step.name, talk.client.progress
        match talk.client.receive_eof():
            case [Failed(Truncated() as error)]:
                assert error.progress is before
                found[step] = before
            case other:
                raise AssertionError(other)
    assert found == {step: each for step, each in OF_CLIENT[version].items() if step in found}
    assert len(found) >= 2
