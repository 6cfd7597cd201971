"""Listeners with `starttls`: TLS is requested in the protocol of the service, which hears of nobody before that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bothways import ConfigError, PeerAlert
from bothways.aio import StreamReader, StreamWriter, connect
from bothways.errors import TLSError
from bothways.gateway.server import Gateway
from gateway_talk import Setting, port, service, until
from starttls.clients_that_ask import SSL_REQUEST, STARTUP

pytestmark = pytest.mark.network

NAMES = ("postgres", "smtp", "imap", "ldap")
GREETINGS = {"smtp": b"220-behind\r\n220 behind ESMTP\r\n", "imap": b"* OK behind\r\n"}


def write(setting: Setting, starttls: str, route: str, keys: str = "", **tables: object) -> None:
    text = setting.write(route, **tables).read_text()
    setting.path.write_text(text.replace("port = 0", f'port = 0\nstarttls = "{starttls}"\n{keys}'))


def greeting(words: bytes) -> Any:
    """A service that says this first, and then repeats what it is told."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        while data := await reader.read(65536):
            writer.write(data)

    return talk


async def asked(setting: Setting, gateway: Gateway, starttls: str | None, who: str | None = "good") -> Any:
    config = setting.mutual.client(who).config
    reader, writer = await connect("127.0.0.1", port(gateway), config, "localhost", starttls=starttls)
    setting.writers.append(writer)
    return reader, writer


async def answer(reader: StreamReader, writer: StreamWriter, words: bytes = b"EHLO me\r\n") -> bytes:
    writer.write(words)
    return await reader.readexactly(len(words))


