"""What is stored of a session: the client stores a `Session`, the server only what its ticket contains."""

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

# In bytes. The ticket is sent in a ClientHello: for a longer chain a full handshake is cheaper.
CHAIN_LIMIT = 8 * 1024
# Tickets are padded, since their length would disclose that of the client's certificates.
_PADDED_TO = 256
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """The handshake that a session comes from: cipher suite, resumption secret, and the time of the signatures."""

    suite: Suite
    authenticated: datetime
    secret: bytes = field(repr=False)

    def key(self, nonce: bytes) -> bytes:
        """Return the PSK for the ticket with this nonce (RFC 9846 4.7.1)."""
        return resumption_psk(self.secret, nonce, self.suite)


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """What a client stores to resume: a ticket, its PSK, and what is needed to verify the server again.

    received, expires: when the ticket was received, and the end of its use.  authenticated: the time of the signatures.
    chain, leaf, staples: as the server sent them.  cautions: the warnings about our own side in that handshake.
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
        """Whether the ticket may be used at the time `now`; not if it was received later than that."""
        return self.received <= now < min(self.expires, self.authenticated + max_age)

    def obfuscated_age(self, now: datetime) -> int:
        """Return obfuscated_ticket_age for a ClientHello (RFC 9846 4.3.11.1)."""
        return obfuscated(now - self.received, self.age_add)


@dataclass(frozen=True, slots=True)
class TicketContent:
    """What a server's ticket contains: all that it needs to resume and to verify the client again.

    issued, expires, authenticated: milliseconds since 1970.  chain: as the client sent it, empty for an anonymous
    client.
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
        """The cipher suite of the session, whose hash is used with its PSK."""
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
    """Return the content of a new ticket. times: issued, expires, authenticated."""
    return TicketContent(_FORMAT, suite.code, key, int.from_bytes(random(4), "big"), *times, chain)


def encoded_content(content: TicketContent) -> bytes:
    """Return the plaintext of a ticket, padded."""
    plain = encode(_CONTENT, content)
    return plain + bytes(-len(plain) % _PADDED_TO)


def decoded_content(plain: bytes) -> TicketContent | None:
    """Return the content of a decrypted ticket; None if it has the format of another release."""
    try:
        content = decode(_CONTENT, plain, "ticket")
    except Blame:
        return None
    suite = SUITES13.get(content.suite_code)
    if content.format != _FORMAT or suite is None or len(content.key) != suite.hash_size:
        return None
    return content
