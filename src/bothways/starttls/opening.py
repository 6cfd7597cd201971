"""The client's side of an exchange: TLS is requested of a server."""

from __future__ import annotations

from bothways.starttls.exchange import Exchange
from bothways.starttls.protocols import Protocol
from bothways.starttls.talk import Talk


class StartTLS(Exchange):
    """The client's side of one exchange.

    protocol: in which TLS is requested.  name: the server's host name, which XMPP sends (RFC 6120 4.7.2).
    """

    def __init__(self, protocol: Protocol, name: str) -> None:
        talk = Talk(protocol.title)
        super().__init__(talk, protocol.script(talk, name))
