"""Servers of HTTP for tests, over channels: fixed answers, and HTTP/2 by the package that the client uses too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import h2.config
import h2.connection
import h2.events

from bothways.net import Channel
from bothways.testing import answer_http

FRAME = 16 * 1024
Respond = Callable[[Channel], None]


def answering(
    answer: bytes | Callable[[], bytes], then: Callable[[Channel], object] | None = None
) -> Respond:
    """Read the head of a request and say what is given; then do something else."""

    def respond(channel: Channel) -> None:
        came = b""
        while b"\r\n\r\n" not in came:
            if not (piece := channel.recv(65536)):
                return
            came += piece
        channel.sendall(answer() if callable(answer) else answer)
        if then is not None:
            then(channel)
        else:
            channel.close(linger=0.5)

    return respond


def first(answer: bytes) -> Respond:
    """Answer the first connection in that way, and the others as `answer_http` does."""
    asked: list[Channel] = []

    def respond(channel: Channel) -> None:
        asked.append(channel)
        (answering(answer) if len(asked) == 1 else answer_http)(channel)

    return respond


def answer_h2(channel: Channel) -> None:
    """Answer a request of HTTP/2 with what came, as `answer_http` does for HTTP/1.1."""
    _speak_h2(channel, None, b"")


def answering_h2(status: int, content: bytes) -> Respond:
    """Answer a request of HTTP/2 in one way."""
    return lambda channel: _speak_h2(channel, status, content)


def _speak_h2(channel: Channel, status: int | None, content: bytes) -> None:
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    channel.sendall(server.data_to_send())
    headers: dict[str, str] = {}
    body = b""
    while data := channel.recv(65536):
        for event in server.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                reported = (
                    content
                    or json.dumps(
                        {"method": headers[":method"], "headers": headers, "body": body.decode()}
                    ).encode()
                )
                server.send_headers(event.stream_id, [(":status", str(status or 200))])
                for start in range(0, len(reported), FRAME):
                    server.send_data(event.stream_id, reported[start : start + FRAME])
                server.end_stream(event.stream_id)
        channel.sendall(server.data_to_send())


def answering_grpc(
    headers: Iterable[tuple[str, str]], trailers: Iterable[tuple[str, str]] = (), content: bytes = b""
) -> Respond:
    """Answer a request of HTTP/2 by these fields; without trailers and content the headers end the stream."""

    def respond(channel: Channel) -> None:
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        channel.sendall(server.data_to_send())
        while data := channel.recv(65536):
            for event in server.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    fields = [(":status", "200"), ("content-type", "application/grpc"), *headers]
                    server.send_headers(event.stream_id, fields, end_stream=not trailers and not content)
                    if content:
                        server.send_data(event.stream_id, content, end_stream=not trailers)
                    if trailers:
                        server.send_headers(event.stream_id, list(trailers), end_stream=True)
            channel.sendall(server.data_to_send())

    return respond
