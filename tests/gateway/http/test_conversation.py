"""Requests of verified clients on their way to a service: who is told of them, what is refused, what ends them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from bothways.gateway.http.messages import HEAD_LIMIT
from bothways.http.proxy import shown_chain
from bothways.http2.frames import END_STREAM, Kind
from bothways.servers.resets import end_by_reset
from gateway.http.test_header_fields import FORGED
from gateway.http.test_http2_rules import raw_client
from gateway_http import CUT, HTTP, Got, gateway_to, page, talk_raw, told_requests, web
from gateway_talk import ANYBODY, Setting, service, until
from http2_cases import f, request

pytestmark = pytest.mark.network

GET = b"GET /path?token=secret HTTP/1.1\r\nHost: localhost\r\n"


MUCH = 32 * 1024 * 1024


def statuses(answer: bytes) -> list[int]:
    return [int(each.split(b" ")[0]) for each in answer.split(b"HTTP/1.1 ")[1:]]


def test_a_service_learns_who_asks_and_nothing_that_a_client_made_up(setting: Setting) -> None:
    """In every spelling, in trailers, and by what Connection names."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            forged = b"".join(each.encode() + b": forged\r\n" for each in FORGED)
            data = GET + forged + b"Connection: Client-Cert, X-Forwarded-Client-Cert\r\n\r\n"
            data += (
                b"POST /t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
            )
            data += b"2\r\nok\r\n0\r\n" + forged + b"X-Sum: 1\r\n\r\n"
            assert statuses(await talk_raw(setting, gateway, data)) == [200, 200]
            first, second = requests.got
            own = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]
            own += ["client-cert", "x-forwarded-client-cert"]
            assert (first.names, first.target) == (["host", *own], "/path?token=secret")
            assert second.names == ["host", *own, "transfer-encoding"]
            assert (second.body, second.trailers) == (b"ok", [("x-sum", "1")])
            assert "forged" not in str(requests.got)
            told = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")]
            assert first.fields[1:4] == [*told, ("x-forwarded-host", "localhost")]
            assert 'Subject="CN=good client"' in first["x-forwarded-client-cert"]
            [leaf] = shown_chain([(name.encode(), value.encode()) for name, value in first.fields])
            assert leaf in setting.mutual.identity("client").cert.read_bytes() or len(leaf) > 300
            await until(lambda: len(told_requests(setting)) == 2)
        line = told_requests(setting)[0]
        assert (line["who"]["subject"], line["rule"], line["status"]) == ("CN=good client", ANYBODY_RULE, 200)
        assert (line["method"], line["host"], line["path"]) == ("GET", "localhost", "/path")
        assert "secret" not in str(setting.lines), "a query may hold secrets"

    asyncio.run(talk())


ANYBODY_RULE = "any verified client"


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (GET + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, b"beside Transfer-Encoding"),
        (GET + b"Connection: host\r\n\r\n", 400, b"Connection names"),
        (b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", 421, b"connect again by its name"),
        (b"GET https://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n", 421, b"connect again"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421, b"connect again"),
        (b"GET / HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400, b"no host"),
        (
            GET.replace(b"localhost", b"other") + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            421,
            b"",
        ),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, b"TRACE is not passed on"),
        (b"CONNECT * HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, b"CONNECT is not passed on"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * HEAD_LIMIT + b"\r\n\r\n", 431, b"more than"),
        (GET.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, b"chunk header"),
    ],
)
def test_a_request_that_is_refused_reaches_no_service_and_ends_the_connection(
    setting: Setting, data: bytes, status: int, told: bytes
) -> None:
    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            answer = await talk_raw(setting, gateway, data + GET + b"\r\n")
            assert statuses(answer) == [status]
            assert told in answer and b"connection: close" in answer.lower()
            assert requests.got == []
            await until(lambda: told_requests(setting))
            assert told_requests(setting)[0]["status"] == status

    asyncio.run(talk())


