"""After a failure and after the close, no key, secret or private share can be reached any more.

From a kept error, the events and the connection itself every reference is followed, by the garbage
collector's own lists; configurations, which outlive connections on purpose, randomness and code are not entered.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bothways import Connection, Credentials, Fault, PeerFault, SessionStore, TLSError, Truncated, TrustStore
from bothways.roles import Role
from bothways.tls.crypto.aead import TrafficKeys
from bothways.tls.crypto.groups import KeyOffer
from bothways.tls.crypto.hpke import Context
from bothways.tls.defaults import RANDOMNESS
from bothways.tls.handshake.settings import Settings
from bothways.tls.keys.schedule13 import ApplicationSecrets, EarlySecret, HandshakeSecrets
from bothways.tls.record.protection import Protection
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, CertificateVerify, Finished
from bothways.trust import Revocation
from bothways.trust.certificate.parsed import ParsedCertificate
from inside import machinery
from pair import FrozenClock, Pair
from tamper import altering, changing
from tls.handshake.conversations import CONVERSATIONS, client_config, external, server_config

CODE = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType, types.CodeType, Enum)
# What connections share: it may have certificates decoded, each once.
SHARED = (TrustStore, Credentials, Revocation, SessionStore)
HOLDERS = (
    Protection, EarlySecret, HandshakeSecrets, ApplicationSecrets, KeyOffer, Context, AESGCM, X25519PrivateKey,
)  # fmt: skip


@dataclass
class Drawn:
    """What must be gone: values of secrets, and private keys that were drawn."""

    values: set[bytes] = field(default_factory=set)
    keys: list[Any] = field(default_factory=list)


class NotedRandomness:
    """Randomness that is written down."""

    def __init__(self, honest: Any, drawn: Drawn) -> None:
        self._honest = honest
        self._drawn = drawn

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._honest, name)

        def watched(*arguments: Any) -> Any:
            result = method(*arguments)
            if name == "private_key":
                self._drawn.keys.append(result)
            elif name == "encapsulate":
                self._drawn.values.add(result[0])
            return result

        return watched


@contextmanager
def drawing() -> Iterator[Drawn]:
    """Within, secrets of the key schedule and of records are written down."""
    drawn = Drawn()

    def watch(cls: type, names: tuple[str, ...]) -> None:
        make = cls.__init__

        def made(self: Any, *arguments: Any) -> None:
            make(self, *arguments)
            for value in (getattr(self, each) for each in names):
                drawn.values.update(value if isinstance(value, TrafficKeys) else [value])

        patch.setattr(cls, "__init__", made)

    with pytest.MonkeyPatch.context() as patch:
        watch(Protection, ("_secret",))
        watch(
            HandshakeSecrets,
            (
                "_derived",
                "client",
                "server",
                "client_finished",
                "server_finished",
                "client_keys",
                "server_keys",
            ),
        )
        watch(ApplicationSecrets, ("_main_secret", "client", "server", "exporter"))
        yield drawn


def reachable(*roots: object, outside: tuple[type, ...] = ()) -> Iterator[object]:
    """Everything that `roots` hold on to, directly or not. outside: kinds of objects that are not entered either."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, types.FunctionType):
            waiting += each.__closure__ or ()
            waiting += [each.__defaults__, each.__kwdefaults__]
        elif not isinstance(each, (*CODE, *outside, Settings, NotedRandomness)):
            waiting += gc.get_referents(each)
            waiting += [getattr(each, "__context__", None), getattr(each, "__cause__", None)]


def holds_nothing(drawn: Drawn, *roots: object) -> None:
    kept = {id(key): key for key in drawn.keys}
    for each in reachable(*roots):
        assert not isinstance(each, HOLDERS), f"still there: {type(each).__name__}"
        assert id(each) not in kept, f"a private share is still there: {type(each).__name__}"
        assert not isinstance(each, types.TracebackType | types.FrameType | types.GeneratorType)
        if isinstance(each, bytes | bytearray):
            assert not any(secret in each for secret in drawn.values), "a secret is still there"


