"""A client of libgnutls through ctypes: what its library does and no program of it can be told to do."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 20.0
MINIMUM = (3, 7)
_CLIENT, _PEM, _BY_CERTIFICATE, _DNS, _SHUT_RDWR = 2, 1, 1, 1, 0


class GnuTLSError(Exception):
    """What a function of the library returned below zero. `alert`: the peer's, None where it sent none."""

    def __init__(self, what: str, words: str, alert: int | None) -> None:
        self.alert = alert
        super().__init__(f"{what}: {words}")


def load() -> ctypes.CDLL:
    """Load the library, or end this test: skipped, or failed under CI."""
    name = ctypes.util.find_library("gnutls")
    library = None if name is None else ctypes.CDLL(name)
    if library is not None:
        library.gnutls_check_version.restype = ctypes.c_char_p
        library.gnutls_strerror.restype = ctypes.c_char_p
        version = library.gnutls_check_version(None).decode()
        if tuple(map(int, version.split(".")[:2])) >= MINIMUM:
            return library
    reason = "libgnutls 3.7 is not here; it comes with the Debian package gnutls-bin"
    if os.environ.get("CI") == "true":
        pytest.fail(f"peer missing under CI: {reason}", pytrace=False)
    pytest.skip(reason)


AGAIN = -28  # GNUTLS_E_AGAIN


class Session:
    """A client's session over a connected socket, in TLS 1.3."""

    def __init__(self, library: ctypes.CDLL, session: ctypes.c_void_p) -> None:
        self._library = library
        self._session = session

    def handshake(self) -> None:
        self._check("gnutls_handshake", self._library.gnutls_handshake(self._session))

    def send(self, data: bytes) -> None:
        self._check("gnutls_record_send", self._library.gnutls_record_send(self._session, data, len(data)))

    def receive(self) -> bytes:
        buffer = ctypes.create_string_buffer(4096)
        size = AGAIN
        while size == AGAIN:  # a ticket came, and no data with it
            size = self._library.gnutls_record_recv(self._session, buffer, len(buffer))
        return buffer.raw[: self._check("gnutls_record_recv", size)]

    def _check(self, what: str, result: int) -> int:
        if result < 0:
            words = self._library.gnutls_strerror(result).decode()
            alert = self._library.gnutls_alert_get(self._session) if "alert" in words else None
            raise GnuTLSError(what, words, alert)
        return result


@contextmanager
def calling(port: int, trusted: str, chain: str, key: str, staple: Path | None) -> Iterator[Session]:
    """Be a client of a server on loopback, with a certificate and a staple for it."""
    library = load()

    def must(result: int) -> int:
        assert result >= 0, library.gnutls_strerror(result)
        return result

    credentials, session = ctypes.c_void_p(), ctypes.c_void_p()
    undo: list[Callable[[], object]] = []
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock.settimeout(None)
    undo.append(sock.close)
    try:
        must(library.gnutls_certificate_allocate_credentials(ctypes.byref(credentials)))
        undo.append(lambda: library.gnutls_certificate_free_credentials(credentials))
        must(library.gnutls_certificate_set_x509_trust_file(credentials, trusted.encode(), _PEM))
        index = library.gnutls_certificate_set_x509_key_file(credentials, chain.encode(), key.encode(), _PEM)
        must(index)
        if staple is not None:
            path = str(staple).encode()
            must(library.gnutls_certificate_set_ocsp_status_request_file(credentials, path, index))
        must(library.gnutls_init(ctypes.byref(session), _CLIENT))
        undo.append(lambda: library.gnutls_deinit(session))
        must(library.gnutls_priority_set_direct(session, b"NORMAL:-VERS-ALL:+VERS-TLS1.3", None))
        must(library.gnutls_credentials_set(session, _BY_CERTIFICATE, credentials))
        must(library.gnutls_server_name_set(session, _DNS, b"localhost", 9))
        library.gnutls_session_set_verify_cert(session, b"localhost", 0)
        library.gnutls_transport_set_int2(session, sock.fileno(), sock.fileno())
        library.gnutls_handshake_set_timeout(session, int(PATIENCE * 1000))
        library.gnutls_record_set_timeout(session, int(PATIENCE * 1000))
        yield Session(library, session)
        library.gnutls_bye(session, _SHUT_RDWR)
    finally:
        for each in reversed(undo):
            each()
