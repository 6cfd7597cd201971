"""The commands `openssl s_client` and `openssl s_server` in TLS 1.2 against our sockets, in both roles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bothways import Fault, PeerAlert, PeerFault
from bothways.iana import Alert, AlertLevel
from bothways.net import Channel
from bothways.tls.events import AlertSeen, Note
from interop import identities
from interop.identities import Identity, client, deciphering, identity, server
from interop.in_process import CLASSIC, TRANSPORT
from interop.peers import find
from interop.programs import Program, calling, heard_line, running, serving
from interop.test_openssl_programs import our_client, our_server, s_client

pytestmark = [pytest.mark.interop, pytest.mark.network]


@contextmanager
def s_server(folder: Path, *options: str, who: Identity | None = None) -> Iterator[tuple[Program, int]]:
    """Run `openssl s_server` of any version, and know its port."""
    chain, key = (who or server()).files(folder)
    trusted = identities.root_file(folder)
    command = [find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key]
    with running(*command, "-cert_chain", chain, "-CAfile", trusted, *options) as program:
        program.until("ACCEPT 127.0.0.1:")
        heard = program.until("\n", 2)
        yield program, int(heard.split("ACCEPT 127.0.0.1:")[1].split()[0])


@pytest.mark.parametrize("kind", ["P-384", "RSA", "Ed25519"])
def test_s_server_and_we_prove_ourselves(kind: str, folder: Path) -> None:
    """RFC 5246 7.3: with a client certificate, and data both ways."""
    options = ("-tls1_2", "-Verify", "1", "-verify_return_error", "-rev")
    with (
        s_server(folder, *options, who=server(kind)) as (_, port),
        calling(port, our_client(client(kind))) as channel,
    ):
        channel.sendall(b"stressed\n")
        assert heard_line(channel) == b"desserts\n"
        assert channel.version == "1.2"


@pytest.mark.parametrize("kind", ["P-384", "RSA", "Ed25519"])
def test_s_client_and_we_prove_ourselves(kind: str, folder: Path) -> None:
    """RFC 5246 7.3, the other way round; it finds keys bound and renegotiation secure."""
    with (
        serving(our_server(server(kind))) as ours,
        s_client(folder, ours.port, "-tls1_2", who=client(kind)) as theirs,
    ):
        theirs.until("Extended master secret: yes")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel) and ended.version == "1.2"
        assert "Secure Renegotiation IS supported" in theirs.printed
        assert "Compression: NONE" in theirs.printed


@pytest.mark.parametrize("cipher", TRANSPORT.values())
@pytest.mark.parametrize("role", ["client", "server"])
def test_commands_do_rsa_key_transport_with_us(role: str, cipher: str, folder: Path) -> None:
    """RFC 5246 7.4.7.1: the description's own flow."""
    who = deciphering("key_encipherment")
    options = ("-tls1_2", "-cipher", cipher)
    if role == "client":
        with (
            s_server(folder, *options, "-Verify", "1", "-rev", who=who) as (_, port),
            calling(port, our_client(client(), **CLASSIC)) as channel,
        ):
            channel.sendall(b"live\n")
            assert heard_line(channel) == b"evil\n"
            assert str(channel.suite).startswith("TLS_RSA_WITH")
        return
    with (
        serving(our_server(who, **CLASSIC)) as ours,
        s_client(folder, ours.port, *options, who=client()) as theirs,
    ):
        theirs.until(f"Cipher is {cipher}")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel) and str(ended.suite).startswith("TLS_RSA_WITH")


def test_s_client_that_wants_to_begin_anew_goes_on_without(folder: Path) -> None:
    """RFC 5246 7.2.2: `R` has it send a new ClientHello; we say no_renegotiation, by which it ends."""
    with serving(our_server()) as ours, s_client(folder, ours.port, "-tls1_2", who=client()) as theirs:
        theirs.until("Verification: OK")
        theirs.say("R\n")
        theirs.until("no renegotiation")
        ours.outcome()
        sent = [note.description for note in ours.notes if isinstance(note, AlertSeen) and note.sent]
        assert Alert.NO_RENEGOTIATION in sent


def test_s_server_that_wants_to_begin_anew_is_answered_and_goes_on(folder: Path) -> None:
    """RFC 5246 7.4.1.1: `r` has it send a HelloRequest."""
    notes: list[Note] = []
    with (
        s_server(folder, "-tls1_2") as (theirs, port),
        calling(port, our_client(), observer=notes.append) as channel,
    ):
        theirs.until("CIPHER is")
        theirs.say("r\n")
        # A line of ours comes back from behind its command, so that it reads the two apart.
        channel.sendall(b"ours\n")
        theirs.until("ours\n")
        theirs.say("and on\n")
        assert heard_line(channel) == b"and on\n"
    sent = [(note.level, note.description) for note in notes if isinstance(note, AlertSeen) and note.sent]
    assert (AlertLevel.warning, Alert.NO_RENEGOTIATION) in sent


def test_s_server_that_warns_of_the_name_is_judged_by_its_certificate(folder: Path) -> None:
    """RFC 6066 3: it does not know localhost, warns before its ServerHello, and goes on."""
    notes: list[Note] = []
    other = identity("server", names=("DNS:elsewhere.example",))
    chain, key = other.files(folder)
    options = ("-tls1_2", "-rev", "-servername", "elsewhere.example", "-cert2", chain, "-key2", key)
    with (
        s_server(folder, *options) as (_, port),
        calling(port, our_client(), observer=notes.append) as channel,
    ):
        channel.sendall(b"live\n")
        assert heard_line(channel) == b"evil\n"
    heard = [
        (note.level, note.description) for note in notes if isinstance(note, AlertSeen) and not note.sent
    ]
    assert heard[0] == (AlertLevel.warning, Alert.UNRECOGNIZED_NAME)


def test_s_client_that_falls_back_needlessly_is_refused(folder: Path) -> None:
    """RFC 7507 3: inappropriate_fallback."""
    with (
        serving(our_server(auth="none")) as ours,
        s_client(folder, ours.port, "-tls1_2", "-fallback_scsv") as theirs,
    ):
        refused = ours.outcome()
        assert isinstance(refused, PeerFault) and refused.fault is Fault.NEEDLESS_FALLBACK
        theirs.until("SSL alert number 86")


def test_s_client_that_falls_back_to_our_best_is_served(folder: Path) -> None:
    """RFC 7507 3: there is nothing better to have."""
    with (
        serving(our_server(auth="none", versions=("1.2",))) as ours,
        s_client(folder, ours.port, "-tls1_2", "-fallback_scsv") as theirs,
    ):
        theirs.until("Verification: OK")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)


def test_s_client_without_a_certificate_reads_why_it_is_refused(folder: Path) -> None:
    """RFC 5246 7.4.6: handshake_failure."""
    with serving(our_server()) as ours, s_client(folder, ours.port, "-tls1_2") as theirs:
        refused = ours.outcome()
        assert isinstance(refused, PeerFault) and refused.fault is Fault.NO_CERTIFICATE
        theirs.until("SSL alert number 40")


def test_we_read_in_the_handshake_that_s_server_requires_a_certificate(folder: Path) -> None:
    """RFC 5246 7.4.6: in TLS 1.2 the refusal comes before anything of ours is sent."""
    with (
        s_server(folder, "-tls1_2", "-Verify", "1", "-rev") as (_, port),
        pytest.raises(PeerAlert) as refusal,
        calling(port, our_client()),
    ):
        pass
    assert refusal.value.alert == Alert.HANDSHAKE_FAILURE