def observed(drawn: Drawn, **sides: Any) -> dict[str, Any]:
    return {"randomness": NotedRandomness(RANDOMNESS, drawn)} | sides


def start(drawn: Drawn, conversation: str = "mutual", **options: Any) -> Pair:
    those = observed(drawn, **options)
    return CONVERSATIONS[conversation].pair(those, those)


def ends(talk: Pair) -> Iterable[object]:
    """What users keep: connections, their errors and events."""
    return (
        talk.client,
        talk.server,
        talk.client.failure,
        talk.server.failure,
        talk.client_events,
        talk.server_events,
    )


def test_the_search_finds_what_is_there() -> None:
    """The walk itself: on an open connection it meets keys, and in a waiting script private shares."""
    with drawing() as drawn:
        talk = start(drawn)
        with pytest.raises(AssertionError, match="still there|isinstance"):
            holds_nothing(drawn, talk.client)
        assert any(isinstance(each, KeyOffer) for each in reachable(talk.client))
        talk.exchange()
    assert len(drawn.values) >= 6 and len(drawn.keys) >= 2
    found = list(reachable(talk.client))
    assert any(isinstance(each, Protection) for each in found)
    assert any(isinstance(each, bytes) and each in drawn.values for each in found)
    with pytest.raises(AssertionError):
        holds_nothing(drawn, talk.server)


FAILURES: dict[str, tuple[Role, Any]] = {
    "ServerHello": (Role.SERVER, changing(ServerHello, legacy_session_id_echo=b"")),
    "key share": (Role.SERVER, changing(ServerHello, random=bytes(32))),
    "server's certificate": (Role.SERVER, changing(Certificate, certificate_list=())),
    "server's proof": (Role.SERVER, changing(CertificateVerify, signature=bytes(70))),
    "server's Finished": (Role.SERVER, changing(Finished, verify_data=bytes(32))),
    "ClientHello": (Role.CLIENT, changing(ClientHello, legacy_compression_methods=b"\1")),
    "client's certificate": (Role.CLIENT, changing(Certificate, certificate_list=())),
    "client's proof": (Role.CLIENT, changing(CertificateVerify, signature=bytes(70))),
    "client's Finished": (Role.CLIENT, changing(Finished, verify_data=bytes(32))),
}


@pytest.mark.parametrize("what", FAILURES)
def test_failed_connection_holds_nothing(what: str) -> None:
    """Whatever failed, on both sides."""
    sender, edit = FAILURES[what]
    with drawing() as drawn, altering(sender, edit, in_flight=what == "key share"):
        talk = start(drawn)
        talk.exchange()
    for end in (talk.client, talk.server):
        assert isinstance(end.failure, TLSError)
        assert end.failure.__traceback__ is None
        assert end.failure.__context__ is None and end.failure.__cause__ is None
    talk.client.data_to_send(), talk.server.data_to_send()
    holds_nothing(drawn, *ends(talk))


def test_error_that_was_raised_and_caught_holds_nothing() -> None:
    """Skins raise the error; what their users then keep leads to no secret of the engine."""
    with drawing() as drawn, altering(*FAILURES["client's Finished"]):
        talk = start(drawn)
        talk.exchange()
    kept = None
    try:
        assert talk.server.failure is not None
        raise talk.server.failure
    except PeerFault as caught:
        kept = caught
    assert kept.fault is Fault.BAD_FINISHED
    holds_nothing(drawn, kept.with_traceback(None))


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_an_open_connection_keeps_its_peers_certificates_in_der_alone(conversation: str) -> None:
    """Decoded, one certificate takes as much memory as all else of an idle connection."""
    talk = CONVERSATIONS[conversation].pair({}, {})
    decoded = (ParsedCertificate, x509.Certificate)
    before = [*reachable(talk.client, talk.server, outside=SHARED)]
    assert not any(isinstance(each, decoded) for each in before)
    talk.exchange()
    assert talk.client.established and talk.server.established
    for end in (talk.client, talk.server):
        assert end.peer is None or end.peer.certificate == next(iter(end.peer.path), None)
    after = [*reachable(talk.client, talk.server, *talk.client_events, *talk.server_events, outside=SHARED)]
    assert not any(isinstance(each, decoded) for each in after)


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_connection_that_was_closed_both_ways_holds_nothing(conversation: str) -> None:
    """The close of both directions is the end."""
    with drawing() as drawn:
        talk = start(drawn, conversation)
        talk.exchange()
        talk.client.send(b"data")
        talk.client.update_keys(ask=True)
        drawn.values.add(talk.client.export("EXPORTER-test", b"context", 32))
        talk.exchange()
        talk.client.close()
        talk.exchange()
        talk.server.close()
        talk.exchange()
    assert talk.client.failure is None and talk.server.failure is None
    holds_nothing(drawn, *ends(talk))
    assert talk.client.peer is not None, "who it was may still be asked"


