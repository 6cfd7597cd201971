"""What comes before TLS where a service has to be asked for it (STARTTLS): the client's half, without I/O."""

from bothways.starttls.opening import StartTLS
from bothways.starttls.protocols import ALIASES, PROTOCOLS, Protocol, protocol_named

__all__ = ["ALIASES", "PROTOCOLS", "Protocol", "StartTLS", "protocol_named"]
