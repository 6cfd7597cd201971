"""Requests of a server for the client's certificate after the handshake (RFC 9846 4.7.2).

The client is verified by the functions of the handshake: its signature and its Finished cover the handshake, the
request and the answer, and the Finished is made with the client's current key. From the client's Certificate to the
verdict no record is processed that follows the answer, so that data before and after it are kept apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bothways.errors import AuthenticationUnavailable, UsageError
from bothways.faults import Fault, blame
from bothways.roles import Version
from bothways.tls.events import Caution, ClientAuthenticated, ClientDeclined, Event, Warned
from bothways.tls.handshake.authentication13 import check_context, check_finished
from bothways.tls.handshake.certificate_types import RAW, X509
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated, Verified
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.script import Enter, Script, expect
from bothways.tls.handshake.server.script13 import client_proof, client_request, request_for
from bothways.tls.handshake.settings import PeerTrust, Settings
from bothways.tls.handshake.steps import Step
from bothways.tls.handshake.verification import judge_client
from bothways.tls.lifecycle import Lifecycle
from bothways.tls.post_handshake.client_auth import PROTOCOLS_WITHOUT
from bothways.tls.record.protection import Protection
from bothways.tls.runner import ScriptRunner
from bothways.tls.wire.flight import Message
from bothways.tls.wire.tls13 import Certificate, CertificateRequest, Finished

CONTEXT_SIZE = 32
DATA_LIMIT = 1024 * 1024


class Expected(NamedTuple):
    """What is expected of one answer.

    required: a certificate is. ends: until when, on the monotonic clock. seconds: for how long. data: bytes of data
    that may come before it.
    """

    required: bool
    seconds: float
    ends: float
    data: int


class CertificateRequests:
    """The requests on one connection, one at a time. runner: waits for the answer, None without a request."""

    __slots__ = (
        "_authenticated", "_data", "_expected", "_handshake", "_hs", "_life", "_obstacle", "_position", "_settings",
        "runner",
    )  # fmt: skip

    def __init__(
        self,
        hs: HandshakeContext,
        settings: Settings,
        life: Lifecycle,
        position: Position,
        result: HandshakeResult,
    ) -> None:
        self._hs = hs
        self._settings = settings
        self._life = life
        self._position = position
        self._authenticated: Callable[[Verified], None] | None = None
        trust = settings.on_request
        has_certificate = hs.history.types.client != RAW and (trust is None or X509 in trust.types)
        self._obstacle = obstacle(
            result.negotiated, result.may_be_asked, has_certificate, has_external_psk=result.has_external_psk
        )
        is_possible = settings.on_request is not None and not self._obstacle
        self._handshake = hs.transcript.branch() if is_possible else None
        self._expected: Expected | None = None
        self._data = 0
        self.runner: ScriptRunner[Verified | None] | None = None

    @property
    def deadline(self) -> float | None:
        """Until when the answer is awaited, on the monotonic clock; None for no limit, and after our close."""
        return None if self._expected is None or not self._life.writes else self._expected.ends

    def send(
        self,
        authenticated: Callable[[Verified], None],
        *,
        required: bool,
        seconds: float | None,
        max_data: int,
    ) -> None:
        """Send a request. The arguments are those of `Connection.authenticate_client`, and so are the errors.

        authenticated: called with the client when its certificate is verified; kept only until the answer, so that a
        connection that nobody holds any more is freed at once.
        """
        seconds = self._settings.limits.handshake_timeout if seconds is None else seconds
        if not seconds > 0 or max_data < 0:
            raise UsageError("authenticate_client: expected seconds above zero, and a number of bytes")
        trust = self._settings.on_request
        if trust is None:
            raise UsageError(
                "authenticate_client: no client can be verified; give ServerConfig client_anchors, and "
                'client_auth="later" where the handshake requests no certificate'
            )
        if self._obstacle or self._handshake is None:
            raise AuthenticationUnavailable(
                f"the client cannot be asked for its certificate: {self._obstacle}"
            )
        if self.runner is not None:
            raise UsageError("authenticate_client: the answer to an earlier request is still awaited")
        self._hs.deadline = self._hs.clock.monotonic() + seconds
        self._expected, self._data = Expected(required, seconds, self._hs.deadline, max_data), 0
        self._authenticated = authenticated
        script = self._asked(trust, required=required)
        self.runner = ScriptRunner(script, self._hs.clock, self._done, apply_step=self._position.apply)
        self.runner.resume()

    def take(self, message: Message) -> Sequence[Event]:
        """Process a message of the answer."""
        if self.runner is None:
            raise TypeError("the table of steps lets an answer pass that nobody has requested")
        return self.runner.resume(message)

    def data_came(self, size: int) -> None:
        """Count data that came before the answer; blame the client for too much."""
        if self._expected is not None:
            self._data += size
            if self._data > self._expected.data:
                blame(Fault.DATA_BEFORE_CERTIFICATE, limit=self._expected.data)

    def refuse_late(self) -> Sequence[Event]:
        """Blame the client for an answer that did not come in time."""
        blame(Fault.NO_ANSWER_TO_REQUEST, seconds=0.0 if self._expected is None else self._expected.seconds)

    def peer_closed(self) -> Sequence[Event]:
        """Give up an answer that cannot come any more, since the client has closed."""
        if self._expected is None or self.runner is None:
            return ()
        if self._expected.required or self._position.step is not Step.WAIT_CERT_CONNECTED:
            blame(Fault.NO_CERTIFICATE)
        self.runner.close()
        return self._done(None)

    def forget(self) -> None:
        """Delete the transcripts, and whom an answer would have told."""
        self._authenticated = None
        if self._handshake is not None:
            self._handshake.forget()

    def _asked(self, trust: PeerTrust, *, required: bool) -> Script[Verified | None]:
        """Send a CertificateRequest; read Certificate, CertificateVerify and Finished, and verify the client."""
        hs, settings = self._hs, self._settings
        if self._handshake is None:
            raise TypeError("a request without the transcript of the handshake")
        hs.transcript = self._handshake.branch()
        context = hs.randomness.random(CONTEXT_SIZE)
        request, hs.inbox.offered = request_with(settings, trust, context)
        hs.inbox.compressions = settings.negotiation.compressions
        hs.send(request)
        hs.out.flush()
        certificate = yield from expect(Step.WAIT_CERT_CONNECTED, Certificate)
        yield Enter(Step.WAIT_CERT)
        check_context(certificate, context)
        missing = Fault.NO_CERTIFICATE if required else None
        signed = yield from client_proof(hs, settings, trust, certificate, missing)
        finished = yield from expect(Step.WAIT_FINISHED, Finished)
        keys = hs.inbox.keys
        if not isinstance(keys, Protection):
            raise TypeError("there are no keys for an answer before the handshake is done")
        check_finished(hs, keys.suite, keys.finished_key(), finished)
        verified = None
        if signed is not None:
            verified = yield from judge_client(hs, trust, client_request(signed, trust))
        yield Enter(Step.CONNECTED)
        return verified

    def _done(self, verified: Verified | None) -> Sequence[Event]:
        authenticated = self._authenticated
        self.runner = self._expected = self._authenticated = None
        self._hs.transcript.forget()
        if verified is None:
            return (ClientDeclined(),)
        if authenticated is None:
            raise TypeError("an answer that nobody has requested")
        authenticated(verified)
        warnings = [Warned(Caution.REVOCATION_UNKNOWN)] if verified.peer.verdict.accepts_unknown else []
        return (*warnings, ClientAuthenticated(verified.peer))


def obstacle(
    negotiated: Negotiated,
    may_be_asked: bool,
    has_certificate: bool = True,
    *,
    has_external_psk: bool = False,
) -> str:
    """Return why a client cannot be asked for its certificate after the handshake; "" if it can.

    may_be_asked: it offers post-handshake authentication.  has_certificate: no raw public key was agreed on for it.
    has_external_psk: it was authenticated by one.
    """
    if has_external_psk:
        return "it was authenticated by an external PSK, with which certificates may not be combined (RFC 9846 4.4.2)"
    if not has_certificate:
        return "raw public keys are requested in the handshake only"
    if negotiated.version is Version.TLS12:
        return "TLS 1.2 has no post-handshake authentication, and renegotiation is not supported"
    if negotiated.alpn in PROTOCOLS_WITHOUT:
        return "HTTP/2 does not allow post-handshake authentication (RFC 9113 9.2.3)"
    return "" if may_be_asked else "it did not offer post-handshake authentication (RFC 9846 4.3.6)"


def request_with(
    settings: Settings, trust: PeerTrust, context: bytes
) -> tuple[CertificateRequest, frozenset[int]]:
    """Return a CertificateRequest with a context, and the codes of the extensions that the client may answer."""
    (request, _), offered = request_for(settings, trust)
    if not isinstance(request, CertificateRequest):
        raise TypeError("a request that is none")
    return CertificateRequest(context, request.extensions), offered
