"""docs/libraries.md, block by block as it stands, in the libraries themselves.

Each library talks to a server of ours or a real one and refuses, and is refused by, whoever it must. In `make test`
each has a success and a refusal, and a few more cells drawn; all of them are in `make test-all`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import inspect
import logging
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import identities
import library_services as services
import pki
from bothways import Alert, Fault, PeerAlert, PeerFault, TrustStore, explain_failure, failure_of
from bothways.ssl import SSLContext
from bothways.tls.handshake.settings import PREFERRED_GROUPS
from bothways.trust import CRLStore, Revocation
from processes import free_port
from ssl_pair import client_context as narrow_context
from ssl_pair import server_context

pytestmark = [pytest.mark.network, pytest.mark.filterwarnings("ignore")]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "libraries.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {title: BLOCK.findall(text)[0] for title, text in SECTION.findall(PAGE)}
BEGINNING = BLOCK.findall(PAGE)[:2]
EXPLAINED = BLOCK.findall(PAGE)[2]

BIG = 8 * 1024 * 1024


def client_context(**options: Any) -> SSLContext:
    """Ada's context, with whatever groups are usual: real servers have others than those of the other tests."""
    return narrow_context(**{"groups": PREFERRED_GROUPS} | options)


class Row(NamedTuple):
    """What a library is asked against. real: somebody else's server, made of files.  runner: of its coroutine."""

    service: Any
    real: bool = False
    runner: str = "asyncio"


CLIENTS = {
    "http.client": Row(services.http_echo),
    "urllib": Row(services.http_echo),
    "httpx": Row(services.http_echo),
    "httpx, asynchronous": Row(services.http_echo),
    "httpx2": Row(services.http_echo),
    "requests": Row(services.http_echo),
    "urllib3": Row(services.http_echo),
    "aiohttp": Row(services.http_echo),
    "tornado": Row(services.http_echo),
    "asyncio": Row(services.echo),
    "trio": Row(services.echo, runner="trio"),
    "anyio": Row(services.echo),
    "websockets": Row(services.websocket),
    "websockets, asynchronous": Row(services.websocket),
    "websocket-client": Row(services.websocket),
    "grpclib": Row(services.grpc),
    "smtplib": Row(services.smtps),
    "smtplib, STARTTLS": Row(services.smtp_starttls),
    "aiosmtplib": Row(services.smtps),
    "asyncpg": Row(services.postgresql, real=True),
    "redis": Row(services.redis_server, real=True),
    "redis, asynchronous": Row(services.redis_server, real=True),
    "paho-mqtt": Row(services.mosquitto, real=True),
    "aiomqtt": Row(services.mosquitto, real=True),
}
SERVERS = (
    "http.server",
    "uvicorn",
    "gunicorn",
    "hypercorn",
    "aiohttp.web",
    "tornado, as a server",
    "werkzeug",
    "asyncio, as a server",
    "websockets, as a server",
)
WITH_UVLOOP = [
    name for name, row in CLIENTS.items() if row.runner == "asyncio" and "async def ask" in BLOCKS[name]
]


def test_every_library_of_the_page_is_run() -> None:
    assert {*CLIENTS, *SERVERS} == set(BLOCKS)


# -- who asks ----------------------------------------------------------------------------------------------


class Asker:
    """The function of a section, with a context and a server of its own."""

    def __init__(self, name: str, context: ssl.SSLContext, port: int, loop: str = "asyncio") -> None:
        self._row, self._loop = CLIENTS[name], loop
        self._names: dict[str, Any] = {
            "client": context,
            "host": "localhost",
            "port": port,
            "url": f"https://localhost:{port}/",
        }
        exec(compile(BLOCKS[name], f"docs/libraries.md ({name})", "exec"), self._names)

    def __call__(self, *questions: bytes, within: float | None = None) -> list[bytes]:
        ask = self._names["ask"]
        if not inspect.iscoroutinefunction(ask):
            return list(ask(*questions))
        return list(run(self._row.runner if self._loop == "asyncio" else self._loop, ask, questions, within))


def run(runner: str, ask: Callable[..., Any], questions: tuple[bytes, ...], within: float | None) -> Any:
    """Run a coroutine, and cancel it after some time, where that is given."""
    if runner == "trio":
        import trio

        async def in_trio() -> Any:
            with trio.fail_after(float("inf") if within is None else within):
                return await ask(*questions)

        return trio.run(in_trio)

    async def in_asyncio() -> Any:
        async with asyncio.timeout(within):
            return await ask(*questions)

    if runner == "uvloop":
        import uvloop

        return uvloop.run(in_asyncio())
    return asyncio.run(in_asyncio())


