"""The commands `gnutls-cli` and `gnutls-serv` against our sockets, in both roles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bothways import Alert, Fault, PeerAlert, PeerFault
from bothways.iana import KeyUpdateRequest
from bothways.net import Channel
from bothways.tls.events import Epoch, Note, RecordSeen
from interop import identities
from interop.identities import Identity, client, server
from interop.our_side import our_client, our_server
from interop.peers import find
from interop.programs import Program, calling, heard_line, key_updates, running, serving
from processes import free_port

pytestmark = [pytest.mark.interop, pytest.mark.network]

TLS_1_3 = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
GROUPS = {
    "x25519": "GROUP-X25519",
    "secp256r1": "GROUP-SECP256R1",
    "secp384r1": "GROUP-SECP384R1",
    "secp521r1": "GROUP-SECP521R1",
}
SUITES = {
    "TLS_AES_128_GCM_SHA256": "AES-128-GCM",
    "TLS_AES_256_GCM_SHA384": "AES-256-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
}
KINDS = ("P-256", "P-384", "P-521", "RSA", "RSA-PSS", "Ed25519", "Ed448")
REQUIRES = ("--require-client-cert", "--verify-client-cert")
ASKS = ("--verify-client-cert",)
CHOICES = [
    *[(group, suite) for group in GROUPS for suite in list(SUITES)[:1]],
    *[("x25519", suite) for suite in list(SUITES)[1:]],
]


def only(group: str, suite: str) -> str:
    """A priority string of one group and one suite."""
    return f"{TLS_1_3}:-GROUP-ALL:+{GROUPS[group]}:-CIPHER-ALL:+{SUITES[suite]}"


@contextmanager
def gnutls_serv(
    folder: Path, *options: str, who: Identity | None = None, priority: str = TLS_1_3
) -> Iterator[int]:
    """Run `gnutls-serv` as an echo server and return its port."""
    chain, key = (who or server()).files(folder)
    port = free_port()
    command = [
        find("gnutls-serv"),
        "--echo",
        "--port",
        str(port),
        "--priority",
        priority,
        "--x509certfile",
        chain,
    ]
    command += ["--x509keyfile", key, "--x509cafile", identities.root_file(folder)]
    with running(*command, *options) as program:
        program.until(f"0.0.0.0 port {port}...done")
        yield port


@contextmanager
def gnutls_cli(
    folder: Path, port: int, *options: str, who: Identity | None = None, priority: str = TLS_1_3
) -> Iterator[Program]:
    """Run `gnutls-cli`, which checks us and the name localhost."""
    command = [
        find("gnutls-cli"),
        "127.0.0.1",
        "--port",
        str(port),
        "--priority",
        priority,
        "--inline-commands",
    ]
    command += ["--x509cafile", identities.root_file(folder), "--sni-hostname", "localhost"]
    command += ["--verify-hostname", "localhost"]
    if who is not None:
        chain, key = who.files(folder)
        command += ["--x509certfile", chain, "--x509keyfile", key]
    with running(*command, *options) as program:
        yield program


@pytest.mark.parametrize(("group", "suite"), CHOICES)
def test_gnutls_server_chooses_and_we_prove_ourselves(group: str, suite: str, folder: Path) -> None:
    """RFC 9846 2: with a group for which we sent no share it has us retry."""
    with (
        gnutls_serv(folder, *REQUIRES, priority=only(group, suite)) as port,
        calling(port, our_client(client())) as channel,
    ):
        channel.sendall(b"there and back\n")
        assert heard_line(channel) == b"there and back\n"
        assert (channel.group, channel.suite) == (group, suite)


@pytest.mark.parametrize(("group", "suite"), CHOICES)
def test_gnutls_client_allows_one_thing_and_we_prove_ourselves(group: str, suite: str, folder: Path) -> None:
    """RFC 9846 2, the other way round."""
    with (
        serving(our_server()) as ours,
        gnutls_cli(folder, ours.port, who=client(), priority=only(group, suite)) as theirs,
    ):
        theirs.until("Handshake was completed")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert (ended.group, ended.suite) == (group, suite)


def test_gnutls_client_answers_our_retry_request(folder: Path) -> None:
    """RFC 9846 4.2.4: it sends one share, for P-256, and we want P-384."""
    with (
        serving(our_server(groups=("secp384r1",))) as ours,
        gnutls_cli(folder, ours.port, "--single-key-share", who=client()) as theirs,
    ):
        theirs.until("Handshake was completed")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert ended.group == "secp384r1"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", ["client", "server"])
def test_gnutls_and_we_prove_ourselves_with_every_kind_of_key(role: str, kind: str, folder: Path) -> None:
    """RFC 9846 4.3.3: both certificates hold keys of one kind."""
    if role == "client":
        with (
            gnutls_serv(folder, *REQUIRES, who=server(kind)) as port,
            calling(port, our_client(client(kind))) as channel,
        ):
            channel.sendall(b"sure\n")
            assert heard_line(channel) == b"sure\n"
        return
    with (
        serving(our_server(server(kind))) as ours,
        gnutls_cli(folder, ours.port, who=client(kind)) as theirs,
    ):
        theirs.until("Handshake was completed")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert ended.suite is not None


@pytest.mark.parametrize("mode", [("--disable-client-cert",), ASKS, REQUIRES])
@pytest.mark.parametrize("has_one", [True, False])
def test_gnutls_server_meets_us_in_every_mode(mode: tuple[str, ...], has_one: bool, folder: Path) -> None:
    """RFC 9846 4.4.2: a refusal reaches us after our own handshake is done."""
    config = our_client(client() if has_one else None)
    with gnutls_serv(folder, *mode) as port, calling(port, config) as channel:
        if mode == REQUIRES and not has_one:
            with pytest.raises(PeerAlert) as refusal:
                channel.recv(100)
            assert (refusal.value.alert, refusal.value.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
            return
        channel.sendall(b"hello\n")
        assert heard_line(channel) == b"hello\n"


@pytest.mark.parametrize(
    ("state", "fault", "alert"),
    [
        (None, Fault.NO_CERTIFICATE, Alert.CERTIFICATE_REQUIRED),
        ("unknown", Fault.NO_PATH, Alert.UNKNOWN_CA),
        ("expired", Fault.CERTIFICATE_EXPIRED, Alert.CERTIFICATE_EXPIRED),
        ("misused", Fault.WRONG_EXTENDED_KEY_USAGE, Alert.UNSUPPORTED_CERTIFICATE),
    ],
)
def test_gnutls_client_reads_why_we_refuse_it(
    state: str | None, fault: Fault, alert: Alert, folder: Path
) -> None:
    """Step 3.3: the alert arrives after its own handshake was done."""
    who = client(state=state) if state is not None else None
    with serving(our_server()) as ours, gnutls_cli(folder, ours.port, who=who) as theirs:
        refused = ours.outcome()
        assert isinstance(refused, PeerFault)
        assert refused.fault is fault
        theirs.until(f"Received alert [{alert.value}]")


def test_gnutls_client_refuses_our_name(folder: Path) -> None:
    """Step 2.3, judged by the other side: the certificate is for another name."""
    mine = identities.identity("server", names=("DNS:elsewhere.example",))
    with serving(our_server(mine, auth="none")) as ours, gnutls_cli(folder, ours.port) as theirs:
        refused = ours.outcome()
        assert isinstance(refused, PeerAlert)
        theirs.until("name in the certificate does not match")


def test_gnutls_client_of_tls_1_2_is_told_the_version(folder: Path) -> None:
    """RFC 9846 4.3.1: protocol_version."""
    old = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
    with (
        serving(our_server(auth="none", versions=("1.3",))) as ours,
        gnutls_cli(folder, ours.port, priority=old) as theirs,
    ):
        refused = ours.outcome()
        assert isinstance(refused, PeerFault)
        assert refused.fault is Fault.UNSUPPORTED_VERSION
        theirs.until(f"Received alert [{Alert.PROTOCOL_VERSION.value}]")


def test_gnutls_server_of_tls_1_2_refuses_us(folder: Path) -> None:
    """RFC 9846 4.3.1, from the other side: it finds no suite of TLS 1.2 before it looks at the version."""
    with gnutls_serv(folder, priority="NORMAL:-VERS-ALL:+VERS-TLS1.2") as port:
        with pytest.raises(PeerAlert) as refusal, calling(port, our_client(versions=("1.3",))):
            pass
        assert refusal.value.alert in (Alert.PROTOCOL_VERSION, Alert.HANDSHAKE_FAILURE)
        assert refusal.value.step == "1.2"


@pytest.mark.parametrize("role", ["client", "server"])
def test_gnutls_and_we_agree_on_a_protocol(role: str, folder: Path) -> None:
    """RFC 7301 3.2."""
    if role == "client":
        config = our_client(alpn=("http/1.1", "h2"))
        with gnutls_serv(folder, "--alpn", "h2") as port, calling(port, config) as channel:
            assert channel.alpn == "h2"
        return
    with (
        serving(our_server(auth="none", alpn=("h2", "http/1.1"))) as ours,
        gnutls_cli(folder, ours.port, "--alpn", "http/1.1") as theirs,
    ):
        theirs.until("Application protocol: http/1.1")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert ended.alpn == "http/1.1"


def test_gnutls_client_changes_its_keys_and_asks_for_ours(folder: Path) -> None:
    """RFC 9846 4.7.3: `^rekey1^` changes its keys, `^rekey^` asks us to change ours too."""
    with serving(our_server()) as ours, gnutls_cli(folder, ours.port, who=client()) as theirs:
        theirs.until("Handshake was completed")
        for turn, command in enumerate(("^rekey1^", "^rekey^", "^rekey^")):
            theirs.say(f"{command}\n")
            theirs.until("was completed", turn + 2)
            theirs.say(f"after change {turn}\n")
            theirs.until(f"\nafter change {turn}")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)
        asked, not_asked = KeyUpdateRequest.update_requested, KeyUpdateRequest.update_not_requested
        assert key_updates(ours.notes, sent=False) == [not_asked, asked, asked]
        assert key_updates(ours.notes, sent=True) == [not_asked, not_asked]


@pytest.mark.parametrize(
    ("options", "priority"),
    [
        (("--recordsize", "512"), TLS_1_3),
        (("--heartbeat",), TLS_1_3),
        (("--compress-cert", "zlib"), TLS_1_3),
        (("--disable-sni",), TLS_1_3),
        ((), f"{TLS_1_3}:%DISABLE_TLS13_COMPAT_MODE"),
        (("--pskusername", "nobody", "--pskkey", "0123456789abcdef"), f"{TLS_1_3}:+ECDHE-PSK:+DHE-PSK"),
    ],
)
def test_gnutls_client_offers_what_we_pass_over(
    options: tuple[str, ...], priority: str, folder: Path
) -> None:
    """RFC 9846 4.3: extensions that we do not speak change nothing, nor does a key that we lack."""
    with (
        serving(our_server()) as ours,
        gnutls_cli(folder, ours.port, *options, who=client(), priority=priority) as theirs,
    ):
        theirs.until("Handshake was completed")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gnutls_client_and_we_limit_records(version: str, folder: Path) -> None:
    """RFC 8449: it offers record_size_limit by itself, and ends connections whose records are larger."""

    def talk(channel: Channel) -> None:
        while channel.recv(4096):
            channel.sendall(b"there and back " * 200)

    priority = f"NORMAL:-VERS-ALL:+VERS-TLS{version}"
    with (
        serving(our_server(record_size_limit=512), talk) as ours,
        gnutls_cli(folder, ours.port, "--recordsize", "600", who=client(), priority=priority) as theirs,
    ):
        theirs.until("Handshake was completed")
        theirs.say("x" * 1000 + "\n")
        theirs.until("there and back", 200)
        theirs.finish()
        assert isinstance(ours.outcome(), Channel)
    assert 512 < largest_received(ours.notes) <= 512 + 24


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gnutls_server_and_we_limit_records(version: str, folder: Path) -> None:
    """RFC 8449, the other way round."""
    notes: list[Note] = []
    priority = f"NORMAL:-VERS-ALL:+VERS-TLS{version}"
    with (
        gnutls_serv(folder, *REQUIRES, "--recordsize", "600", priority=priority) as port,
        calling(port, our_client(client(), record_size_limit=512), observer=notes.append) as channel,
    ):
        channel.sendall(b"there and back " * 100 + b"\n")
        assert heard_line(channel) == b"there and back " * 100 + b"\n"
    assert 512 < largest_received(notes) <= 512 + 24


def largest_received(notes: list[Note]) -> int:
    """The largest protected record that came, without its header."""
    came = [note for note in notes if isinstance(note, RecordSeen) and not note.sent]
    return max(note.size for note in came if note.epoch is not Epoch.PLAINTEXT) - 5
