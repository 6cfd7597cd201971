"""How TLS is requested in another protocol (STARTTLS, RFC 2595 and others): the client side, without I/O."""

from bothways.starttls.opening import StartTLS
from bothways.starttls.protocols import ALIASES, PROTOCOLS, Protocol, protocol_named

__all__ = ["ALIASES", "PROTOCOLS", "Protocol", "StartTLS", "protocol_named"]
