"""Lines of a key log."""

from __future__ import annotations

import logging

import pytest

import identities
from bothways import ConfigError
from bothways.describe.recorder import Recorder
from bothways.ladder.json_form import as_json
from bothways.ladder.layout import lay_out
from bothways.tls.events import MessageSeen
from bothways.tls.keys import keylog
from pair import NOON, Pair, pair


@pytest.mark.parametrize(
    "label",
    [
        keylog.CLIENT_HANDSHAKE,
        keylog.SERVER_HANDSHAKE,
        keylog.CLIENT_TRAFFIC,
        keylog.SERVER_TRAFFIC,
        keylog.EXPORTER,
        keylog.TLS12,
    ],
)
def test_a_line_is_label_random_and_secret(label: str) -> None:
    """RFC 9850 2: three fields, two of them hexadecimal."""
    line = keylog.line(label, b"\x01" * 32, b"\xfe" * 48)
    assert line == f"{label} {'01' * 32} {'fe' * 48}"


def test_labels_are_those_of_the_registry() -> None:
    """RFC 9850 4: what Wireshark looks for."""
    assert keylog.CLIENT_HANDSHAKE == "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
    assert keylog.SERVER_HANDSHAKE == "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    assert keylog.CLIENT_TRAFFIC == "CLIENT_TRAFFIC_SECRET_0"
    assert keylog.SERVER_TRAFFIC == "SERVER_TRAFFIC_SECRET_0"
    assert keylog.EXPORTER == "EXPORTER_SECRET"
    assert keylog.TLS12 == "CLIENT_RANDOM"


FLOWS = {
    "1.3": {"versions": ("1.3",)},
    "1.3, retried": {"versions": ("1.3",), "groups": ("x25519", "secp256r1"), "key_shares": ("x25519",)},
    "1.2": {"versions": ("1.2",)},
}
SERVERS = {"1.3, retried": {"groups": ("secp256r1",)}}


@pytest.mark.parametrize("flow", FLOWS)
def test_both_sides_tell_the_same_lines_of_one_connection(flow: str) -> None:
    """RFC 9850 2: the client's random names the connection."""
    ours, theirs, notes = [], [], []
    both = pair(
        identities.client_config(identities.client(), insecure_keylog=ours.append, **FLOWS[flow]),
        identities.server_config(insecure_keylog=theirs.append, **SERVERS.get(flow, {})),
        client_notes=notes,
    )
    both.exchange()
    assert both.client.peer is not None
    assert ours == theirs
    random = next(note.message.random for note in notes if isinstance(note, MessageSeen))
    assert {line.split()[1] for line in ours} == {random.hex()}
    thirteen = ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"]  # fmt: skip
    assert [line.split()[0] for line in ours] == (["CLIENT_RANDOM"] if flow == "1.2" else thirteen)


def test_a_resumed_connection_of_tls_12_is_logged_with_its_own_random_by_both_sides() -> None:
    """RFC 9850 2: the random of each connection, and the main secret of its session."""
    ours, theirs = [], []
    client = identities.client_config(
        identities.client(), versions=("1.2",), resume_tls12=True, insecure_keylog=ours.append
    )
    server = identities.server_config(versions=("1.2",), resume_tls12=True, insecure_keylog=theirs.append)
    for _ in range(2):
        both = pair(client, server)
        both.exchange()
    assert both.client.resumed
    assert ours == theirs
    (first, second) = (line.split() for line in ours)
    assert first[0] == second[0] == "CLIENT_RANDOM"
    assert first[1] != second[1] and first[2] == second[2]


def test_a_key_log_changes_no_other_note(caplog: pytest.LogCaptureFixture) -> None:
    """Secrets go to the key log alone: no note, ladder, repr or log line holds one."""
    lines: list[str] = []
    mine, yours = Recorder(), Recorder()
    config = identities.client_config(identities.client(), insecure_keylog=lines.append)
    with caplog.at_level(logging.DEBUG):
        both = Pair(config.connection("localhost", observer=mine),
                    identities.server_config().connection(observer=yours))  # fmt: skip
        both.exchange()
    reported = as_json(lay_out(mine.notes, yours.notes, NOON)) + repr(mine.notes) + repr(vars(both.client))
    reported += repr(config) + caplog.text
    assert lines
    assert not any(line.split()[2] in reported for line in lines)


def test_a_key_log_that_fails_ends_no_connection_and_its_words_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk is no fault of the peer; what the error says may hold the line itself."""

    def full(line: str) -> None:
        heard.append(line)
        raise OSError(f"no space for {line}")

    heard: list[str] = []
    both = pair(
        identities.client_config(identities.client(), insecure_keylog=full), identities.server_config()
    )
    both.exchange()
    assert both.client.peer is not None
    assert len(heard) == 1
    assert "the key log of a connection failed" in caplog.text
    assert heard[0].split()[2] not in caplog.text


def test_a_key_log_has_to_be_a_function() -> None:
    """A path is what others take; files are not written here."""
    with pytest.raises(ConfigError, match="insecure_keylog: expected a function"):
        identities.client_config(insecure_keylog="keys.log")
