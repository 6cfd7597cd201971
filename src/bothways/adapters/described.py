"""The information that `ssl` gives about a connection: certificate, chain, cipher, version and so on."""

from __future__ import annotations

import ssl
import warnings
from typing import Any, NoReturn

from cryptography.hazmat.primitives import hashes

from bothways.adapters.conversation import SSLConversation
from bothways.adapters.peercert import peer_cert
from bothways.adapters.suites import bits_of, openssl_name, ssl_version
from bothways.errors import ConfigError, UsageError
from bothways.iana import CipherSuite
from bothways.tls.events import Peer
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding.parsing import attempt

BINDINGS = ("tls-exporter", "tls-server-end-point", "tls-unique")
EXPORTER_LABEL = "EXPORTER-Channel-Binding"  # RFC 9266 4
_OLD_HASHES = ("md5", "sha1")


class Described:
    """A base class of `SSLObject` and `SSLSocket`. `_talk` is the connection; None before it exists."""

    _talk: SSLConversation | None

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer: names, path and verdict.

        None before the handshake is complete, and for an anonymous client.
        """
        return None if self._talk is None else self._talk.peer

    @property
    def context(self) -> Any:
        """The SSLContext of this connection."""
        return None if self._talk is None else self._talk.context

    @context.setter
    def context(self, context: object) -> None:
        if context is not self.context:
            raise ConfigError("context: a connection keeps the context that it was made by")

    @property
    def session(self) -> None:
        """None: there is no session object that another connection could use."""

    @session.setter
    def session(self, session: object) -> None:
        if session is not None:
            raise ConfigError("session: sessions of OpenSSL cannot be used here")

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return self._talk is not None and self._talk.connection.resumed

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the peer's certificate as a dict of `ssl` or in DER; None for a peer without one.

        Raises ValueError before the handshake is complete.
        """
        talk = self._established()
        der = None if talk.peer is None else _leaf(talk.peer)
        if der is None:
            return None
        return der if binary_form else peer_cert(der)

    def get_verified_chain(self) -> list[bytes]:
        """Return the verified path in DER: from the peer's certificate to the trust anchor."""
        talk = self._established()
        return [] if talk.peer is None else list(talk.peer.verdict.path_der)

    def get_unverified_chain(self) -> list[bytes]:
        """Return the peer's certificates in DER, as it sent them."""
        talk = self._established()
        seen = talk.situation().observed
        return [] if seen.sees_raw_key else list(seen.chain or ())

    def cipher(self) -> tuple[str, str, int] | None:
        """Return the cipher suite: OpenSSL's name, the TLS version that introduced it, the key size in bits."""
        suite = self.suite
        return None if suite is None else (openssl_name(suite), ssl_version(suite), bits_of(suite))

    @property
    def suite(self) -> str | None:
        """The IANA name of the cipher suite; None before the handshake is complete."""
        talk = self._talk
        return None if talk is None or not talk.status.established else talk.connection.suite

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """Return the cipher suites that the client offers and we accept, in the client's order; None for a client."""
        talk = self._talk
        offer = None if talk is None or not talk.is_server else talk.situation().observed.offer
        if talk is None or offer is None:
            return None
        names = suite_names(talk, offer.suites)
        return [(openssl_name(each), ssl_version(each), bits_of(each)) for each in names]

    def compression(self) -> None:
        """Return None: compression is not supported."""

    def version(self) -> str | None:
        """Return the TLS version, such as "TLSv1.3"; None before the handshake is complete."""
        talk = self._talk
        version = None if talk is None or not talk.status.established else talk.connection.version
        return None if version is None else f"TLSv{version}"

    def group(self) -> str | None:
        """Return the group of the key exchange."""
        return None if self._talk is None else self._talk.connection.group

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol that was agreed, if any (RFC 7301)."""
        return None if self._talk is None else self._talk.connection.alpn

    def selected_npn_protocol(self) -> None:
        """Return None: NPN is not supported."""
        warnings.warn("ssl NPN is deprecated, use ALPN instead", DeprecationWarning, stacklevel=2)

    def client_sigalg(self) -> str | None:
        """Return None: this is not reported."""

    def server_sigalg(self) -> str | None:
        """Return None: this is not reported."""

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Return a channel binding for another protocol.

        cb_type: "tls-exporter" (RFC 9266) or "tls-server-end-point" (RFC 5929 4). None before the handshake is
        complete, where the type is undefined, and always for "tls-unique", which TLS 1.3 does not have. Raises
        ValueError for other types.
        """
        if cb_type not in BINDINGS:
            raise ValueError(f"{cb_type} channel binding type not implemented")
        talk = self._talk
        if talk is None or not talk.status.established or cb_type == "tls-unique":
            return None
        if cb_type == "tls-server-end-point":
            return end_point(server_certificate(talk))
        try:
            return talk.connection.export(EXPORTER_LABEL, b"", 32)
        except UsageError:  # no extended main secret, or the connection has ended
            return None

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"cannot copy or pickle {type(self).__name__}: two that send by one key would repeat its nonces"
        )

    def verify_client_post_handshake(self, *, required: bool | None = None) -> None:
        """Request the client's certificate (RFC 9846 4.7.2); its answer is verified by one of the next reads.

        required: refuse a client without a certificate; by default as `verify_mode` of the context says. The client has
        the configuration's `handshake_timeout` to answer. Raises SSLError for a client's connection and for a client
        that cannot be asked.
        """
        talk = self._established()
        if not talk.is_server:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "not server: only a server requests a certificate")
        if required is None:
            required = talk.context.verify_mode == ssl.CERT_REQUIRED
        talk.authenticate_client(required=required)
        self._flush()

    def _flush(self) -> None:
        """Pass on what the engine has to send, where no socket takes it."""

    def _established(self) -> SSLConversation:
        if self._talk is None or not self._talk.status.established:
            raise ValueError("handshake not done yet")
        return self._talk


def suite_names(talk: SSLConversation, offered: tuple[int, ...]) -> list[str]:
    """Return the names of the offered cipher suites that our configuration accepts."""
    accepted = set(talk.config.settings.negotiation.suites)
    return [CipherSuite(code).name for code in offered if code in accepted]


def server_certificate(talk: SSLConversation) -> bytes | None:
    """Return the server's certificate in DER, for both sides."""
    if not talk.is_server:
        return None if talk.peer is None else _leaf(talk.peer)
    shown = talk.situation().observed.shown
    return shown[0] if shown else None


def _leaf(peer: Peer) -> bytes | None:
    """Return a peer's certificate in DER; None for a peer without one."""
    return next(iter(peer.verdict.path_der), None)


def end_point(der: bytes | None) -> bytes | None:
    """Return the hash of a certificate for channel binding; None if its signature has no hash (RFC 5929 4.1)."""
    if der is None:
        return None
    certificate = ParsedCertificate(der).x509
    algorithm = attempt("signatureAlgorithm", lambda: certificate.signature_hash_algorithm)
    if algorithm is None:
        return None
    digest = hashes.Hash(hashes.SHA256() if algorithm.name in _OLD_HASHES else algorithm)
    digest.update(der)
    return digest.finalize()
