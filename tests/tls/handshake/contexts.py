"""What scripts work with, without a connection around them."""

from __future__ import annotations

from typing import Any

from bothways.roles import Role
from bothways.tls.crypto.suites import SUITES13
from bothways.tls.defaults import RANDOMNESS
from bothways.tls.events import Note
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.handshake.script import Wait
from bothways.tls.keys.transcript import Transcript
from pair import FrozenClock

SUITE = SUITES13[0x1301]


def context(role: Role, notes: list[Note] | None = None) -> HandshakeContext:
    """In the middle of a conversation of which both sides have the same transcript."""
    transcript = Transcript()
    transcript.choose(SUITE.hash)
    transcript.add(b"\x01\x00\x00\x01x")
    observer = None if notes is None else notes.append
    clock = FrozenClock()
    out, inbox = Outbox(role, observer, 0), Inbox(observer, 2**16)
    return HandshakeContext(role, RANDOMNESS, clock, transcript, out, inbox, clock.monotonic() + 30, observer)


def finish(script: Any) -> Any:
    """Run a script that waits for nothing."""
    try:
        step = next(script)
        while not isinstance(step, Wait):
            step = script.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError(f"it waits at {step}")
