"""`serve --revocation-news` and `run --revocation-news`: what one server learns of revocations the others use."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bothways import ConfigError, PeerAlert, PeerRule
from bothways.cli.options.anchors import Clients
from bothways.cli.options.revocation import Sources
from bothways.cli.options.side import Side
from bothways.cli.options.tickets import Tickets
from bothways.cli.servers.revocation_news import ServerNews
from bothways.cli.servers.server_files import ServerFiles
from bothways.testing import MutualTLS
from bothways.tls.handshake.access import ByRules, checked_allow
from cli_scripting import Background, until_printed
from gateway_talk import behind
from http_callers import application, peer
from ticket_keys.redis_server import redis_server


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[MutualTLS]:
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as made:
        yield made


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("ab" * 32)
    path.chmod(0o600)
    return path


def words(mutual: MutualTLS, secret: Path, url: str, crl: Path, *more: str) -> list[str]:
    mine = mutual.identity("server")
    return [
        *more, "--cert", str(mine.cert), "--key", str(mine.key), "--client-ca", str(mutual.ca), "--crl", str(crl),
        "--ticket-keys", url, "--ticket-secret", str(secret), "--revocation-news",
    ]  # fmt: skip


GATEWAY = """
[identity]
certificate = "{mine.cert}"
key = "{mine.key}"
client_ca = "{ca}"
crl = ["{crl}"]
[limits]
shared = "{url}"
shared_secret = "{secret}"
[[listener]]
port = 0
[[route]]
server_names = ["localhost"]
backend = "127.0.0.1:{port}"
allow = "any verified client"
"""
COMMANDS = {
    "serve": [
        "serve",
        "127.0.0.1:0",
        "--echo",
        "--allow",
        "dns=client.example",
        "--allow",
        "dns=leaving.example",
    ],
    "run": ["run", "app:app", "--listen", "127.0.0.1:0", "--workers", "1"],
}
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.interop
@pytest.mark.network
@pytest.mark.parametrize("first", ["serve", "gateway"])
def test_a_revocation_in_the_file_of_one_server_ends_connections_of_the_others(
    mutual: MutualTLS, secret: Path, tmp_path: Path, first: str
) -> None:
    """Of `serve`, of `run` in a worker and of a gateway, which use one Redis and one secret.

    Their own files stay as they are, and who is not revoked stays connected.
    """
    old = tmp_path / "old.crl"
    shutil.copy(mutual.crl, old)
    (tmp_path / "app.py").write_text(application('"hello"'))
    leaving = mutual.identity("client", dns=["leaving.example"])
    with contextlib.ExitStack() as stack, redis_server(tmp_path) as url, behind() as port:

        def begun(command: str) -> Background:
            crl = mutual.crl if command == first else old
            if command == "gateway":
                names = {"mine": mutual.identity("server"), "ca": mutual.ca, "secret": secret}
                text = GATEWAY.format(**names, crl=crl, url=url, port=port)
                (tmp_path / "gateway.toml").write_text(text)
                made = Background(["gateway", "-c", "gateway.toml"], tmp_path)
            else:
                made = Background(words(mutual, secret, url, crl, *COMMANDS[command]), tmp_path)
            stack.callback(made.end, signal.SIGKILL)
            return made

        servers = {each: begun(each) for each in ("serve", "run", "gateway")}

        def connected(server: Background, who: Any) -> Any:
            channel = stack.enter_context(
                mutual.client(who).connect("127.0.0.1", int(server.port or 0), "localhost")
            )
            channel.settimeout(20)
            channel.sendall(b"echo\n" if server is servers["gateway"] else REQUEST)
            assert channel.recv(4096)
            return channel

        ending = [connected(each, leaving) for each in servers.values()]
        staying = {name: connected(each, "good") for name, each in servers.items()}
        mutual.revoke(leaving)
        for channel in ending:
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                while channel.recv(4096):  # what is left of an answer
                    pass
        for name, each in servers.items():
            until_printed(each, "was published in" if name == first else "was taken from")
            assert "revocation news: a CRL of CN=" in each.printed
            attempt = mutual.client(leaving).attempt(
                "127.0.0.1", int(each.port or 0), "localhost", request=REQUEST
            )
            assert attempt.refused
            assert "Traceback" not in each.printed
        for name, channel in staying.items():
            channel.sendall(b"echo\n" if name == "gateway" else REQUEST)
            assert channel.recv(4096)


def server_files(mutual: MutualTLS, *, crl: bool = True) -> ServerFiles:
    mine = mutual.identity("server")
    sources = Sources(crl=(str(mutual.crl),) if crl else ())
    side = Side(str(mine.cert), str(mine.key), None, (), False, sources)
    return ServerFiles(side, Clients(str(mutual.ca), None, ()))


def test_news_need_a_redis_and_a_source_of_revocation(
    mutual: MutualTLS, secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, redis = server_files(mutual), Tickets("redis://127.0.0.1:1", str(secret), no_tickets=False)
    assert ServerNews.of(False, redis, files) is None
    for tickets in (Tickets(None, None, no_tickets=False), Tickets("keys", None, no_tickets=False)):
        with pytest.raises(SystemExit) as ended:
            ServerNews.of(True, tickets, files)
        assert ended.value.code == 2
        assert "has an effect only with --ticket-keys redis://..." in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no client certificate is checked; add --crl FILE or --fetch"):
        ServerNews.of(True, redis, server_files(mutual, crl=False))
    found = ServerNews.of(True, redis, files)
    assert found is not None and found.secret == bytes.fromhex("ab" * 32)


def test_rules_decide_as_before(mutual: MutualTLS, secret: Path) -> None:
    """And a diagnosis still finds them."""
    redis = Tickets("redis://127.0.0.1:1", str(secret), no_tickets=False)
    news = ServerNews.of(True, redis, server_files(mutual))
    assert news is not None
    caller = peer(mutual)
    assert news.noting(None)(caller) is None and news.noting(None)(None) is None
    rules = news.noting(checked_allow(PeerRule(dns="nobody.example")))
    assert isinstance(rules, ByRules) and rules.rules == (PeerRule(dns="nobody.example"),)
    refusal = rules(caller)
    assert refusal is not None and "no rule holds" in refusal.reason
    assert news.noting(checked_allow(PeerRule(dns="client.example")))(caller) is None