def test_another_route_of_the_same_listener_is_reached_by_its_own_connection_only(setting: Setting) -> None:
    """RFC 9110 7.4: rules and services belong to the name that the handshake was made for."""

    async def talk() -> None:
        async with web() as one, web() as two:
            routes = [
                one.behind.route(ANYBODY, keys=HTTP, name="localhost"),
                two.behind.route('[[route.allow]]\ndns = "other.example"', keys=HTTP, name="two.example"),
            ]
            setting.write(*(f'name = "{at}"\n{each}' for at, each in enumerate(routes)))
            async with setting.gateway() as gateway:
                for host in (b"two.example", b"TWO.example.:443"):
                    data = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
                    assert statuses(await talk_raw(setting, gateway, data)) == [421]
                assert statuses(await talk_raw(setting, gateway, GET + b"\r\n")) == [200]
            assert (len(one.got), two.got) == (1, [])

    asyncio.run(talk())


def test_bodies_pass_while_they_come_and_are_stopped_by_who_does_not_read(setting: Setting) -> None:
    """Both ways at once; nothing is kept but a bounded part."""
    total = 8_000_000
    content = bytes(range(250)) * (total // 250)

    async def talk() -> None:
        may_go_on = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
            writer.write(await reader.readexactly(1000))
            await may_go_on.wait()
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

        async with service(answer) as behind:
            behind.server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % total)

                async def send() -> None:
                    for at in range(0, total, 100_000):
                        writer.write(content[at : at + 100_000])
                        await writer.drain()

                sending = asyncio.ensure_future(send())
                await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(1000) == content[:1000], "before the request has ended"
                [client] = gateway.clients
                await until(lambda: not client.upper.is_reading())
                may_go_on.set()
                assert await reader.readexactly(total - 1000) == content[1000:]
                await sending

    asyncio.run(talk())


def test_requests_of_one_client_share_a_connection_to_the_service_that_nobody_else_uses(
    setting: Setting,
) -> None:
    """One that has ended meanwhile is replaced; a request that may have an effect is made on a new one."""

    def answer(got: Got) -> bytes:
        return (
            page(got).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            if got.target.startswith("/end")
            else page(got)
        )

    async def talk() -> None:
        async with web(answer) as requests, gateway_to(setting, requests) as gateway:
            assert statuses(await talk_raw(setting, gateway, (GET + b"\r\n") * 3)) == [200] * 3
            assert requests.connections == 1
            assert statuses(await talk_raw(setting, gateway, GET + b"\r\n")) == [200]
            assert requests.connections == 2
            ending = GET.replace(b"/path", b"/end") + b"\r\n"
            assert statuses(await talk_raw(setting, gateway, ending * 2)) == [200] * 2
            assert requests.connections == 4
            post = GET.replace(b"GET", b"POST") + b"Content-Length: 1\r\n\r\nx"
            assert statuses(await talk_raw(setting, gateway, post * 2)) == [200] * 2
            assert requests.connections == 6

    asyncio.run(talk())


