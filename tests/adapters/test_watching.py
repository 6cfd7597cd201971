"""What passed in a handshake, kept cheaply and told when a failure is explained."""

from __future__ import annotations

import identities
from bothways.adapters.watching import KEPT, Watched
from bothways.roles import Progress
from bothways.tls.events import Progressed
from ssl_pair import Pair, client_context, server_context


def test_what_was_seen_is_what_the_facts_of_a_handshake_are() -> None:
    pair = Pair(client_context(), server_context()).shake_hands()
    seen = pair.client.tls._talk.facts.situation().seen
    assert seen.shown == tuple(identities.client().chain)
    assert "ClientHello" in seen.sent
    assert "Certificate" in seen.received


def test_of_a_success_the_certificates_and_the_hello_stay() -> None:
    """An idle connection keeps little."""
    pair = Pair(client_context(), server_context()).shake_hands()
    pair.talk()
    for end, chain in ((pair.client, identities.server().chain), (pair.server, identities.client().chain)):
        facts = end.tls._talk.facts
        assert facts.situation().seen.chain == tuple(chain)
        assert facts.situation().seen.progress is Progress.ACCEPTED
        assert len(facts._notes) < 10
    assert pair.server.tls._talk.facts.situation().seen.offer is not None


def test_notes_are_bounded() -> None:
    facts = Watched(identities.client_config(), "localhost")
    for _ in range(2 * KEPT):
        facts(Progressed(Progress.HELLO))
    assert len(facts._notes) == KEPT
