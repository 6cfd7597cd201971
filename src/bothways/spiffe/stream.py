"""One call of FetchX509SVID over gRPC (HTTP/2 without TLS), without I/O: bytes in, bytes and responses out.

gRPC over HTTP2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. The frames are those of h2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import h2.events

from bothways.describe.escape import visible
from bothways.http2.frames import GoAway
from bothways.http2.receiver import HeadKind, ReceivedHead, Receiver, StreamFailed
from bothways.http2.violations import Violation
from bothways.spiffe.messages import MOST_BYTES

PATH = "/SpiffeWorkloadAPI/FetchX509SVID"
EMPTY_REQUEST = b"\0\0\0\0\0"  # not compressed, 0 bytes
HEAD = 5
HEAD_LIMIT = 16 * 1024  # bytes of the fields of one head
WORDS = 200  # characters of the agent's text in an error
INVALID_ARGUMENT, PERMISSION_DENIED = 3, 7


class StreamEnded(ConnectionError):
    """The agent ended the stream, or broke the protocol. status: that of gRPC, None without one."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class SVIDStream:
    """The client's side of one call, which lasts until one of both sides ends it. clock: the time in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._receiver = Receiver(client_side=True, head_limit=HEAD_LIMIT, clock=clock)
        self._connection = self._receiver.http
        self._connection.initiate_connection()
        self._receiver.requests(1, b"POST")
        self._connection.send_headers(
            1,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", PATH),
                (":authority", "localhost"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", "bothways"),
                (
                    "workload.spiffe.io",
                    "true",
                ),  # against requests that a proxy was tricked into (Workload API 3)
            ],
        )
        self._connection.send_data(1, EMPTY_REQUEST, end_stream=True)
        self._came = bytearray()

    def data_to_send(self) -> bytes:
        """Return the bytes to be sent now."""
        return bytes(self._connection.data_to_send())

    def receive(self, data: bytes) -> list[bytes]:
        """Process bytes of the agent; return the responses that are complete. Raises StreamEnded."""
        responses: list[bytes] = []
        try:
            for event in self._receiver.take(data):
                responses += self._take(event)
        except Violation as violation:
            raise _broken(str(violation)) from None
        return responses

    def _take(self, event: object) -> list[bytes]:
        match event:
            case ReceivedHead(kind=HeadKind.RESPONSE, fields=fields):
                self._check_head(_texts(fields))
            case h2.events.DataReceived(data=data, flow_controlled_length=size):
                self._connection.acknowledge_received_data(size or 0, 1)
                if data:
                    self._receiver.budget.earn(1 + len(data) / 1024)
                    self._came += data
                return self._complete()
            case ReceivedHead(kind=HeadKind.TRAILERS, fields=fields):
                self._end(_texts(fields))
            case StreamFailed(rule=rule):
                raise _broken(rule.text)
            case h2.events.StreamEnded() | h2.events.StreamReset() | GoAway():
                raise StreamEnded("it ended the stream")
            case _:
                pass
        return []

    def _check_head(self, head: dict[str, str]) -> None:
        if "grpc-status" in head:
            self._end(head)
        kind = head.get("content-type", "")
        if head.get(":status") != "200" or not kind.startswith("application/grpc"):
            raise StreamEnded("it does not speak gRPC")

    def _end(self, head: dict[str, str]) -> None:
        status = head.get("grpc-status", "")
        words = visible(unquote(head.get("grpc-message", "")), WORDS)
        number = int(status) if status.isascii() and status.isdigit() and len(status) < 4 else None
        raise StreamEnded(f"it ended the stream with status {visible(status, 8)}: {words}", number)

    def _complete(self) -> list[bytes]:
        """Take complete messages from what came."""
        found: list[bytes] = []
        while len(self._came) >= HEAD:
            size = int.from_bytes(self._came[1:HEAD])
            if self._came[0] or size > MOST_BYTES:
                raise StreamEnded(f"a message that is compressed, or of more than {MOST_BYTES} bytes")
            if len(self._came) < HEAD + size:
                break
            found.append(bytes(self._came[HEAD : HEAD + size]))
            del self._came[: HEAD + size]
        return found


def _broken(why: str) -> StreamEnded:
    return StreamEnded(f"what it sent is no HTTP/2: {visible(why, WORDS)}")


def _texts(headers: Any) -> dict[str, str]:
    """Return header fields of h2 as text, whatever their bytes are."""
    return {_text(name): _text(value) for name, value in headers or ()}


def _text(data: bytes) -> str:
    return bytes(data).decode("utf-8", "backslashreplace")