def test_a_service_that_ends_when_it_is_asked_again_is_asked_anew(setting: Setting) -> None:
    """RFC 9112 9.3.1: a request without effect, of which no answer has begun."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            await reader.readuntil(b"\r\n\r\n")
            if number:
                return
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def talk() -> None:
        async with service(answer) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                assert statuses(await talk_raw(setting, gateway, (GET + b"\r\n") * 2)) == [204, 204]
            assert len(behind.writers) == 2

    asyncio.run(talk())


ANSWERS = [
    (b"", 502),
    (b"SSH-2.0-x\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 502),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, 502),
    (b"HTTP/1.1 200 OK\r\nX: a\x1b[2J\r\nContent-Length: 0\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nX: a\x7f\r\nContent-Length: 0\r\n\r\n", 502),
    (b"HTTP/1.1 103 Early Hints\r\nX: \x01a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551620\r\n\r\nhalf", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 200),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", 200),
]


@pytest.mark.parametrize(("bad", "status"), ANSWERS)
def test_a_service_that_does_not_answer_in_http_is_reported_as_such_and_a_part_never_taken_for_the_whole(
    setting: Setting, bad: bytes, status: Any
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bad)
        await writer.drain()

    async def talk() -> None:
        async with service(answer) as behind:
            setting.write(behind.route(keys=HTTP))
            address = behind.address.encode()
            async with setting.gateway() as gateway:
                found = await talk_raw(setting, gateway, GET + b"\r\n", end=False)
                assert statuses(found) == [status] and found.endswith(CUT) == (status == 200)
                request, connection = await setting.until_reported(2)
        assert address not in found
        assert request["ended"] == connection["ended"]
        assert (connection["code"], connection["causes"]) == ("BACKEND_LOST", request["causes"])
        assert (request["cause"] == "PEER_STOPPED") == (status == 200 or not bad)

    asyncio.run(talk())


def test_a_service_that_is_not_there_or_not_in_time_is_reported_as_such(setting: Setting) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def talk() -> None:
        async with service(silent) as behind:
            setting.write(behind.route(keys=HTTP), times={"response": 0.2})
            async with setting.gateway() as gateway:
                assert statuses(await talk_raw(setting, gateway, GET + b"\r\n")) == [504]
            behind.server.close()
            await behind.server.wait_closed()
            async with setting.gateway() as gateway:
                assert statuses(await talk_raw(setting, gateway, GET + b"\r\n")) == [502]
        late, late_end, absent, absent_end = setting.reported()
        assert (late_end["code"], absent_end["code"]) == ("BACKEND_TIMEOUT", "BACKEND_UNREACHABLE")
        assert {each["cause"] for each in (late, late_end, absent, absent_end)} == {"BACKEND_DOWN"}

    asyncio.run(talk())


def test_a_response_that_does_not_go_on_is_cut(setting: Setting) -> None:
    """The client has a part, and it is told as the service's failure."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await reader.read()

    async def talk() -> None:
        async with service(half) as behind:
            setting.write(behind.route(keys=HTTP), times={"idle": 0.3})
            async with setting.gateway() as gateway:
                found = await talk_raw(setting, gateway, GET + b"\r\n", end=False)
                assert statuses(found) == [200] and found.endswith(CUT)
                request, connection = await setting.until_reported(2)
        assert "stopped in the middle of a response" in request["ended"]
        assert (connection["code"], connection["cause"]) == ("BACKEND_TIMEOUT", request["cause"])

    asyncio.run(talk())


def test_a_body_that_is_slow_gets_a_408(setting: Setting) -> None:
    async def talk() -> None:
        async with web() as requests:
            setting.write(requests.behind.route(keys=HTTP), times={"request_body": 0.2})
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(GET.replace(b"GET", b"POST") + b"Content-Length: 5\r\n\r\nhe")
                assert statuses(await reader.read()) == [408]
            assert requests.got == []

    asyncio.run(talk())


