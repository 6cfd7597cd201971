"""The handshakes of the demo: two peers over loopback sockets, and what can go wrong between them."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

from bothways.cli.demo.identities import SERVER_NAME, DemoIdentities
from bothways.cli.demo.mitm import (
    Alteration,
    BorrowedCertificate,
    Device,
    ForgedFinished,
    StolenShare,
    invert_a_bit,
)
from bothways.describe.names import peer_name
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Explanation, HandshakeFacts, explain
from bothways.errors import PeerAlert, PeerFault, TLSError
from bothways.faults import Fault
from bothways.iana import Alert, NamedGroup
from bothways.net.channel import Channel
from bothways.net.connecting import connect, wrap
from bothways.no_op import do_nothing
from bothways.roles import StepId
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.handshake.settings import KEY_TRANSPORT_SUITES
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation

SECONDS = 10.0
CLASSIC_SUITES = KEY_TRANSPORT_SUITES[:1]
REQUEST = b"What is the balance of account 4711?"
ANSWER = b"1,280.00 EUR, and I know that it is you who asks."


@dataclass
class SceneSide:
    """What one peer observed, and how its connection ended."""

    recorder: Recorder = field(default_factory=Recorder)
    error: Exception | None = None
    why: Explanation | None = None
    received: bytes = b""
    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def keep(self, channel: Channel) -> None:
        """Record what was agreed, and the warnings."""
        self.warnings = [str(each) for each in channel.warnings]
        self.facts = {
            "version": channel.version or "",
            "suite": channel.suite or "",
            "group": channel.group or "",
            "peer": peer_name(channel.peer),
        }

    def fail(self, error: Exception, observed: HandshakeFacts) -> None:
        """Record the error and its explanation."""
        self.error, self.why = error, explain(error, observed.situation())


@dataclass(frozen=True)
class Play:
    """One connection, seen from both sides."""

    client: SceneSide
    server: SceneSide


@dataclass(frozen=True)
class Scene:
    """A connection that has to be refused: by which side, at which step, and for which fault."""

    title: str
    description: str
    refused_by: str
    step: StepId
    fault: Fault
    alert: Alert
    run: Callable[[DemoIdentities], Play]

    def is_as_expected(self, play: Play) -> bool:
        """Whether the expected side refused, at the expected step for the expected fault, and sent the alert."""
        refusing, refused = (
            (play.client, play.server) if self.refused_by == "client" else (play.server, play.client)
        )
        return (
            isinstance(refusing.error, PeerFault)
            and isinstance(refused.error, PeerAlert)
            and refusing.error.fault is self.fault
            and refusing.error.step is self.step
            and refusing.error.alert is self.alert
            and refused.error.alert == self.alert
        )


def mutual(identities: DemoIdentities) -> Play:
    """Both peers authenticate."""
    return play(_client(identities), _server(identities))


def one_way(identities: DemoIdentities) -> Play:
    """Only the server authenticates, as for a browser."""
    config = ServerConfig(credentials=identities.server)
    return play(replace(_client(identities), credentials=None), config)


def classic(identities: DemoIdentities) -> Play:
    """TLS 1.2 with RSA key transport: the flow by which two-way SSL is usually described."""
    client = replace(
        _client(identities), versions=("1.2",), suites=CLASSIC_SUITES, insecure_rsa_key_transport=True
    )
    server = replace(
        _server(identities), credentials=identities.classic_server, insecure_rsa_key_transport=True
    )
    return play(client, server)


def revoked(identities: DemoIdentities) -> Play:
    """The client's certificate is revoked between two connections of the same server configuration."""
    lists = CRLStore(identities.nobody_revoked)
    server = replace(_server(identities), revocation=Revocation(crls=lists))
    first = play(_client(identities), server)
    if first.client.error is not None or first.server.error is not None:
        return first
    lists.replace(identities.client_revoked)
    return play(_client(identities), server)


def revoked_meanwhile(identities: DemoIdentities) -> Play:
    """The client's certificate is revoked while the connection is open."""
    lists = CRLStore(identities.nobody_revoked)
    server = replace(_server(identities), revocation=Revocation(crls=lists), judge_again="change")

    def revoke() -> None:
        lists.replace(identities.client_revoked)

    return play(_client(identities), server, meanwhile=revoke)


def expired_list(identities: DemoIdentities) -> Play:
    """The CRLs of the server have expired, so that the status is unknown."""
    server = replace(_server(identities), revocation=Revocation(crls=identities.expired_lists))
    return play(_client(identities), server)