# -- against whom ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the libraries log of those that they refuse is none of these tests' matter."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    """What libraries leave of connections that were refused is collected here, where it is no error."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Any], int]]:
    """Somebody else's servers, each started when it is first asked for."""
    started: dict[Any, int] = {}
    with contextlib.ExitStack() as until_the_end:

        def port_of(service: Any, kind: str = "good") -> int:
            if (service, kind) not in started:
                folder = tmp_path_factory.mktemp(kind)
                folder.chmod(0o755)
                started[service, kind] = until_the_end.enter_context(service(files_of(folder, kind)))
            return started[service, kind]

        yield port_of


def files_of(folder: Path, kind: str) -> services.Files:
    """The files of a real server: which certificate it has, and whether it knows of Ada's revocation."""
    server = {"expired": expired_identity, "wrong name": elsewhere}.get(kind, identities.server)()
    lists = lists_of_revocation() if kind == "revoking" else b""
    return services.Files(folder, server, identities.root(), lists)


def lists_of_revocation() -> bytes:
    """The lists by which Ada is revoked (PEM)."""
    return b"".join(pki_pem(each.der) for each in identities.crls(identities.client()))


def pki_pem(der: bytes) -> bytes:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


@contextlib.contextmanager
def served(row: Row, real: Any, kind: str = "good", **options: Any) -> Iterator[int]:
    """A server of a kind: a real one of files, or ours with options of its configuration."""
    if row.real:
        yield real(row.service, kind)
        return
    own = {"expired": expired_identity, "wrong name": elsewhere}.get(kind)
    if own is not None:
        options["credentials"] = identities.credentials(own())
    if kind == "revoking":
        options["revocation"] = Revocation(crls=CRLStore(identities.crls(identities.client())))
    with row.service(server_context(**options)) as port:
        yield port


def stranger() -> TrustStore:
    return TrustStore.from_pem(identities.root("Another Root").pem)


def elsewhere() -> pki.Issued:
    return pki.leaf(identities.middle(), "other", alternatives=["DNS:other.example"], **identities.SPAN)


def expired_identity() -> pki.Issued:
    times = {
        "not_before": identities.START,
        "not_after": identities.START + (identities.END - identities.START) / 100,
    }
    return pki.leaf(identities.middle(), "expired", alternatives=["DNS:localhost"], **times)


# -- success and refusal, each library ---------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIENTS)
def test_a_library_is_answered_by_who_it_trusts_and_refuses_who_it_does_not(
    name: str, real: Callable[[Any], int]
) -> None:
    """Several questions go over one connection; the refusal is found in whatever the library raises."""
    with served(CLIENTS[name], real) as port:
        assert Asker(name, client_context(), port)(b"one", b"two", b"three") == [b"one", b"two", b"three"]
        with pytest.raises(BaseException) as raised:
            Asker(name, client_context(anchors=stranger()), port)(b"one")
    check_refusal(raised.value, Fault.NO_PATH)


def check_refusal(error: BaseException, fault: Fault) -> None:
    ours = failure_of(error)
    assert isinstance(ours, PeerFault), repr(error)
    assert ours.fault is fault
    assert "ause" in str(explain_failure(error))


# -- the rest, drawn ---------------------------------------------------------------------------------------


def wrong_ca(name: str, loop: str, real: Any) -> None:
    with served(CLIENTS[name], real) as port, pytest.raises(BaseException) as raised:
        Asker(name, client_context(anchors=stranger()), port, loop)(b"one")
    check_refusal(raised.value, Fault.NO_PATH)


def wrong_name(name: str, loop: str, real: Any) -> None:
    with served(CLIENTS[name], real, "wrong name") as port, pytest.raises(BaseException) as raised:
        Asker(name, client_context(), port, loop)(b"one")
    check_refusal(raised.value, Fault.NAME_MISMATCH)


def expired_server(name: str, loop: str, real: Any) -> None:
    with served(CLIENTS[name], real, "expired") as port, pytest.raises(BaseException) as raised:
        Asker(name, client_context(), port, loop)(b"one")
    check_refusal(raised.value, Fault.CERTIFICATE_EXPIRED)


