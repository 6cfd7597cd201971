"""PostgreSQL with TLS: what is said before it, and what is asked within."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from ca.databases import execute, running_cluster
from catalogue import people
from processes import free_port

SSL_REQUEST = struct.pack("!II", 8, 80877103)
STARTUP = b"\0\x03\0\0user\0ada\0database\0postgres\0\0"
REQUEST = struct.pack("!I", len(STARTUP) + 4) + STARTUP
CONFIGURATION = """\
listen_addresses = '127.0.0.1'
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_ca_file = 'root.pem'
"""
ACCESS = "hostssl all all 127.0.0.1/32 trust clientcert=verify-full\n"


@contextmanager
def database() -> Iterator[int]:
    """Run PostgreSQL with TLS, for clients whose certificate names the user; yields its port."""
    port = free_port()
    server = people.person("server")
    files = {"server.pem": server.chain, "server.key": server.issued.key_pem, "root.pem": people.root().pem}
    with running_cluster(CONFIGURATION, ACCESS, files, port) as cluster:
        execute(cluster.url(), "CREATE ROLE ada LOGIN")
        yield port


def ask_for_tls(sock: socket.socket) -> None:
    """PostgreSQL turns to TLS when asked to."""
    sock.sendall(SSL_REQUEST)
    assert sock.recv(1) == b"S"
