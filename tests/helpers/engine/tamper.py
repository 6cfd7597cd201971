"""Alters what one side sends, inside its engine: by message and field, never by byte offset.

`altering(Role.SERVER, edit)` hands every message that a server sends to `edit`, which returns what goes out
in its place. That is encoded by the codec tables, protected by the current keys and added to the sender's
transcript, so that nothing else is wrong with it. With `in_flight` the transcript keeps the unaltered message, as if
somebody between the two had altered it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bothways import ClientConfig, Connection, PeerAlert, PeerFault, ServerConfig
from bothways.faults import Fault, sentence
from bothways.iana import Alert, ContentType
from bothways.roles import Role
from bothways.tls.events import AlertSeen, Note
from bothways.tls.handshake.certificate_compression import Compressed
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message, encode_message
from inside import machinery
from pair import Pair, Tamper, pair, untouched

Act = Callable[[HandshakeContext], None]
Outgoing = Message | bytes | Act
Edit = Callable[[Message, int], Iterable[Outgoing]]
Then = Callable[[Pair, Connection], None]


@contextmanager
def altering(role: Role, edit: Edit, *, in_flight: bool = False) -> Iterator[None]:
    """While the body runs, the side in `role` sends what `edit(message, nth of its kind)` returns.

    Bytes are taken for a whole message with its header; a function is called with the sender's context, for what
    happens to records between messages.
    """
    unaltered, unaltered_compressed = HandshakeContext.send, HandshakeContext.send_compressed
    counts: dict[int, Counter[type]] = {}

    def send(
        hs: HandshakeContext, message: Message, raw: bytes | None = None, *, hashed: bytes | None = None
    ) -> None:
        if hs.role is role:
            edited(hs, message, hashed)
        else:
            unaltered(hs, message, raw, hashed=hashed)

    def send_compressed(hs: HandshakeContext, form: Compressed) -> None:
        if hs.role is role:
            edited(hs, form.message, None)
        else:
            unaltered_compressed(hs, form)

    def edited(hs: HandshakeContext, message: Message, hashed: bytes | None) -> None:
        seen = counts.setdefault(id(hs), Counter())
        nth = seen[type(message)]
        seen[type(message)] += 1
        is_hashed = in_flight or hashed is not None
        if is_hashed:
            hs.transcript.add(hashed or encode_message(message))
        for each in edit(message, nth):
            if callable(each):
                each(hs)
            else:
                send_altered(hs, each, in_transcript=not is_hashed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HandshakeContext, "send", send)
        patch.setattr(HandshakeContext, "send_compressed", send_compressed)
        yield


def send_altered(hs: HandshakeContext, altered: Message | bytes, *, in_transcript: bool = True) -> None:
    """Add an altered message to the flight, and to the transcript of its sender."""
    raw = altered if isinstance(altered, bytes) else encode_message(altered)
    hs.out.put_encoded(raw)
    if in_transcript:
        hs.transcript.add(raw)


# -- edits ---------------------------------------------------------------------------------------------


def unaltered(message: Message, nth: int) -> Iterable[Outgoing]:
    return (message,)


def _on(kind: type, nth: int, answer: Callable[[Any], Iterable[Outgoing]]) -> Edit:
    def edit(message: Message, count: int) -> Iterable[Outgoing]:
        return answer(message) if isinstance(message, kind) and count == nth else (message,)

    return edit


def changing(kind: type, nth: int = 0, **fields: Any) -> Edit:
    """Set fields of the message; a function makes the new value from the old."""

    def answer(message: Any) -> Iterable[Outgoing]:
        new = {
            name: value(getattr(message, name)) if callable(value) else value
            for name, value in fields.items()
        }
        return (replace(message, **new),)

    return _on(kind, nth, answer)


def with_extensions(kind: type, change: Callable[[tuple[Any, ...]], Iterable[Any]], nth: int = 0) -> Edit:
    """Change the tuple of extensions."""
    return changing(kind, nth, extensions=lambda extensions: tuple(change(extensions or ())))


def extending(kind: type, *extensions: ext.Extension, nth: int = 0, first: bool = False) -> Edit:
    """Add extensions at the end, or in front."""
    return with_extensions(kind, lambda those: (*extensions, *those) if first else (*those, *extensions), nth)


def editing(kind: type, extension: type, nth: int = 0, **fields: Any) -> Edit:
    """Set fields of one extension; a function makes the new value from the old."""

    def change(those: tuple[Any, ...]) -> Iterable[Any]:
        for each in those:
            if not isinstance(each, extension):
                yield each
                continue
            yield replace(each, **{k: v(getattr(each, k)) if callable(v) else v for k, v in fields.items()})

    return with_extensions(kind, change, nth)


def without(kind: type, *extensions: type, nth: int = 0) -> Edit:
    """Leave extensions out."""
    return with_extensions(kind, lambda those: [e for e in those if not isinstance(e, extensions)], nth)


def repeating(kind: type, extension: type, nth: int = 0) -> Edit:
    """Send an extension twice."""
    return with_extensions(
        kind, lambda those: [*those, *(each for each in those if isinstance(each, extension))], nth
    )


def instead_of(kind: type, *others: Outgoing, nth: int = 0) -> Edit:
    """Send others in the place of a message, or nothing."""
    return _on(kind, nth, lambda message: others)


def before(kind: type, *others: Outgoing, nth: int = 0) -> Edit:
    return _on(kind, nth, lambda message: (*others, message))


def after(kind: type, *others: Outgoing, nth: int = 0) -> Edit:
    return _on(kind, nth, lambda message: (message, *others))


def as_bytes(kind: type, change: Callable[[bytes], bytes], nth: int = 0) -> Edit:
    """Change the encoding of a message, header included."""
    return _on(kind, nth, lambda message: (change(encode_message(message)),))


def framed(message_type: int, body: bytes = b"") -> bytes:
    """A handshake message of any type and any content."""
    return bytes([message_type]) + len(body).to_bytes(3, "big") + body


def both(*edits: Edit) -> Edit:
    """Apply several edits, each to what the one before it left of the message."""

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        those: list[Outgoing] = [message]
        for each in edits:
            those = [
                new
                for old in those
                for new in ((old,) if callable(old) or isinstance(old, bytes) else each(old, nth))
            ]
        return those

    return edit


# -- what happens to records ---------------------------------------------------------------------------


def wire(data: bytes) -> Act:
    """Send bytes after what is in the flight."""

    def act(hs: HandshakeContext) -> None:
        hs.out.flush()
        hs.out.put_records(data)

    return act


def sealed(content_type: int, content: bytes = b"", times: int = 1) -> Act:
    """Send a record of any type and content, under the current keys."""

    def act(hs: HandshakeContext) -> None:
        hs.out.flush()
        for _ in range(times):
            hs.out.put_records(hs.out.keys.seal(content_type, content))

    return act


def behind(raw: bytes) -> Act:
    """Add bytes to the flight after the message, but not to the transcript."""

    return lambda hs: send_altered(hs, raw, in_transcript=False)


def after_handshake(*acts: Act) -> Then:
    """Send something when the handshake is complete."""

    def then(talk: Pair, sender: Connection) -> None:
        for act in acts:
            act(machinery(sender))

    return then


def in_parts(kind: type, between: Act, nth: int = 0) -> Edit:
    """Send a message in two records, and something between them."""

    def edit(message: Message, count: int) -> tuple[Outgoing, ...]:
        if not isinstance(message, kind) or count != nth:
            return (message,)
        raw = encode_message(message)

        def act(hs: HandshakeContext) -> None:
            hs.transcript.add(raw)
            for part in (sealed(ContentType.handshake, raw[:9]), between, sealed(22, raw[9:])):
                part(hs)

        return (act,)

    return edit


# -- what a refusal must look like, on both sides --------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """One row of a table of negative tests: what one side sends, and how the other refuses it.

    `edit` acts on messages, `wire` on the sender's bytes in transit, `then(talk, sender)` after the handshake.
    """

    what: str
    sender: Role
    fault: Fault
    alert: Alert
    edit: Edit = unaltered
    wire: Tamper = untouched
    then: Then | None = None
    client: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    conversation: str = "mutual"
    step: str | None = None
    in_flight: bool = False

    def __str__(self) -> str:
        return f"{self.fault.name}: {self.what}"


def refused(case: Refusal, client: ClientConfig, server: ServerConfig, name: str = "localhost") -> PeerFault:
    """Run `case`, and check the refusal of one side and the alert that the other received."""
    notes: dict[Role, list[Note]] = {Role.CLIENT: [], Role.SERVER: []}
    with altering(case.sender, case.edit, in_flight=case.in_flight):
        talk = pair(client, server, name, client_notes=notes[Role.CLIENT], server_notes=notes[Role.SERVER])
        if case.sender is Role.CLIENT:
            talk.to_server = case.wire
        else:
            talk.to_client = case.wire
        talk.exchange()
        ends = {Role.CLIENT: talk.client, Role.SERVER: talk.server}
        if case.then is not None:
            case.then(talk, ends[case.sender])
            talk.exchange()
    receiver, sending_end = ends[case.sender.other], ends[case.sender]
    error = receiver.failure
    assert isinstance(error, PeerFault), f"not refused: {error!r}; the sender: {sending_end.failure!r}"
    assert error.fault is case.fault, str(error)
    assert error.peer == case.sender.value
    assert_reported(error, case.alert, notes[case.sender], sending_end)
    if case.step is not None:
        assert error.step == case.step
    return error


def assert_reported(error: PeerFault, alert: Alert, notes: list[Note], sender: Connection) -> None:
    """The error has all its facts, and the other side saw this alert and was ended by it."""
    assert error.alert == alert
    assert "?" not in sentence(error.fault.sentence, error.facts), "a fact of the sentence is missing"
    assert "?" not in sentence(error.fault.hint, error.facts), "a fact of the hint is missing"
    lines = str(error).split("\n")
    assert len(lines) <= 2 + len(error.reasons), "a text of the peer begins a line of its own"
    assert all(line.isascii() and line.isprintable() and len(line) < 1000 for line in lines)
    seen = [note.description for note in notes if isinstance(note, AlertSeen) and not note.sent]
    assert seen[:1] == [alert], f"the sender received {seen}; {sender.failure!r}"
    assert isinstance(sender.failure, PeerAlert)