def revoked_client(name: str, loop: str, real: Any) -> None:
    """In TLS 1.2 the server refuses it in the handshake."""
    with served(CLIENTS[name], real, "revoking") as port:
        refused_by_alert(name, loop, port, client_context(versions=("1.2",)), Alert.CERTIFICATE_REVOKED)


def late_refusal(name: str, loop: str, real: Any) -> None:
    """In TLS 1.3 the client has finished when it is refused."""
    with served(CLIENTS[name], real, "revoking") as port:
        refused_by_alert(name, loop, port, client_context(versions=("1.3",)), Alert.CERTIFICATE_REVOKED)


def late_refusal_of_a_stranger(name: str, loop: str, real: Any) -> None:
    """Where a server reads no lists."""
    who = identities.credentials(identities.stranger())
    with served(CLIENTS[name], real) as port:
        refused_by_alert(
            name, loop, port, client_context(versions=("1.3",), credentials=who), Alert.UNKNOWN_CA
        )


def no_certificate(name: str, loop: str, real: Any) -> None:
    with served(CLIENTS[name], real) as port:
        refused_by_alert(name, loop, port, client_context(who=False), Alert.CERTIFICATE_REQUIRED)


def refused_by_alert(name: str, loop: str, port: int, context: SSLContext, alert: Alert) -> None:
    with pytest.raises(BaseException) as raised:
        Asker(name, context, port, loop)(b"one", within=3 if "mqtt" in name else 10)
    ours = failure_of(raised.value)
    if ours is None and name in SILENT:
        return
    assert isinstance(ours, PeerAlert), repr(raised.value)
    assert ours.alert == alert


def expired_nginx(name: str, loop: str, real: Any) -> None:
    port = real(services.nginx, "expired")
    with pytest.raises(BaseException) as raised:
        Asker(name, client_context(), port, loop)(b"one")
    check_refusal(raised.value, Fault.CERTIFICATE_EXPIRED)


def nginx_refuses_by_status(name: str, loop: str, real: Any) -> None:
    """It does every handshake to its end, and answers whom it does not take with status 400."""
    assert Asker(name, client_context(), real(services.nginx), loop)(b"one") == [b"CN=Ada"]
    try:
        [reported] = Asker(name, client_context(), real(services.nginx, "revoking"), loop)(b"one")
    except Exception as error:  # noqa: BLE001 - each library has its own for a status
        assert failure_of(error) is None
        reported = str(error).encode()
    assert b"400" in reported


def much(name: str, loop: str, real: Any) -> None:
    data = random.Random(name).randbytes(BIG)
    if "smtp" in name:
        data = base64.encodebytes(data).replace(b"\n", b"\r\n")
    with served(CLIENTS[name], real) as port:
        assert Asker(name, client_context(), port, loop)(data) == [data]
    if "smtp" in name:
        assert services.MAILBOX.messages.pop() == data


def kept_alive(name: str, loop: str, real: Any) -> None:
    questions = [f"question {number}".encode() for number in range(20)]
    before = services.QuietServer.accepted
    with served(CLIENTS[name], real) as port:
        assert Asker(name, client_context(), port, loop)(*questions) == questions
    if CLIENTS[name].service is services.http_echo:
        connections = len(questions) if name in ONE_EACH else 1
        assert services.QuietServer.accepted - before == connections


def time_is_up(name: str, loop: str, real: Any) -> None:
    """A server that says nothing: the handshake's own limit ends a blocking call, a cancellation the others."""
    with services.mute() as port:
        began = time.monotonic()
        with pytest.raises(BaseException) as raised:
            Asker(name, client_context(handshake_timeout=0.3), port, loop)(b"one", within=0.3)
        assert time.monotonic() - began < 8
        ours = failure_of(raised.value)
        assert ours is None or (isinstance(ours, PeerFault) and ours.fault is Fault.HANDSHAKE_TIMEOUT)


CELLS: dict[str, Callable[[str, str, Any], None]] = {
    "wrong CA": wrong_ca,
    "wrong name": wrong_name,
    "expired server": expired_server,
    "revoked client": revoked_client,
    "late refusal": late_refusal,
    "late refusal of a stranger": late_refusal_of_a_stranger,
    "no certificate": no_certificate,
    "8 MiB both ways": much,
    "kept alive": kept_alive,
    "time is up": time_is_up,
}