async def plain(gateway: Gateway, *parts: bytes) -> bytes:
    """What comes back in plain text to whoever sends these, each after a reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
    received = b""
    try:
        for each in parts:
            writer.write(each)
            await asyncio.sleep(0.02)
        received = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return received


@pytest.mark.parametrize("name", NAMES)
def test_a_client_requests_tls_and_reaches_a_service_that_has_none(setting: Setting, name: str) -> None:
    """The greeting of the service is not sent to it, since it was greeted before TLS."""

    async def talk() -> None:
        async with service(greeting(GREETINGS.get(name, b""))) as behind:
            write(setting, name, behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await asked(setting, gateway, name)
                assert await answer(reader, writer) == b"EHLO me\r\n"
                writer.close()
                [reported] = await setting.until_reported()
        assert (reported["verdict"], reported["route"]) == ("allowed", "route 1")

    asyncio.run(talk())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("who", ["revoked", "unknown_ca", None])
def test_service_is_not_connected_to_before_its_client_is_verified(
    setting: Setting, name: str, who: str | None
) -> None:
    async def talk() -> None:
        async with service(greeting(GREETINGS.get(name, b""))) as behind:
            write(setting, name, behind.route())
            async with setting.gateway() as gateway:
                with pytest.raises(PeerAlert):
                    reader, _ = await asked(setting, gateway, name, who)
                    await reader.read()
                [reported] = await setting.until_reported()
            assert behind.writers == []
        assert reported["verdict"] == "refused"

    asyncio.run(talk())


HOSTILE = [
    ("postgres", (SSL_REQUEST + STARTUP,), b"", "sent more than it was asked for"),
    ("postgres", (STARTUP,), b"E\0\0\0", "refused to begin TLS in PostgreSQL"),
    ("smtp", (b"EHLO me\r\n", b"STARTTLS\r\nRSET\r\nMAIL FROM:<eve@example>\r\n"), b"220 ", "sent more than"),
    ("smtp", (b"EHLO me\r\nSTARTTLS\r\n",), b"220 ", "sent more than"),
    ("smtp", (b"QUIT\r\n",), b"220 mail.invalid ESMTP\r\n221 2.0.0 Bye\r\n", "closed the connection"),
    ("imap", (b"a STARTTLS\r\nb CREATE eve\r\n",), b"* OK", "sent more than"),
    ("ldap", (b"GET / HTTP/1.1\r\n\r\n",), b"", "does not speak LDAP"),
    ("smtp", (b"x" * 3000,), b"220 ", "a line of more than 2048 bytes"),
]


@pytest.mark.parametrize(("name", "parts", "received", "reported"), HOSTILE)
def test_data_sent_ahead_of_tls_is_refused_and_reaches_nothing(
    setting: Setting, name: str, parts: tuple[bytes, ...], received: bytes, reported: str
) -> None:
    """CVE-2011-0411, CVE-2021-23214: it is not kept for later either, since the connection ends."""

    async def talk() -> None:
        async with service(greeting(GREETINGS.get(name, b""))) as behind:
            write(setting, name, behind.route())
            async with setting.gateway() as gateway:
                assert (await plain(gateway, *parts)).startswith(received)
                [line] = await setting.until_reported()
                assert behind.writers == []
        assert f"the client {reported}" in line["ended"] or reported in line["ended"]
        assert (line["verdict"], line["code"]) == ("none", "STARTTLS_FAILED")

    asyncio.run(talk())


def test_plain_data_after_the_request_for_tls_is_refused_and_reaches_nothing(setting: Setting) -> None:
    async def talk() -> None:
        async with service(greeting(GREETINGS["smtp"])) as behind:
            write(setting, "smtp", behind.route())
            async with setting.gateway() as gateway:
                received = await plain(
                    gateway, b"EHLO me\r\n", b"STARTTLS\r\n", b"MAIL FROM:<eve@example>\r\n"
                )
                assert b"220 2.0.0 Ready to start TLS\r\n\x15\x03" in received
                await setting.until_reported()
                assert behind.writers == []

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("name", "words", "reported"),
    [
        ("smtp", b"554 no service\r\n", "has no greeting of SMTP for us: 554 no service"),
        ("smtp", b"220 behind\r\n250 injected\r\n", "has no greeting of SMTP for us: 250 injected"),
        ("imap", b"* PREAUTH root\r\n", "has no greeting of IMAP for us: * PREAUTH root"),
        ("imap", b"\xff\xff\xff\xff\xff", "has no greeting of IMAP for us"),
        ("smtp", b"220-", "did not answer within 0.3 seconds"),
    ],
)
def test_a_service_that_greets_otherwise_is_refused_and_its_words_do_not_reach_the_client(
    setting: Setting, name: str, words: bytes, reported: str
) -> None:
    async def talk() -> None:
        async with service(greeting(words)) as behind:
            write(setting, name, behind.route(), times={"connect": 0.3})
            async with setting.gateway() as gateway:
                reader, _ = await asked(setting, gateway, name)
                with pytest.raises(Exception, match="client|connection|close_notify|ended"):
                    assert await reader.read() == b""
                    raise ConnectionResetError("connection")
                [line] = await setting.until_reported()
                await until(lambda: behind.ends)
        assert reported in line["ended"]

    asyncio.run(talk())


def test_a_client_of_postgresql_may_begin_with_tls_at_once_if_it_offers_the_protocol(
    setting: Setting,
) -> None:
    """PostgreSQL 55.2.11: by ALPN, so that no other protocol is taken for it."""

    async def talk() -> None:
        async with service() as behind:
            write(setting, "postgres", behind.route())
            async with setting.gateway() as gateway:
                for offered in (("postgresql",), ("h2", "postgresql")):
                    config = setting.mutual.client("good", alpn=offered).config
                    reader, writer = await connect("127.0.0.1", port(gateway), config, "localhost")
                    setting.writers.append(writer)
                    assert writer.get_extra_info("alpn") in (None, "postgresql")
                    assert await answer(reader, writer, b"hello") == b"hello"
                for other in ((), ("h2",)):
                    config = setting.mutual.client("good", alpn=other).config
                    with pytest.raises(PeerAlert, match="no_application_protocol"):
                        await connect("127.0.0.1", port(gateway), config, "localhost")
                assert len(behind.writers) == 2
                *_, line = await setting.until_reported()
                assert (line["code"], line["cause"]) == (
                    "NO_SHARED_APPLICATION_PROTOCOL",
                    "NO_SHARED_PROTOCOL",
                )

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("said", "cause"),
    [(b"EHLO", "PLAIN_CLIENT"), (b"\x16\x03\x01\x00\x05\x01", "TLS_AT_ONCE"), (b"", "PROBE")],
)
def test_a_client_that_does_not_request_tls_in_time_is_ended(
    setting: Setting, said: bytes, cause: str
) -> None:
    """And what it sent tells why."""

    async def talk() -> None:
        async with service() as behind:
            write(setting, "smtp", behind.route(), times={"hello": 0.1})
            async with setting.gateway() as gateway:
                assert await plain(gateway, said) == b"220 mail.invalid ESMTP\r\n"
                [reported] = await setting.until_reported()
        assert reported["ended"] == "the client did not begin TLS in time."
        assert (reported["code"], reported["cause"]) == ("STARTTLS_FAILED", cause)

    asyncio.run(talk())


def test_connections_before_tls_are_limited_in_number_and_ended_with_the_gateway(setting: Setting) -> None:
    """One address holds a quarter of them, and loses its own place to its next connection."""

    async def talk() -> None:
        async with service() as behind:
            write(setting, "smtp", behind.route(), limits={"handshakes": 8})
            async with setting.gateway() as gateway:
                first, ended = await asyncio.open_connection("127.0.0.1", port(gateway))
                others = [await asyncio.open_connection("127.0.0.1", port(gateway)) for _ in range(2)]
                await first.readline()
                with pytest.raises(ConnectionError):
                    assert await first.read() == b""
                    raise ConnectionResetError
                ended.close()
                reader, writer = await asked(setting, gateway, "smtp")
                writer.close()
            for reader, writer in others:
                with pytest.raises(ConnectionError):
                    await reader.read()
                    raise ConnectionResetError
                writer.close()

    asyncio.run(talk())


def test_a_proxy_announces_its_client_before_it_requests_tls(setting: Setting) -> None:
    line = b"PROXY TCP4 192.0.2.7 198.51.100.1 5 25\r\n"

    async def talk() -> None:
        async with service() as behind:
            write(setting, "smtp", behind.route(), 'proxy_from = "127.0.0.1"')
            async with setting.gateway() as gateway:
                received = await plain(gateway, line + b"QUIT\r\n")
                assert received == b"220 mail.invalid ESMTP\r\n221 2.0.0 Bye\r\n"
                [reported] = await setting.until_reported()
        assert (reported["client"], reported["proxy"][:10]) == ("192.0.2.7:5", "127.0.0.1:")

    asyncio.run(talk())


def test_a_listener_begins_to_require_the_request_when_its_file_says_so(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                _, writer = await asked(setting, gateway, None)
                write(setting, "ldap", behind.route())
                assert await setting.reload()
                await asked(setting, gateway, "ldap")
                with pytest.raises((TLSError, OSError)):
                    await asked(setting, gateway, None)
                writer.write(b"still here")

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("keys", "route", "problem"),
    [
        ('starttls = "ftp"', "", "'ftp'; they can in postgres, smtp, imap, ldap"),
        (
            'starttls = "smtp"\n[[listener]]\nname = "other"\nhost = "127.0.0.2"\nport = 0',
            "",
            "differ in `starttls`",
        ),
        ('starttls = "smtp"', 'mode = "http"', "requests of HTTP do not come in by STARTTLS of SMTP"),
    ],
)
def test_a_file_that_cannot_work_is_refused(setting: Setting, keys: str, route: str, problem: str) -> None:
    text = setting.write(f'backend = "127.0.0.1:1"\n{route}\nallow = "any verified client"').read_text()
    setting.path.write_text(text.replace("port = 0", f"port = 0\n{keys}", 1))
    with pytest.raises(ConfigError, match="gateway.toml, line") as refused:
        setting.load()
    assert problem in str(refused.value)


def test_routes_of_listeners_that_differ_are_told_apart_by_name(setting: Setting) -> None:
    text = setting.write(
        'name = "mail"\nlisteners = ["mail"]\nbackend = "127.0.0.1:1"\nallow = "any verified client"',
        'name = "web"\nlisteners = ["web"]\nbackend = "127.0.0.1:2"\nallow = "any verified client"',
    ).read_text()
    both = (
        'name = "mail"\nport = 0\nstarttls = "smtp"\n[[listener]]\nname = "web"\nhost = "127.0.0.2"\nport = 0'
    )
    setting.path.write_text(text.replace("port = 0", both, 1))
    mail, web = setting.load().config.routes
    assert mail.starttls is not None
    assert (mail.starttls.name, web.starttls) == ("smtp", None)
