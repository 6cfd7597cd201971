"""Full handshakes with our engine: what only a completed handshake shows, and its result.

A server that is not trusted is not sent our certificate, here as everywhere.
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
from bothways.diagnosis.replies.reply import read_reply
from bothways.diagnosis.services.refusals import explain_silence
from bothways.diagnosis.situation import UNNAMED, Situation
from bothways.doctor.dial import Dialer
from bothways.doctor.evidence import compared
from bothways.doctor.report import Asked, Confirmed, HandshakeReport, ReplyReport, RequestedCertificate
from bothways.errors import PeerAlert, TLSError, Truncated
from bothways.iana import ClientCertificateType, SignatureScheme
from bothways.iana import name as code_name
from bothways.iana import names as all_spelled
from bothways.ladder.report import error_facts
from bothways.net.channel import Channel
from bothways.net.connecting import wrap
from bothways.tls.config import ClientConfig
from bothways.tls.events import Epoch, Judged, MessageSeen
from bothways.tls.resumption.session_store import SessionStore
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ServerHello
from bothways.trust.names.distinguished import dn_text
from bothways.trust.verdict import Verdict

Asking = tls12.CertificateRequest | tls13.CertificateRequest

WAIT_SECONDS = 1.5
HEAD_LIMIT = 16 * 1024
READ = 4096
SHOWN_AUTHORITIES = 100


@dataclass
class HandshakeAttempt:
    """One handshake, and what was recorded of it. closed: whether the server closed before it was asked anything."""

    config: ClientConfig
    recorder: Recorder = field(default_factory=Recorder)
    error: Exception | None = None
    channel: Channel | None = None
    confirmed: Confirmed = "unknown"
    reply: ReplyReport | None = None
    explanation: Explanation | None = None
    answer: Explanation | None = None
    refusal: ServiceRefusal | None = None
    head: bytes = b""
    closed: bool = False

    # -- what was recorded --------------------------------------------------------------------------------

    def seen(self, *, sent: bool = False) -> list[Message]:
        """Return the messages of one direction."""
        notes = (each.note for each in self.recorder.notes)
        return [note.content for note in notes if isinstance(note, MessageSeen) and note.sent is sent]

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
        """The verdict on the server; None if it was not verified."""
        notes = (each.note for each in self.recorder.notes)
        return next((note.verdict for note in notes if isinstance(note, Judged)), None)

    @property
    def request(self) -> Asking | None:
        """The server's request for our certificate, in the handshake or after it; None if there was none."""
        return next((each for each, _ in self._requests()), None)

    def _requests(self) -> Iterator[tuple[Asking, Asked]]:
        for each in self.recorder.notes:
            note = each.note
            if isinstance(note, MessageSeen) and isinstance(note.message, Asking) and not note.sent:
                after_handshake = note.epoch is Epoch.APPLICATION
                yield note.message, "after the handshake" if after_handshake else "in the handshake"

    @property
    def scheme(self) -> int | None:
        """The signature scheme of the server; None if it did not sign."""
        for message in self.seen():
            if isinstance(message, tls12.ServerKeyExchange | tls13.CertificateVerify):
                return message.algorithm
        return None

    @property
    def chose(self) -> bool:
        """Whether the server sent a ServerHello."""
        return any(isinstance(message, ServerHello) for message in self.seen())

    @property
    def succeeded(self) -> bool:
        """Whether the handshake was completed, and the service neither refused us nor closed without a word."""
        return self.error is None and self.refusal is None and not self.closed

    @property
    def asked_after_handshake(self) -> bool:
        """Whether the server requested our certificate after a TLS 1.3 handshake (RFC 9846 4.7.2)."""
        return any(when == "after the handshake" for _, when in self._requests())

    @property
    def requested_renegotiation(self) -> bool:
        """Whether the server requested renegotiation, in which it may request a certificate."""
        return any(isinstance(message, tls12.HelloRequest) for message in self.seen())

    def facts(self) -> HandshakeReport:
        """Return the record as values for a report."""
        channel = self.channel
        sent = [
            each for each in self.seen(sent=True) if isinstance(each, tls12.Certificate | tls13.Certificate)
        ]
        return HandshakeReport(
            offered=tuple(f"TLS {each}" for each in self.config.versions),
            with_certificate=bool(self.config.settings.identity.own),
            outcome="failed" if self.error is not None else "succeeded",
            version=f"TLS {channel.version}" if channel is not None else None,
            suite=channel.suite if channel is not None else None,
            group=channel.group if channel is not None else None,
            protocol=visible(channel.alpn) if channel is not None and channel.alpn else None,
            scheme=None if self.scheme is None else code_name(SignatureScheme, self.scheme),
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

    def _request(self) -> RequestedCertificate | None:
        for message, when in self._requests():
            return request_facts(message, when)
        return (
            RequestedCertificate("after the handshake", (), 0, (), ())
            if self.requested_renegotiation
            else None
        )


def failure_facts(error: Exception | None, explanation: Explanation | None) -> dict[str, Any] | None:
    """Return a failure as values, with its probable causes."""
    if error is None:
        return None
    return {**error_facts(error), "explanation": facts_of(explanation) if explanation is not None else None}


def request_facts(message: Asking, when: Asked) -> RequestedCertificate:
    """Return a request for our certificate as values for a report."""
    authorities, schemes, types = parts_of(message)
    return RequestedCertificate(
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


# -- making a handshake---------------------------------------------------------------------------------------


def attempt(
    dialer: Dialer,
    config: ClientConfig,
    path: str | None,
    files: Files = UNNAMED,
    probed: Probed | None = None,
    patience: float = WAIT_SECONDS,
) -> HandshakeAttempt:
    """Make one full handshake and close it; no session is resumed, which would show less.

    dialer: connects to the server.  config: of the client.  path: what to request over HTTP; None: "/" if the server
    chose HTTP/1.1.  files: the names of our files, for causes.  probed: what probes found, as evidence for causes.
    patience: the seconds to wait after the handshake for what a service says or does that is asked nothing.
    Raises `ConnectionsUsedUp`, and nothing for what a server or the network does.
    """
    config = replace(config, sessions=SessionStore())
    result = HandshakeAttempt(config)
    target, name = dialer.target, str(dialer.target.name)
    starttls = "" if dialer.starttls is None else dialer.starttls.name
    observed = HandshakeFacts(
        config, name, address=str(target), files=files, also=result.recorder, starttls=starttls
    )
    try:
        with dialer.connected() as (sock, deadline):
            seconds_left = max(0.1, deadline - time.monotonic())
            channel = wrap(sock, config, name, timeout=seconds_left, observer=observed)
            result.channel = channel
            with channel:
                _exchange_data(result, channel, path, dialer, deadline, observed, patience)
    except (TLSError, OSError) as error:
        result.error = error
        if isinstance(error, PeerAlert):
            result.confirmed = "refused"
        result.explanation = explain_ended(
            result.head, error, _with_evidence(result, observed.situation(), dialer, probed)
        )
    return result


def _with_evidence(
    result: HandshakeAttempt, situation: Situation, dialer: Dialer, probed: Probed | None
) -> Situation:
    """Return the situation with what probes found; a refused hello is compared with others first."""
    if probed is not None and probed.versions and not result.chose:
        probed = compared(dialer, probed, situation.own_side)
    return replace(situation, probed=probed)


def _exchange_data(
    result: HandshakeAttempt,
    channel: Channel,
    path: str | None,
    dialer: Dialer,
    deadline: float,
    observed: HandshakeFacts,
    patience: float,
) -> None:
    """Find out what only follows a handshake: tickets, a late refusal, another request, an HTTP response.

    A second thread keeps the time limit, since a server may send byte by byte.
    """
    timed_out = threading.Event()

    def stop() -> None:
        timed_out.set()
        channel.abort()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), stop)
    timer.start()
    try:
        if path is None and channel.alpn == "http/1.1":
            path = "/"
        if path is not None:
            with _read_reply_at_exit(result, observed):
                ask_http(channel, path, dialer, deadline, result)
        limit = patience if result.reply is None else WAIT_SECONDS
        wait = min(limit, max(0.0, deadline - time.monotonic()))
        with _read_reply_at_exit(result, observed):
            result.confirmed = _confirmed(channel, wait, result, linger=result.reply is None)
    except (Truncated, OSError):
        # Once the server has accepted us, an unclean end of the connection is no failure of the handshake.
        result.confirmed = channel.confirmed(0)
        if result.confirmed != "accepted" and not timed_out.is_set():
            raise
        result.closed = not (result.head or timed_out.is_set() or observed.situation().observed.said)
    finally:
        timer.cancel()
    if result.closed:
        result.answer = explain_silence(observed.situation())