WITH_NGINX = {"expired nginx": expired_nginx, "nginx refuses by status": nginx_refuses_by_status}
CELLS |= WITH_NGINX

# What a library does with a refusal so that it cannot be found in what it raises, by version and behaviour.
SILENT = {
    "grpclib": "0.4.9 raises StreamTerminatedError('Connection lost') for whatever ended the connection",
    "aiohttp": "3.14.5 under uvloop may raise ClientOSError(None, 'Can not write request body ...')",
    "websockets": "17.4 raises InvalidMessage likewise, where its request went out before the refusal came",
    "websockets, asynchronous": "17.4 raises InvalidMessage('did not receive a valid HTTP response')",
    "aiomqtt": "2.5 is told no more by paho-mqtt, and waits until its own time is up",
    "asyncpg": "PostgreSQL takes the handshake, and refuses by a message of its own",
}


ONE_EACH = ("urllib", "tornado")  # they make a connection for each request
PAHO = "2.2 tells on_disconnect 'Unspecified error' and connects again, for as long as its user waits"
NOT_ASKED = {
    **{
        ("paho-mqtt", cell): PAHO for cell in ("no certificate", "late refusal", "late refusal of a stranger")
    },
    **{
        (name, cell): "Redis 7.0 reads no revocation lists"
        for name in ("redis", "redis, asynchronous")
        for cell in ("revoked client", "late refusal")
    },
    ("smtplib, STARTTLS", "time is up"): "waits for a greeting, before there is TLS",
}


def all_cells() -> list[tuple[str, str, str]]:
    loops = {name: ("asyncio", "uvloop") if name in WITH_UVLOOP else ("asyncio",) for name in CLIENTS}
    return [
        (name, cell, loop)
        for name, row in CLIENTS.items()
        for cell in CELLS
        for loop in loops[name]
        if (name, cell) not in NOT_ASKED and (cell not in WITH_NGINX or row.service is services.http_echo)
    ]


DRAWN = 16
ALL = all_cells()
SAMPLE = random.Random(12).sample(ALL, DRAWN)


@pytest.mark.parametrize(
    ("name", "cell", "loop"),
    [
        pytest.param(*each, marks=() if each in SAMPLE else pytest.mark.full, id=" - ".join(each))
        for each in ALL
    ],
)
def test_a_cell_of_the_table(name: str, cell: str, loop: str, real: Callable[[Any], int]) -> None:
    CELLS[cell](name, loop, real)


# -- what the page begins with -----------------------------------------------------------------------------


