"""STARTTLS over sockets: with servers of others, and with those who interfere."""

from __future__ import annotations

import socket
import threading
import time

import pytest

import identities
from bothways.errors import StartTLSFailed, StartTLSProblem, UsageError
from bothways.net import connect, wrap
from bothways.net.starttls import request_tls
from bothways.starttls import PROTOCOLS, StartTLS
from doctor_talk import listening
from starttls.conversations import TURNS, Dialogue

pytestmark = pytest.mark.network


def playing(dialogue: Dialogue, *, tls: bool = True):
    """Play the server's half of a conversation, and speak TLS behind it."""

    def talk(sock: socket.socket) -> None:
        first = dialogue.protocol in ("ldap", "postgres", "xmpp", "xmpp-server")
        for number, part in enumerate(dialogue.parts):
            if number or first:
                sock.recv(4096)
            sock.sendall(part)
        if dialogue.protocol == "mysql":
            receive_exactly(sock, 36)
        if tls:
            with wrap(sock, identities.server_config(), timeout=20) as channel:
                channel.sendall(b"hello")
        else:
            sock.recv(4096)

    return talk


def receive_exactly(sock: socket.socket, size: int) -> None:
    while size and (data := sock.recv(size)):
        size -= len(data)


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_a_handshake_follows_a_successful_starttls(dialogue: Dialogue):
    """And what it proves is proved as ever."""
    config = identities.client_config(identities.client())
    with (
        listening(playing(dialogue)) as server,
        connect(
            "127.0.0.1", server.port, config, "localhost", timeout=20, starttls=dialogue.protocol
        ) as channel,
    ):
        assert channel.peer is not None
        assert channel.recv(100) == b"hello"


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_data_received_together_with_the_last_reply_before_tls_never_gets_into_tls(dialogue: Dialogue):
    """CVE-2011-0411 and those like it: the socket is closed instead."""
    ahead = Dialogue(dialogue.protocol, (*dialogue.parts[:-1], dialogue.parts[-1] + b"\x17\3\3\0\1x"))
    with listening(playing(ahead, tls=False)) as server, pytest.raises(StartTLSFailed) as refused:
        connect(
            "127.0.0.1", server.port, identities.client_config(), timeout=20, starttls=dialogue.protocol
        ).close()
    assert refused.value.problem is StartTLSProblem.SPOKE_AHEAD


def test_a_server_that_trickles_is_ended_by_the_callers_time():
    """The limit is for all of it, not for each byte."""
    stop = threading.Event()

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"220-")
        while not stop.wait(0.02):
            sock.sendall(b"x")

    with listening(talk) as server:
        began = time.monotonic()
        with pytest.raises(StartTLSFailed) as refused:
            connect("127.0.0.1", server.port, identities.client_config(), timeout=0.4, starttls="smtp")
        stop.set()
    assert refused.value.problem is StartTLSProblem.LATE
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_closes_is_reported_with_its_last_text(reset: bool):
    """By an end or by a reset."""

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"220 welcome\r\n")
        sock.recv(100)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(talk) as server, pytest.raises(StartTLSFailed) as refused:
        connect("127.0.0.1", server.port, identities.client_config(), timeout=20, starttls="smtp")
    assert (refused.value.problem, refused.value.said) == (StartTLSProblem.ENDED, "220 welcome")


def test_a_protocol_that_is_not_known_is_wrong_use_before_anything_is_connected():
    with pytest.raises(UsageError, match="no protocol 'gopher'"):
        connect("127.0.0.1", 1, identities.client_config(), starttls="gopher")


def test_a_failed_exchange_closes_its_socket():
    """Nobody goes on in plain text by mistake."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"SSH-2.0-x\r\n")
        with pytest.raises(StartTLSFailed):
            request_tls(ours, StartTLS(PROTOCOLS["smtp"], "a.example"), time.monotonic() + 10)
        assert ours.fileno() == -1