def cut(end: Connection) -> None:
    end.receive_eof()
    assert isinstance(end.failure, Truncated)


def canceled(end: Connection) -> None:
    end.close()


def too_late(end: Connection) -> None:
    clock = machinery(end).clock
    assert isinstance(clock, FrozenClock)
    clock.pass_time(1000)
    end.tick()
    assert isinstance(end.failure, PeerFault)


@pytest.mark.parametrize("how", [cut, canceled, too_late])
@pytest.mark.parametrize("flights", [0, 1, 2])
@pytest.mark.parametrize("course", ["mutual after a retry", "external PSK after a retry"])
def test_handshake_that_is_given_up_holds_nothing(
    how: Callable[[Connection], None], flights: int, course: str
) -> None:
    """Cut, canceled or out of time, wherever it stood."""
    with drawing() as drawn:
        clock = FrozenClock()
        talk = start(drawn, course, clock=clock)
        for _ in range(flights):
            talk.server_events += talk.server.receive(talk.client.data_to_send())
            talk.client_events += talk.client.receive(
                talk.server.data_to_send()[: 5000 if flights < 2 else 200]
            )
        for end in (talk.client, talk.server):
            how(end)
            end.data_to_send()
    holds_nothing(drawn, *ends(talk))


def test_handshake_that_waits_for_a_signer_and_is_closed_holds_nothing() -> None:
    """The request that is kept holds what to sign, and no secret."""
    with drawing() as drawn:
        those = observed(drawn)
        talk = CONVERSATIONS["mutual"].pair(those, those | {"credentials": external("localhost")})
        talk.exchange()
        talk.server.close()
        talk.client.close()
    holds_nothing(drawn, *ends(talk))


def test_connection_is_freed_without_the_collector() -> None:
    """A server of many connections does not wait for cycles to be collected."""
    gc.collect()
    gc.disable()
    try:
        of_others = connections()  # which another test may have kept, such as in a traceback
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
        talk.client.close()
        talk.server.close()
        talk.exchange()
        del talk
        left = [each for each in connections() if not any(each is other for other in of_others)]
    finally:
        gc.enable()
    assert left == []


def connections() -> list[object]:
    return [each for each in gc.get_objects() if issubclass(type(each), Connection | Protection)]


def test_configs_are_shared_and_not_entered() -> None:
    """The one thing that the walk leaves out is what outlives connections: its credentials hold a key."""
    assert all(isinstance(each.settings, Settings) for each in (client_config(), server_config()))


@pytest.mark.parametrize("versions", [("1.3",), ("1.2",)])
def test_a_connection_that_nobody_holds_is_freed_at_once(versions: tuple[str, ...]) -> None:
    """Its keys do not wait for the garbage collector, since nothing in it refers back to it."""
    client, server = client_config(versions=versions), server_config(versions=versions)
    gc.collect()
    gc.disable()
    try:
        talk = Pair(client.connection("localhost"), server.connection())
        talk.exchange()
        assert talk.client.established and talk.server.established
        del talk
        assert gc.collect() == 0
    finally:
        gc.enable()
