"""What each side keeps of a session: the client a value in memory, the server nothing but what its ticket holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bothways.faults import Blame
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.events import Caution
from bothways.tls.keys.schedule13 import resumption_psk
from bothways.tls.resumption.age import obfuscated
from bothways.tls.wire.codec import decode, encode
from bothways.tls.wire.fields import opaque, record, rest, uint, vector
from bothways.trust.certificate import ParsedCertificate

# A ticket travels in a ClientHello, so that a chain of more octets is better shown again than carried in one.
CHAIN_LIMIT = 8 * 1024
# Tickets of one length say nothing about how long a certificate is, which the handshake hides.
_PADDED_TO = 256
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """Of which handshake a session is: its suite, its resumption secret, and when both sides last signed."""

    suite: Suite
    authenticated: datetime
    secret: bytes = field(repr=False)

    def key(self, nonce: bytes) -> bytes:
        """Return the key that belongs to the ticket with this nonce (RFC 9846 4.7.1)."""
        return resumption_psk(self.secret, nonce, self.suite)


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """What a client resumes with: a ticket, its key, and how the server is judged again before it is offered.

    received, expires: when the ticket came, and until when it may be used.  authenticated: when both sides last
    proved their keys.  chain, leaf, staples: what the server showed.  cautions: what our own part in that handshake
    called for.
    """

    suite: Suite
    ticket: bytes = field(repr=False)
    key: bytes = field(repr=False)
    age_add: int = field(repr=False)
    received: datetime
    expires: datetime
    authenticated: datetime
    chain: tuple[bytes, ...] = field(repr=False)
    leaf: ParsedCertificate | None = None
    staples: tuple[bytes | None, ...] = field(default=(), repr=False)
    cautions: tuple[Caution, ...] = ()

    def is_usable(self, now: datetime, max_age: timedelta) -> bool:
        """Whether the ticket may be used at this moment; one that came in the future is not."""
        return self.received <= now < min(self.expires, self.authenticated + max_age)

    def obfuscated_age(self, now: datetime) -> int:
        """Return what a ClientHello says of the ticket's age (RFC 9846 4.3.11.1)."""
        return obfuscated(now - self.received, self.age_add)


@dataclass(frozen=True, slots=True)
class TicketContent:
    """What a server's ticket holds: all that it needs to resume, and to judge the client again.

    issued, expires, authenticated: milliseconds since 1970.  chain: as the client sent it, empty for one that
    showed no certificate.
    """

    format: int
    suite_code: int
    key: bytes = field(repr=False)
    age_add: int = field(repr=False)
    issued: int
    expires: int
    authenticated: int
    chain: tuple[bytes, ...]
    padding: bytes = field(default=b"", repr=False)

    @property
    def suite(self) -> Suite:
        """The cipher suite of the session, by whose hash its key is used."""
        return SUITES13[self.suite_code]


_CONTENT = record(
    TicketContent,
    format=uint(1),
    suite_code=uint(2),
    key=opaque(32, 64),
    age_add=uint(4),
    issued=uint(8),
    expires=uint(8),
    authenticated=uint(8),
    chain=vector(opaque(1, 2**16 - 1), 0, 2**16 - 1),
    padding=rest(),
)


def new_content(
    suite: Suite,
    key: bytes,
    chain: tuple[bytes, ...],
    times: tuple[int, int, int],
    random: Callable[[int], bytes],
) -> TicketContent:
    """Return the content of a new ticket; times: issued, expires, authenticated."""
    return TicketContent(_FORMAT, suite.code, key, int.from_bytes(random(4), "big"), *times, chain)


def encoded_content(content: TicketContent) -> bytes:
    """Return the bytes that are sealed in a ticket, filled up so that tickets have few lengths."""
    plain = encode(_CONTENT, content)
    return plain + bytes(-len(plain) % _PADDED_TO)


def decoded_content(plain: bytes) -> TicketContent | None:
    """Return what a ticket of ours holds; None if another release sealed it in another form."""
    try:
        content = decode(_CONTENT, plain, "ticket")
    except Blame:
        return None
    suite = SUITES13.get(content.suite_code)
    if content.format != _FORMAT or suite is None or len(content.key) != suite.hash_size:
        return None
    return content
