"""What a connection keeps of what passed: enough to explain a failure, within bounds, and nothing secret."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

import identities
from bothways.tls.handshake.history import MESSAGE_LIMIT, FailureFacts, History
from bothways.tls.wire import tls12
from bothways.tls.wire.hello import ClientHello
from bothways.trust.own_identity.credentials import Credentials
from openssl_hello import client_hello
from pair import Pair


def hello() -> ClientHello:
    from bothways.tls.wire.flight import decode_message

    message = decode_message(1, client_hello()[4:])
    assert isinstance(message, ClientHello)
    return message


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_failed_handshake_has_all_messages_of_both_sides(version: str):
    """The error has them as its situation, made at the failure and once."""
    talk = Pair(
        identities.client_config(versions=(version,)).connection("elsewhere.example"),
        identities.server_config().connection(),
    )
    talk.exchange()
    error = talk.client_failure
    assert error is not None
    facts = error.situation
    assert isinstance(facts, FailureFacts)
    names = [type(message).__name__ for _, message in facts.messages]
    assert names[0] == "ClientHello" and "Certificate" in names
    assert (facts.server_name, facts.complete, facts.has_data) == ("elsewhere.example", False, False)


def test_after_the_handshake_only_what_a_failure_may_come_from_is_kept():
    """The client's offer without its key shares, the certificates, the request."""
    talk = Pair(
        identities.client_config(identities.client()).connection("localhost"),
        identities.server_config().connection(),
    )
    talk.exchange()
    assert talk.server.established
    for side in (talk.client, talk.server):
        facts = side.history.facts()
        assert facts is not None and facts.complete
        names = sorted(type(message).__name__ for _, message in facts.messages)
        assert set(names) <= {"ClientHello", "Certificate", "CertificateRequest"}
    (offer,) = (message for _, message in facts.messages if isinstance(message, ClientHello))
    assert len(offer.extensions or ()) <= 5


def test_the_history_stays_bounded_whatever_a_peer_sends():
    """So many messages, and after the handshake only those of a few kinds."""
    history, offer = History(), hello()
    for _ in range(1000):
        history.add(False, offer)
    history.condense()
    for _ in range(1000):
        history.add(False, tls12.HelloRequest())
        history.add(False, tls12.NewSessionTicket(1, bytes(60_000)))
    kept = history.messages
    assert len(kept) == MESSAGE_LIMIT
    assert not any(isinstance(message, tls12.NewSessionTicket) for _, message in kept)


def test_an_offer_without_extensions_is_kept_as_any_other():
    """RFC 5246 7.4.1.2 allows it."""
    history = History()
    history.add(False, replace(hello(), extensions=None))
    history.condense()
    ((_, offer),) = history.messages
    assert isinstance(offer, ClientHello) and not offer.extensions


def test_a_conversation_of_no_configuration_has_no_facts():
    assert History().facts() is None


def test_the_facts_of_a_failure_lead_to_no_private_key():
    """Whoever keeps an error keeps no credentials by it."""
    talk = Pair(
        identities.client_config(identities.client()).connection("elsewhere.example"),
        identities.server_config().connection(),
    )
    talk.exchange()
    error = talk.client_failure
    assert error is not None
    seen: set[int] = set()
    waiting = [error.situation]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, type) and type(each).__module__ != "builtins.module":
            seen.add(id(each))
            assert not isinstance(each, Credentials)
            if type(each).__name__ not in ("module", "function", "builtin_function_or_method"):
                waiting += gc.get_referents(each)
