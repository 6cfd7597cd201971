"""How a channel comes to be: by a connection to a server, or over a socket that is there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from bothways.addresses import most_telling, tcp_address
from bothways.arguments import instance
from bothways.errors import StartTLSFailed, TimedOut
from bothways.net.carrier import deadline_in, left
from bothways.net.channel import Channel, established
from bothways.net.starttls import request_tls
from bothways.starttls import StartTLS, protocol_named
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.driver import Answers
from bothways.tls.events import EvidenceWanted, Observer, SignatureWanted
from bothways.trust.evidence.http_exchange import EvidenceReply

Signer = Callable[[SignatureWanted], bytes]
Finder = Callable[[EvidenceWanted], Sequence[EvidenceReply] | None]


class Stream(Protocol):
    """What can be used instead of a socket. It is closed with the channel if it has `close`."""

    def recv(self, size: int, /) -> bytes:
        """Wait for bytes and return them; b"" at the end."""

    def send(self, data: bytes, /) -> int:
        """Send bytes, and return how many were accepted."""


def connect(
    host: str,
    port: int,
    config: ClientConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = 30.0,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
    starttls: str | None = None,
) -> Channel:
    """Connect to `host` and authenticate both peers.

    host, port: the address to connect to.  server_name: the name that the server's certificate must contain; by default
    `host`.  timeout: seconds for connecting and the handshake together; the channel has no time limit afterwards (see
    `Channel.settimeout`).  starttls: request TLS in this protocol first, such as "smtp"
    (`bothways.starttls.PROTOCOLS`); what a server sends before TLS is discarded, and one that does not change to TLS
    raises `StartTLSFailed`. The rest is as for `wrap`.
    Raises `OSError` (`TimeoutError` among them) where the network fails.
    """
    instance("config", config, ClientConfig)
    destination = tcp_address(host, port)
    address = str(destination)
    name = host if server_name is None else server_name
    config.target(name)
    exchange = (
        None if starttls is None else StartTLS(protocol_named(starttls), host if "://" in name else name)
    )
    evidence = evidence or _own_finder(config)
    deadline = deadline_in(timeout)
    try:
        sock = connected_socket(*destination, timeout)
        _prepare(sock)
        if exchange is not None:
            request_tls(sock, exchange, deadline)
        connection = config.connection(server_name=name, observer=observer)
        connection.history.reached_at(address, starttls or "")
        return established(sock, connection, config.settings, Answers(signer, evidence), left(deadline))
    except (StartTLSFailed, OSError) as error:
        _situate(error, config, name, address, starttls or "")
        if timeout is None or not isinstance(error, TimeoutError):
            raise
        late = TimedOut(f"no TLS connection within {timeout:g} seconds")
        late.situation = getattr(error, "situation", None)
        raise late from error


def _prepare(sock: socket.socket) -> None:
    """Have small messages sent at once, without a time limit; a socket that refuses, as one reset may, is closed."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise


def connected_socket(host: str, port: int, timeout: float | None) -> socket.socket:
    """Connect to the first address of a name that answers.

    timeout: seconds for each address. Raises OSError: that of the last address, but for one of a family that this
    machine lacks, where another address says more.
    """
    try:
        return socket.create_connection((host, port), timeout, all_errors=True)
    except ExceptionGroup as failed:
        error = most_telling([each for each in failed.exceptions if isinstance(each, OSError)])
    raise error


def wrap(
    sock: socket.socket | Stream,
    config: ClientConfig | ServerConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = None,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
) -> Channel:
    """Do the handshake over a connected socket, as client or server by the type of `config`, and return the channel.

    sock: a socket, or anything else that has `recv` and `send`, such as a channel (TLS within TLS). A thread reads it
    then, and what it reads beyond the end of the channel is lost.
    config: a `ClientConfig` or `ServerConfig`.  server_name: for a client, the name that the server's certificate must
    contain.  timeout: seconds for the handshake, in addition to the limit of the configuration.  signer: called with
    a `SignatureWanted`, returns the signature, for keys that are held elsewhere.  evidence: called with an
    `EvidenceWanted`, instead of the fetching that the configuration allows.  observer: called with a note for every
    step.  The socket belongs to the channel: if the handshake fails it is closed, and the `TLSError` is raised.
    """
    try:
        instance("config", config, ClientConfig, ServerConfig)
        finder = evidence or _own_finder(config)
        if isinstance(config, ClientConfig):
            connection = config.connection(server_name=server_name, observer=observer)
        else:
            connection = config.connection(observer=observer)
    except BaseException:
        if hasattr(sock, "close"):
            sock.close()
        raise
    return established(sock, connection, config.settings, Answers(signer, finder), timeout)


def _situate(
    error: StartTLSFailed | OSError, config: ClientConfig, name: str, address: str, starttls: str
) -> None:
    """Add to an error before TLS what is needed to explain it; the module for that is imported only then."""
    from bothways.diagnosis.failure import situate

    situate(error, config, name, address, starttls)


def _own_finder(config: ClientConfig | ServerConfig) -> Finder | None:
    """Return the fetcher for what a configuration allows; `ConfigError` if it cannot fetch."""
    policy = config.settings.fetch
    if policy is None:
        return None
    from bothways.fetch import blocking  # the HTTP client is imported only if something may be fetched

    return blocking.finder(policy)
