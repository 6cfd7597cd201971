"""A ClientHello made by the OpenSSL that Python brings, out of its memory BIO: no socket, no peer."""

from __future__ import annotations

import ssl


def client_hello(
    alpn: tuple[str, ...] = ("h2", "http/1.1"), newest: bool = True, context: ssl.SSLContext | None = None
) -> bytes:
    """The handshake message with its header."""
    context = context or ssl.create_default_context()
    context.set_alpn_protocols(list(alpn))
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="server.example")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()[5:]