def write_identities(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(identities.root().pem)
    for name, issued in (("me", identities.client()), ("server", identities.server())):
        (folder / f"{name}.pem").write_bytes(issued.chain_pem)
        (folder / f"{name}.key").write_bytes(issued.key_pem)


def test_the_page_makes_contexts_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_identities(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in (*BEGINNING, EXPLAINED):
        exec(block, names)
        with services.http_echo(names["server"]) as port:
            assert Asker("http.client", names["client"], port)(b"hello") == [b"hello"]
    with services.http_echo(server_context()) as port, pytest.raises(ssl.SSLError) as raised:
        Asker("http.client", client_context(anchors=stranger()), port)(b"hello")
    reported = names["explained"](raised.value)
    assert "no path leads to one of our trust anchors" in reported
    assert "ask:" in reported


# -- servers -----------------------------------------------------------------------------------------------

APPLICATIONS = {
    "http.server": """
class application(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
""",
    "asgi": """
async def application(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("nothing but requests")
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
""",
    "wsgi": """
def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
""",
    "tornado, as a server": """
import tornado.web
class Answer(tornado.web.RequestHandler):
    def post(self):
        self.write(self.request.body)
application = tornado.web.Application([("/", Answer)])
""",
    "aiohttp.web": """
async def answer(request):
    return aiohttp.web.Response(body=await request.read())
application = aiohttp.web.Application(client_max_size=2**30)
application.router.add_post("/", answer)
""",
    "asyncio, as a server": """
async def application(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
""",
    "websockets, as a server": """
def application(connection):
    for message in connection:
        connection.send(message)
""",
}
SPEAK_ASGI = ("uvicorn", "hypercorn")
ASKED_BY = {"asyncio, as a server": "asyncio", "websockets, as a server": "websockets"}


REVOKING = """
from bothways.trust import CRLStore, Revocation

server = SSLContext(
    ServerConfig(
        credentials=Credentials.from_files("server.pem", "server.key"),
        client_anchors=anchors,
        revocation=Revocation(crls=CRLStore.from_files("crl.pem")),
    )
)
"""
IN_UVLOOP = "import uvloop\nuvloop.install()\n"


@contextlib.contextmanager
def serving(name: str, folder: Path, loop: str = "asyncio", *more: str) -> Iterator[int]:
    """A program that is what the page says, and an application. more: parts of the program beside these."""
    write_identities(folder)
    application = APPLICATIONS["asgi"] if name in SPEAK_ASGI else APPLICATIONS.get(name, APPLICATIONS["wsgi"])
    port = free_port()
    program = folder / "program.py"
    parts = [IN_UVLOOP if loop == "uvloop" else "", BEGINNING[0], *more, BLOCKS[name], application]
    program.write_text("\n".join([*parts, f"\nserve(application, {port})\n"]), encoding="utf-8")
    with services.running([sys.executable, "program.py"], port, folder) as listening:
        yield listening


def asker(name: str, port: int, **options: Any) -> Asker:
    return Asker(ASKED_BY.get(name, "http.client"), client_context(**options), port)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_accepts_only_trusted_clients(name: str, tmp_path: Path) -> None:
    """The client that is refused is told so by an alert, and the server goes on."""
    with serving(name, tmp_path) as port:
        assert asker(name, port)(b"one", b"two") == [b"one", b"two"]
        refused(name, port, Alert.CERTIFICATE_REQUIRED, who=False)
        data = os.urandom(1 << 19)
        assert asker(name, port)(data) == [data]


def refused(name: str, port: int, alert: Alert, **options: Any) -> None:
    with pytest.raises(BaseException) as raised:
        asker(name, port, **options)(b"one")
    ours = failure_of(raised.value)
    if ours is None and ASKED_BY.get(name) in SILENT:
        return
    assert isinstance(ours, PeerAlert), repr(raised.value)
    assert ours.alert == alert


def strangers(name: str, folder: Path, loop: str) -> None:
    who = identities.credentials(identities.stranger())
    with serving(name, folder, loop) as port:
        for version in ("1.2", "1.3"):
            refused(name, port, Alert.UNKNOWN_CA, credentials=who, versions=(version,))
        assert asker(name, port)(b"one") == [b"one"]


def revoked_clients(name: str, folder: Path, loop: str) -> None:
    (folder / "crl.pem").write_bytes(lists_of_revocation())
    with serving(name, folder, loop, REVOKING) as port:
        for version in ("1.2", "1.3"):
            refused(name, port, Alert.CERTIFICATE_REVOKED, versions=(version,))


def much_served(name: str, folder: Path, loop: str) -> None:
    data = random.Random(name).randbytes(BIG)
    with serving(name, folder, loop) as port:
        assert asker(name, port)(data) == [data]


def kept_alive_served(name: str, folder: Path, loop: str) -> None:
    questions = [f"question {number}".encode() for number in range(20)]
    with serving(name, folder, loop) as port:
        assert asker(name, port)(*questions) == questions


def beside_the_silent(name: str, folder: Path, loop: str) -> None:
    """Clients that say nothing, or a part of a record, hold nobody up."""
    with serving(name, folder, loop) as port, contextlib.ExitStack() as silent:
        for said in (b"", b"\x16\x03\x01"):
            silent.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(said)
        assert asker(name, port)(b"one") == [b"one"]


SERVER_CELLS: dict[str, Callable[[str, Path, str], None]] = {
    "strangers": strangers,
    "revoked clients": revoked_clients,
    "8 MiB both ways": much_served,
    "kept alive": kept_alive_served,
    "beside the silent": beside_the_silent,
}
NOT_SERVED = {
    ("werkzeug", "beside the silent"): "its handshake is made in the thread that accepts",
    ("websockets, as a server", "8 MiB both ways"): "it takes messages of at most 1 MiB, unless it is told",
}
ALSO_IN_UVLOOP = ("hypercorn", "aiohttp.web", "tornado, as a server", "asyncio, as a server")
ALL_OF_SERVERS = [
    (name, cell, loop)
    for name in SERVERS
    for cell in SERVER_CELLS
    for loop in (("asyncio", "uvloop") if name in ALSO_IN_UVLOOP else ("asyncio",))
    if (name, cell) not in NOT_SERVED
]
SAMPLE_OF_SERVERS = random.Random(12).sample(ALL_OF_SERVERS, 2)


@pytest.mark.parametrize(
    ("name", "cell", "loop"),
    [
        pytest.param(*each, marks=() if each in SAMPLE_OF_SERVERS else pytest.mark.full, id=" - ".join(each))
        for each in ALL_OF_SERVERS
    ],
)
def test_a_cell_of_a_server(name: str, cell: str, loop: str, tmp_path: Path) -> None:
    SERVER_CELLS[cell](name, tmp_path, loop)


# -- beside the page ---------------------------------------------------------------------------------------


def test_http2_with_nginx_which_verifies_the_client(tmp_path: Path) -> None:
    import httpx

    files = services.Files(tmp_path, identities.server(), identities.root())
    with services.nginx(files) as port, httpx.Client(verify=client_context(), http2=True) as http:
        answer = http.get(f"https://localhost:{port}/")
        assert (answer.http_version, answer.text) == ("HTTP/2", "CN=Ada")


def test_a_library_that_turns_checks_off_fails(tmp_path: Path) -> None:
    """Whichever way it takes: nothing is ever asked of a server that nobody verified."""
    import httpx
    import requests
    import urllib3

    context = client_context(anchors=stranger())
    attempts: list[Callable[[int], object]] = []
    with services.http_echo(server_context(client_auth="request")) as port:
        url = f"https://localhost:{port}/"

        def with_requests() -> object:
            names: dict[str, Any] = {"client": context, "url": url}
            exec(BLOCKS["requests"], names)
            with requests.Session() as session:
                session.mount("https://", names["Verified"]())
                return session.post(url, data=b"x", verify=False)

        def with_urllib3(**options: Any) -> object:
            pool = urllib3.PoolManager(ssl_context=context, retries=False, **options)
            return pool.request("POST", url, body=b"x")

        attempts = [
            lambda: with_requests(),
            lambda: with_urllib3(cert_reqs="CERT_NONE"),
            lambda: with_urllib3(assert_hostname=False),
            lambda: with_urllib3(assert_fingerprint="aa" * 32),
            lambda: httpx.post(url, content=b"x", verify=context),
        ]  # type: ignore[list-item]
        for attempt in attempts:
            with pytest.raises(Exception) as raised:
                attempt()  # type: ignore[call-arg]
            assert failure_of(raised.value) is not None, repr(raised.value)


def test_a_proxy_that_speaks_tls_is_gone_through(tmp_path: Path) -> None:
    """urllib3 and httpcore do TLS within TLS by memory BIOs."""
    import httpx
    import urllib3

    with services.http_echo(server_context()) as port, proxy() as by:
        url = f"https://localhost:{port}/"
        outer, inner = client_context(), client_context()
        pool = urllib3.ProxyManager(f"https://localhost:{by}", ssl_context=inner, proxy_ssl_context=outer)
        assert pool.request("POST", url, body=b"within", retries=False).data == b"within"
        pool.clear()
        through = httpx.Proxy(f"https://localhost:{by}", ssl_context=client_context())
        with httpx.Client(verify=client_context(), proxy=through) as http:
            assert http.post(url, content=b"within").content == b"within"


@contextlib.contextmanager
def proxy() -> Iterator[int]:
    """A proxy over TLS of ours that knows CONNECT."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host, _, port = head.split()[1].decode().partition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def start() -> Any:
        return await asyncio.start_server(talk, "127.0.0.1", 0, ssl=server_context())

    starting: AbstractContextManager[Any] = services.in_a_loop(start)
    with starting as server:
        yield server.sockets[0].getsockname()[1]


def test_requests_loads_its_bundle_without_our_reading_it() -> None:
    """80 ms for each connection, if it were read."""
    import certifi

    context = client_context()
    began = time.perf_counter()
    for _ in range(100):
        context.load_verify_locations(certifi.where())
    assert time.perf_counter() - began < 0.1
    assert context.cert_store_stats()["x509"] == 1


def test_programs_of_the_page_run_in_a_python_of_their_own(tmp_path: Path) -> None:
    """`bothways.ssl` needs nothing but the base install."""
    write_identities(tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", "\n".join(BEGINNING) + "\nprint(type(client).__mro__[-3].__module__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "ssl"