@contextlib.contextmanager
def _read_reply_at_exit(result: HandshakeAttempt, observed: HandshakeFacts) -> Iterator[None]:
    """Decode what the service has sent, however the block ends: a reset may follow an answer."""
    try:
        yield
    finally:
        if result.head and result.reply is None:
            result.answer, result.refusal = (
                explain_answer(result.head, observed.situation()),
                refusal_in(result.head),
            )
            result.reply = reply_in(result.head, datetime.now(UTC), result.answer)


def _confirmed(channel: Channel, wait: float, result: HandshakeAttempt, *, linger: bool) -> Confirmed:
    """Wait until the server accepts or refuses us, and for a further request."""
    deadline = time.monotonic() + wait
    confirmed = channel.confirmed(wait)
    if confirmed == "refused":
        while channel.recv(READ):
            pass  # reads what came before the refusal, which is then raised
    seconds_left = deadline - time.monotonic()
    if linger and seconds_left > 0:
        channel.settimeout(seconds_left)
        with contextlib.suppress(TimeoutError):
            data = channel.recv(READ)
            result.head += data
            result.closed = not data
    return confirmed


def ask_http(channel: Channel, path: str, dialer: Dialer, deadline: float, result: HandshakeAttempt) -> None:
    """Request a page once, and keep the beginning of the response; of a refusal its text too."""
    name = dialer.target.name
    host = dialer.target.host if name.kind == "uri" else f"[{name}]" if ":" in str(name) else str(name)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: bothways-doctor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    channel.settimeout(max(0.1, deadline - time.monotonic()))
    with contextlib.suppress(BrokenPipeError):  # it may have responded before the request
        channel.sendall(request.encode("ascii", "replace"))
    while not _is_enough(result.head) and (seconds_left := deadline - time.monotonic()) > 0:
        channel.settimeout(min(seconds_left, WAIT_SECONDS) if b"\r\n\r\n" in result.head else seconds_left)
        try:
            data = channel.recv(READ)
        except TimeoutError:
            break
        if not data:
            break
        result.head += data[: HEAD_LIMIT - len(result.head)]


