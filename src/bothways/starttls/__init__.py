"""How TLS is requested in another protocol (STARTTLS, RFC 2595 and others): both sides, without I/O."""

from bothways.starttls.accepting import ACCEPTED, Accepted, AcceptTLS, accepted_named, greeting_of
from bothways.starttls.exchange import Exchange
from bothways.starttls.opening import StartTLS
from bothways.starttls.protocols import ALIASES, CLIENT_SPEAKS_FIRST, PROTOCOLS, Protocol, protocol_named

__all__ = [
    "ACCEPTED",
    "ALIASES",
    "CLIENT_SPEAKS_FIRST",
    "PROTOCOLS",
    "AcceptTLS",
    "Accepted",
    "Exchange",
    "Protocol",
    "StartTLS",
    "accepted_named",
    "greeting_of",
    "protocol_named",
]
