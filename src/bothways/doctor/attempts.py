"""Whole handshakes with our engine: what only whoever finishes one can see, and what it comes to.

A server that is not trusted gets no certificate of ours, here as everywhere.
"""

from __future__ import annotations

import contextlib
import email.utils
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bothways.describe.escape import visible
from bothways.describe.recorder import Recorder
from bothways.diagnosis import (
    Explanation,
    Files,
    HandshakeFacts,
    Probed,
    ServiceRefusal,
    explain_answer,
    explain_ended,
    facts_of,
    refusal_in,
)
from bothways.diagnosis.service_reply import read_reply
from bothways.diagnosis.situation import UNNAMED
from bothways.doctor.dial import Caller
from bothways.doctor.report import Asked, Confirmed, Handshake, Reply, Request
from bothways.errors import PeerAlert, TLSError, Truncated
from bothways.iana import ClientCertificateType, SignatureScheme
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.ladder.report import error_facts
from bothways.net.channel import Channel, wrap
from bothways.tls.config import ClientConfig
from bothways.tls.events import Epoch, Judged, MessageSeen
from bothways.tls.resumption.session_store import SessionStore
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ServerHello
from bothways.trust.distinguished_names import dn_text
from bothways.trust.verdict import Verdict

Asking = tls12.CertificateRequest | tls13.CertificateRequest

WAIT_SECONDS = 1.5
HEAD_LIMIT = 16 * 1024
READ = 4096
SHOWN_AUTHORITIES = 100


@dataclass
class Attempt:
    """One handshake, and what was noted of it."""

    config: ClientConfig
    recorder: Recorder = field(default_factory=Recorder)
    error: Exception | None = None
    channel: Channel | None = None
    confirmed: Confirmed = "unknown"
    reply: Reply | None = None
    explanation: Explanation | None = None
    answer: Explanation | None = None
    refusal: ServiceRefusal | None = None
    head: bytes = b""

    # -- what was seen -----------------------------------------------------------------------------------

    def seen(self, *, sent: bool = False) -> list[Message]:
        """Return the messages that went one way."""
        notes = (each.note for each in self.recorder.notes)
        return [note.message for note in notes if isinstance(note, MessageSeen) and note.sent is sent]

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The server's certificates as it sent them."""
        for message in self.seen():
            if isinstance(message, tls12.Certificate):
                return message.certificate_list
            if isinstance(message, tls13.Certificate):
                return tuple(entry.cert_data for entry in message.certificate_list)
        return ()

    @property
    def verdict(self) -> Verdict | None:
        """How the server was judged."""
        notes = (each.note for each in self.recorder.notes)
        return next((note.verdict for note in notes if isinstance(note, Judged)), None)

    @property
    def request(self) -> Asking | None:
        """What the server asked of our certificate, in the handshake or else after it."""
        return next((each for each, _ in self._requests()), None)

    def _requests(self) -> Iterator[tuple[Asking, Asked]]:
        for each in self.recorder.notes:
            note = each.note
            if isinstance(note, MessageSeen) and isinstance(note.message, Asking) and not note.sent:
                late = note.epoch is Epoch.APPLICATION
                yield note.message, "after the handshake" if late else "in the handshake"

    @property
    def scheme(self) -> int | None:
        """By which scheme the server signed."""
        for message in self.seen():
            if isinstance(message, tls12.ServerKeyExchange | tls13.CertificateVerify):
                return message.algorithm
        return None

    @property
    def chose(self) -> bool:
        """Whether the server got as far as a choice."""
        return any(isinstance(message, ServerHello) for message in self.seen())

    @property
    def succeeded(self) -> bool:
        """Whether the handshake stood, and the service did not turn us away."""
        return self.error is None and self.refusal is None

    @property
    def asked_late(self) -> bool:
        """Whether the server asked for our certificate after a handshake of TLS 1.3 (RFC 9846 4.7.2)."""
        return any(when == "after the handshake" for _, when in self._requests())

    @property
    def asked_again(self) -> bool:
        """Whether the server wanted another handshake after the first: where it may ask for a certificate."""
        return any(isinstance(message, tls12.HelloRequest) for message in self.seen())

    def facts(self) -> Handshake:
        """Return all of it as values."""
        channel = self.channel
        sent = [
            each for each in self.seen(sent=True) if isinstance(each, tls12.Certificate | tls13.Certificate)
        ]
        return Handshake(
            offered=tuple(f"TLS {each}" for each in self.config.versions),
            with_certificate=bool(self.config.settings.identity.own),
            outcome="failed" if self.error is not None else "succeeded",
            version=f"TLS {channel.version}" if channel is not None else None,
            suite=channel.suite if channel is not None else None,
            group=channel.group if channel is not None else None,
            protocol=visible(channel.alpn) if channel is not None and channel.alpn else None,
            scheme=None if self.scheme is None else spelled(SignatureScheme, self.scheme),
            staple=self._stapled(),
            tickets=sum(isinstance(each, tls13.NewSessionTicket) for each in self.seen()),
            request=self._request(),
            sent_certificate=any(each.certificate_list for each in sent),
            confirmed=self.confirmed,
            reply=self.reply,
            failure=failure_facts(self.error, self.explanation),
            warnings=tuple(str(each) for each in channel.warnings) if channel is not None else (),
        )

    def _stapled(self) -> bool:
        for message in self.seen():
            if isinstance(message, ext.CertificateStatus):
                return True
            if isinstance(message, tls13.Certificate):
                statuses = (
                    ext.find(each.extensions, ext.CertificateStatus) for each in message.certificate_list
                )
                return any(each is not None for each in statuses)
        return False

    def _request(self) -> Request | None:
        for message, when in self._requests():
            return request_facts(message, when)
        return Request("after the handshake", (), 0, (), ()) if self.asked_again else None


