"""What passed in a handshake, kept cheaply and used when a failure is explained."""

from __future__ import annotations

import identities
from bothways.adapters.conversation import Conversation
from bothways.adapters.watching import KEPT, Watched
from bothways.roles import Progress
from bothways.tls.events import Progressed
from pair import Pair
from ssl_pair import client_context, server_context


def conversations() -> tuple[Conversation, Conversation]:
    """Both ends of an open connection, as the objects of `bothways.ssl` have them."""
    client = client_context().begin(False, "localhost", None, without_io=True)
    server = server_context().begin(True, None, None, without_io=True)
    Pair(client.connection, server.connection).exchange()
    return client, server


def test_the_facts_contain_the_messages_and_our_chain() -> None:
    client, _ = conversations()
    seen = client.facts.situation().observed
    assert seen.shown == tuple(identities.client().chain)
    assert "ClientHello" in seen.sent
    assert "Certificate" in seen.received


def test_after_success_only_certificates_and_the_hello_are_kept() -> None:
    """An idle connection keeps little."""
    client, server = conversations()
    for end, chain in ((client, identities.server().chain), (server, identities.client().chain)):
        end.stop_watching()
        seen = end.facts.situation().observed
        assert seen.chain == tuple(chain)
        assert seen.progress is Progress.ACCEPTED
        assert len(end.facts.notes) < 10
    assert server.facts.situation().observed.offer is not None


def test_the_number_of_notes_is_limited() -> None:
    facts = Watched(identities.client_config(), "localhost")
    for _ in range(2 * KEPT):
        facts(Progressed(Progress.HELLO))
    assert len(facts.notes) == KEPT
