"""External PSKs with OpenSSL, GnuTLS and NSS, none of which has the importer: in both roles, with one hash each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from bothways import (
    ClientConfig,
    ExternalPSK,
    ExternalPSKs,
    Fault,
    PeerAlert,
    PeerFault,
    PeerRule,
    ServerConfig,
    explain_failure,
)
from bothways.iana import Alert
from bothways.net import Channel
from interop import identities
from interop.peers import find
from interop.programs import calling, heard_line, running, serving
from processes import free_port

pytestmark = [pytest.mark.interop, pytest.mark.network]

IDENTITY = "k-7f3a"
SECRET = sha256(b"a secret of two").digest()
OTHER_SECRET = sha256(b"a secret of others").digest()
GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK"


def key(own: str, peer: str, secret: bytes = SECRET, **options: object) -> ExternalPSKs:
    fields: dict[str, object] = {"identity": IDENTITY, "secret": secret, "insecure_without_importer": True}
    return ExternalPSKs([ExternalPSK(**fields | options, own=own, peer=peer)])  # type: ignore[arg-type]


def our_client(secret: bytes = SECRET, **options: object) -> ClientConfig:
    return ClientConfig(psk_peers=key("device 7", "localhost", secret, **options))


def our_server(secret: bytes = SECRET, **options: object) -> ServerConfig:
    return ServerConfig(psk_peers=key("localhost", "device 7", secret), **options)  # type: ignore[arg-type]


# -- their clients ------------------------------------------------------------------------------------------


def openssl_client(port: int, secret: bytes, *more: str) -> list[str]:
    command = [find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-quiet"]
    return [*command, "-psk", secret.hex(), "-psk_identity", IDENTITY, *more]


def gnutls_client(port: int, secret: bytes, *more: str) -> list[str]:
    command = [find("gnutls-cli"), "127.0.0.1", "--port", str(port), "--priority", GNUTLS, *more]
    return [*command, "--pskusername", IDENTITY, "--pskkey", secret.hex()]


def nss_client(port: int, secret: bytes, *more: str) -> list[str]:
    command = [find("tstclnt"), "-h", "127.0.0.1", "-p", str(port), "-V", "tls1.3:", "-D", "-4"]
    return [*command, "-z", f"0x{secret.hex()}:{IDENTITY}", *more]


Command = Callable[..., list[str]]
CLIENTS = pytest.mark.parametrize(
    "command", [openssl_client, gnutls_client, nss_client], ids=["OpenSSL", "GnuTLS", "NSS"]
)


def welcome(channel: Channel) -> None:
    assert heard_line(channel) == b"hello\n"
    channel.sendall(b"welcome\n")


def asks(config: ServerConfig, command: Command, *more: str, secret: bytes = SECRET) -> tuple[object, str]:
    """What became of a connection of theirs, and what it said."""
    with serving(config, welcome) as served, running(*command(served.port, secret, *more)) as program:
        with contextlib.suppress(BrokenPipeError):  # it is refused, and has ended already
            program.say("hello\n")
        ended = served.outcome()
        if isinstance(ended, Channel):
            program.until("welcome")
        return ended, program.printed


@CLIENTS
@pytest.mark.parametrize("group", ["x25519", "secp384r1"])
def test_client_is_known_by_the_key(command: Command, group: str) -> None:
    """psk_dhe_ke; with a group for which it has sent no key share, the binder of its second ClientHello counts."""
    config = our_server(groups=(group,), allow=PeerRule(psk="device 7"))
    ended, said = asks(config, command)
    assert isinstance(ended, Channel), said
    peer = ended.peer
    assert peer is not None and peer.kind == "pre-shared key"
    assert (peer.psk_name, peer.psk_identity) == ("device 7", IDENTITY.encode())
    assert peer.certificate is None and not ended.resumed


@CLIENTS
def test_client_with_another_secret_is_refused(command: Command) -> None:
    """Its binder is wrong: the same alert as for an unknown identity."""
    ended, _ = asks(our_server(), command, secret=OTHER_SECRET)
    assert isinstance(ended, PeerFault) and ended.fault is Fault.UNKNOWN_PSK
    assert ended.alert is Alert.UNKNOWN_PSK_IDENTITY


@CLIENTS
def test_client_with_an_unknown_identity_is_refused(command: Command) -> None:
    other = key("localhost", "device 8", identity="k-0000")
    ended, _ = asks(ServerConfig(psk_peers=other), command)
    assert isinstance(ended, PeerFault) and ended.fault is Fault.UNKNOWN_PSK


@CLIENTS
def test_client_that_cannot_import_is_told_from_one_with_an_unknown_identity(command: Command) -> None:
    """Ours has the importer, which is the default; they use the key directly."""
    imported = ExternalPSKs([ExternalPSK(identity=IDENTITY, secret=SECRET, own="localhost", peer="device 7")])
    ended, _ = asks(ServerConfig(psk_peers=imported), command)
    assert isinstance(ended, PeerFault) and ended.fault is Fault.UNKNOWN_PSK
    assert f"{IDENTITY} is used directly by the client, and with the importer (RFC 9258) here" in str(ended)
    assert "insecure_without_importer" in explain_failure(ended).first.remedy


# -- their servers ------------------------------------------------------------------------------------------


def openssl_server(port: int, secret: bytes, folder: Path) -> tuple[list[str], str]:
    command = [find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-nocert", "-rev"]
    return [*command, "-psk", secret.hex(), "-psk_identity", IDENTITY], "ACCEPT"


def gnutls_server(port: int, secret: bytes, folder: Path) -> tuple[list[str], str]:
    (folder / "psk").write_text(f"{IDENTITY}:{secret.hex()}\n")
    command = [find("gnutls-serv"), "--echo", "--port", str(port), "--priority", GNUTLS]
    return [*command, "--pskpasswd", str(folder / "psk")], f"0.0.0.0 port {port}...done"


Server = Callable[[int, bytes, Path], tuple[list[str], str]]
SERVERS = pytest.mark.parametrize("command", [openssl_server, gnutls_server], ids=["OpenSSL", "GnuTLS"])


def call(config: ClientConfig, command: Server, folder: Path, secret: bytes = SECRET) -> Channel:
    """Connect to a server of theirs, and see a line come back."""
    port = free_port()
    line, ready = command(port, secret, folder)
    with running(*line) as program:
        program.until(ready)
        with calling(port, config) as channel:
            channel.sendall(b"level\n")
            assert heard_line(channel) == b"level\n"
            return channel


@SERVERS
def test_server_is_known_by_the_key(command: Server, tmp_path: Path) -> None:
    """No certificate is shown or asked for; its tickets are not kept."""
    config = our_client()
    channel = call(config, command, tmp_path)
    assert channel.peer is not None
    assert (channel.peer.kind, channel.peer.psk_name) == ("pre-shared key", "localhost")
    assert config.sessions is not None and not len(config.sessions)


@SERVERS
def test_server_sends_a_hello_retry_request(command: Server, tmp_path: Path) -> None:
    """The binder is computed anew over both ClientHellos."""
    config = ClientConfig(
        psk_peers=key("device 7", "localhost"), groups=("x25519", "secp256r1"), key_shares=()
    )
    assert call(config, command, tmp_path).peer is not None


@SERVERS
def test_server_with_another_secret_refuses_us(command: Server, tmp_path: Path) -> None:
    with pytest.raises(PeerAlert) as caught:
        call(our_client(OTHER_SECRET), command, tmp_path)
    assert caught.value.alert in (Alert.DECRYPT_ERROR, Alert.ILLEGAL_PARAMETER)


# -- beside certificates ------------------------------------------------------------------------------------


def test_client_with_an_unknown_identity_is_shown_a_certificate() -> None:
    """RFC 9846 4.3.11: a handshake without a PSK where that is possible; none of the client is required."""
    config = ServerConfig(
        credentials=identities.server().credentials,
        psk_peers=key("localhost", "device 8", identity="k-0000"),
        client_auth="request",
    )
    ended, _ = asks(config, openssl_client)
    assert isinstance(ended, Channel) and ended.peer is None


def test_server_without_the_key_is_known_by_its_certificate(folder: Path) -> None:
    """Where we trust a CA too; without one we refuse it."""
    chain, private = identities.server().files(folder)
    port = free_port()
    command = [find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-rev"]
    command += ["-cert", chain, "-cert_chain", chain, "-key", private]
    keys = key("device 7", "localhost")
    with running(*command) as program:
        program.until("ACCEPT")
        with calling(port, ClientConfig(psk_peers=keys, anchors=identities.anchors())) as channel:
            assert channel.peer is not None and channel.peer.kind == "certificate"
        with pytest.raises(PeerFault) as caught, calling(port, ClientConfig(psk_peers=keys)):
            pass
    assert caught.value.fault is Fault.PSK_NOT_CHOSEN
