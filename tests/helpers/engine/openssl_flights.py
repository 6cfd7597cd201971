"""The handshake messages of TLS 1.2 between two OpenSSLs in one process, as long as they are in the clear."""

from __future__ import annotations

import ssl
from pathlib import Path

import pki
from bothways.iana import ContentType
from bothways.tls.wire.flight import Flight

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: the certificates live in the tests' own year


def messages(folder: Path, suite: str, key_kind: str) -> list[tuple[int, bytes]]:
    """Type and bytes of each message, both sides' in their order, of a mutual handshake with `suite`."""
    authority = pki.root()
    client = _context(folder, ssl.PROTOCOL_TLS_CLIENT, pki.leaf(authority, "client", key_kind=key_kind))
    server = _context(folder, ssl.PROTOCOL_TLS_SERVER, pki.leaf(authority, "localhost", key_kind=key_kind))
    for context in (client, server):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"{suite}:@SECLEVEL=0")
        context.load_verify_locations(cadata=authority.pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= NO_CHECK_TIME
    return _talk(client, server)


def _context(folder: Path, protocol: int, identity: pki.Issued) -> ssl.SSLContext:
    file = folder / f"{protocol}.pem"
    file.write_bytes(identity.chain_pem + identity.key_pem)
    context = ssl.SSLContext(protocol)
    context.load_cert_chain(file)
    return context


def _talk(client: ssl.SSLContext, server: ssl.SSLContext) -> list[tuple[int, bytes]]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    from_client, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        (client.wrap_bio(to_client, from_client, server_hostname="localhost"), from_client, to_server),
        (server.wrap_bio(to_server, from_server, server_side=True), from_server, to_client),
    ]
    flights = [Flight(), Flight()]
    hidden = [False, False]
    found = []
    for turn in range(6):
        side, out, to_other = sides[turn % 2]
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
        data = out.read()
        to_other.write(data)
        while data:
            size = 5 + int.from_bytes(data[3:5], "big")
            record, data = data[:size], data[size:]
            if record[0] == ContentType.change_cipher_spec:
                hidden[turn % 2] = True
            elif record[0] == ContentType.handshake and not hidden[turn % 2]:
                flights[turn % 2].feed(record[5:])
        while (message := flights[turn % 2].next()) is not None:
            found.append(message)
    return found
