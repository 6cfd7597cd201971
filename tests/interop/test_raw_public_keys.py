"""Raw public keys (RFC 7250) with OpenSSL 3.5 in this process and the commands of GnuTLS, in both roles."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import pki
from bothways import (
    ClientConfig,
    Connection,
    Fault,
    PeerAlert,
    PeerFault,
    PinnedKeys,
    RawKeyCredentials,
    ServerConfig,
    SessionStore,
)
from bothways.iana import Alert
from bothways.net import Channel
from interop import identities
from interop.identities import client, server
from interop.in_process import BOTH_ROLES, Meeting
from interop.libssl import RAW, X509, LibSSL
from interop.peers import find
from interop.programs import calling, heard_line, running, serving
from processes import free_port

KINDS = ("P-256", "P-384", "RSA-2048", "Ed25519", "Ed448")
OURS, THEIRS = pki.key("P-256", 1), pki.key("Ed25519", 2)


def raw(key: PrivateKeyTypes) -> RawKeyCredentials:
    return RawKeyCredentials(key)  # type: ignore[arg-type]


def pins(*keys: PrivateKeyTypes) -> PinnedKeys:
    return PinnedKeys.from_digests([raw(each).public.fingerprint for each in keys])


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def our_side(role: str, own: PrivateKeyTypes = OURS, trusted: PrivateKeyTypes = THEIRS) -> Connection:
    if role == "client":
        return ClientConfig(pins=pins(trusted), raw_key=raw(own)).connection("localhost")
    return ServerConfig(raw_key=raw(own), client_pins=pins(trusted)).connection()


def meet(ours: Connection, **theirs: object) -> Meeting:
    return Meeting(ours, LibSSL(**theirs)).carry()  # type: ignore[arg-type]


# -- OpenSSL 3.5 -------------------------------------------------------------------------------------------


@BOTH_ROLES
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_and_we_know_each_other_by_raw_keys(role: str, kind: str) -> None:
    """RFC 7250 4: both directions, every kind of key on either side."""
    own, other = pki.key(kind, 3), pki.key(kind, 4)
    meeting = meet(
        our_side(role, own, other), server=role == "client", key=pem(other), pinned=raw(own).public.spki
    )
    meeting.talk()
    peer = meeting.ours.peer
    assert peer is not None and peer.kind == "raw public key" and peer.raw_key == raw(other).public
    assert isinstance(meeting.theirs, LibSSL) and meeting.theirs.peer_key == raw(own).public.spki
    meeting.theirs.free()


@BOTH_ROLES
def test_openssl_with_another_key_is_refused(role: str) -> None:
    meeting = meet(
        our_side(role), server=role == "client", key=pem(pki.key("P-384")), pinned=raw(OURS).public.spki
    )
    error = meeting.failure
    assert isinstance(error, PeerFault) and error.fault is Fault.RAW_KEY_NOT_PINNED
    assert meeting.theirs.alert == "certificate_unknown"


@BOTH_ROLES
def test_openssl_refuses_us_with_another_key(role: str) -> None:
    meeting = meet(our_side(role), server=role == "client", key=pem(THEIRS), pinned=raw(THEIRS).public.spki)
    assert isinstance(meeting.failure, PeerAlert) and not meeting.theirs.established


@BOTH_ROLES
def test_openssl_mixes_a_certificate_and_a_raw_key(role: str, folder: Path) -> None:
    """RFC 7250 4: each direction for itself. It shows a certificate, we show a raw key."""
    serves = role == "client"
    who = server() if serves else client()
    chain, _ = who.files(folder)
    trusted = identities.anchors()
    ours = (
        ClientConfig(anchors=trusted, raw_key=raw(OURS)).connection("localhost")
        if serves
        else ServerConfig(raw_key=raw(OURS), client_anchors=trusted).connection()
    )
    meeting = meet(ours, server=serves, key=who.key, chain=chain, own=(X509,), pinned=raw(OURS).public.spki)
    meeting.talk()
    assert meeting.ours.peer is not None and meeting.ours.peer.kind == "certificate"


@pytest.mark.parametrize(("own", "accepted"), [((RAW,), (X509,)), ((X509,), (RAW,))])
def test_openssl_that_offers_what_we_have_not_is_refused(
    own: tuple[int, ...], accepted: tuple[int, ...], folder: Path
) -> None:
    """RFC 7250 4.2: unsupported_certificate."""
    meeting = meet(our_side("server"), server=False, key=pem(THEIRS), own=own, accepted=accepted)
    error = meeting.failure
    assert isinstance(error, PeerFault) and error.fault is Fault.NO_SHARED_CERTIFICATE_TYPE
    assert meeting.theirs.alert == "unsupported_certificate"


def test_openssl_resumes_a_session_of_raw_keys_with_us() -> None:
    """Our ticket, shown again by its client: the key is looked up in the pins once more."""
    config = ServerConfig(raw_key=raw(OURS), client_pins=pins(THEIRS))
    theirs = LibSSL(server=False, key=pem(THEIRS), pinned=raw(OURS).public.spki)
    first = Meeting(config.connection(), theirs).carry()
    first.talk()
    again = LibSSL(server=False, key=pem(THEIRS), pinned=raw(OURS).public.spki, resumes=theirs)
    second = Meeting(config.connection(), again).carry()
    second.talk()
    assert second.ours.resumed and again.resumed
    assert second.ours.peer is not None and second.ours.peer.raw_key == raw(THEIRS).public


# -- GnuTLS ------------------------------------------------------------------------------------------------

RAW_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"


@pytest.fixture(scope="session")
def their_files(folder: Path) -> tuple[str, str]:
    """The raw public key of GnuTLS and its private key."""
    public, private = folder / "rawpk.pub", folder / "rawpk.key"
    public.write_bytes(OTHER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(pem(OTHER))
    return str(public), str(private)


OTHER = pki.key("P-256", 5)


@pytest.mark.interop
@pytest.mark.network
def test_gnutls_server_and_we_know_each_other_by_raw_keys(their_files: tuple[str, str]) -> None:
    public, private = their_files
    port = free_port()
    command = [find("gnutls-serv"), "--echo", "--port", str(port), "--priority", RAW_PRIORITY]
    command += ["--rawpkfile", public, "--rawpkkeyfile", private, "--require-client-cert"]
    config = ClientConfig(pins=pins(OTHER), raw_key=raw(pki.key("P-256", 6)), sessions=SessionStore())
    with running(*command) as program:
        program.until(f"0.0.0.0 port {port}...done")
        with calling(port, config) as channel:
            channel.sendall(b"there and back\n")
            assert heard_line(channel) == b"there and back\n"
            assert channel.peer is not None and channel.peer.raw_key == raw(OTHER).public


@pytest.mark.interop
@pytest.mark.network
@pytest.mark.parametrize("is_pinned", [True, False])
def test_gnutls_client_and_we_know_each_other_by_raw_keys(
    is_pinned: bool, their_files: tuple[str, str]
) -> None:
    """It looks at our key without a name, and shows its own."""
    public, private = their_files
    known = pins(OTHER) if is_pinned else pins(OURS)
    config = ServerConfig(raw_key=raw(OURS), client_pins=known)

    def talk(channel: Channel) -> None:
        assert heard_line(channel) == b"hello\n"
        channel.sendall(b"welcome\n")

    with serving(config, talk) as served:
        command = [find("gnutls-cli"), "127.0.0.1", "--port", str(served.port), "--priority", RAW_PRIORITY]
        command += ["--rawpkfile", public, "--rawpkkeyfile", private, "--insecure"]
        with running(*command) as program:
            program.until("- Handshake was completed")
            program.say("hello\n")
            if is_pinned:
                program.until("welcome")
            ended = served.outcome()
    if is_pinned:
        assert isinstance(ended, Channel) and ended.peer is not None
        assert ended.peer.raw_key == raw(OTHER).public
    else:
        assert isinstance(ended, PeerFault) and ended.fault is Fault.RAW_KEY_NOT_PINNED
        assert ended.alert == Alert.CERTIFICATE_UNKNOWN
