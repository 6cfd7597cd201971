"""Clients that close in order after the handshake, without a word: what is wrong with us, or what may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import identities
import pki
from bothways import PeerFault, explain_failure
from bothways.diagnosis import Cause, Explanation, Weight
from bothways.diagnosis.failure import explain_departure
from bothways.diagnosis.observer import situation_of
from bothways.diagnosis.stacks import BEGINNINGS, Stack
from bothways.faults import Fault
from bothways.tls.handshake.history import FailureFacts
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, with_extensions
from diagnosis.own_side.test_chain import host
from pair import Pair


def left(
    server: pki.Issued,
    chain: bytes | None = None,
    *,
    who: pki.Issued | None = None,
    asked: str = "localhost",
    wanted: str = "localhost",
    schemes: Sequence[int] = (),
    version: str = "1.3",
) -> FailureFacts:
    """Facts of a connection after its handshake, with a client that said nothing.

    chain: that we send, by default the whole.  asked, schemes: in its hello, whatever it compares.
    """
    mine = identities.credentials(server)
    if chain is not None:
        mine = type(mine).from_pem(chain, server.key_pem)
    config = identities.server_config(
        credentials=mine, client_anchors=None if who is None else identities.anchors()
    )
    anchors = (
        identities.anchors()
        if chain is None
        else type(identities.anchors()).from_pem(identities.middle().pem)
    )
    client = identities.client_config(who, versions=(version,), anchors=anchors).connection(wanted)
    pair = Pair(client, config.connection())
    pair.exchange()
    facts = pair.server.history.facts()
    assert pair.server.established and facts is not None
    messages = [(sent, _asking_for(each, asked, schemes)) for sent, each in facts.messages]
    return replace(facts, messages=messages)


def _asking_for(message: Message, name: str, schemes: Sequence[int]) -> Message:
    """Return a ClientHello with another server name, and other signature schemes if there are any."""
    if not isinstance(message, ClientHello):
        return message
    replaced = (ext.ServerName, ext.SignatureAlgorithms) if schemes else (ext.ServerName,)
    kept = [each for each in message.extensions or () if not isinstance(each, replaced)]
    new = [ext.ServerName(name), *([ext.SignatureAlgorithms(tuple(schemes))] if schemes else [])]
    return with_extensions(message, (*new, *kept))


def told(found: Explanation | None) -> list[str]:
    assert found is not None
    return [each.cause.name for each in found.causes]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_name_that_our_certificate_lacks_is_likely_and_told_alone(version: str) -> None:
    """It did not verify the name in the handshake, as curl does not; and it began no second handshake."""
    facts = left(host(alternatives=["DNS:elsewhere.example"]), wanted="elsewhere.example", version=version)
    found = explain_departure(facts, local="127.0.0.1")
    assert told(found) == ["WRONG_NAME"]
    assert found is not None and found.first.weight is Weight.LIKELY
    received = situation_of(facts).observed.received
    assert received[-1] == "Finished"
    cut = PeerFault(Fault.BAD_RECORD, step=None, peer="client")
    cut.situation = facts
    assert Cause.WANTS_RENEGOTIATION not in [each.cause for each in explain_failure(cut).causes]


@pytest.mark.parametrize("who", [None, identities.client()], ids=["nobody", "a client"])
def test_where_nothing_is_wrong_with_us_nothing_is_more_than_possible(who: pki.Issued | None) -> None:
    """A health check has seldom a certificate; whoever has one may refuse our CA, or pin another certificate."""
    found = explain_departure(left(identities.server(), who=who), local="127.0.0.1")
    checks = ["PROBE", "CA_NOT_ACCEPTED", "PEERS_CLOCK", "CERTIFICATE_NOT_PINNED"]
    assert told(found) == (
        checks if who is None else ["CA_NOT_ACCEPTED", "PEERS_CLOCK", "PROBE", "CERTIFICATE_NOT_PINNED"]
    )
    assert found is not None and {each.weight for each in found.causes} == {Weight.POSSIBLE}
    assert "proxy_ssl_verify" in str(found)


def test_a_chain_without_its_intermediate_is_likely_the_reason() -> None:
    """That its issuer is an intermediate is known by its name, by our anchors, or by the client's own chain."""
    found = explain_departure(left(identities.server(), identities.server().pem, who=identities.client()))
    assert told(found) == ["INTERMEDIATE_MISSING"]
    assert found is not None and found.first.weight is Weight.LIKELY
    assert found.first.remedy == "append its certificate to the file of our certificate"


@pytest.mark.parametrize("stack", list(Stack))
def test_stacks_that_verify_within_the_handshake_are_not_said_to_refuse_our_issuer(stack: Stack) -> None:
    """Go, Java and BoringSSL send an alert; their programs may still pin a certificate."""
    for chain in (None, identities.server().pem):
        facts = left(identities.server(), chain, who=identities.client(), schemes=BEGINNINGS[stack])
        names = told(explain_departure(facts, local="127.0.0.1"))
        late = stack in (Stack.OPENSSL, Stack.GNUTLS)
        assert ({"CA_NOT_ACCEPTED", "INTERMEDIATE_MISSING"} & set(names) != set()) == late


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("ours", [(), ("h2",)], ids=["without", "with h2"])
def test_a_client_of_grpc_leaves_where_no_protocol_was_chosen(version: str, ours: tuple[str, ...]) -> None:
    """It looks for h2 when the handshake is complete, and ends the connection without close_notify."""
    server = identities.server_config(alpn=ours, client_anchors=None).connection()
    client = identities.client_config(None, versions=(version,), alpn=("h2",)).connection("localhost")
    Pair(client, server).exchange()
    assert server.established
    (failed,) = server.receive_eof()
    found = explain_failure(failed.error)
    names = [each.cause.name for each in found.causes]
    assert (names[0] == "NO_SHARED_PROTOCOL") == (not ours)
    assert not ours or "NO_SHARED_PROTOCOL" not in names


def test_a_client_that_said_something_has_no_reason_here() -> None:
    assert explain_departure(replace(left(identities.server()), has_data=True)) is None
