"""The commands `openssl s_client` and `openssl s_server` against our sockets, in both roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bothways import Alert, Fault, PeerAlert, PeerFault
from bothways.iana import KeyUpdateRequest
from bothways.net import Channel
from bothways.tls.events import Note
from interop import identities
from interop.identities import Identity, client, server
from interop.our_side import our_client, our_server
from interop.peers import find
from interop.programs import Program, calling, heard_line, key_updates, running, serving

pytestmark = [pytest.mark.interop, pytest.mark.network]

AES_128, AES_256 = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"
ASKED, NOT_ASKED = KeyUpdateRequest.update_requested, KeyUpdateRequest.update_not_requested
CHACHA20 = "TLS_CHACHA20_POLY1305_SHA256"
NOT_AES_128, AES_256 = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"
CHACHA20 = "TLS_CHACHA20_POLY1305_SHA256"


@contextmanager
def s_server(folder: Path, *options: str, who: Identity | None = None) -> Iterator[tuple[Program, int]]:
    """Run `openssl s_server`, and know its port."""
    chain, key = (who or server()).files(folder)
    trusted = identities.root_file(folder)
    command = [find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-cert", chain, "-key", key]
    with running(*command, "-cert_chain", chain, "-CAfile", trusted, *options) as program:
        program.until("ACCEPT 127.0.0.1:")
        heard = program.until("\n", 2)
        yield program, int(heard.split("ACCEPT 127.0.0.1:")[1].split()[0])


@contextmanager
def s_client(folder: Path, port: int, *options: str, who: Identity | None = None) -> Iterator[Program]:
    """Run `openssl s_client`, which checks us and the name localhost."""
    command = [find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}"]
    if "-noservername" not in options:
        command += ["-servername", "localhost"]
    command += [
        "-CAfile",
        identities.root_file(folder),
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
    ]
    if who is not None:
        chain, key = who.files(folder)
        command += ["-cert", chain, "-key", key, "-cert_chain", chain]
    with running(*command, *options) as program:
        yield program


@pytest.mark.parametrize(
    ("kind", "options", "group", "suite"),
    [
        ("P-256", ("-groups", "X25519"), "x25519", AES_128),
        ("RSA", ("-groups", "P-384"), "secp384r1", AES_128),
        (
            "Ed25519",
            ("-groups", "X25519", "-ciphersuites", CHACHA20),
            "x25519",
            CHACHA20,
        ),
        (
            "P-521",
            ("-groups", "P-521", "-ciphersuites", AES_256),
            "secp521r1",
            AES_256,
        ),
    ],
)
def test_s_server_and_we_prove_ourselves(
    kind: str, options: tuple[str, ...], group: str, suite: str, folder: Path
) -> None:
    """RFC 9846 2: it chooses group and suite; with a group that we sent no share for it has us retry."""
    with (
        s_server(folder, "-Verify", "1", "-verify_return_error", "-rev", *options, who=server(kind)) as (
            _,
            port,
        ),
        calling(port, our_client(client(kind))) as channel,
    ):
        channel.sendall(b"stressed\n")
        assert heard_line(channel) == b"desserts\n"
        assert (channel.group, channel.suite) == (group, suite)
        assert channel.confirmed(0) == "accepted"


@pytest.mark.parametrize(
    ("kind", "options", "group", "suite"),
    [
        ("P-256", ("-groups", "X25519"), "x25519", AES_128),
        ("RSA", ("-groups", "P-521:P-384"), "secp384r1", AES_128),
        (
            "Ed448",
            ("-groups", "X25519", "-ciphersuites", CHACHA20),
            "x25519",
            CHACHA20,
        ),
        ("P-384", ("-groups", "X25519", "-ciphersuites", AES_256), "x25519", AES_256),
    ],
)
def test_s_client_and_we_prove_ourselves(
    kind: str, options: tuple[str, ...], group: str, suite: str, folder: Path
) -> None:
    """RFC 9846 2, the other way round; we prefer P-384 to P-521, for which its first share is."""
    with (
        serving(our_server(server(kind))) as ours,
        s_client(folder, ours.port, *options, who=client(kind)) as theirs,
    ):
        theirs.until("Verification: OK")
        theirs.say("there and back\n")
        theirs.until("there and back")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert (ended.group, ended.suite) == (group, suite)
        assert f"Cipher is {suite}" in theirs.printed
        named = theirs.printed.partition("Acceptable client certificate CA names")[2]
        assert re.search("CN ?= ?Interop root", named)


@pytest.mark.parametrize("mode", [(), ("-verify", "1"), ("-Verify", "1")])
@pytest.mark.parametrize("has_one", [True, False])
def test_s_server_meets_us_in_every_mode(mode: tuple[str, ...], has_one: bool, folder: Path) -> None:
    """RFC 9846 4.4.2: a refusal reaches us after our own handshake is done."""
    config = our_client(client() if has_one else None)
    with (
        s_server(folder, *mode, "-verify_return_error", "-rev") as (_, port),
        calling(port, config) as channel,
    ):
        if mode == ("-Verify", "1") and not has_one:
            with pytest.raises(PeerAlert) as refusal:
                channel.recv(100)
            assert (refusal.value.alert, refusal.value.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
            return
        channel.sendall(b"live\n")
        assert heard_line(channel) == b"evil\n"


def test_s_client_without_a_certificate_reads_why_it_is_refused(folder: Path) -> None:
    """RFC 9846 4.5.1.4: certificate_required."""
    with serving(our_server()) as ours, s_client(folder, ours.port) as theirs:
        refused = ours.outcome()
        assert isinstance(refused, PeerFault)
        assert refused.fault is Fault.NO_CERTIFICATE
        theirs.until("SSL alert number 116")


def test_s_client_of_tls_1_2_is_told_the_version(folder: Path) -> None:
    """RFC 9846 4.3.1: protocol_version."""
    with (
        serving(our_server(auth="none", versions=("1.3",))) as ours,
        s_client(folder, ours.port, "-tls1_2") as theirs,
    ):
        refused = ours.outcome()
        assert isinstance(refused, PeerFault)
        assert refused.fault is Fault.UNSUPPORTED_VERSION
        theirs.until("SSL alert number 70")


def test_s_client_changes_its_keys_and_asks_for_ours(folder: Path) -> None:
    """RFC 9846 4.7.3: `k` changes its keys, `K` asks us to change ours too; data passes under each."""
    with serving(our_server()) as ours, s_client(folder, ours.port, who=client()) as theirs:
        theirs.until("Verification: OK")
        for turn, command in enumerate("kKKk"):
            theirs.say(f"{command}\n")
            theirs.until("KEYUPDATE\n", turn + 1)
            theirs.say(f"after change {turn}\n")
            theirs.until(f"after change {turn}")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)
        assert key_updates(ours.notes, sent=False) == [NOT_ASKED, ASKED, ASKED, NOT_ASKED]
        assert key_updates(ours.notes, sent=True) == [NOT_ASKED, NOT_ASKED]


def test_s_server_changes_its_keys_and_asks_for_ours(folder: Path) -> None:
    """RFC 9846 4.7.3, the other way round."""
    notes: list[Note] = []
    config = our_client(client())
    with (
        s_server(folder, "-Verify", "1") as (theirs, port),
        calling(port, config, observer=notes.append) as channel,
    ):
        theirs.until("CIPHER is")
        for turn, command in enumerate("kKKk"):
            theirs.say(f"{command}\n")
            # A line of ours comes back from behind its command, so that it reads the two apart.
            channel.sendall(b"ours %d\n" % turn)
            theirs.until(f"ours {turn}\n")
            theirs.say(f"after change {turn}\n")
            assert heard_line(channel) == b"after change %d\n" % turn
    assert key_updates(notes, sent=False) == [NOT_ASKED, ASKED, ASKED, NOT_ASKED]
    assert key_updates(notes, sent=True) == [NOT_ASKED, NOT_ASKED]


@pytest.mark.parametrize("role", ["client", "server"])
def test_openssl_commands_pass_a_megabyte(role: str, folder: Path) -> None:
    """RFC 9846 5.1: many records each way at once."""
    line = b"0123456789abcdef" * 64 + b"\n"
    if role == "client":
        with s_server(folder, "-rev") as (_, port), calling(port, our_client()) as channel:
            for _ in range(1024):
                channel.sendall(line)
                assert heard_line(channel) == line[-2::-1] + b"\n"
        return
    with (
        serving(our_server(auth="none")) as ours,
        s_client(folder, ours.port, "-quiet", "-no_ign_eof") as theirs,
    ):
        for _ in range(1024):
            theirs.say(line.decode())
        theirs.say("the end\n")
        heard = theirs.until("the end")
        assert heard.count(line.decode()) == 1024
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)


@pytest.mark.parametrize(
    "options",
    [
        ("-stateless",),
        ("-stateless", "-groups", "P-384"),
        ("-max_send_frag", "512"),
        ("-record_padding", "1000"),
        ("-no_middlebox",),
        ("-num_tickets", "20"),
    ],
    ids=" ".join,
)
def test_s_server_has_ways_of_its_own_that_we_follow(options: tuple[str, ...], folder: Path) -> None:
    """RFC 9846: a cookie alone or with a group (4.2.4), pieces (5.1), padding (5.4), tickets (4.7.1)."""
    required = ("-Verify", "1", "-verify_return_error", "-rev")
    with s_server(folder, *required, *options) as (_, port), calling(port, our_client(client())) as channel:
        channel.sendall(b"stressed\n")
        assert heard_line(channel) == b"desserts\n"


@pytest.mark.parametrize(
    "options",
    [
        ("-noservername",),
        ("-max_send_frag", "512"),
        ("-record_padding", "1000"),
        ("-no_middlebox",),
        ("-psk", "0123456789abcdef0123456789abcdef"),
        ("-status",),
        ("-enable_pha",),
    ],
    ids=" ".join,
)
def test_s_client_has_ways_of_its_own_that_we_follow(options: tuple[str, ...], folder: Path) -> None:
    """RFC 9846: no name (9.2), pieces (5.1), padding (5.4), a pre-shared key that we lack (4.3.11)."""
    with serving(our_server()) as ours, s_client(folder, ours.port, *options, who=client()) as theirs:
        theirs.until("Verification: OK")
        theirs.say("there and back\n")
        theirs.until("there and back")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)