_SERVED = re.compile(rb"HTTP/1\.\d [1-3]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n", re.IGNORECASE)


def _is_enough(head: bytes) -> bool:
    """Whether more of the response is not needed: if we are served, the header is enough."""
    headers, stop, body = head.partition(b"\r\n\r\n")
    if len(head) >= HEAD_LIMIT or (stop and _SERVED.match(head)):
        return True
    length = _LENGTH.search(headers + b"\r\n")
    return bool(stop) and length is not None and len(body) >= int(length[1])


def reply_in(head: bytes, now: datetime, answer: Explanation | None = None) -> ReplyReport | None:
    """Decode the beginning of an HTTP response, or of another protocol's refusal; None where it says nothing.

    head: the first bytes.  now: the time, for the difference of clocks.  answer: the explanation of a refusal.
    """
    explanation = None if answer is None else facts_of(answer)
    line, _, rest = head.partition(b"\r\n")
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit() or len(parts[1]) != 3:
        reply = None if answer is None else read_reply(head)
        return (
            None if reply is None else ReplyReport(reply.status, visible(reply.text, 120), None, explanation)
        )
    return ReplyReport(int(parts[1]), visible(line.decode("latin-1"), 120), _skew(rest, now), explanation)


def _skew(headers: bytes, now: datetime) -> float | None:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                server_time = email.utils.parsedate_to_datetime(value.decode("latin-1").strip())
            except (ValueError, OverflowError):
                return None
            return (
                server_time if server_time.tzinfo else server_time.replace(tzinfo=UTC)
            ).timestamp() - now.timestamp()
    return None
