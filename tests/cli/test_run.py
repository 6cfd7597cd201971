"""`bothways run` as a process: who is let in, what happens to workers and files, and what is said of wrong use."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator

import pytest
import websockets.sync.client

from bothways import ClientConfig, Credentials, PeerAlert, TrustStore
from bothways.cli.commands import bothways as group
from bothways.cli.output.terminal import run
from bothways.net import connect
from bothways.testing import MutualTLS
from cli_scripting import Background, until_printed
from command_line import bothways, environment, run_command
from http_callers import application, context, get, until

pytestmark = pytest.mark.network

APP = application(
    '{"who": None if who is None else who.names.dns, "pid": os.getpid(), "client": scope["client"][0]}'
)


@contextlib.contextmanager
def running(mutual: MutualTLS, *more: str, app: str = "app:app") -> Iterator[Background]:
    folder = mutual.ca.parent.parent
    mine = mutual.identity("server")
    words = ["run", app, "--listen", "127.0.0.1:0", "--cert", str(mine.cert), "--key", str(mine.key), *more]
    server = Background(words, folder)
    try:
        yield server
    finally:
        with contextlib.suppress(ValueError):
            server.end(signal.SIGKILL)


def clients(mutual: MutualTLS) -> list[str]:
    return ["--client-ca", str(mutual.ca), "--crl", str(mutual.crl)]


def ask(mutual: MutualTLS, server: Background, kind: str | None = "good", **headers: str) -> dict:
    identity = None if kind is None else mutual.identity("client", kind)
    status, body = get(mutual, int(server.port), identity, **headers)
    assert status == 200
    return json.loads(body)


def test_an_application_learns_who_calls_and_only_trusted_clients_reach_it(mutual):
    with running(mutual, *clients(mutual)) as server:
        reported = ask(mutual, server, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="http")
        assert (reported["who"], reported["client"]) == (["client.example"], "127.0.0.1")
        for kind in ("revoked", "expired", "unknown_ca"):
            assert (
                mutual.client(kind)
                .attempt("127.0.0.1", int(server.port), request=b"GET / HTTP/1.1\r\n\r\n")
                .refused
            )
        assert server.end() == 0
    assert "the client sent a certificate that was revoked" in server.printed
    assert '"GET / HTTP/1.1" 200' in server.printed
    assert "Traceback" not in server.printed


def call_again(server: Background, config: ClientConfig) -> tuple[bool, int | None]:
    """Whether a session was resumed, and by which worker; None for one that ended before it read the request."""
    with connect("127.0.0.1", int(server.port), config, server_name="localhost") as channel:
        channel.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        reply = b""
        while data := channel.recv(4096):
            reply += data
        return channel.resumed, json.loads(reply.partition(b"\r\n\r\n")[2])["pid"] if reply else None


def test_workers_that_share_ticket_keys_resume_the_sessions_of_each_other(mutual):
    """And those who take over from them; the first ones made the file."""
    mine = mutual.identity("client")
    config = ClientConfig(
        anchors=TrustStore.from_file(mutual.ca), credentials=Credentials.from_files(mine.cert, mine.key)
    )
    keys = mutual.ca.parent / "tickets"
    with running(mutual, *clients(mutual), "--workers", "2", "--ticket-keys", str(keys)) as server:
        pids: set[int] = set()
        assert not call_again(server, config)[0]
        until(lambda: _resumed_by(server, config, pids) == 2)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: _resumed_by(server, config, pids) == 4)
        assert server.end() == 0
    assert keys.stat().st_mode & 0o777 == 0o600


def _resumed_by(server: Background, config: ClientConfig, pids: set[int]) -> int:
    """Resume once more, and return how many workers have done so by now."""
    resumed, pid = call_again(server, config)
    assert resumed
    if pid is not None:
        pids.add(pid)
    return len(pids)


def test_without_tickets_nothing_is_resumed(mutual):
    config = ClientConfig(anchors=TrustStore.from_file(mutual.ca))
    with running(mutual, "--no-tickets") as server:
        assert [call_again(server, config)[0] for _ in range(2)] == [False, False]


def test_a_signal_ends_it_in_order(mutual):
    """The application is told, and the exit status says that nothing failed."""
    with running(mutual, "--factory", app="app:make") as server:
        assert ask(mutual, server, None)["who"] is None
        server.process.send_signal(signal.SIGINT)
        assert server.process.stdout.read() == "over\n"
        assert server.end() == 0


def test_a_client_that_is_revoked_in_the_file_is_put_out_while_it_is_connected(mutual):
    mine = mutual.identity("client", dns=["leaving.example"])
    with (
        running(mutual, *clients(mutual)) as server,
        mutual.client(mine).connect("127.0.0.1", int(server.port)) as channel,
    ):
        channel.settimeout(20)
        channel.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        came = b""
        while b"leaving.example" not in came:
            came += channel.recv(65536)
        mutual.revoke(mine)
        with pytest.raises(PeerAlert, match="certificate_revoked"):
            channel.recv(65536)
        until(lambda: "read again" in server.printed)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_share_a_port_and_are_replaced_with_what_files_say_by_then(mutual):
    """A certificate that was renewed is shown after SIGHUP; a file that is wrong replaces nobody."""
    with running(mutual, *clients(mutual), "--workers", "2") as server:
        old = set()
        while len(old) < 2:
            old.add(ask(mutual, server)["pid"])
        assert server.process.pid not in old
        mine = mutual.identity("server")
        good = mine.cert.read_bytes()
        mine.cert.write_text("no certificate any more")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the workers are not replaced:" in server.printed)
        assert ask(mutual, server)["pid"] in old
        renewed = mutual.identity("server", dns=["localhost", "renewed.example"])
        mine.cert.write_bytes(renewed.cert.read_bytes())
        mine.key.write_bytes(renewed.key.read_bytes())
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "renewed.example" in str(_shown(mutual, server)))
        until(lambda: _worker(mutual, server) not in {*old, None})
        assert good != mine.cert.read_bytes()
        assert server.end() == 0


def _worker(mutual: MutualTLS, server: Background) -> int | None:
    """The process that answers; None where one that ends closes a connection on which nothing was asked yet."""
    try:
        return ask(mutual, server)["pid"]
    except ConnectionError:
        return None


def _shown(mutual: MutualTLS, server: Background) -> object:
    own = context(mutual, mutual.identity("client"))
    asking = http.client.HTTPSConnection("localhost", int(server.port), context=own)
    try:
        asking.connect()
        return asking.sock.getpeercert()["subjectAltName"]
    finally:
        asking.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_worker_that_dies_is_replaced(mutual):
    with running(mutual, "--workers", "1") as server:
        first = ask(mutual, server, None)["pid"]
        os.kill(first, signal.SIGKILL)
        until(lambda: f"(process {first}) ended with signal 9" in server.printed)
        assert ask(mutual, server, None)["pid"] != first


def test_trusted_clients_that_a_rule_matches_are_accepted(mutual):
    with running(mutual, *clients(mutual), "--allow", "dns=client.example") as server:
        assert ask(mutual, server)["who"] == ["client.example"]
    rules = ("--allow", "dns=another.example", "--allow", "uri=spiffe://example.org/api/*")
    with running(mutual, *clients(mutual), *rules) as server:
        attempt = mutual.client("good").attempt(
            "127.0.0.1", int(server.port), request=b"GET / HTTP/1.1\r\n\r\n"
        )
        assert (attempt.refused, attempt.alert) == (True, "access_denied")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_rule_may_be_an_expression_also_in_workers(mutual):
    """It is compiled before they are forked."""
    pytest.importorskip("cel_expr_python", reason="cel-expr-python is not installed: pip install -e '.[dev]'")
    holding = "cel=dns.exists(d, d.endsWith('.example'))"
    with running(
        mutual, *clients(mutual), "--allow", "cel='x' in ou", "--allow", holding, "--workers", "1"
    ) as server:
        assert ask(mutual, server)["who"] == ["client.example"]


WRONG = [
    (["app:app", "--allow", "name=x"], "expected KIND=VALUE, where KIND is one of dns, uri, cn"),
    (["app:app", "--allow", "dns"], "expected KIND=VALUE"),
    (["app:app", "--allow", "dns=a b"], "is not a DNS name"),
    (["app:app", "--allow", "cel=dns = 1"], "'--allow': no expression of CEL about a certificate: column 5"),
    (["app:app", "--allow", "cel=size(dns)"], "a rule has to be true or false"),
    (
        ["app:app", "--allow", "dns=a.example"],
        "--allow: no client certificate is verified; add --client-ca FILE",
    ),
    (["app"], "does not name an application; expected MODULE:APP"),
    (["app:"], "does not name an application; expected MODULE:APP"),
    (["nothing_such:app"], 'nothing_such:app: Could not import module "nothing_such"'),
    (["app:nothing"], 'app:nothing: Attribute "nothing" not found in module "app"'),
    (["os:sep"], "os:sep: of the type str, which cannot be called; expected an ASGI application"),
    (["app:app", "--client-ca", ""], "expected the name of a file, and it is empty"),
    (["app:app", "--idle-timeout", "inf"], "inf is not in the range"),
    (["app:app", "--client-ca", "nowhere.pem"], "nowhere.pem: cannot be read"),
    (["app:app", "--crl", "CRL"], "--revocation: no client certificate is verified; add --client-ca FILE"),
    (["app:app", "--workers", "0"], "0 is not in the range"),
    (["app:app", "--listen", "8443"], "not an address"),
]


@pytest.mark.parametrize(("words", "printed"), WRONG)
def test_wrong_use_is_reported_in_one_sentence(mutual, monkeypatch, capfd, words, printed):
    monkeypatch.chdir(mutual.ca.parent.parent)
    mine = mutual.identity("server")
    words = [str(mutual.crl) if each == "CRL" else each for each in words]
    argv = ["bothways", "run", *words, "--cert", str(mine.pem)]
    argv += [] if "--listen" in words else ["--listen", "127.0.0.1:0"]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "app", raising=False)
    assert run(group) == 2
    reported = capfd.readouterr().err
    assert printed in reported
    assert "Traceback" not in reported


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("import json\njson.loads('{')\n", "json.decoder.JSONDecodeError: "),
        ("app = (\n", "SyntaxError: "),
        ("import sys\nsys.exit()\n", "SystemExit"),
    ],
)
def test_an_application_that_fails_when_it_is_imported_is_shown_where(
    mutual, monkeypatch, capfd, source, last
):
    """By the lines of its own code, without those of who imports it; also one that ends the process."""
    folder = mutual.ca.parent.parent
    (folder / "failing.py").write_text(source)
    monkeypatch.chdir(folder)
    words = ["failing:app", "--listen", "127.0.0.1:0", "--cert", str(mutual.identity("server").pem)]
    monkeypatch.setattr(sys, "argv", ["bothways", "run", *words])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "failing", raising=False)
    importlib.invalidate_caches()
    assert run(group) == 2
    first, second, *_, final = capfd.readouterr().err.splitlines()
    assert first == "bothways: failing:app: its module fails when it is imported:"
    assert second.startswith(f'  File "{folder / "failing.py"}", line ')
    assert final.startswith(last)


@pytest.mark.parametrize(
    ("app", "takes"),
    [
        ("wsgi", "def wsgi(environ, start_response): ..."),
        ("Flasky()", "class Flasky:\n    def __call__(self, environ, start_response): ..."),
    ],
)
def test_an_application_of_wsgi_is_refused_before_it_gets_requests(mutual, monkeypatch, capfd, app, takes):
    """Each request would end in status 500."""
    folder = mutual.ca.parent.parent
    (folder / "of_wsgi.py").write_text(f"{takes}\napp = {app}\n")
    monkeypatch.chdir(folder)
    words = ["of_wsgi:app", "--listen", "127.0.0.1:0", "--cert", str(mutual.identity("server").pem)]
    monkeypatch.setattr(sys, "argv", ["bothways", "run", *words])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "of_wsgi", raising=False)
    importlib.invalidate_caches()
    assert run(group) == 2
    assert "of_wsgi:app: it does not take scope, receive and send" in capfd.readouterr().err


KINDS_OF_ASGI = """\
async def one(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

class Two:
    def __init__(self, scope): self.scope = scope
    async def __call__(self, receive, send): await one(self.scope, receive, send)

def factory(): return one

class Object:
    async def __call__(self, scope, receive, send): await one(scope, receive, send)

three = Object()
"""


@pytest.mark.parametrize("app", ["one", "Two", "factory", "three"])
def test_an_application_of_asgi_is_served_whatever_its_kind(mutual, app):
    (mutual.ca.parent.parent / "kinds.py").write_text(KINDS_OF_ASGI)
    with running(mutual, *clients(mutual), app=f"kinds:{app}") as server:
        assert get(mutual, int(server.port), mutual.identity("client"))[0] == 204


CHATTING = """\
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/refused":
            await send({"type": "websocket.close"})
        else:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "welcome"})
