"""What happens on an open connection: messages, repeated verification of the peer, authentication after the handshake.

Each is independent of the others; a connection asks here for their scripts, their time limits and the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bothways.errors import UsageError
from bothways.roles import Role, Version
from bothways.tls.events import Event, Peer
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import HandshakeResult, Verified
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.settings import Settings
from bothways.tls.lifecycle import Lifecycle
from bothways.tls.post_handshake.certificate_requests import CertificateRequests
from bothways.tls.post_handshake.client_auth import PROTOCOLS_WITHOUT, ClientAuthentication
from bothways.tls.post_handshake.messages import AfterHandshake, AfterHandshake12
from bothways.tls.post_handshake.revalidation import revalidation_of
from bothways.tls.runner import ScriptRunner
from bothways.tls.wire.flight import Message
from bothways.tls.wire.tls13 import Certificate, CertificateVerify, Finished


class OpenConnection:
    """An open connection. messages: KeyUpdate and tickets.  requests: of a server, for the client's certificate.

    revalidation: the repeated verification of the peer; None without a peer that could be verified.
    """

    __slots__ = ("_answers", "_hs", "_settings", "messages", "requests", "revalidation")

    def __init__(
        self,
        hs: HandshakeContext,
        settings: Settings,
        life: Lifecycle,
        position: Position,
        result: HandshakeResult,
    ) -> None:
        """Begin with the result of the handshake. settings: those for this peer."""
        self._hs = hs
        self._settings = settings
        self.revalidation = revalidation_of(hs, settings, result.verified)
        self._answers: ClientAuthentication | None = None
        self.requests: CertificateRequests | None = None
        if hs.role is Role.SERVER:
            self.requests = CertificateRequests(hs, settings, life, position, result)
        self.messages: AfterHandshake | AfterHandshake12
        if result.negotiated.version is Version.TLS12:
            self.messages = AfterHandshake12(hs.out, life)
            return
        may_answer = not result.has_external_psk and result.negotiated.alpn not in PROTOCOLS_WITHOUT
        if settings.identity.is_shown_later and may_answer:
            self._answers = ClientAuthentication(hs, settings, life)
        self.messages = AfterHandshake(hs.inbox, hs.out, life, self._answers, result.keeper)

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None for an anonymous client."""
        return None if self.revalidation is None else self.revalidation.peer

    @property
    def runners(self) -> list[ScriptRunner[Any]]:
        """The scripts that are running."""
        running: list[ScriptRunner[Any]] = [] if self._answers is None else list(self._answers.runners)
        for each in (self.revalidation, self.requests):
            if each is not None and each.runner is not None:
                running.append(each.runner)
        return running

    @property
    def requests_certificate(self) -> bool:
        """Whether the client's answer to a request for its certificate is awaited."""
        return self.requests is not None and self.requests.runner is not None

    @property
    def is_judging_answer(self) -> bool:
        """Whether the client is being verified after its answer, and no data that follows may be processed yet."""
        runner = None if self.requests is None else self.requests.runner
        return runner is not None and runner.request is not None

    @property
    def deadlines(self) -> list[float | None]:
        """When to call what `due` returns, on the monotonic clock; None for never."""
        return [each.deadline for each in (self.revalidation, self.requests) if each is not None]

    def due(self, now: float) -> Callable[[], Sequence[Event]] | None:
        """Return what has to be done at this time; None for nothing."""
        requests, again = self.requests, self.revalidation
        if requests is not None and requests.deadline is not None and now >= requests.deadline:
            return requests.refuse_late
        if again is not None and again.is_due(now):
            return again.judge_if_due
        return None

    def authenticate_client(self, *, required: bool, seconds: float | None, max_data: int) -> None:
        """Request the client's certificate; see `Connection.authenticate_client`."""
        if self.requests is None:
            raise UsageError("authenticate_client: only a server requests a certificate")
        self.messages.update_if_due()
        self.requests.send(self._authenticated, required=required, seconds=seconds, max_data=max_data)

    def take(self, message: Message) -> Sequence[Event]:
        """Process a message; return the events that follow."""
        if self.requests is not None and isinstance(message, Certificate | CertificateVerify | Finished):
            return self.requests.take(message)
        return self.messages.take(message)

    def data_came(self, size: int) -> None:
        """Process the arrival of so many bytes of data."""
        self.messages.without_data = 0
        if self.requests is not None:
            self.requests.data_came(size)

    def peer_closed(self) -> Sequence[Event]:
        """Process the peer's close_notify; return the events that come before it."""
        return () if self.requests is None else self.requests.peer_closed()

    def forget(self) -> None:
        """Delete what a connection that has ended does not need."""
        if self.requests is not None:
            self.requests.forget()

    def _authenticated(self, verified: Verified) -> None:
        """Go on with the client that a certificate after the handshake has shown."""
        if self.revalidation is not None and self.revalidation.runner is not None:
            self.revalidation.runner.close()
        self.revalidation = revalidation_of(self._hs, self._settings, verified)