def stapled(identities: DemoIdentities) -> Play:
    """Both request the other's revocation status, and both staple their own."""
    policy = Revocation(crls=identities.nobody_revoked, staples="require")
    client = replace(_client(identities), revocation=policy, staples=identities.client_status)
    return play(client, replace(_server(identities), revocation=policy, staples=identities.server_status))


def altered_staple(identities: DemoIdentities) -> Play:
    """The OCSP response stapled by the server was altered."""
    client = replace(
        _client(identities), revocation=Revocation(crls=identities.nobody_revoked, staples="use")
    )
    return play(client, replace(_server(identities), staples=identities.altered_status))


def silent_responder(identities: DemoIdentities, unknown: Literal["refuse", "accept"] = "refuse") -> Play:
    """The server queries the OCSP responder in the client's certificate, which does not answer."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # a loopback address where nothing listens
        client = identities.client_that_names(f"http://127.0.0.1:{taken.getsockname()[1]}/ocsp")
        policy = Revocation(fetch=Fetch(allow=("127.0.0.1",)), covers="leaf", unknown=unknown)
        server = replace(_server(identities), revocation=policy)
        return play(replace(_client(identities), credentials=client), server)


def tolerated(identities: DemoIdentities) -> Play:
    """The same, but the server accepts an unknown revocation status."""
    return silent_responder(identities, "accept")


def no_certificate(identities: DemoIdentities) -> Play:
    """The client has no certificate."""
    return play(replace(_client(identities), credentials=None), _server(identities))


def unknown_ca(identities: DemoIdentities) -> Play:
    """The client's certificate was issued by an unknown CA."""
    return play(replace(_client(identities), credentials=identities.stranger), _server(identities))


def expired(identities: DemoIdentities) -> Play:
    """The server's certificate has expired."""
    return play(_client(identities), replace(_server(identities), credentials=identities.expired_server))


def wrong_name(identities: DemoIdentities) -> Play:
    """The client expects another server name."""
    return play(_client(identities), _server(identities), name="vault.example")


def borrowed_certificate(identities: DemoIdentities) -> Play:
    """The client shows a certificate that is not its own, and signs with its own key."""
    randomness = BorrowedCertificate(os.urandom, identities.other_key)
    return play(replace(_client(identities), randomness=randomness), _server(identities))


def forged_finished(identities: DemoIdentities) -> Play:
    """A device with the client's stolen key share alters the server's Finished."""
    randomness = StolenShare(os.urandom)
    config = replace(_client(identities), randomness=randomness, groups=("x25519",))
    return play(config, _server(identities), alteration=ForgedFinished(randomness, NamedGroup.x25519))


def altered_record(identities: DemoIdentities) -> Play:
    """A device inverts one bit of a protected record."""
    return play(_client(identities), _server(identities), alteration=invert_a_bit)


