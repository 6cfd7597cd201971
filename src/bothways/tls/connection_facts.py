"""What a connection says about itself: what was agreed, how far it has come, and what ended it."""

from __future__ import annotations

from bothways.errors import TLSError
from bothways.iana import NamedGroup
from bothways.iana import name as spelled
from bothways.roles import Progress, Version
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.steps import Step
from bothways.tls.lifecycle import Lifecycle, State

# A placeholder until something is negotiated; its version is never reported.
_NOTHING_AGREED = Negotiated(Version.TLS13)


class ConnectionFacts:
    """A base class of `Connection`, which sets what these properties report."""

    _hs: HandshakeContext
    _life: Lifecycle
    _position: Position
    _failure: TLSError | None
    _resumed: bool

    @property
    def is_no_tls(self) -> bool:
        """Whether the peer's first bytes cannot begin a TLS record; it is refused for them when more have arrived."""
        return self._hs.inbox.strange_beginning is not None

    @property
    def is_behind(self) -> bool:
        """Whether input is left that `receive(b"")` continues with. Only after `limit_calls()`."""
        return self._life.reads and self._hs.inbox.is_behind

    @property
    def fragment_limit(self) -> int:
        """The largest number of bytes of data in one record to the peer, which may ask for as few as 63 (RFC 8449)."""
        return self._hs.out.keys.fragment_limit

    @property
    def established(self) -> bool:
        """Whether the handshake is complete and nothing has failed since."""
        return self._life.is_established

    @property
    def confirmed(self) -> bool:
        """Whether the peer is known to have accepted us.

        A server knows with `Established`. In TLS 1.3 a client knows only when the first protected record
        comes from the server after its own Finished (RFC 9846 4.5.3).
        """
        return self._position.confirmed

    @property
    def version(self) -> str | None:
        """The TLS version chosen, "1.3"; None until it is."""
        version = self._position.version
        return None if version is None else version.text

    @property
    def suite(self) -> str | None:
        """The cipher suite chosen, by its IANA name."""
        suite = self._agreed.suite
        return None if suite is None else suite.name

    @property
    def group(self) -> str | None:
        """The key exchange group chosen, by its IANA name."""
        group = self._agreed.group
        return None if group is None else spelled(NamedGroup, group)

    @property
    def alpn(self) -> str | None:
        """The application protocol chosen."""
        protocol = self._agreed.alpn
        return None if protocol is None else protocol.decode()

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was resumed, so that nobody signed in this handshake; False before it is done."""
        return self._resumed

    @property
    def state(self) -> State:
        """The state of the connection: who has closed it, and whether it has failed."""
        return self._life.state

    @property
    def step(self) -> Step:
        """The current step of the handshake."""
        return self._position.step

    @property
    def progress(self) -> Progress:
        """How far the connection has come: what of ours the peer has received and can refuse."""
        return self._position.progress

    @property
    def failure(self) -> TLSError | None:
        """The error that ended the connection; None while it is open, and after a close without error."""
        return self._failure

    @property
    def _agreed(self) -> Negotiated:
        return self._position.negotiated or _NOTHING_AGREED
