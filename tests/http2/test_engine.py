"""h2 within limits: settings that nobody knows, tables that grow, how streams ended."""

from __future__ import annotations

import ast
import struct
import tracemalloc

import h2.events
import h2.exceptions
import hpack
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hyperframe.frame import HeadersFrame, SettingsFrame

from architecture.sources import modules
from bothways.http2.engine import (
    CLOSED_STREAMS,
    SIZE_UPDATES,
    TABLE_LIMIT,
    BoundedConnection,
    BoundedDecoder,
    http2_connection,
)

HEAD_LIMIT = 1000


def unknown_settings(first: int, count: int) -> bytes:
    """A frame of settings; hyperframe writes none above 255."""
    body = b"".join(struct.pack("!HI", each, 1) for each in range(first, first + count))
    return len(body).to_bytes(3) + b"\4" + bytes(5) + body


def begun() -> BoundedConnection:
    """Our client's side after its request, and the first settings of a server."""
    made = http2_connection(client_side=True, head_limit=HEAD_LIMIT)
    made.initiate_connection()
    made.send_headers(1, [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")], True)
    made.receive_data(SettingsFrame(0).serialize())
    return made


@pytest.mark.parametrize("client_side", [True, False])
def test_settings_that_are_not_known_are_ignored_and_not_kept(client_side: bool) -> None:
    """RFC 9113 6.5.2."""
    peer = H2Connection(H2Configuration(client_side=not client_side))
    made = http2_connection(client_side=client_side, head_limit=HEAD_LIMIT)
    for each in (peer, made):
        each.initiate_connection()
    made.receive_data(peer.data_to_send())
    held = len(made.remote_settings)
    for at in range(0x100, 0x2000, 0x100):
        made.receive_data(unknown_settings(at, 0x100))
    made.receive_data(SettingsFrame(0, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 7}).serialize())
    assert len(made.remote_settings) <= held + 1
    assert made.remote_settings.max_concurrent_streams == 7


def test_a_setting_without_sense_is_refused() -> None:
    with pytest.raises(h2.exceptions.ProtocolError):
        begun().receive_data(SettingsFrame(0, settings={SettingCodes.MAX_FRAME_SIZE: 1}).serialize())


def size_updates(count: int) -> bytes:
    """A head that changes the size of the table so often; the last is that of our table."""
    head = hpack.Encoder().encode([(b":status", b"200")])
    return b"\x20" * (count - 1) + b"\x3f\xe1\x1f" * bool(count) + head


@pytest.mark.parametrize("count", range(SIZE_UPDATES + 1))
def test_a_head_may_change_the_size_of_the_table_as_often_as_is_of_use(count: int) -> None:
    assert list(BoundedDecoder().decode(size_updates(count), raw=True)) == [(b":status", b"200")]


@pytest.mark.parametrize("more", [b"\x20", b"\x3f\x80\x80\x00"])
def test_a_head_changes_the_size_of_the_table_no_more_often(more: bytes) -> None:
    """RFC 7541 4.2: 32 KiB of them were 45 ms of work."""
    with pytest.raises(hpack.HPACKDecodingError, match="size of the table"):
        BoundedDecoder().decode(more + size_updates(SIZE_UPDATES), raw=True)


@pytest.mark.parametrize("client_side", [True, False])
@pytest.mark.parametrize("size", [0, 100, TABLE_LIMIT, 2**32 - 1])
def test_a_peer_does_not_choose_how_much_is_remembered_for_it(client_side: bool, size: int) -> None:
    """RFC 7541 4.2: an encoder may use less than the peer allows; h2 would keep 4 GiB."""
    made = http2_connection(client_side=client_side, head_limit=HEAD_LIMIT)
    made.initiate_connection()
    preface = b"" if client_side else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    changed = SettingsFrame(0, settings={SettingCodes.HEADER_TABLE_SIZE: size})
    made.receive_data(preface + changed.serialize())
    assert made.encoder.header_table_size == min(size, TABLE_LIMIT)


def test_a_head_that_was_checked_is_not_decompressed_again() -> None:
    """h2 gets what it has to know of it, whatever the frame contains."""
    made = begun()
    made.head.fields = [hpack.HeaderTuple(b":status", b"103")]
    [event] = made.receive_data(HeadersFrame(1, data=b"\xff\xff", flags=["END_HEADERS"]).serialize())
    assert isinstance(event, h2.events.InformationalResponseReceived)


def test_h2_does_not_count_the_streams_of_a_peer_that_is_told_of_a_limit() -> None:
    """It would end the connection by one too many (RFC 9113 5.1.2)."""
    settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    server = http2_connection(client_side=False, head_limit=HEAD_LIMIT, settings=settings)
    server.initiate_connection()
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    client.receive_data(server.data_to_send())
    assert client.remote_settings.max_concurrent_streams == 1
    server.receive_data(client.data_to_send())
    for number in (1, 3):
        server.receive_data(HeadersFrame(number, flags=["END_HEADERS"]).serialize())
    assert server.open_inbound_streams == 2


def test_how_streams_ended_is_remembered_of_the_last() -> None:
    """h2 would keep 65,536 of them, for each connection."""
    server = http2_connection(client_side=False, head_limit=HEAD_LIMIT)
    client = http2_connection(client_side=True, head_limit=HEAD_LIMIT)
    client.initiate_connection()
    server.initiate_connection()
    tracemalloc.start()
    head = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]
    held = []
    for number in range(1, 6 * CLOSED_STREAMS, 2):
        client.send_headers(number, head, end_stream=True)
        client.reset_stream(number)
        server.receive_data(client.data_to_send())
        if number > 3 * CLOSED_STREAMS and number % CLOSED_STREAMS == 1:
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(held) == 3 and max(held) - min(held) < 64 * 1024


def test_every_connection_of_http2_is_made_within_these_limits() -> None:
    made: dict[str, set[str]] = {"H2Connection": set(), "BoundedConnection": set(), "http2_connection": set()}
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in made:
                made[node.id].add(name)
    engine, receiver = {"bothways.http2.engine"}, {"bothways.http2.receiver"}
    assert made == {"H2Connection": engine, "BoundedConnection": engine, "http2_connection": receiver}
