"""What servers answered, in exceptions of the real libraries."""

from __future__ import annotations

import ftplib
import imaplib
import poplib
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from bothways import explain_failure
from bothways.diagnosis.causes import Cause
from diagnosis.foreign_servers import SOCKETS_LEFT_OPEN, first_of, raised_by, speaking

ANSWERED = "HTTP/1.1 {} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
pytestmark = SOCKETS_LEFT_OPEN


def test_imap_accepts_nobody() -> None:
    with speaking(b"* BYE too many connections\r\n") as port:
        assert first_of(raised_by(lambda: imaplib.IMAP4("127.0.0.1", port, 5))) is Cause.SERVICE_BUSY


def test_pop3_accepts_nobody() -> None:
    with speaking(b"-ERR too many connections\r\n") as port:
        assert first_of(raised_by(lambda: poplib.POP3("127.0.0.1", port, 5))) is Cause.SERVICE_BUSY


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"421 Too many users, try later", Cause.SERVICE_BUSY),
        (b"530 Login incorrect.", Cause.WANTS_LOGIN),
    ],
)
def test_ftp(line, cause):
    with speaking(line + b"\r\n") as port:
        assert first_of(raised_by(lambda: ftplib.FTP().connect("127.0.0.1", port, 5))) is cause


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"421 4.3.2 try again later", Cause.SERVICE_BUSY),
        (b"454 4.7.0 TLS not available", Cause.SERVICE_BUSY),
        (b"535 5.7.8 bad credentials", Cause.WANTS_LOGIN),
    ],
)
def test_smtp(line, cause):
    with speaking(line + b"\r\n") as port:
        assert first_of(raised_by(lambda: smtplib.SMTP("127.0.0.1", port, timeout=60))) is cause


def test_starttls_that_is_not_offered() -> None:
    def ask() -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="x", timeout=60) as smtp:
            smtp.starttls()

    with speaking(b"220 x\r\n", b"250 x\r\n", b"221 bye\r\n") as port:
        error = raised_by(ask)
    assert first_of(error) is Cause.STARTTLS_NOT_OFFERED
    assert "SMTP" in explain_failure(error).first.text


LIBRARIES = ("urllib", "requests", "httpx", "websockets", "websocket", "aiohttp")


@pytest.mark.parametrize(
    ("library", "status", "cause"),
    [
        *((each, 401, Cause.WANTS_LOGIN) for each in LIBRARIES),
        ("requests", 407, Cause.PROXY_WANTS_LOGIN),
        ("aiohttp", 429, Cause.SERVICE_BUSY),
        ("httpx", 502, Cause.BACKEND_DOWN),
    ],
)
def test_statuses_of_http(library, status, cause):
    with speaking(b"", ANSWERED.format(status).encode()) as port:
        error = raised_by(lambda: HTTP[library](f"127.0.0.1:{port}"))
    assert first_of(error) is cause
    assert str(status) in explain_failure(error).happened


def with_requests(host: str) -> None:
    pytest.importorskip("requests").get(f"http://{host}/", timeout=60).raise_for_status()


def with_httpx(host: str) -> None:
    pytest.importorskip("httpx").get(f"http://{host}/", timeout=60).raise_for_status()


def with_websockets(host: str) -> None:
    pytest.importorskip("websockets.sync.client").connect(f"ws://{host}/", open_timeout=60, proxy=None)


def with_websocket(host: str) -> None:
    pytest.importorskip("websocket").create_connection(f"ws://{host}/", timeout=60)


def with_aiohttp(host: str) -> None:
    import asyncio

    aiohttp = pytest.importorskip("aiohttp")

    async def get() -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(f"http://{host}/"):
            pass

    asyncio.run(get())


HTTP: dict[str, Callable[[str], object]] = {
    "urllib": lambda host: urllib.request.urlopen(f"http://{host}/", timeout=60),
    "requests": with_requests,
    "httpx": with_httpx,
    "websockets": with_websockets,
    "websocket": with_websocket,
    "aiohttp": with_aiohttp,
}


@pytest.mark.parametrize("library", ["requests", "httpx", "urllib"])
def test_a_proxy_that_asks_for_credentials(library):
    with speaking(b"", ANSWERED.format("407 Proxy Authentication Required").encode()) as port:
        error = raised_by(lambda: PROXIED[library](f"http://127.0.0.1:{port}"))
    assert first_of(error) is Cause.PROXY_WANTS_LOGIN
    found = explain_failure(error)
    assert "TLS with it had not begun" in found.usually
    assert found.happened.startswith("the proxy answered: 407 Proxy Authentication Required")
    assert "'" not in found.happened


@pytest.mark.parametrize("library", ["requests", "httpx", "urllib", "aiohttp"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("403 Forbidden", "its rules do not allow this host"),
        ("503 Service Unavailable", "it cannot reach the server"),
        ("405 Method Not Allowed", "it may be another server"),
    ],
)
def test_a_proxy_that_opens_no_connection(library, line, said):
    """No certificate and no service has a part in it."""
    with speaking(b"", ANSWERED.format(line).encode()) as port:
        error = raised_by(lambda: PROXIED[library](f"http://127.0.0.1:{port}"))
    found = explain_failure(error)
    assert [each.cause for each in found.causes] == [Cause.PROXY_REFUSES]
    assert found.happened.startswith(f"the proxy answered: {line}") and said in found.first.text
    assert "HTTP/1.1" not in str(found) and found.first.remedy


