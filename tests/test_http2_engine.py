"""h2 within limits: settings that nobody knows, pushed responses, long heads."""

from __future__ import annotations

import struct

import h2.exceptions
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hyperframe.frame import HeadersFrame, PushPromiseFrame, SettingsFrame

from architecture.sources import calls, modules
from bothways.http2_engine import http2_connection

HEAD_LIMIT = 1000


def unknown_settings(first: int, count: int) -> bytes:
    """A frame of settings; hyperframe writes none above 255."""
    body = b"".join(struct.pack("!HI", each, 1) for each in range(first, first + count))
    return len(body).to_bytes(3) + b"\4" + bytes(5) + body


def begun() -> H2Connection:
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


def test_a_server_cannot_push_even_if_it_never_confirms_our_settings() -> None:
    """RFC 9113 8.4: each pushed response would be held, without a limit to their number."""
    client = begun()
    head = client.encoder.encode([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")])
    frame = PushPromiseFrame(1, promised_stream_id=2, data=head, flags=["END_HEADERS"])
    with pytest.raises(h2.exceptions.ProtocolError, match="pushed"):
        client.receive_data(frame.serialize())


def test_a_head_is_limited_after_decompression() -> None:
    client = begun()
    field = client.encoder.encode([(b"x", b"y" * (HEAD_LIMIT // 4))])
    frame = HeadersFrame(1, data=field + b"\xbe" * 8, flags=["END_HEADERS"])
    with pytest.raises(h2.exceptions.DenialOfServiceError):
        client.receive_data(frame.serialize())


def test_every_connection_of_http2_is_made_within_these_limits() -> None:
    made = {name for name, tree in modules().items() for call, _ in calls(tree) if call == "H2Connection"}
    assert made == {"bothways.http2_engine"}