"""


def test_each_websocket_has_a_line_as_each_request_has(mutual):
    """Also one that the application refuses; of uvicorn itself nothing is printed."""
    (mutual.ca.parent.parent / "chatting.py").write_text(CHATTING)
    own = context(mutual, mutual.identity("client"))
    with running(mutual, *clients(mutual), app="chatting:app") as server:
        url = f"wss://localhost:{server.port}"
        with websockets.sync.client.connect(f"{url}/room?a=b", ssl=own) as opened:
            assert opened.recv() == "welcome"
        with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
            websockets.sync.client.connect(f"{url}/refused", ssl=own)
        until_printed(server, '"WebSocket /refused" 403')
        assert '"WebSocket /room?a=b" [accepted]' in server.printed
        assert len(server.printed.splitlines()) == 3


NOT_STARTING = """\
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})
"""


def test_an_application_that_does_not_start_ends_the_service_with_status_1(mutual):
    """It says why itself."""
    folder = mutual.ca.parent.parent
    (folder / "not_starting.py").write_text(NOT_STARTING)
    words = ["not_starting:app", "--listen", "127.0.0.1:0", "--cert", str(mutual.identity("server").pem)]
    ended = run_command(
        bothways("run", *words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "there is no database" in ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_that_cannot_start_end_the_service(mutual):
    folder, mine = mutual.ca.parent.parent, mutual.identity("server")
    words = bothways(
        "run", "nothing_such:app", "--listen", "127.0.0.1:0", "--cert", str(mine.pem), "--workers", "2"
    )
    ended = run_command(words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert 'Could not import module "nothing_such"' in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("missing", ["uvicorn", "httptools", "websockets"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(mutual, monkeypatch, capfd, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(
        sys, "argv", ["bothways", "run", "app:app", "--cert", str(mutual.identity("server").pem)]
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run(group) == 2
    assert "pip install 'bothways[asgi]'" in capfd.readouterr().err
