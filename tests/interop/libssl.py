"""OpenSSL 3.5 through ctypes, behind memory buffers: what neither Python's `ssl` nor pyOpenSSL can be told to do.

It is the library inside the wheel of psycopg, which exports its whole interface; that in the wheel of `cryptography`
exports nothing.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from interop.in_process import alert_named

MINIMUM = (3, 2)  # the first with raw public keys
X509, RAW = 0, 2
WANT_READ, ZERO_RETURN = 2, 6
NO_PEER, PEER = 0, 1
REQUIRED = 3
_POINTERS = [
    "TLS_client_method",
    "TLS_server_method",
    "SSL_CTX_new",
    "SSL_new",
    "BIO_new",
    "BIO_s_mem",
    "BIO_new_mem_buf",
    "PEM_read_bio_PrivateKey",
    "d2i_PUBKEY",
    "SSL_get0_peer_rpk",
    "SSL_get1_session",
]


@lru_cache
def load() -> ctypes.CDLL:
    """Load libcrypto and libssl, or end this test: skipped, or failed under CI."""
    found = importlib.util.find_spec("psycopg_binary")
    folder = Path() if found is None or found.origin is None else Path(found.origin).parent.parent
    names = [
        next(iter(folder.glob(f"psycopg_binary.libs/{each}-*")), None) for each in ("libcrypto", "libssl")
    ]
    if None not in names:
        _, library = (ctypes.CDLL(str(each)) for each in names)  # the second finds the names of the first too
        library.OpenSSL_version_num.restype = ctypes.c_ulong
        number = library.OpenSSL_version_num()
        if (number >> 28, number >> 20 & 0xFF) >= MINIMUM:
            for each in _POINTERS:
                getattr(library, each).restype = ctypes.c_void_p
            library.ERR_get_error.restype = ctypes.c_ulong
            return library
    reason = "OpenSSL 3.2 is not here; it comes with the wheel of psycopg[binary]"
    if os.environ.get("CI") == "true":
        pytest.fail(f"peer missing under CI: {reason}", pytrace=False)
    pytest.skip(reason)


class OpenSSLError(Exception):
    """What the library said last."""


class LibSSL:
    """One side of a conversation of TLS 1.3. Free its memory with `free`.

    key: PEM of its private key, with `chain` a certificate and its chain beside it.  own, accepted: the certificate
    types that it has, and that it accepts.  pinned: the SubjectPublicKeyInfo of the peer that it expects.  resumes: an
    earlier client, whose session it offers.
    """

    def __init__(
        self,
        *,
        server: bool,
        key: bytes | None = None,
        chain: Path | None = None,
        own: tuple[int, ...] = (RAW,),
        accepted: tuple[int, ...] = (RAW,),
        pinned: bytes | None = None,
        roots: str | None = None,
        verify: int = REQUIRED,
        resumes: LibSSL | None = None,
    ) -> None:
        self._ssl = tls = load()
        method = tls.TLS_server_method() if server else tls.TLS_client_method()
        self._context = ctypes.c_void_p(tls.SSL_CTX_new(ctypes.c_void_p(method)))
        tls.SSL_CTX_ctrl(self._context, 123, ctypes.c_long(0x0304), None)  # SSL_CTX_set_min_proto_version
        ours, theirs = ("server", "client") if server else ("client", "server")
        for side, types in ((ours, own), (theirs, accepted)):
            self._must(
                getattr(tls, f"SSL_CTX_set1_{side}_cert_type")(self._context, bytes(types), len(types))
            )
        self._must(tls.SSL_CTX_dane_enable(self._context))
        tls.SSL_CTX_set_verify(self._context, verify, None)
        if roots is not None:
            self._must(tls.SSL_CTX_load_verify_locations(self._context, roots.encode(), None))
        if chain is not None:
            self._must(tls.SSL_CTX_use_certificate_chain_file(self._context, str(chain).encode()))
        if key is not None:
            self._use_key(key)
        self.session = ctypes.c_void_p(tls.SSL_new(self._context))
        self._incoming, self._outgoing = (ctypes.c_void_p(self._memory()) for _ in range(2))
        tls.SSL_set_bio(self.session, self._incoming, self._outgoing)
        if pinned is not None:
            self._expect(pinned)
        if resumes is not None:
            known = ctypes.c_void_p(tls.SSL_get1_session(resumes.session))
            self._must(tls.SSL_set_session(self.session, known))
            tls.SSL_SESSION_free(known)
        tls.SSL_set_accept_state(self.session) if server else tls.SSL_set_connect_state(self.session)
        self.established = self.peer_closed = False
        self.received = b""
        self.failure: Exception | None = None
        self._go_on()

    # -- as `Foreign` ----------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        self._ssl.BIO_write(self._incoming, data, len(data))
        self._go_on()

    def data_to_send(self) -> bytes:
        buffer, data = ctypes.create_string_buffer(64 * 1024), b""
        while (size := self._ssl.BIO_read(self._outgoing, buffer, len(buffer))) > 0:
            data += buffer.raw[:size]
        return data

    def send(self, data: bytes) -> None:
        assert self._ssl.SSL_write(self.session, data, len(data)) == len(data)

    def close(self) -> None:
        self._ssl.SSL_shutdown(self.session)

    @property
    def alert(self) -> str | None:
        return alert_named(str(self.failure))

    # -- what it knows ---------------------------------------------------------------------------------

    @property
    def resumed(self) -> bool:
        return bool(self._ssl.SSL_session_reused(self.session))

    @property
    def peer_key(self) -> bytes | None:
        """The SubjectPublicKeyInfo of the raw public key that the peer showed."""
        key = self._ssl.SSL_get0_peer_rpk(self.session)
        if not key:
            return None
        buffer = ctypes.create_string_buffer(8192)
        at = ctypes.cast(buffer, ctypes.c_void_p)
        size = self._ssl.i2d_PUBKEY(ctypes.c_void_p(key), ctypes.byref(at))
        return buffer.raw[:size]

    def free(self) -> None:
        self._ssl.SSL_free(self.session)
        self._ssl.SSL_CTX_free(self._context)

    # -- internals -------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self.failure is not None or self.peer_closed:
            return
        if not self.established:
            result = self._ssl.SSL_do_handshake(self.session)
            if result != 1:
                self._check_result(result)
                return
            self.established = True
        buffer = ctypes.create_string_buffer(64 * 1024)
        while (size := self._ssl.SSL_read(self.session, buffer, len(buffer))) > 0:
            self.received += buffer.raw[:size]
        self._check_result(size)

    def _check_result(self, result: int) -> None:
        reason = self._ssl.SSL_get_error(self.session, result)
        if reason == ZERO_RETURN:
            self.peer_closed = True
        elif reason != WANT_READ:
            self.failure = self._error()

    def _use_key(self, pem: bytes) -> None:
        source = ctypes.c_void_p(self._ssl.BIO_new_mem_buf(pem, len(pem)))
        key = ctypes.c_void_p(self._ssl.PEM_read_bio_PrivateKey(source, None, None, None))
        self._must(self._ssl.SSL_CTX_use_PrivateKey(self._context, key))
        self._ssl.EVP_PKEY_free(key)
        self._ssl.BIO_free(source)

    def _expect(self, spki: bytes) -> None:
        at = ctypes.cast(ctypes.create_string_buffer(spki, len(spki)), ctypes.c_void_p)
        key = ctypes.c_void_p(self._ssl.d2i_PUBKEY(None, ctypes.byref(at), ctypes.c_long(len(spki))))
        self._must(self._ssl.SSL_dane_enable(self.session, None))
        self._must(self._ssl.SSL_add_expected_rpk(self.session, key))
        self._ssl.EVP_PKEY_free(key)

    def _memory(self) -> Any:
        return self._ssl.BIO_new(ctypes.c_void_p(self._ssl.BIO_s_mem()))

    def _must(self, result: int) -> None:
        if result != 1:
            raise self._error()

    def _error(self) -> OpenSSLError:
        buffer, texts = ctypes.create_string_buffer(256), []
        while code := self._ssl.ERR_get_error():
            self._ssl.ERR_error_string_n(ctypes.c_ulong(code), buffer, len(buffer))
            texts.append(buffer.value.decode())
        return OpenSSLError("; ".join(texts) or "it failed without a word")
