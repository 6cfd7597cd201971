"""`gnutls-cli` and `gnutls-serv` in TLS 1.2 against our sockets, and curl that may speak no more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bothways import Fault, PeerAlert, PeerFault
from bothways.iana import Alert
from bothways.net import Channel
from command_line import bothways, environment
from interop import identities
from interop.identities import Identity, client, server
from interop.in_process import CLASSIC
from interop.our_side import parties
from interop.peers import find
from interop.programs import calling, heard_line, running, serving
from interop.test_gnutls_programs import (
    ASKS,
    REQUIRES,
    gnutls_cli,
    gnutls_serv,
    our_client,
    our_server,
)

pytestmark = [pytest.mark.interop, pytest.mark.network]

TLS_1_2 = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
CIPHERS = {"AES_128_GCM_SHA256": "AES-128-GCM", "AES_256_GCM_SHA384": "AES-256-GCM"}
CIPHERS |= {"CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305"}
CHOICES = [
    *[("ECDHE_ECDSA", cipher, "P-256") for cipher in CIPHERS],
    *[("ECDHE_RSA", cipher, "RSA") for cipher in CIPHERS],
    *[("RSA", cipher, "transport") for cipher in list(CIPHERS)[:2]],
]


def only(exchange: str, cipher: str) -> str:
    """A priority string of one suite."""
    return f"{TLS_1_2}:-KX-ALL:+{exchange.replace('_', '-')}:-CIPHER-ALL:+{CIPHERS[cipher]}"


@pytest.mark.parametrize(("exchange", "cipher", "kind"), CHOICES)
def test_gnutls_server_chooses_and_we_prove_ourselves(
    exchange: str, cipher: str, kind: str, folder: Path
) -> None:
    """RFC 5246 7.3: every suite that it has of ours."""
    who, own = parties(kind)
    fields = CLASSIC if kind == "transport" else {}
    with (
        gnutls_serv(folder, *REQUIRES, who=who, priority=only(exchange, cipher)) as port,
        calling(port, our_client(own, **fields)) as channel,
    ):
        channel.sendall(b"there and back\n")
        assert heard_line(channel) == b"there and back\n"
        assert (channel.version, channel.suite) == ("1.2", f"TLS_{exchange}_WITH_{cipher}")


@pytest.mark.parametrize(("exchange", "cipher", "kind"), CHOICES)
def test_gnutls_client_allows_one_suite_and_proves_itself(
    exchange: str, cipher: str, kind: str, folder: Path
) -> None:
    """RFC 5246 7.3, the other way round."""
    who, own = parties(kind)
    fields = CLASSIC if kind == "transport" else {}
    with (
        serving(our_server(who, **fields)) as ours,
        gnutls_cli(folder, ours.port, who=own, priority=only(exchange, cipher)) as theirs,
    ):
        theirs.until("Handshake was completed")
        theirs.say("there and back\n")
        theirs.until("\nthere and back")
        assert theirs.finish() == 0
        ended = ours.outcome()
        assert isinstance(ended, Channel)
        assert (ended.version, ended.suite) == ("1.2", f"TLS_{exchange}_WITH_{cipher}")
        assert "extended master secret" in theirs.printed and "safe renegotiation" in theirs.printed


@pytest.mark.parametrize("kind", ["P-384", "P-521", "RSA-PSS", "Ed25519", "Ed448"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_gnutls_and_we_prove_ourselves_with_every_kind_of_key(role: str, kind: str, folder: Path) -> None:
    """RFC 8422 5.4, RFC 9846 4.3.3: both certificates hold keys of one kind."""
    if role == "client":
        with (
            gnutls_serv(folder, *REQUIRES, who=server(kind), priority=TLS_1_2) as port,
            calling(port, our_client(client(kind))) as channel,
        ):
            channel.sendall(b"sure\n")
            assert heard_line(channel) == b"sure\n"
        return
    with (
        serving(our_server(server(kind))) as ours,
        gnutls_cli(folder, ours.port, who=client(kind), priority=TLS_1_2) as theirs,
    ):
        theirs.until("Handshake was completed")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)


@pytest.mark.parametrize("mode", [("--disable-client-cert",), ASKS, REQUIRES])
@pytest.mark.parametrize("has_one", [True, False])
def test_gnutls_server_meets_us_in_every_mode(mode: tuple[str, ...], has_one: bool, folder: Path) -> None:
    """RFC 5246 7.4.6."""
    config = our_client(client() if has_one else None)
    with gnutls_serv(folder, *mode, priority=TLS_1_2) as port:
        if mode == REQUIRES and not has_one:
            with pytest.raises(PeerAlert), calling(port, config):
                pass
            return
        with calling(port, config) as channel:
            channel.sendall(b"hello\n")
            assert heard_line(channel) == b"hello\n"


def test_gnutls_client_that_falls_back_needlessly_is_refused(folder: Path) -> None:
    """RFC 7507 3: inappropriate_fallback."""
    falling = f"{TLS_1_2}:%FALLBACK_SCSV"
    with (
        serving(our_server(auth="none")) as ours,
        gnutls_cli(folder, ours.port, priority=falling) as theirs,
    ):
        ended = ours.outcome()
        assert isinstance(ended, PeerFault) and ended.fault is Fault.NEEDLESS_FALLBACK
        theirs.until("nappropriate fallback")


def test_gnutls_client_that_does_not_bind_keys_needs_leave(folder: Path) -> None:
    """RFC 7627 5.2."""
    plain = f"{TLS_1_2}:%NO_SESSION_HASH"
    with serving(our_server(auth="none")) as ours, gnutls_cli(folder, ours.port, priority=plain) as theirs:
        ended = ours.outcome()
        assert isinstance(ended, PeerFault) and ended.fault is Fault.NO_EXTENDED_MAIN_SECRET
        assert ended.alert == Alert.HANDSHAKE_FAILURE
        theirs.until("Handshake failed")
    allowed = our_server(auth="none", insecure_without_extended_main_secret=True)
    with serving(allowed) as ours, gnutls_cli(folder, ours.port, priority=plain) as theirs:
        theirs.until("Handshake was completed")
        assert theirs.finish() == 0
        assert isinstance(ours.outcome(), Channel)


# -- curl ------------------------------------------------------------------------------------------------


def curl(
    folder: Path, port: int, *options: str, who: Identity | None = None
) -> subprocess.CompletedProcess[str]:
    """Fetch the page in TLS 1.2."""
    command = [
        find("curl"),
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        "--tls-max",
        "1.2",
    ]
    command += ["--cacert", identities.root_file(folder), *options]
    if who is not None:
        chain, key = who.files(folder)
        command += ["--cert", chain, "--key", key]
    return subprocess.run(
        [*command, f"https://localhost:{port}/"], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("auth", ["none", "request", "require"])
def test_curl_that_may_speak_no_more_than_12_is_greeted(auth: str, folder: Path) -> None:
    """Mutual authentication, or as in a browser with its padlock, with a page over TLS 1.2."""
    chain, key = server("RSA").files(folder)
    command = bothways("serve", "127.0.0.1:0", "--page", "--cert", chain)
    command += ["--key", key]
    if auth != "none":
        command += ["--client-ca", identities.root_file(folder), "--client-auth", auth]
    with running(*command, environment=environment()) as program:
        program.until("listening on 127.0.0.1:")
        port = int(program.until("\n").split("listening on 127.0.0.1:")[1].split()[0])
        fetched = curl(folder, port, who=client("RSA"))
        assert fetched.returncode == 0, fetched.stderr
        greeted = "anonymous client" if auth == "none" else "sound client RSA"
        assert f"<h1>Hello, {greeted}</h1>" in fetched.stdout
        program.until("(TLS 1.2, ")
        if auth == "require":
            refused = curl(folder, port)
            assert refused.returncode == 35
            assert "handshake failure" in refused.stderr
