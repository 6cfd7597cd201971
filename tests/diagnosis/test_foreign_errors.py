"""Exceptions of real libraries that contain no error of ours: their TLS, and what servers answered them."""

from __future__ import annotations

import contextlib
import ftplib
import gc
import imaplib
import poplib
import smtplib
import socket
import ssl
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator

import pytest

from bothways import explain_failure, failure_of
from bothways.diagnosis.causes import Cause

GRPC = (
    "last error: Ssl handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:"
    "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate in certificate chain"
)
ANSWERED = "HTTP/1.1 {} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# Libraries leave sockets open by which they got no connection that they accept.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextlib.contextmanager
def speaking(first: bytes, *after: bytes) -> Iterator[int]:
    """A server that says `first`, then one of `after` for whatever comes, and closes. Without `first` it listens."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(5)
                if first:
                    peer.sendall(first)
                for each in after:
                    peer.recv(65536)
                    peer.sendall(each)
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(0.1)
                while peer.recv(65536):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


def raised_by(act: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:
        act()
    assert failure_of(caught.value) is None
    return caught.value


def first_of(error: BaseException) -> Cause:
    found = explain_failure(error, address="judge.example:9999")
    assert not {Cause.LOCAL_FAILURE, Cause.OTHER_ERROR} & {each.cause for each in found.causes}
    assert "CertificateRequest" not in str(found)
    return found.first.cause


# -- TLS of another library ----------------------------------------------------------------------------------


def pythons_tls(port: int, name: str = "localhost", context: ssl.SSLContext | None = None) -> None:
    context = context or ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        context.wrap_socket(plain, server_hostname=name)


def test_plain_text_is_told_for_tls_of_python() -> None:
    with speaking(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        error = raised_by(lambda: pythons_tls(port))
    found = explain_failure(error)
    assert first_of(error) is Cause.SPEAKS_PLAIN
    assert Cause.SPEAKS_HTTP in {each.cause for each in found.causes}
    assert "of another library" in found.happened and "not of bothways" in found.usually


@pytest.mark.parametrize(
    ("alert", "cause"),
    [
        (40, Cause.NO_SHARED_SUITE),
        (48, Cause.CA_NOT_ACCEPTED),
        (70, Cause.NO_SHARED_VERSION),
        (112, Cause.NAME_NOT_SERVED),
        (116, Cause.NO_CERTIFICATE),
    ],
)
def test_alerts_are_told_for_tls_of_python(alert, cause):
    with speaking(b"", b"\x15\x03\x03\0\x02\x02" + bytes((alert,))) as port:
        error = raised_by(lambda: pythons_tls(port))
    assert first_of(error) is cause
    assert "we offer" not in str(explain_failure(error))


def test_an_end_is_told_for_tls_of_python() -> None:
    with speaking(b"", b"") as port:
        error = raised_by(lambda: pythons_tls(port))
    assert isinstance(error, ssl.SSLEOFError)
    assert Cause.PEER_STOPPED in {each.cause for each in explain_failure(error).causes}
    assert first_of(error) is Cause.SPEAKS_PLAIN


def refused_by(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.reason, error.verify_code = "CERTIFICATE_VERIFY_FAILED", code
    return error


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (10, Cause.EXPIRED),
        (18, Cause.SELF_SIGNED),
        (20, Cause.ROOT_NOT_TRUSTED),
        (62, Cause.WRONG_NAME),
        (23, Cause.REVOKED),
        (3, Cause.STATUS_UNKNOWN),
        (26, Cause.WRONG_USE),
        (9999, Cause.ROOT_NOT_TRUSTED),
    ],
)
def test_the_verification_of_python_is_told_by_its_number(code, cause):
    assert first_of(refused_by(code)) is cause
    assert "{" not in str(explain_failure(refused_by(code)))


def test_a_reason_that_is_not_known_is_told_as_such() -> None:
    error = ssl.SSLError(1, "[SSL] weather (_ssl.c:1)")
    found = explain_failure(error)
    assert found.first.cause is Cause.OTHER_ERROR
    assert "TLS of another library failed" in found.first.text and "weather" in found.first.text


@pytest.mark.parametrize("library", ["requests", "urllib3", "httpx"])
def test_wrappers_of_tls_of_python(library):
    module = pytest.importorskip(library)
    with speaking(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        url = f"https://127.0.0.1:{port}/"
        get = getattr(module, "get", None) or (lambda url: module.request("GET", url, retries=False))
        error = raised_by(lambda: get(url))
    assert first_of(error) is Cause.SPEAKS_PLAIN


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('connection to server at "db" failed: SSL error: certificate verify failed', Cause.ROOT_NOT_TRUSTED),
        ("failed: SSL error: sslv3 alert handshake failure", Cause.NO_SHARED_SUITE),
        ("SSL error: tlsv13 alert certificate required", Cause.NO_CERTIFICATE),
        (GRPC, Cause.ROOT_NOT_TRUSTED),
        (
            "SSL_ERROR_SSL: error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
            Cause.SPEAKS_PLAIN,
        ),
    ],
)
def test_reasons_that_a_library_quotes(text, cause):
    """libpq and gRPC, whose TLS is in C: their texts are all there is."""
    assert first_of(RuntimeError(text)) is cause


# -- what servers answered -----------------------------------------------------------------------------------


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
        assert first_of(raised_by(lambda: smtplib.SMTP("127.0.0.1", port, timeout=5))) is cause


def test_starttls_that_is_not_offered() -> None:
    def ask() -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="x", timeout=5) as smtp:
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
    pytest.importorskip("requests").get(f"http://{host}/", timeout=5).raise_for_status()


def with_httpx(host: str) -> None:
    pytest.importorskip("httpx").get(f"http://{host}/", timeout=5).raise_for_status()


def with_websockets(host: str) -> None:
    pytest.importorskip("websockets.sync.client").connect(f"ws://{host}/", open_timeout=5, proxy=None)


def with_websocket(host: str) -> None:
    pytest.importorskip("websocket").create_connection(f"ws://{host}/", timeout=5)


def with_aiohttp(host: str) -> None:
    import asyncio

    aiohttp = pytest.importorskip("aiohttp")

    async def get() -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(f"http://{host}/"):
            pass

    asyncio.run(get())


HTTP: dict[str, Callable[[str], object]] = {
    "urllib": lambda host: urllib.request.urlopen(f"http://{host}/", timeout=5),
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
    assert "TLS with it had not begun" in explain_failure(error).usually


def urllib_through(proxy: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy}))
    opener.open("https://judge.example/", timeout=5)


PROXIED: dict[str, Callable[[str], object]] = {
    "requests": lambda proxy: pytest.importorskip("requests").get(
        "https://judge.example/", proxies={"https": proxy}, timeout=5
    ),
    "httpx": lambda proxy: pytest.importorskip("httpx").Client(proxy=proxy).get("https://judge.example/"),
    "urllib": urllib_through,
}


def test_redis_has_too_many_clients() -> None:
    redis = pytest.importorskip("redis")
    with speaking(b"", b"-ERR max number of clients reached\r\n") as port:
        client = redis.Redis(port=port, socket_timeout=5, protocol=2, retry=None, driver_info=None)
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
        info = f"host=127.0.0.1 port={port} user=x dbname=x sslmode=require connect_timeout=5"
        error = raised_by(lambda: psycopg.connect(info))
    assert first_of(error) is Cause.STARTTLS_NOT_OFFERED
    assert "PostgreSQL" in explain_failure(error).first.text


def test_postgresql_without_tls_for_asyncpg() -> None:
    import asyncio

    asyncpg = pytest.importorskip("asyncpg")
    context = ssl.create_default_context()
    with speaking(b"", b"N") as port:
        place = f"postgres://x@127.0.0.1:{port}/x"
        error = raised_by(lambda: asyncio.run(asyncpg.connect(place, ssl=context, timeout=5)))
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


# -- what is no answer ---------------------------------------------------------------------------------------


def test_an_error_of_the_system_inside_is_explained_as_before() -> None:
    refused = urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))
    assert explain_failure(refused).first.cause is Cause.NOTHING_LISTENS


@pytest.mark.parametrize(
    "error",
    [SystemExit(407), ValueError("407"), KeyError("code"), ssl.SSLWantReadError(), StopIteration(530)],
)
def test_numbers_alone_are_no_status(error):
    assert explain_failure(error).first.cause in (Cause.OTHER_ERROR, Cause.LOCAL_FAILURE)


class Hostile(Exception):
    """Every attribute and the text raise."""

    def __getattribute__(self, name: str) -> object:
        if name in ("response", "status", "code", "details", "headers", "sqlstate", "smtp_code", "rc"):
            raise RuntimeError(name)
        return super().__getattribute__(name)

    def __str__(self) -> str:
        return "hostile"


def test_attributes_that_raise() -> None:
    assert explain_failure(Hostile()).first.cause is Cause.OTHER_ERROR


def test_what_a_server_says_is_escaped() -> None:
    error = smtplib.SMTPResponseException(535, b"bad \x1b[2J\r\nX: y")
    assert "\x1b" not in str(explain_failure(error))
