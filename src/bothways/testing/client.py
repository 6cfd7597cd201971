"""A client for tests of a user's server: it connects, and reports whether it was accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bothways.diagnosis import Explanation, HandshakeFacts, explain
from bothways.errors import PeerAlert, PeerFault, TLSError
from bothways.faults import Fault
from bothways.net.channel import Channel
from bothways.net.connecting import connect
from bothways.roles import StepId
from bothways.testing.identities import Identity
from bothways.tls.config import ClientConfig
from bothways.tls.events import Peer

TIMEOUT = 10.0
READ_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of an attempt to connect.

    outcome: "accepted"; "refused", by the server or by us; "failed", for an error before TLS could refuse anything: no
    server, or one that does not speak TLS, or closes before its hello; "unknown", if a server of 1.3 sent nothing in
    time: send it a request.  error: what ended the attempt.  alert: the name of the alert sent or received.  peer: the
    authenticated server.  received: the response to the request.  explanation: the causes.
    """

    outcome: Literal["accepted", "refused", "failed", "unknown"]
    error: Exception | None = None
    alert: str | None = None
    peer: Peer | None = None
    received: bytes = b""
    explanation: Explanation | None = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether both sides accepted each other."""
        return self.outcome == "accepted"

    @property
    def refused(self) -> bool:
        """Whether one side refused the other."""
        return self.outcome == "refused"

    def __str__(self) -> str:
        lines = [] if self.explanation is None else self.explanation.lines()
        return "\n".join([self.outcome if self.error is None else f"{self.outcome}: {self.error}", *lines])


class Client:
    """A client for a server under test. Attributes: `identity` (None: no certificate), `config`."""

    def __init__(self, config: ClientConfig, identity: Identity | None) -> None:
        self.config = config
        self.identity = identity

    def connect(
        self, host: str, port: int, server_name: str | None = None, *, timeout: float = TIMEOUT
    ) -> Channel:
        """Connect as `bothways.net.connect` does, and return the channel; raises what it raises."""
        return connect(host, port, self.config, server_name, timeout=timeout)

    def attempt(
        self,
        host: str,
        port: int,
        server_name: str | None = None,
        *,
        request: bytes = b"",
        timeout: float = TIMEOUT,
    ) -> Attempt:
        """Connect, and wait until it is known whether the server accepts us; never raises because of the server.

        host, port, server_name: as for `bothways.net.connect`.  request: data to send after the handshake; the first
        bytes of the response are `received`.  timeout: seconds for connecting, and again for the response.
        """
        name = host if server_name is None else server_name
        facts = HandshakeFacts(self.config, name, address=f"{host}:{port}")
        peer = None
        try:
            with connect(host, port, self.config, name, timeout=timeout, observer=facts) as channel:
                peer = channel.peer
                return _asked(channel, request, timeout)
        except (TLSError, OSError) as error:
            outcome: Literal["refused", "failed"] = "refused" if _is_refusal(error) else "failed"
            return Attempt(outcome, error, _alert(error), peer, b"", explain(error, facts.situation()))


def _asked(channel: Channel, request: bytes, timeout: float) -> Attempt:
    """Find out whether the server accepts us, after the handshake is complete on our side."""
    channel.settimeout(timeout)
    received = b""
    if request:
        channel.sendall(request)
        received = channel.recv(READ_LIMIT)
    confirmed = channel.confirmed(timeout)
    if confirmed == "refused":
        channel.recv(1)  # raises the error if the server refused us
    return Attempt("accepted" if confirmed == "accepted" else "unknown", peer=channel.peer, received=received)


def _is_refusal(error: Exception) -> bool:
    """Whether one side refused the other, or closed where its decision was due; network errors do not count.

    A server that closes before its hello has decided nothing about us, as one that does not speak TLS.
    """
    match error:
        case PeerFault():
            return error.fault is not Fault.NOT_TLS
        case PeerAlert():
            return True
        case TLSError():
            return getattr(error, "step", None) not in (None, StepId.CLIENT_HELLO, StepId.SERVER_HELLO)
    return False


def _alert(error: Exception) -> str | None:
    match error:
        case PeerFault():
            return error.alert.name.lower()
        case PeerAlert():
            return error.name
    return None
