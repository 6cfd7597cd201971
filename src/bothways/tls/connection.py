"""The engine of one connection: bytes in, events and bytes out; no method waits.

`receive` never raises for what a peer does: the last event is `Failed`, and the alert is in `data_to_send`.
A message is checked against the table of steps before the script gets it; while a script waits for an answer, no
further record is decrypted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bothways.errors import InternalError, TLSError, UsageError
from bothways.faults import Blame, Fault
from bothways.iana import Alert, AlertLevel
from bothways.roles import Version
from bothways.tls.connection_facts import ConnectionFacts
from bothways.tls.events import Data, Established, Event, Failed, Peer, PeerClosed, Request, Warned
from bothways.tls.guards import as_bytes, place_of
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Exporter, HandshakeResult
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.script import ChangeCipherSpec, Script
from bothways.tls.handshake.settings import Settings
from bothways.tls.incoming import Incoming
from bothways.tls.keys.exporter import check_request
from bothways.tls.lifecycle import Input, Lifecycle
from bothways.tls.post_handshake.certificate_requests import DATA_LIMIT
from bothways.tls.post_handshake.open_connection import OpenConnection
from bothways.tls.runner import ScriptRunner
from bothways.tls.wire.alert import AlertMessage
from bothways.trust.evidence.http_exchange import EvidenceReply

logger = logging.getLogger("bothways")

UNOPENED_LIMIT = 1024 * 1024


class Connection(ConnectionFacts):
    """One TLS connection without its socket. Made by `ClientConfig.connection` and `ServerConfig.connection`.

    Pass received bytes to `receive`, then send what `data_to_send` returns, until an event ends the connection. A
    connection must not be used by several threads at the same time.
    """

    def __init__(self, settings: Settings, hs: HandshakeContext, script: Script[HandshakeResult]) -> None:
        self._settings = settings
        self._hs = hs
        self._out = hs.out
        self.history = hs.history  # the messages, to explain a failure
        self._life = Lifecycle()
        self._position = Position(hs)
        speaks_12 = Version.TLS12 in settings.negotiation.versions
        self._incoming = Incoming(hs, self._position, speaks_12=speaks_12)
        self._exporter: Exporter | None = None
        self._open: OpenConnection | None = None
        self._peer: Peer | None = None  # after an end without error
        self._resumed = False
        self._queue = bytearray()
        self._failure: TLSError | None = None
        self._handshake: ScriptRunner[HandshakeResult] | None = ScriptRunner(
            script, settings.clock, self._establish, apply_step=self._position.apply
        )
        self._run(self._handshake.resume)

    # -- results of the handshake -------------------------------------------------------------------------

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None before the handshake is complete, and for an anonymous client."""
        return self._peer if self._open is None else self._open.peer

    # -- bytes and events ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """Process bytes from the peer and return the events. Raises `UsageError` only if `wants_data` is False."""
        if (content := self.receive_data(data)) is not None:
            return [Data(content)]
        return self.receive_other(data)

    def receive_other(self, data: bytes) -> list[Event]:
        """Do as `receive`, for bytes that `receive_data` has returned None for. Raises `UsageError` like that."""
        if not self._life.reads:
            return []
        if not self.wants_data and self._hs.inbox.buffered + len(data) > UNOPENED_LIMIT:
            raise UsageError("receive: the connection waits for an answer; see wants_data")
        self._hs.inbox.feed(data)
        return self._run()

    def receive_data(self, data: bytes) -> bytes | None:
        """Return the content of `data` if it is exactly one record of application data on an open connection.

        This is the fast path of `receive`. None means that nothing was done: pass `data` to `receive`.
        """
        opened = self._open
        if opened is None or not self._life.reads:
            return None
        requests = opened.requests
        if requests is not None and requests.runner is not None:
            return None  # data before the client's answer is counted
        content = self._hs.inbox.open_data(data)
        if content is not None:
            opened.messages.without_data = 0
            self.history.has_data = True
            if not self._position.confirmed:
                self._position.confirm()
        return content

    def receive_eof(self) -> list[Event]:
        """Report the end of file of the peer. Without a close_notify before it, it is `Truncated` (RFC 9846 6.1)."""
        if not self._life.take(Input.END_OF_FILE).has_effect:
            return []
        if self._life.is_open and self._settings.limits.ignores_truncation:
            return [self._peer_closes()]
        inbox = self._hs.inbox
        if inbox.strange_beginning is not None:
            return [self._refuse(inbox.strange_beginning)]
        return [self._fail(self._position.truncation(in_record=inbox.in_record), None)]

    def data_to_send(self) -> bytes:
        """Return the bytes that have to be sent to the peer; each byte is returned once."""
        return self._out.take()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send application data; buffered before `Established`. Raises `UsageError` after `close` or a failure.

        All of it is encrypted in this call, which takes about a millisecond for each MiB, and 2 us more for each record
        of `fragment_limit` bytes: 33 ms for a MiB where the peer limits records to 64 bytes. Event loops call it in
        turns.
        """
        if not self._life.writes:
            self._life.take(Input.SEND)
        if type(data) is not bytes:
            data = as_bytes(data)
        if self._open is None:
            self._queue += data
        elif data:
            self._open.messages.update_if_due()
            self._out.data(data)

    def send_data(self, data: bytes | bytearray | memoryview) -> bytes:
        """Send application data and return the bytes that have to be sent: `send` and `data_to_send` in one call.

        This is the fast path of both, for data of one record on an open connection.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self._life.writes and self._open is not None and not self._open.messages.owes_update:
            record = self._out.seal_data(data)
            if record is not None:
                return record
        self.send(data)
        return self._out.take()

    def send_parts(self, data: memoryview) -> list[bytes]:
        """Do as `send_data`, and return parts that are not joined, which would copy them once more."""
        self.send(data)
        return self._out.take_parts()

    def write_data(self, data: memoryview, write: Callable[[bytes | memoryview], object]) -> None:
        """Send application data: call `write` with the bytes that have to be sent, in parts; each overwrites the last.

        All of it is encrypted in this call. Raises `UsageError` as `send` does.
        """
        data = data.cast("B")  # its length counts items, which may be larger
        if self._open is None or not self._life.writes:
            self.send(data)
            write(self._out.take())
        elif data:
            self._open.messages.update_if_due()
            self._out.write_data(data, write)

    def close(self) -> None:
        """Send close_notify (RFC 9846 6.1); data can still be received.

        A handshake that is not complete is cancelled, and nothing more is received.
        """
        for alert in self._life.take(Input.CLOSE).alerts:
            self._out.alert(AlertLevel.warning, alert)
            self.history.closed = True
        if self._life.is_over:
            self._release()

    def update_keys(self, *, ask: bool = False) -> None:
        """Send a KeyUpdate and use new keys; with `ask` request the same of the peer (RFC 9846 4.7.3)."""
        self._life.take(Input.UPDATE_KEYS)
        if self._open is not None:
            self._open.messages.update_keys(ask=ask)

    def authenticate_client(
        self, *, required: bool = True, seconds: float | None = None, max_data: int = DATA_LIMIT
    ) -> None:
        """Request the client's certificate on an open connection of a TLS 1.3 server (RFC 9846 4.7.2).

        The client is verified as in the handshake. What follows is an event of a later `receive`:
        `ClientAuthenticated`, between the data before and the data after; `ClientDeclined` for a client without a
        certificate; `Failed` for one that is not accepted.
        required: refuse a client without a certificate.  seconds: the time for the answer; None for the configuration's
        `handshake_timeout`.  max_data: the bytes of data that are accepted before the answer.
        Raises `AuthenticationUnavailable` for a client that cannot be asked, with TLS 1.2, HTTP/2 or without its offer;
        `UsageError` for a client's connection, for one that is not open, while another answer is awaited, and where
        the configuration has no trust anchors for clients.
        """
        self._life.take(Input.REQUEST)
        if self._open is not None:
            self._open.authenticate_client(required=required, seconds=seconds, max_data=max_data)

    def stop_observing(self) -> None:
        """Send no more notes to the observer, which makes sending and receiving faster."""
        self._hs.stop_observing()
        self._position.stop_observing()

    def export(self, label: str, context: bytes | None, length: int) -> bytes:
        """Return keying material for another protocol, the same at both ends (RFC 9846 7.5, RFC 5705).

        label: ASCII, from IANA's registry of exporter labels.  context: additional input; None is no context, which
        differs from an empty one in TLS 1.2 and not in TLS 1.3.  length: in bytes.
        Raises `UsageError` before `Established` and after the end, for invalid arguments, and on a TLS 1.2 connection
        without the extended main secret (RFC 7627 5.4).
        """
        self._life.take(Input.EXPORT)
        check_request(label, context, length, self._agreed.suite)
        if self._exporter is None:
            raise UsageError(
                "export: without the extended main secret, the keys may belong to another connection"
            )
        return self._exporter(label, context, length)

    @property
    def wants_data(self) -> bool:
        """Whether `receive` accepts more data: not while an answer is awaited, nor after the end."""
        if self._handshake is not None and self._handshake.request is not None:
            return False
        return self._life.reads and (self._open is None or not self._open.is_judging_answer)

    @property
    def awaits_certificate(self) -> bool:
        """Whether the client's answer to `authenticate_client` is awaited."""
        return self._open is not None and self._open.requests_certificate

    @property
    def awaits_answer(self) -> bool:
        """Whether a call of `provide` is awaited, by the handshake or by a check during the open connection."""
        return any(each.request is not None for each in self._runners())

    def defer_checks(self) -> None:
        """Leave long checks to the caller, by the event `ChecksWanted`; for event loops."""
        self._hs.defers_checks = True

    def limit_calls(self) -> None:
        """Have each call process no more input than one turn of an event loop has room for, 256 records at most.

        While `is_behind`, more is left: call `receive(b"")` in the next turn, before anything else is received.
        """
        self._hs.inbox.limit_calls()

    def is_awaited(self, request: Request) -> bool:
        """Whether the answer to this request is still awaited."""
        return self._runner_of(request) is not None

    def provide(self, request: Request, answer: bytes | Sequence[EvidenceReply] | None) -> list[Event]:
        """Answer a request and return the events that follow.

        answer: a signature in bytes; or the evidence for each of the requests of an `EvidenceWanted`, in their order,
        None for what could not be obtained, or for all of it; None for `ChecksWanted` that were run.
        Raises `UsageError` if this answer is not awaited or does not fit its request, or if a signature was not made
        with the certificate's key; the handshake continues to wait.
        """
        runner = self._runner_of(request)
        if runner is None:
            raise UsageError("provide: this answer is not awaited")
        value = runner.read(answer)
        return self._run(partial(runner.resume, value))

    # -- time --------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when to call `tick`, in seconds of the configuration's monotonic clock; None for never."""
        deadlines = [each.answer_by for each in self._runners()]
        if self._handshake is not None:
            deadlines.append(self._hs.deadline)
        if self._open is not None:
            deadlines += self._open.deadlines
        return min((each for each in deadlines if each is not None), default=None)

    def tick(self) -> list[Event]:
        """Check the time limits: a handshake may have timed out, and the validity of a verdict may have ended.

        What waits for an answer that was not provided in time continues without it.
        """
        now = self._settings.clock.monotonic()
        for runner in self._runners():
            if runner.is_late:
                return self._run(runner.continue_without_answer)
        if self._handshake is not None and now >= self._hs.deadline:
            inbox, seconds = self._hs.inbox, self._settings.limits.handshake_timeout
            late = Blame(Fault.HANDSHAKE_TIMEOUT, {"seconds": seconds, "received": inbox.buffered})
            return [self._refuse(inbox.strange_beginning or late)]
        due = None if self._open is None else self._open.due(now)
        return [] if due is None else self._run(due)

    @property
    def evidence_changed(self) -> bool:
        """Whether the evidence has changed since the peer was verified, and `judge_again` reacts to that."""
        again = None if self._open is None else self._open.revalidation
        return again is not None and again.evidence_changed

    def judge_again(self) -> list[Event]:
        """Verify the peer of an open connection again, by the current evidence and time.

        Returns the events that follow: none where the peer is still valid, where no peer was verified, and during the
        handshake; `EvidenceWanted` where evidence has to be fetched, while data continues; `Warned` where the status
        is unknown now and that is accepted; else `Failed` with step 2.3 or 3.3, and the alert is in `data_to_send`
        (RFC 9846 6.2).
        """
        again = None if self._open is None else self._open.revalidation
        return [] if again is None or not self._life.take(Input.JUDGE).has_effect else self._run(again.judge)

    def judge_by(self, settings: Settings) -> None:
        """Use the settings of another configuration to verify the peer; `evidence_changed` is true until that is done.

        Raises `UsageError` before `Established`, after the end, and where no peer is verified.
        """
        again = None if self._open is None else self._open.revalidation
        if again is None:
            raise UsageError("judge_by: there is no peer that could be verified again")
        again.judge_by(settings)

    # -- internals ---------------------------------------------------------------------------------

    def _runners(self) -> list[ScriptRunner[Any]]:
        """The running scripts: the handshake, and later those that run during the open connection."""
        runners: list[ScriptRunner[Any]] = []
        if self._handshake is not None:
            runners.append(self._handshake)
        if self._open is not None:
            runners += self._open.runners
        return runners

    def _runner_of(self, request: Request) -> ScriptRunner[Any] | None:
        waiting = (each for each in self._runners() if each.request is not None)
        return next((each for each in waiting if each.request is request), None)

    def _run(self, step: Callable[[], Sequence[Event]] | None = None) -> list[Event]:
        """Run one step and go on; exceptions are converted into `Failed` here and nowhere else."""
        events: list[Event] = []
        blamed: Blame | None = None
        defect: str | None = None
        try:
            self._go_on(step, events)
        except Blame as caught:
            blamed = Blame(caught.fault, caught.facts, caught.reasons, caught.left_out)
        except Exception as caught:  # noqa: BLE001 - whatever else escapes is our defect, and fails closed
            defect = place_of(caught)
        if blamed is not None:
            events.append(self._refuse(blamed))
        elif defect is not None:
            logger.error("defect in the engine: %s", defect)
            events.append(self._fail(InternalError(), Alert.INTERNAL_ERROR))
        return events

    def _go_on(self, step: Callable[[], Sequence[Event]] | None, events: list[Event]) -> None:
        """Run one step, then continue until no complete record is left or the handshake waits for an answer."""
        self._hs.inbox.begin_call()
        if step is not None:
            events.extend(step())
        while self.wants_data and self._advance(events):
            pass
        if self._life.writes and self._open is not None and self._open.messages.owes_key_update:
            self._open.messages.update_if_due()
        self._out.flush()

    def _advance(self, events: list[Event]) -> bool:
        """Process one message or alert, and the data before it; False when there is none."""
        came = self._incoming.take()
        while isinstance(came, bytes):
            if self._open is not None:
                self._open.data_came(len(came))
            events.append(Data(came))
            came = self._incoming.take()
        if came is None:
            return False
        if isinstance(came, AlertMessage):
            events.extend(self._process_alert(came))
        elif self._handshake is not None:
            events.extend(self._handshake.resume(came))
        elif self._open is not None and not isinstance(came, ChangeCipherSpec):
            events.extend(self._open.take(came))
        return True

    def _establish(self, result: HandshakeResult) -> list[Event]:
        self._position.complete(result.negotiated, resumed=result.resumed)
        self.history.condense()
        self._life.take(Input.COMPLETE)
        self._handshake = None
        self._exporter, self._resumed = result.exporter, result.resumed
        settings = result.settings or self._settings
        self._open = OpenConnection(self._hs, settings, self._life, self._position, result)
        self._hs.transcript.forget()
        if self._queue:
            queue, self._queue = self._queue, bytearray()
            self._out.flush()
            self._out.data(queue)
        return [*map(Warned, result.warnings), Established(result.peer)]

    def _process_alert(self, alert: AlertMessage) -> Sequence[Event]:
        """Process an alert; most alerts end the connection (RFC 9846 6, RFC 5246 7.2.2)."""
        if alert.description == Alert.CLOSE_NOTIFY and self._life.is_open:
            before = () if self._open is None else self._open.peer_closed()
            return (*before, self._peer_closes())
        later = self._open is not None and self._open.messages.asked_later
        return (self._fail(self._position.refusal(alert.description, asked_later=later), None),)

    def _peer_closes(self) -> PeerClosed:
        self._life.take(Input.CLOSE_NOTIFY)
        if self._life.is_over:
            self._release()
        return PeerClosed()

    def _refuse(self, blame: Blame) -> Failed:
        """End the connection because of a fault of the peer."""
        error = self._position.fault(blame)
        return self._fail(error, error.alert)

    def _fail(self, error: TLSError, alert: Alert | None) -> Failed:
        """End the connection: send the alert, delete every secret, and return the event."""
        rule = self._life.take(Input.LOSE if alert is None else Input.REFUSE)
        if alert is not None and rule.tells:
            self._out.alert(AlertLevel.fatal, alert)
            if alert == Alert.USER_CANCELED:
                self._out.alert(AlertLevel.warning, Alert.CLOSE_NOTIFY)
        error.situation = self.history.facts()
        self._failure = error
        self._release()
        return Failed(error)

    def _release(self) -> None:
        """Delete all secrets and scripts of a connection that has ended."""
        self._peer = None if self._failure is not None else self.peer
        for runner in self._runners():
            runner.close()
        if self._open is not None:
            self._open.forget()
        self._handshake = self._open = None
        self._queue.clear()
        self._exporter = None
        self._hs.forget()
