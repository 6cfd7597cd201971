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


@pytest.mark.interop
@pytest.mark.network
def test_a_revocation_in_the_file_of_one_server_ends_connections_of_the_others(
    mutual: MutualTLS, secret: Path, tmp_path: Path
) -> None:
    """Of `run` in a worker, too. Their own files stay as they are, and who is not revoked stays connected."""
    old = tmp_path / "old.crl"
    shutil.copy(mutual.crl, old)
    (tmp_path / "app.py").write_text(application('"hello"'))
    leaving = mutual.identity("client", dns=["leaving.example"])
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as stack, redis_server(tmp_path) as url:
        serve = [
            "serve",
            "127.0.0.1:0",
            "--echo",
            "--allow",
            "dns=client.example",
            "--allow",
            "dns=leaving.example",
        ]
        run = ["run", "app:app", "--listen", "127.0.0.1:0", "--workers", "1"]
        servers = [
            Background(words(mutual, secret, url, crl, *command), tmp_path)
            for crl, command in ((mutual.crl, serve), (old, serve), (old, run))
        ]
        for each in servers:
            stack.callback(each.end, signal.SIGKILL)

        def connected(server: Background, who: Any) -> Any:
            channel = stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port or 0)))
            channel.settimeout(20)
            channel.sendall(request)
            assert channel.recv(4096)
            return channel

        ending = [connected(each, leaving) for each in servers]
        staying = [connected(each, "good") for each in servers]
        mutual.revoke(leaving)
        for channel in ending:
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                while channel.recv(4096):  # what is left of an answer
                    pass
        for each in servers[1:]:
            until_printed(each, "was taken from")
            assert "revocation news: a CRL of CN=" in each.printed
            assert mutual.client(leaving).attempt("127.0.0.1", int(each.port or 0), request=request).refused
        assert "was published in" in servers[0].printed
        for channel in staying:
            channel.sendall(request)
            assert channel.recv(4096)
        assert not any("Traceback" in each.printed for each in servers)


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
