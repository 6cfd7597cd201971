"""Time limits of a handshake over sockets: at the limit the caller has its error, whatever the peer does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

import identities
from bothways import Alert, Fault, PeerFault, TLSError
from bothways.net import connect, wrap
from bothways.net import pipe as source

pytestmark = pytest.mark.network


def ada(**options):
    return identities.client_config(identities.client(), **options)


def test_client_gives_up_on_a_server_that_stays_silent():
    """`timeout` covers the handshake; the server reads user_canceled (RFC 9846 6.1)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(TimeoutError, match=r"no TLS connection within 0\.1 seconds"):
            connect("127.0.0.1", listener.getsockname()[1], ada(), timeout=0.1)
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(60)
            hello = b""
            while data := peer.recv(65536):
                hello += data
    assert bytes((Alert.USER_CANCELED,)) in hello[-16:]


def test_server_gives_up_on_a_client_that_stays_silent():
    """The configuration's own limit is a fault of the peer."""
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(PeerFault) as refused:
        wrap(ours, identities.server_config(handshake_timeout=0.05))
    assert refused.value.fault is Fault.HANDSHAKE_TIMEOUT
    assert ours.fileno() == -1


def outcome_of(act: Callable[[], object]) -> object:
    """Call in a thread of its own, and return what it raised; nothing here may take long."""
    raised: list[object] = []

    def run() -> None:
        try:
            raised.append(act())
        except (TLSError, OSError) as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert raised, "it has not ended"
    return raised[0]


def test_the_error_of_a_time_limit_waits_for_no_delivery_of_the_alert(monkeypatch):
    """The limit is that of the caller; what the operating system has of the alert is still delivered."""
    monkeypatch.setattr(source, "LINGER_SECONDS", 600.0)
    ours, theirs = socket.socketpair()
    with theirs:
        late = outcome_of(lambda: wrap(ours, ada(handshake_timeout=0.05), "localhost"))
        assert isinstance(late, PeerFault)
        assert late.fault is Fault.HANDSHAKE_TIMEOUT
        theirs.settimeout(60)
        assert bytes((Alert.USER_CANCELED,)) in theirs.recv(65536)[-16:]


@pytest.mark.parametrize("limit", ["of the configuration", "of the call"])
def test_a_peer_that_reads_nothing_does_not_extend_the_handshake(limit: str):
    """Our flight waits for room no longer than the handshake may take."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        ours.settimeout(None)
        theirs.sendall(ada().connection("localhost").data_to_send())
        if limit == "of the configuration":
            late = outcome_of(lambda: wrap(ours, identities.server_config(handshake_timeout=0.05)))
            assert isinstance(late, PeerFault)
            assert late.fault is Fault.HANDSHAKE_TIMEOUT
        else:
            late = outcome_of(lambda: wrap(ours, identities.server_config(), timeout=0.05))
            assert isinstance(late, TimeoutError)
    assert ours.fileno() == -1