def test_an_answer_before_the_end_of_a_request_reaches_the_client(setting: Setting) -> None:
    """And ends the connection, since the rest of the request was not read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

    async def talk() -> None:
        async with service(answer) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(GET.replace(b"GET", b"POST") + b"Content-Length: 500000\r\n\r\n" + bytes(1000))
                assert statuses(await reader.read()) == [413]

    asyncio.run(talk())


def test_informational_responses_pass_and_a_client_that_waits_for_100_gets_it(setting: Setting) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"expect: 100-continue" in head.lower()
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)

    async def talk() -> None:
        async with service(answer) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(
                    GET.replace(b"GET", b"PUT") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
                )
                assert statuses(await reader.readuntil(b"100 Continue\r\n\r\n")) == [103, 100]
                writer.write(b"ok")
                assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")

    asyncio.run(talk())


def test_a_revoked_client_is_ended_within_its_request_and_so_is_the_request(setting: Setting) -> None:
    async def talk() -> None:
        over = asyncio.Event()

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    writer.write(b"tick\n")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except ConnectionError:
                over.set()

        mutual = setting.mutual
        leaving = mutual.identity("client", dns=["client.example"])
        async with service(endless) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway, leaving, revocation=None)
                writer.write(GET + b"\r\n")
                await reader.readuntil(b"tick")
                mutual.revoke(leaving)
                with pytest.raises(Exception, match="certificate_revoked"):
                    while await reader.read(65536):
                        pass
                await asyncio.wait_for(over.wait(), 20)
                told = {each["kind"]: each for each in await setting.until_reported(2)}
        assert (told["request"]["cause"], told["connection"]["code"]) == ("REVOKED", "REVOKED")
        assert told["request"]["ended"] == told["connection"]["ended"]

    asyncio.run(talk())


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_that_is_reset_within_its_request_is_told_so_in_both_lines(
    setting: Setting, version: str, answers: bool
) -> None:
    """Before the response, and while it is being sent."""

    async def talk() -> None:
        asked = asyncio.Event()

        async def thinking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            if answers:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MUCH))
                async with asyncio.timeout(20):
                    while writer.transport.get_write_buffer_size() > MUCH - 65536:
                        await asyncio.sleep(0.01)
            asked.set()
            await reader.read()

        async with service(thinking) as behind:
            setting.write(behind.route(ANYBODY, keys=HTTP))
            async with setting.gateway() as gateway:
                if version == "1.1":
                    _, writer = await setting.open(gateway)
                    writer.write(GET + b"\r\n")
                    await asyncio.wait_for(asked.wait(), 20)
                    end_by_reset(writer.transport)
                    writer.transport.abort()
                else:
                    async with raw_client(setting, gateway) as client:
                        await client.send(request(1))
                        await asyncio.wait_for(asked.wait(), 20)
                        end_by_reset(client.writer.transport)
                        client.writer.transport.abort()
                told = {each["kind"]: each for each in await setting.until_reported(2)}
        asking, connection = told["request"], told["connection"]
        assert (asking["status"], asking["cause"]) == (200 if answers else None, "CUT")
        assert (connection["code"], asking["ended"]) == ("CLIENT_LOST", connection["ended"])
        assert "the connection to the client was reset" in connection["ended"]

    asyncio.run(talk())


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("is_answered", [True, False])
def test_an_end_without_close_notify_is_one_in_order_where_every_request_is_answered(
    setting: Setting, version: str, is_answered: bool
) -> None:
    """RFC 9112 9.8: clients of HTTP end so, as curl does with HTTP/2; within a request something may be missing."""

    async def talk() -> None:
        head = b"204 No Content\r\n\r\n" if is_answered else b"200 OK\r\nContent-Length: 5\r\n\r\n"

        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + head)
            await reader.read()

        async with service(answering) as behind:
            setting.write(behind.route(ANYBODY, keys=HTTP))
            async with setting.gateway() as gateway:
                if version == "1.1":
                    reader, writer = await setting.open(gateway)
                    writer.write(GET + b"\r\n")
                    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                    await until(lambda: len(told_requests(setting)) == is_answered)
                    writer.transport.abort()
                else:
                    async with raw_client(setting, gateway) as client:
                        await client.send(request(1))
                        await client.until(lambda: 1 in client.statuses)
                        await until(lambda: len(told_requests(setting)) == is_answered)
                told = {each["kind"]: each for each in await setting.until_reported(2)}
        connection = told["connection"]
        expected = ("CLOSED", None) if is_answered else ("CLIENT_TRUNCATED", "CUT")
        assert (connection["code"], connection["cause"]) == expected

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("version", "last", "is_part"),
    [
        ("1.1", GET, True),
        ("2", request(3)[:-1], True),
        ("2", request(3, flags=END_STREAM), True),
        ("2", f(Kind.WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), False),
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_an_end_without_close_notify_is_none_in_order_where_a_part_of_a_request_has_come(
    setting: Setting, version: str, last: bytes, is_part: bool, pause: float
) -> None:
    """Whether it comes at once with the last bytes, or later."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            if version == "1.1":
                reader, writer = await setting.open(gateway)
                writer.write(GET + b"\r\n")
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                await until(lambda: len(told_requests(setting)) == 1)
                writer.write(last)
                await asyncio.sleep(pause)
                writer.transport.abort()
            else:
                async with raw_client(setting, gateway) as client:
                    await client.send(request(1))
                    await client.until(lambda: 1 in client.statuses)
                    await until(lambda: len(told_requests(setting)) == 1)
                    await client.send(last)
                    if pause:
                        await asyncio.sleep(pause)
            told = {each["kind"]: each for each in await setting.until_reported(2)}
        connection = told["connection"]
        expected = ("CLIENT_TRUNCATED", "CUT") if is_part else ("CLOSED", None)
        assert (connection["code"], connection["cause"]) == expected

    asyncio.run(talk())


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_connections_to_a_service_end_in_order_with_those_of_clients_that_do(
    setting: Setting, version: str
) -> None:
    """Without a reset, which many services report as an error."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            if version == "1.1":
                assert statuses(await talk_raw(setting, gateway, GET + b"\r\n")) == [200]
            else:
                async with raw_client(setting, gateway) as client:
                    await client.send(request(1))
                    await client.until(lambda: 1 in client.statuses)
            await until(lambda: requests.behind.ends)
            assert requests.behind.ends == ["end"]

    asyncio.run(talk())


def test_a_gateway_that_drains_ends_idle_clients_and_lets_requests_end(setting: Setting) -> None:
    async def talk() -> None:
        go_on = asyncio.Event()

        async def slow(got: Got) -> bytes:
            await go_on.wait()
            return page(got)

        async with web(slow) as requests, gateway_to(setting, requests) as gateway:
            idle, _ = await setting.open(gateway)
            busy, writer = await setting.open(gateway)
            writer.write((GET + b"\r\n") * 2)
            await until(lambda: requests.got)
            draining = asyncio.ensure_future(gateway.drain())
            assert await idle.read() == b""
            go_on.set()
            await asyncio.wait_for(draining, 20)
            last = await busy.read()
            assert statuses(last) == [200]
            assert last.count(b"connection: close\r\n") == 1, "RFC 9112 9.6"
        assert {each["ended"] for each in setting.reported() if "path" not in each} == {"the gateway ends"}

    asyncio.run(talk())


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_client_whose_handshake_ends_while_the_gateway_drains_is_not_served(
    setting: Setting, protocol: str
) -> None:
    """Else it would keep its connection until the time of draining is over, and lose what it requests then."""

    async def talk() -> None:
        go_on = asyncio.Event()

        async def slow(got: Got) -> bytes:
            await go_on.wait()
            return page(got)

        async with web(slow) as requests, gateway_to(setting, requests) as gateway:
            _, writer = await setting.open(gateway)
            writer.write(GET + b"\r\n")
            await until(lambda: requests.got)
            opening = asyncio.ensure_future(setting.open(gateway, alpn=[protocol]))
            while len(tuple(gateway.clients)) < 2:
                await asyncio.sleep(0)
            draining = asyncio.ensure_future(gateway.drain())
            await asyncio.sleep(0)
            assert not opening.done()
            late, its_writer = await opening
            if protocol != "h2":
                its_writer.write(GET + b"\r\n")
            assert await asyncio.wait_for(late.read(), 20) == b""
            assert len(requests.got) == 1
            go_on.set()
            await asyncio.wait_for(draining, 20)

    asyncio.run(talk())
