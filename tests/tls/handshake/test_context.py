"""The machinery of one connection: it may be let go of, told no more, and learns nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bothways.roles import Role
from bothways.tls import handshake
from bothways.tls.events import Note
from bothways.tls.wire.tls13 import Finished, KeyUpdate
from tls.handshake.contexts import context
from tls.handshake.conversations import credentials


def test_a_forgotten_transcript_cannot_be_read() -> None:
    """Secrets go with the end of a connection."""
    hs = context(Role.CLIENT)
    hs.forget()
    with pytest.raises(ValueError, match="not chosen"):
        hs.transcript.digest()


def test_an_observer_gets_no_notes_after_stop_observing() -> None:
    """Neither from scripts, nor of messages and records."""
    notes: list[Note] = []
    hs = context(Role.CLIENT, notes)
    hs.send(Finished(bytes(32)))
    heard = len(notes)
    hs.stop_observing()
    hs.send(Finished(bytes(32)))
    hs.out.flush()
    assert heard > 0 and len(notes) == heard and hs.observer is None


def test_the_transcript_has_what_is_sent_in_the_handshake_and_nothing_later() -> None:
    """RFC 9846 4.1, 4.7: messages after the handshake are no part of its hash."""
    hs = context(Role.SERVER)
    before = hs.transcript.digest()
    hs.out.send_after_handshake(KeyUpdate(0))
    assert hs.transcript.digest() == before
    hs.send(Finished(bytes(32)))
    assert hs.transcript.digest() != before


def test_without_responses_and_without_a_key_log_there_is_nothing_to_staple_and_to_log() -> None:
    """Both are asked for by the configuration alone."""
    hs = context(Role.SERVER)
    assert hs.own_staples(credentials("localhost")) == ()
    hs.log_keys(lambda random, secrets: pytest.fail("nobody listens"), bytes(32), None)


def test_no_script_teaches_the_machinery_anything() -> None:
    """What is learnt is returned, or said by `Agreed`: no module of the handshake sets a field of its context."""
    wrong = []
    for path in sorted(Path(handshake.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else []
            parts = [
                part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])
            ]
            for target in parts:
                if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "hs":
                    wrong.append(f"{path.name}:{node.lineno} sets {target.attr}")
    assert wrong == []