def test_a_proxy_without_tls_is_told_as_the_proxy() -> None:
    """`https://` in the proxy's own URL is TLS with the proxy."""
    pytest.importorskip("requests")
    with speaking(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        error = raised_by(lambda: PROXIED["requests"](f"https://127.0.0.1:{port}"))
    found = explain_failure(error)
    assert found.first.text == "the proxy speaks plain HTTP on this port"
    assert "give the proxy's URL with http://" in str(found)


def aiohttp_through(proxy: str) -> None:
    import asyncio

    aiohttp = pytest.importorskip("aiohttp")

    async def get() -> None:
        async with aiohttp.ClientSession() as session, session.get("https://judge.example/", proxy=proxy):
            pass

    asyncio.run(get())


def urllib_through(proxy: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy}))
    opener.open("https://judge.example/", timeout=60)


PROXIED: dict[str, Callable[[str], object]] = {
    "requests": lambda proxy: pytest.importorskip("requests").get(
        "https://judge.example/", proxies={"https": proxy}, timeout=60
    ),
    "httpx": lambda proxy: (
        pytest.importorskip("httpx").Client(proxy=proxy, timeout=60).get("https://judge.example/")
    ),
    "urllib": urllib_through,
    "aiohttp": aiohttp_through,
}


def test_redis_has_too_many_clients() -> None:
    redis = pytest.importorskip("redis")
    with speaking(b"", b"-ERR max number of clients reached\r\n") as port:
        client = redis.Redis(port=port, socket_timeout=60, protocol=2, retry=None, driver_info=None)
        assert first_of(raised_by(client.ping)) is Cause.SERVICE_BUSY


@pytest.mark.parametrize(("state", "cause"), [("53300", Cause.SERVICE_BUSY), ("28P01", Cause.WANTS_LOGIN)])
def test_states_of_sql(state, cause):
    asyncpg, psycopg = pytest.importorskip("asyncpg"), pytest.importorskip("psycopg")
    assert first_of(psycopg.errors.lookup(state)("said by the server")) is cause
    fields = {"C": state, "M": "said by the server"}
    assert first_of(asyncpg.exceptions.PostgresError.new(fields)) is cause


def test_postgresql_without_tls() -> None:
    psycopg = pytest.importorskip("psycopg")
    with speaking(b"", b"N") as port:
        info = f"host=127.0.0.1 port={port} user=x dbname=x sslmode=require connect_timeout=60"
        error = raised_by(lambda: psycopg.connect(info))
    assert first_of(error) is Cause.STARTTLS_NOT_OFFERED
    assert "PostgreSQL" in explain_failure(error).first.text


def test_postgresql_without_tls_for_asyncpg() -> None:
    import asyncio

    asyncpg = pytest.importorskip("asyncpg")
    context = ssl.create_default_context()
    with speaking(b"", b"N") as port:
        place = f"postgres://x@127.0.0.1:{port}/x"
        error = raised_by(lambda: asyncio.run(asyncpg.connect(place, ssl=context, timeout=60)))
    assert type(error) is ConnectionError, "asyncpg raises a type of Python's own, in words of its own"
    assert first_of(error) is Cause.STARTTLS_NOT_OFFERED
    assert "PostgreSQL" in explain_failure(error).first.text


def test_a_refusal_of_grpc() -> None:
    grpclib = pytest.importorskip("grpclib")
    error = grpclib.GRPCError(grpclib.Status.UNAUTHENTICATED, "no token")
    assert first_of(error) is Cause.WANTS_LOGIN


def test_a_refusal_of_mqtt() -> None:
    aiomqtt = pytest.importorskip("aiomqtt")
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.reasoncodes import ReasonCode

    busy = ReasonCode(PacketTypes.CONNACK, "Server busy")
    assert first_of(aiomqtt.MqttCodeError(busy)) is Cause.SERVICE_BUSY


class OfPyMySQL(Exception):
    """As PyMySQL raises it: a number and a text."""

    __module__ = "pymysql.err"


def test_mysql_without_tls_and_with_too_many_clients() -> None:
    refused = OfPyMySQL(2026, "SSL is required but the server doesn't support it")
    assert first_of(refused) is Cause.STARTTLS_NOT_OFFERED
    assert "MySQL" in explain_failure(refused).first.text
    assert first_of(OfPyMySQL(1040, "Too many connections")) is Cause.SERVICE_BUSY


def test_words_of_a_library_are_not_those_of_the_operating_system() -> None:
    requests = pytest.importorskip("requests")
    found = explain_failure(requests.exceptions.InvalidURL("No host supplied"))
    assert found.first.cause is Cause.OTHER_ERROR
    assert "No host supplied" in found.first.text
