"""Services of HTTP/1.1 that answer in another protocol."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bothways.diagnosis.causes import Cause
from bothways.gateway.http.client1 import HTTP1Service
from bothways.gateway.http.messages import RequestHead, ServiceFailed


class Answering:
    """A stream on which a service answers some bytes, whatever it gets."""

    is_fresh = True

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def read(self) -> bytes:
        said, self._said = self._said, b""
        return said

    async def write(self, data: bytes, seconds: float) -> None:
        """Take it."""


@pytest.mark.parametrize(
    ("said", "cause", "words"),
    [
        (b"\x15\3\3\0\2\2\x32", Cause.TLS_AT_ONCE, "expects TLS"),
        (b"\x16\3\1\0\5", Cause.TLS_AT_ONCE, "add backend_tls"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Cause.OTHER_SERVICE, "does not speak HTTP/1.1"),
        (b"", Cause.PEER_STOPPED, "ended before its response"),
    ],
)
def test_a_service_that_answers_by_a_record_of_tls_is_told_to_expect_it(
    said: bytes, cause: Cause, words: str
) -> None:
    stream: Any = Answering(said)
    service = HTTP1Service(stream, 1)

    async def ask() -> None:
        await service.begin(RequestHead(b"GET", b"/", b"localhost", []))
        await service.response()

    with pytest.raises(ServiceFailed, match=words) as caught:
        asyncio.run(ask())
    assert caught.value.why is cause