SCENES = (
    Scene(
        "no client certificate",
        "the server requires a certificate, and the client has none",
        "server", StepId.CLIENT_CERTIFICATE, Fault.NO_CERTIFICATE, Alert.CERTIFICATE_REQUIRED, no_certificate,
    ),
    Scene(
        "unknown CA",
        "the client's certificate was issued by a CA that the server does not trust",
        "server", StepId.CLIENT_PATH, Fault.NO_PATH, Alert.UNKNOWN_CA, unknown_ca,
    ),
    Scene(
        "expired certificate",
        "the server's certificate is past its validity period",
        "client", StepId.SERVER_VALIDITY, Fault.CERTIFICATE_EXPIRED, Alert.CERTIFICATE_EXPIRED, expired,
    ),
    Scene(
        "wrong server name",
        "the client wants vault.example, and this server is bank.example",
        "client", StepId.SERVER_PATH, Fault.NAME_MISMATCH, Alert.BAD_CERTIFICATE, wrong_name,
    ),
    Scene(
        "a revoked certificate",
        "the client was accepted once; then its certificate was revoked, and it connects again",
        "server", StepId.CLIENT_REVOCATION, Fault.REVOKED, Alert.CERTIFICATE_REVOKED, revoked,
    ),
    Scene(
        "revoked while it is connected",
        "the client was accepted; its certificate is revoked while it is connected, and the connection ends",
        "server", StepId.CLIENT_REVOCATION, Fault.REVOKED, Alert.CERTIFICATE_REVOKED, revoked_meanwhile,
    ),
    Scene(
        "an expired CRL",
        "the server checks revocation, and its CRLs have expired: the status is unknown, and unknown is refused",
        "server", StepId.CLIENT_REVOCATION, Fault.REVOCATION_UNKNOWN, Alert.CERTIFICATE_UNKNOWN, expired_list,
    ),
    Scene(
        "a responder that is down",
        "the server asks the OCSP responder in the client's certificate, and gets no answer",
        "server", StepId.CLIENT_REVOCATION, Fault.REVOCATION_UNKNOWN, Alert.CERTIFICATE_UNKNOWN, silent_responder,
    ),
    Scene(
        "an altered staple",
        "the server staples an OCSP response in which one bit was changed",
        "client", StepId.SERVER_REVOCATION, Fault.BAD_STAPLE, Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
        altered_staple,
    ),
    Scene(
        "a certificate without its private key",
        "the client sends another client's certificate and signs with a key of its own",
        "server", StepId.CLIENT_SIGNATURE_CHECK, Fault.BAD_CERTIFICATE_VERIFY, Alert.DECRYPT_ERROR,
        borrowed_certificate,
    ),
    Scene(
        "an altered message",
        "a device on the network path that has the handshake keys changes a bit of the server's Finished",
        "client", StepId.SERVER_FINISHED, Fault.BAD_FINISHED, Alert.DECRYPT_ERROR, forged_finished,
    ),
    Scene(
        "an altered record",
        "a device on the network path without keys changes a bit of an encrypted record of the server",
        "client", StepId.SERVER_HELLO, Fault.BAD_RECORD, Alert.BAD_RECORD_MAC, altered_record,
    ),
)  # fmt: skip


def play(
    client_config: ClientConfig,
    server_config: ServerConfig,
    name: str = SERVER_NAME,
    alteration: Alteration | None = None,
    meanwhile: Callable[[], None] = do_nothing,
) -> Play:
    """Connect a client and a server over loopback, through a device if there is an alteration.

    meanwhile: called after the server has accepted the client and before it reads.
    """
    client, server = SceneSide(), SceneSide()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        serving = threading.Thread(
            target=_serve, args=(listener, server_config, server, meanwhile), daemon=True
        )
        serving.start()
        address = listener.getsockname()
        device = Device(address, alteration) if alteration is not None else None
        with device or nullcontext():
            _ask(device.address if device is not None else address, client_config, name, client)
            serving.join(SECONDS)
    return Play(client, server)


def _ask(address: tuple[str, int], config: ClientConfig, name: str, side: SceneSide) -> None:
    observed = HandshakeFacts(config, name, also=side.recorder)
    try:
        with connect(*address, config, name, timeout=SECONDS, observer=observed) as channel:
            channel.settimeout(SECONDS)
            side.keep(channel)
            channel.sendall(REQUEST)
            channel.shutdown()
            while data := channel.recv(4096):
                side.received += data
    except (TLSError, OSError) as error:
        side.fail(error, observed)


def _serve(
    listener: socket.socket, config: ServerConfig, side: SceneSide, meanwhile: Callable[[], None]
) -> None:
    observed = HandshakeFacts(config, also=side.recorder)
    try:
        sock, _ = listener.accept()
        with wrap(sock, config, timeout=SECONDS, observer=observed) as channel:
            channel.settimeout(SECONDS)
            side.keep(channel)
            meanwhile()
            while data := channel.recv(4096):
                side.received += data
            channel.sendall(ANSWER)
            channel.close(linger=1.0)
    except (TLSError, OSError) as error:
        side.fail(error, observed)


def _client(identities: DemoIdentities) -> ClientConfig:
    return ClientConfig(anchors=identities.anchors, credentials=identities.client)


def _server(identities: DemoIdentities) -> ServerConfig:
    return ServerConfig(credentials=identities.server, client_anchors=identities.anchors)


def succeeded(handshakes: Iterable[Play], played: Iterable[tuple[Scene, Play]]) -> bool:
    """Whether every handshake succeeded, and every scene was refused as expected."""
    return all(went_well(each) for each in handshakes) and all(
        scene.is_as_expected(each) for scene, each in played
    )


def went_well(play: Play) -> bool:
    """Whether both handshakes succeeded, and each side received the other's data."""
    talked = play.client.received == ANSWER and play.server.received == REQUEST
    return talked and play.client.error is None and play.server.error is None
