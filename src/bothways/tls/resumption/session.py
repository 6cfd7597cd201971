"""What is stored of a session: the client stores a `Session`, the server only what its ticket contains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bothways.faults import Blame
from bothways.tls.crypto.suites import SUITES12, SUITES13, Suite
from bothways.tls.events import Caution
from bothways.tls.keys.schedule12 import MAIN_SECRET_SIZE
from bothways.tls.keys.schedule13 import resumption_psk
from bothways.tls.resumption.age import milliseconds, obfuscated
from bothways.tls.wire.codec import decode, encode
from bothways.tls.wire.fields import opaque, record, rest, uint, vector
from bothways.trust.certificate.raw_public_key import RawPublicKey

# In bytes. The ticket is sent in a ClientHello: for a longer chain a full handshake is cheaper.
CHAIN_LIMIT = 8 * 1024
# Tickets are padded, since their length would disclose that of the client's certificates.
_PADDED_TO = 256
SUITES = {**SUITES13, **SUITES12}
FORMAT_13, FORMAT_12, FORMAT_RAW_KEY = 1, 2, 3
# The formats of a version: of TLS 1.3 there is one for clients with a raw public key.
_FORMATS = {FORMAT_13: (FORMAT_13, FORMAT_RAW_KEY), FORMAT_12: (FORMAT_12,)}


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

    key: in TLS 1.2 the main secret, where a session may have an ID instead of a ticket.  received, expires: when the
    ticket was received, and the end of its use.  authenticated: the time of the signatures.  chain, staples: as the
    server sent them.  raw_key: the server's raw public key, if it sent that instead.  cautions: the warnings about our
    own side in that handshake.
    """

    suite: Suite
    ticket: bytes = field(repr=False)
    key: bytes = field(repr=False)
    age_add: int = field(repr=False)
    received: datetime
    expires: datetime
    authenticated: datetime
    chain: tuple[bytes, ...] = field(repr=False)
    staples: tuple[bytes | None, ...] = field(default=(), repr=False)
    cautions: tuple[Caution, ...] = ()
    session_id: bytes = field(default=b"", repr=False)
    raw_key: RawPublicKey | None = None

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
    client; by `format`, its raw public key instead.
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
    def has_raw_key(self) -> bool:
        """Whether the client has a raw public key, which `chain` contains (RFC 7250)."""
        return self.format == FORMAT_RAW_KEY

    @property
    def suite(self) -> Suite:
        """The cipher suite of the session, whose hash is used with its key."""
        return SUITES[self.suite_code]

    def is_usable(self, now: datetime, max_age: timedelta) -> bool:
        """Whether a ticket is neither too old nor from the future, by our clock."""
        until = min(self.expires, self.authenticated + max_age // timedelta(milliseconds=1))
        return self.authenticated <= self.issued <= milliseconds(now) < until


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
    *,
    raw_key: bool = False,
) -> TicketContent:
    """Return the content of a new ticket. times: issued, expires, authenticated. raw_key: `chain` contains one."""
    form = FORMAT_12 if suite.code in SUITES12 else FORMAT_RAW_KEY if raw_key else FORMAT_13
    return TicketContent(form, suite.code, key, int.from_bytes(random(4), "big"), *times, chain)


def encoded_content(content: TicketContent) -> bytes:
    """Return the plaintext of a ticket, padded."""
    plain = encode(_CONTENT, content)
    return plain + bytes(-len(plain) % _PADDED_TO)


def decoded_content(plain: bytes, form: int = FORMAT_13) -> TicketContent | None:
    """Return the content of a decrypted ticket; None if it has the format of another release.

    form: that of the version, `FORMAT_13` or `FORMAT_12`.
    """
    try:
        content = decode(_CONTENT, plain, "ticket")
    except Blame:
        return None
    suite = (SUITES13 if form == FORMAT_13 else SUITES12).get(content.suite_code)
    if content.format not in _FORMATS[form] or suite is None:
        return None
    size = suite.hash_size if form == FORMAT_13 else MAIN_SECRET_SIZE
    return content if len(content.key) == size else None
