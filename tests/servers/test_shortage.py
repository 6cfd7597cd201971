"""What a server says when the system gives it nothing more."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from aio_talk import run
from bothways.servers.shortage import report_shortages


@run
async def test_a_shortage_is_reported_in_one_line_now_and_then_and_other_defects_as_before() -> None:
    reported: list[str] = []
    others: list[object] = []
    loop = asyncio.get_running_loop()
    report_shortages(loop, reported.append)
    loop.default_exception_handler = others.append  # type: ignore[method-assign]
    for _ in range(64):
        shortage = OSError(errno.EMFILE, "Too many open files")
        loop.call_exception_handler(
            {"message": "socket.accept() out of system resource", "exception": shortage}
        )
    assert reported == ["connections cannot be accepted for now: Too many open files"]
    loop.call_exception_handler({"message": "a defect", "exception": KeyError("x")})
    loop.call_exception_handler({"message": "no exception"})
    listening = socket.create_server(("127.0.0.1", 0))
    listening.close()
    retry = "Exception in callback BaseSelectorEventLoop._start_serving()"
    with pytest.raises(ValueError) as closed:
        loop.add_reader(listening, print)
    loop.call_exception_handler({"message": retry, "exception": closed.value})
    assert len(others) == 2
    assert len(reported) == 1


@run
async def test_the_handler_that_the_loop_had_gets_all_else() -> None:
    """A program that embeds a gateway has its own."""
    reported: list[str] = []
    seen: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.append(context))
    report_shortages(loop, reported.append)
    loop.call_exception_handler({"message": "a defect"})
    loop.call_exception_handler({"message": "none left", "exception": OSError(errno.EMFILE, "none")})
    assert [each["message"] for each in seen] == ["a defect"]
    assert len(reported) == 1
