"""The peer of a bothways connection, found from the transport or the socket that another server holds.

No data of a client is read here: everything comes from the handshake.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from bothways.aio.transport import TLSTransport
from bothways.iana import CipherSuite
from bothways.roles import Version
from bothways.tls.events import Peer
from bothways.trust.decoding.parsing import encoded

CHAIN_LIMIT = 16
NAMES_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Caller:
    """The result of the handshake: `peer` (None for an anonymous client), `version` such as "1.3", the IANA `suite`."""

    peer: Peer | None
    version: str | None = None
    suite: str | None = None

    @property
    def version_code(self) -> int | None:
        """The code of the TLS version, as in the protocol."""
        return next((each.value for each in Version if each.text == self.version), None)

    @property
    def suite_code(self) -> int | None:
        """The code of the cipher suite, as in the protocol."""
        return None if self.suite is None else CipherSuite[self.suite].value

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The client's certificate, then its issuers without the trust anchor; empty for an anonymous client."""
        if self.peer is None:
            return ()
        path = self.peer.path[:CHAIN_LIMIT]
        return path[:1] if len(path) == 1 else path[:-1]


def of_transport(transport: Any) -> Caller | None:
    """Return the peer of an asyncio transport; None where its TLS is not that of bothways, or it has none."""
    if isinstance(transport, TLSTransport):
        connection = transport.tls.connection
        return Caller(transport.peer, connection.version, connection.suite)
    return of_socket(transport.get_extra_info("ssl_object"))


def of_socket(sock: Any) -> Caller | None:
    """Return the peer of a bothways socket, channel or SSL object; None for objects of other libraries."""
    if sock is None or not hasattr(sock, "peer"):
        return None
    peer = sock.peer
    if peer is not None and not isinstance(peer, Peer):
        return None
    version, suite = getattr(sock, "version", None), getattr(sock, "suite", None)
    version = version() if callable(version) else version
    return Caller(
        peer,
        version.removeprefix("TLSv") if isinstance(version, str) else None,
        suite if isinstance(suite, str) and suite in CipherSuite.__members__ else None,
    )


def pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return "".join(_lines(encoded(certificate)))


def _lines(der: bytes) -> Iterator[str]:
    text = base64.b64encode(der).decode("ascii")
    yield "-----BEGIN CERTIFICATE-----\n"
    for start in range(0, len(text), 64):
        yield text[start : start + 64] + "\n"
    yield "-----END CERTIFICATE-----\n"
