"""What a supervisor hands to its workers."""

from __future__ import annotations

import socket

import pytest

from bothways.gateway.generation import Generation, GenerationReader, send_generation

pytestmark = pytest.mark.network


def test_a_generation_arrives_whole_with_sockets_that_listen() -> None:
    """Two in a row, one of them long; what is not there yet is waited for."""
    here, there = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    with here, there, listener:
        there.setblocking(False)
        reader = GenerationReader(there)
        assert reader.read() is None
        send_generation(here, Generation("x" * 100_000, {}))
        while (first := reader.read()) is None:
            pass
        send_generation(here, Generation("y", {"127.0.0.1:1": listener}))
        while (second := reader.read()) is None:
            pass
        assert (first.text, first.sockets) == ("x" * 100_000, {})
        assert (second.text, list(second.sockets)) == ("y", ["127.0.0.1:1"])
        [mine] = second.sockets.values()
        with mine:
            assert mine.fileno() != listener.fileno()
            assert mine.getsockname() == listener.getsockname()


def test_two_generations_that_arrive_together_are_both_taken() -> None:
    """The last one counts; no further event tells that it is there."""
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        for text in ("a", "b"):
            send_generation(here, Generation(text, {}))
        reader = GenerationReader(there)
        taken = iter(reader.read, None)
        assert [each.text for each in taken] == ["a", "b"]


def test_the_end_of_the_supervisor_is_told() -> None:
    here, there = socket.socketpair()
    here.close()
    with there, pytest.raises(EOFError):
        GenerationReader(there).read()
