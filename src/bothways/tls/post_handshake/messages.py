"""Messages after the handshake: session tickets and key updates (RFC 9846 4.7); TLS 1.2 has none that we accept."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.errors import UsageError
from bothways.faults import Fault, blame
from bothways.iana import Alert, AlertLevel, HandshakeType, KeyUpdateRequest
from bothways.iana import name as spelled
from bothways.tls.events import Epoch, Event
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.handshake.outcome import TicketKeeper
from bothways.tls.lifecycle import Lifecycle
from bothways.tls.post_handshake.client_auth import ClientAuthentication
from bothways.tls.record.protection import Plaintext, Protection, Protection12
from bothways.tls.wire.flight import Message
from bothways.tls.wire.tls13 import CertificateRequest, KeyUpdate, NewSessionTicket

IDLE_MESSAGE_LIMIT = 32


class AfterHandshake:
    """Processes messages on an open connection of TLS 1.3; it updates keys and limits messages without data between."""

    def __init__(
        self,
        inbox: Inbox,
        out: Outbox,
        life: Lifecycle,
        client_auth: ClientAuthentication | None = None,
        keeper: TicketKeeper | None = None,
    ) -> None:
        self._inbox = inbox
        self._out = out
        self._life = life
        self._client_auth = client_auth
        self._keeper = keeper
        self.without_data = 0  # messages in a row, without application data between them
        self._asked = 0
        self.owes_update = False  # the peer has requested a KeyUpdate that was not sent yet
        self._answered = False

    @property
    def asked_later(self) -> bool:
        """Whether the peer requested our certificate after the handshake."""
        return self._client_auth is not None and self._client_auth.asked > 0

    @property
    def owes_key_update(self) -> bool:
        """Whether a requested KeyUpdate is to be sent now: not before the current keys have protected a record.

        Otherwise a peer that sends many requests and reads nothing could fill our memory with answers (RFC 9846 4.7.3).
        """
        return self.owes_update and (not self._answered or _protecting(self._out.keys).sequence > 0)

    def take(self, message: Message) -> Sequence[Event]:
        """Process a message; return the requests that follow from it. Tickets are stored if the client has a store."""
        if isinstance(message, KeyUpdate) and self._asked:
            self._asked -= 1
        else:
            self.without_data += 1
        if self.without_data > IDLE_MESSAGE_LIMIT:
            blame(Fault.TOO_MANY_KEY_UPDATES, count=self.without_data)
        match message:
            case KeyUpdate(request):
                if request not in KeyUpdateRequest.__members__.values():
                    blame(Fault.BAD_KEY_UPDATE, got=spelled(KeyUpdateRequest, request))
                self._inbox.change_keys(_protecting(self._inbox.keys).next(), Epoch.APPLICATION)
                if request == KeyUpdateRequest.update_requested:
                    self.owes_update = True
            case NewSessionTicket():
                if self._keeper is not None:
                    self._keeper.keep(message)
            case CertificateRequest():
                if self._client_auth is None:
                    blame(
                        Fault.UNEXPECTED_MESSAGE,
                        got=HandshakeType.certificate_request.name,
                        expected="none, since we offered no answer to one, or agreed on HTTP/2",
                    )
                if self._life.writes:
                    return self._client_auth.answer(message)
            case _:
                raise TypeError("the table of steps lets a message pass that nobody takes")
        return ()

    def update_keys(self, *, ask: bool) -> None:
        """Send a KeyUpdate and use the next keys; with `ask` the peer has to do the same (RFC 9846 4.7.3)."""
        self._asked += ask
        request = KeyUpdateRequest.update_requested if ask else KeyUpdateRequest.update_not_requested
        self._out.send_after_handshake(KeyUpdate(request))
        self._out.change_keys(_protecting(self._out.keys).next(), Epoch.APPLICATION)
        self._answered = self._answered or self.owes_update
        self.owes_update = False

    def update_if_due(self) -> None:
        """Update our keys if the peer requested it or the limit of the keys is near (RFC 9846 5.5)."""
        if self.owes_update or self._out.keys.should_update:
            self.update_keys(ask=False)


class AfterHandshake12:
    """The same for TLS 1.2, without key updates; renegotiation is refused (RFC 5246 7.4.1.1)."""

    owes_key_update = owes_update = False
    asked_later = False

    def __init__(self, out: Outbox, life: Lifecycle) -> None:
        self._out = out
        self._life = life
        self.without_data = 0
        self._answers = 0

    def take(self, message: Message) -> Sequence[Event]:
        """Answer a HelloRequest, or a new ClientHello, with the alert no_renegotiation."""
        del message
        self.without_data += 1
        if self.without_data > IDLE_MESSAGE_LIMIT:
            blame(Fault.TOO_MANY_KEY_UPDATES, count=self.without_data)
        self._answers += 1
        # A peer that does not read must not fill our memory with answers.
        if self._answers <= IDLE_MESSAGE_LIMIT and self._life.writes:
            self._out.alert(AlertLevel.warning, Alert.NO_RENEGOTIATION)
        return ()

    def update_keys(self, *, ask: bool) -> None:
        """Raise `UsageError`: TLS 1.2 has no key update."""
        del ask
        raise UsageError("update_keys: TLS 1.2 cannot change its keys; connect again")

    def update_if_due(self) -> None:
        """Raise `UsageError` when the keys have protected as many records as they may."""
        if self._out.keys.should_update:
            raise UsageError("send: the keys of this connection are used up; connect again")


def _protecting(keys: Plaintext | Protection | Protection12) -> Protection:
    if not isinstance(keys, Protection):
        raise TypeError("there are no keys to renew before the handshake is done")
    return keys