def failure_facts(error: Exception | None, explanation: Explanation | None) -> dict[str, Any] | None:
    """Return a failure as values, with its likely causes."""
    if error is None:
        return None
    return {**error_facts(error), "explanation": facts_of(explanation) if explanation is not None else None}


def request_facts(message: Asking, when: Asked) -> Request:
    """Return a request for our certificate in words."""
    authorities, schemes, types = parts_of(message)
    return Request(
        when=when,
        authorities=tuple(visible(dn_text(each)) for each in authorities[:SHOWN_AUTHORITIES]),
        more_authorities=max(0, len(authorities) - SHOWN_AUTHORITIES),
        schemes=tuple(all_spelled(SignatureScheme, schemes)),
        types=tuple(all_spelled(ClientCertificateType, types)),
    )


def parts_of(message: Asking) -> tuple[tuple[bytes, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the authorities (DER), schemes and, in TLS 1.2, certificate types of a request."""
    if isinstance(message, tls12.CertificateRequest):
        return (
            message.certificate_authorities,
            message.supported_signature_algorithms,
            message.certificate_types,
        )
    named = ext.find(message.extensions, ext.CertificateAuthorities)
    schemes = ext.find(message.extensions, ext.SignatureAlgorithms)
    return (
        (named.authorities if named is not None else ()),
        (schemes.schemes if schemes is not None else ()),
        (),
    )


# -- making one --------------------------------------------------------------------------------------------


def attempt(
    caller: Caller,
    config: ClientConfig,
    path: str | None,
    files: Files = UNNAMED,
    probed: Probed | None = None,
) -> Attempt:
    """Make one full handshake and close it. What is resumed would not show what the server does.

    path: what to ask for over HTTP; None: "/" if the server chose that.  files: what our files are called.
    probed: what probes found, as evidence for why it fails.  Never raises for what a server or the network does;
    raises `Spent`.
    """
    config = replace(config, sessions=SessionStore())
    made = Attempt(config)
    place, name = caller.place, str(caller.place.name)
    starttls = "" if caller.starttls is None else caller.starttls.name
    observed = HandshakeFacts(
        config, name, address=str(place), files=files, also=made.recorder, starttls=starttls
    )
    try:
        with caller.connected() as (sock, deadline):
            left = max(0.1, deadline - time.monotonic())
            channel = wrap(sock, config, name, timeout=left, observer=observed)
            made.channel = channel
            with channel:
                _talk(made, channel, path, caller, deadline, observed)
    except (TLSError, OSError) as error:
        made.error = error
        if isinstance(error, PeerAlert):
            made.confirmed = "refused"
        made.explanation = explain_ended(made.head, error, replace(observed.situation(), probed=probed))
    return made


def _talk(
    made: Attempt,
    channel: Channel,
    path: str | None,
    caller: Caller,
    deadline: float,
    observed: HandshakeFacts,
) -> None:
    """Learn what only follows a handshake: tickets, a late refusal, another request, an answer over HTTP.

    Time is kept by a second thread: a server that sends byte by byte would never be waited for too long.
    """
    spent = threading.Event()

    def end() -> None:
        spent.set()
        channel.abort()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), end)
    timer.start()
    try:
        if path is None and channel.alpn == "http/1.1":
            path = "/"
        if path is not None:
            with _whatever_was_said(made, observed):
                ask_http(channel, path, caller, deadline, made)
        wait = min(WAIT_SECONDS, max(0.0, deadline - time.monotonic()))
        with _whatever_was_said(made, observed):
            made.confirmed = _confirmed(channel, wait, made, linger=made.reply is None)
    except (Truncated, OSError):
        # Once we are known to be accepted, how a connection ends is no failure of its handshake.
        made.confirmed = channel.confirmed(0)
        if made.confirmed != "accepted" and not spent.is_set():
            raise
    finally:
        timer.cancel()


@contextlib.contextmanager
def _whatever_was_said(made: Attempt, observed: HandshakeFacts) -> Iterator[None]:
    """Read what the service said, however the block ends: a reset after an answer does not unsay it."""
    try:
        yield
    finally:
        if made.head and made.reply is None:
            made.answer, made.refusal = explain_answer(made.head, observed.situation()), refusal_in(made.head)
            made.reply = reply_in(made.head, datetime.now(UTC), made.answer)


def _confirmed(channel: Channel, wait: float, made: Attempt, *, linger: bool) -> Confirmed:
    """Wait for what the server may still say: whether we are accepted, and whether it asks for more."""
    deadline = time.monotonic() + wait
    confirmed = channel.confirmed(wait)
    if confirmed == "refused":
        while channel.recv(READ):
            pass  # what came before the refusal is finite, and then it is raised
    left = deadline - time.monotonic()
    if linger and left > 0:
        channel.settimeout(left)
        with contextlib.suppress(TimeoutError):
            made.head += channel.recv(READ)
    return confirmed


def ask_http(channel: Channel, path: str, caller: Caller, deadline: float, made: Attempt) -> None:
    """Ask for a page by one request, and keep the beginning of what is answered: of a refusal its text too."""
    name = caller.place.name
    host = caller.place.host if name.kind == "uri" else f"[{name}]" if ":" in str(name) else str(name)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: bothways-doctor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    channel.settimeout(max(0.1, deadline - time.monotonic()))
    with contextlib.suppress(BrokenPipeError):  # it may have answered before it was asked
        channel.sendall(request.encode("ascii", "replace"))
    while not _is_enough(made.head) and (left := deadline - time.monotonic()) > 0:
        channel.settimeout(min(left, WAIT_SECONDS) if b"\r\n\r\n" in made.head else left)
        try:
            data = channel.recv(READ)
        except TimeoutError:
            break
        if not data:
            break
        made.head += data[: HEAD_LIMIT - len(made.head)]


_ANSWERED = re.compile(rb"HTTP/1\.\d [1-3]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n", re.IGNORECASE)


def _is_enough(head: bytes) -> bool:
    """Whether more would tell nothing: of an answer that serves us its head is enough."""
    before, end, body = head.partition(b"\r\n\r\n")
    if len(head) >= HEAD_LIMIT or (end and _ANSWERED.match(head)):
        return True
    length = _LENGTH.search(before + b"\r\n")
    return bool(end) and length is not None and len(body) >= int(length[1])


def reply_in(head: bytes, now: datetime, answer: Explanation | None = None) -> Reply | None:
    """Read the beginning of an HTTP answer; of another one what it says of us. None for what says nothing."""
    why = None if answer is None else facts_of(answer)
    line, _, rest = head.partition(b"\r\n")
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit() or len(words[1]) != 3:
        reply = None if answer is None else read_reply(head)
        return None if reply is None else Reply(reply.status, visible(reply.text, 120), None, why)
    return Reply(int(words[1]), visible(line.decode("latin-1"), 120), _skew(rest, now), why)


def _skew(headers: bytes, now: datetime) -> float | None:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                told = email.utils.parsedate_to_datetime(value.decode("latin-1").strip())
            except (ValueError, OverflowError):
                return None
            return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    return None
