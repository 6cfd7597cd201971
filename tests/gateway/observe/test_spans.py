"""Spans of OpenTelemetry, as its SDK gets them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bothways import PeerAlert
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.log import ConnectionEntry
from bothways.servers.report_limits import AT_ONCE, ReportLimits
from gateway_talk import ANYBODY, PAGE, Setting, service, until
from tunnel_talk import connected, echoed, is_cut, port, table, tls_server, write

pytest.importorskip("opentelemetry.sdk.trace", reason="needs opentelemetry-sdk, of requirements/dev.txt")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bothways.gateway.observe import spans as module
from bothways.gateway.observe.spans import Spans

pytestmark = pytest.mark.network


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The SDK with spans in memory; the provider of the process stays as it is."""
    made, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield made
    provider.shutdown()


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [each for each in exporter.get_finished_spans() if each.name == name]


def test_a_client_its_handshake_and_its_requests_are_spans_of_one_trace(
    setting: Setting, exporter: InMemorySpanExporter
) -> None:
    """A query, header fields and the client's own trace are in none of them."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PAGE)
        await writer.drain()

    async def talk() -> None:
        async with service(answer) as behind:
            setting.write(behind.route(keys='mode = "http"'), traces={"opentelemetry": True})
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(
                    b"GET /report?token=secret HTTP/1.1\r\nHost: localhost\r\nCookie: secret\r\n"
                    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nConnection: close\r\n\r\n"
                )
                assert b"hello" in await reader.read()
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await (await setting.open(gateway, "revoked"))[0].read()
                await until(lambda: len(named(exporter, "connection")) == 2)

    asyncio.run(talk())
    [handshake], [request] = named(exporter, "handshake"), named(exporter, "request GET")
    allowed, refused = sorted(
        named(exporter, "connection"), key=lambda each: each.attributes["bothways.verdict"]
    )
    assert {each.context.trace_id for each in (allowed, handshake, request)} == {allowed.context.trace_id}
    assert handshake.parent == request.parent == allowed.context and allowed.parent is None
    assert f"{allowed.context.trace_id:032x}" != "0af7651916cd43dd8448eb211c80319c"
    assert (
        allowed.start_time
        <= handshake.start_time
        <= handshake.end_time
        <= request.end_time
        <= allowed.end_time
    )
    assert (
        request.attributes["http.response.status_code"] == 200 and request.attributes["url.path"] == "/report"
    )
    assert allowed.attributes["bothways.client"] == "spiffe://testing.example/client"
    assert (allowed.attributes["bothways.rule"], allowed.attributes["tls.protocol.version"]) == (
        "any verified client", "1.3",
    )  # fmt: skip
    assert (refused.attributes["bothways.code"], refused.status.is_ok) == ("REVOKED", False)
    assert "secret" not in "".join(each.to_json() for each in exporter.get_finished_spans())


def test_a_connection_through_a_tunnel_has_the_span_of_a_client_of_its_server(
    setting: Setting, exporter: InMemorySpanExporter
) -> None:
    async def talk() -> None:
        async with tls_server(setting) as one, tls_server(setting, "revoked") as two:
            traced = "[traces]\nopentelemetry = true\n"
            write(setting, table(setting, port(one)), table(setting, port(two), name="cache"), traced)
            async with setting.gateway():
                program = await connected(setting)
                assert await echoed(program, b"a") == b"a"
                program[1].close()
                assert await is_cut(await connected(setting, "cache"))
                await until(lambda: len(named(exporter, "connection")) == 2)

    asyncio.run(talk())
    [reached] = named(exporter, "connect")
    allowed, refused = sorted(
        named(exporter, "connection"), key=lambda each: each.attributes["bothways.verdict"]
    )
    assert reached.parent == allowed.context
    assert {each.kind for each in (allowed, refused)} == {trace.SpanKind.CLIENT}
    assert (allowed.attributes["bothways.server"], allowed.attributes["bothways.route"]) == (
        "localhost",
        "db",
    )
    assert allowed.attributes["tls.server.subject"] == "CN=good server"
    assert allowed.attributes["bothways.leads_to"].startswith("localhost:")
    assert (refused.attributes["bothways.code"], refused.status.is_ok) == ("REVOKED", False)


def test_strangers_have_so_many_spans_and_attributes_are_short(exporter: InMemorySpanExporter) -> None:
    spans = Spans(lambda: 5.0, ReportLimits(lambda: 1000.0))
    for _ in range(AT_ONCE + 5):
        entry = ConnectionEntry(
            "in", "192.0.2.7:5", "192.0.2.7", 1.0, asked="x\n\u202e" * 1000, verdict="refused"
        )
        entry.ending = Ending.of(Code.HELLO_TIMEOUT, "late " * 1000)
        spans.ended(entry, None)
    finished = exporter.get_finished_spans()
    assert len(finished) == AT_ONCE
    first = finished[0]
    assert all(len(str(value)) <= 120 and str(value).isprintable() for value in first.attributes.values())
    assert len(first.status.description) <= 400
    assert first.end_time - first.start_time == 4 * module.NANOSECONDS


def test_spans_follow_a_system_clock_that_is_set(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By much; what passes between looking at two clocks changes the order of no two times."""
    now = [1_000 * module.NANOSECONDS]
    monkeypatch.setattr(module.time, "time_ns", lambda: now[0])
    spans = Spans(lambda: 5.0)
    for since in (0, -900, 3_600 * module.NANOSECONDS):
        now[0] += since
        spans.ended(ConnectionEntry("in", "192.0.2.7:5", "192.0.2.7", 5.0, verdict="refused"), None)
    seconds = [each.start_time / module.NANOSECONDS for each in exporter.get_finished_spans()]
    assert seconds[:2] == [1000, 1000] and seconds[2] == pytest.approx(4600)


def test_nothing_is_made_unless_it_is_wanted(setting: Setting, exporter: InMemorySpanExporter) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(ANYBODY))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"x")
                await reader.readexactly(1)
                writer.close()
                await setting.until_reported()

    asyncio.run(talk())
    assert exporter.get_finished_spans() == ()
