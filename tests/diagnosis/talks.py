"""Two engines that exchange messages until one of them is refused, each with an observer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import identities
from bothways import ClientConfig, ServerConfig
from bothways.diagnosis import Explanation, HandshakeFacts, explain
from pair import Pair


@dataclass
class Talk:
    """What became of both sides."""

    pair: Pair
    client: HandshakeFacts
    server: HandshakeFacts

    @property
    def clients(self) -> Explanation:
        """The failure as the client has it explained."""
        error = self.pair.client_failure
        assert error is not None
        return explain(error, self.client.situation())

    @property
    def servers(self) -> Explanation:
        """The failure as the server has it explained."""
        error = self.pair.server_failure
        assert error is not None
        return explain(error, self.server.situation())


def talk(
    client: ClientConfig | None = None, server: ServerConfig | None = None, name: str = "localhost"
) -> Talk:
    """Let a client and a server exchange messages until there are no more."""
    client = client or identities.client_config(identities.client())
    server = server or identities.server_config()
    mine = HandshakeFacts(client, name, address="localhost:8443")
    theirs = HandshakeFacts(server, address="127.0.0.1:50000")
    pair = Pair(client.connection(name, observer=mine), server.connection(observer=theirs))
    pair.exchange()
    return Talk(pair, mine, theirs)


def first(found: Explanation) -> tuple[str, str]:
    """The most likely cause, and its party."""
    return found.first.cause.name, found.first.party.value


def client(who: Any = None, **options: Any) -> ClientConfig:
    """A client with a certificate of Test Intermediate, or another one."""
    return identities.client_config(identities.client() if who is None else who or None, **options)
