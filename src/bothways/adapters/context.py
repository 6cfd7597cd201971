"""An `ssl.SSLContext` by type, whose connections are made by our engine as a configuration says.

What it inherits from OpenSSL is left inert: it requires certificates, checks names, has neither anchors nor
credentials, and speaks no version of TLS.
"""

from __future__ import annotations

import logging
import ssl
import threading
from _ssl import _SSLContext
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NoReturn, Self

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.adapters.attributes import Attributes, Facts, facts_of, refuse
from bothways.adapters.conversation import Answering, Conversation, Finder, Signer
from bothways.adapters.loading import Loaded
from bothways.adapters.peercert import is_ca, peer_cert
from bothways.adapters.refused_settings import RefusedSettings
from bothways.adapters.ssl_object import SSLObject
from bothways.adapters.ssl_socket import SSLSocket
from bothways.adapters.suites import ciphers
from bothways.errors import ConfigError
from bothways.iana import NamedGroup
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.trust.anchors import TrustStore

logger = logging.getLogger("bothways")

_STATISTICS = (
    "number",
    "connect",
    "connect_good",
    "connect_renegotiate",
    "accept",
    "accept_good",
    "accept_renegotiate",
    "hits",
    "misses",
    "timeouts",
    "cache_full",
)


class CannotCopy(ConfigError, TypeError):
    """A context is not copied: `ssl` raises TypeError for that."""


class SSLContext(RefusedSettings, Attributes):
    """Give it to any library that takes an `ssl.SSLContext`: both directions are verified as `config` says.

    config: a `ClientConfig` or a `ServerConfig`.  signer: answers a `SignatureWanted` with a signature, for keys that
    are elsewhere; with `wrap_bio` it is called in the event loop.  evidence: answers an `EvidenceWanted` of
    `wrap_socket`, in the place of the fetching that the configuration allows. Raises ConfigError.
    """

    # of one that was made past the constructors, which has no configuration
    _lock = threading.Lock()
    _given: ClientConfig | ServerConfig | None = None
    _config: ClientConfig | ServerConfig | None = None
    _loaded: Loaded | None = None
    _signer: Signer | None = None
    _evidence: Finder | None = None
    _has_told = False

    def __new__(cls, config: object = None, *arguments: object, **options: object) -> Self:
        """Make the inert context of OpenSSL that this is by type."""
        self: Self = _inert(cls)
        return self

    def __init__(
        self,
        config: ClientConfig | ServerConfig,
        *,
        signer: Signer | None = None,
        evidence: Finder | None = None,
    ) -> None:
        if not isinstance(config, ClientConfig | ServerConfig):
            raise ConfigError("SSLContext: expected a ClientConfig or a ServerConfig, or use for_client()")
        self._lock = threading.Lock()
        self._given = self._config = config
        self._signer, self._evidence = signer, evidence

    @classmethod
    def for_client(
        cls, *, signer: Signer | None = None, evidence: Finder | None = None, **options: Any
    ) -> Self:
        """Make a context for clients that is filled like one of `ssl`: by `load_verify_locations`, `load_cert_chain`
        and `set_alpn_protocols`, until the first handshake. signer, evidence: as for `bothways.net.wrap`.
        options: fields of `ClientConfig`. Raises ConfigError.
        """
        return cls._to_be_loaded(Loaded(ClientConfig, options), signer, evidence)

    @classmethod
    def for_server(
        cls, *, signer: Signer | None = None, evidence: Finder | None = None, **options: Any
    ) -> Self:
        """Make a context for servers in the same way; with trust anchors loaded, clients need a certificate.
        signer, evidence: as for `bothways.net.wrap`. options: fields of `ServerConfig`. Raises ConfigError.
        """
        return cls._to_be_loaded(Loaded(ServerConfig, options), signer, evidence)

    @classmethod
    def _to_be_loaded(cls, loaded: Loaded, signer: Signer | None, evidence: Finder | None) -> Self:
        self: Self = _inert(cls)
        self._lock = threading.Lock()
        self._signer, self._evidence = signer, evidence
        self._loaded = loaded
        return self

    @property
    def config(self) -> ClientConfig | ServerConfig:
        """The configuration of the connections that are made from here on."""
        return self._settled()

    # -- making connections ----------------------------------------------------------------------------

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> Any:
        """Begin a connection over memory BIOs; returns an `SSLObject`.

        server_hostname: for a client, whom the server must prove to be. Raises ConfigError without it, for the wrong
        side, and where evidence would have to be fetched, which holds no event loop up only in `bothways.aio`.
        """
        return SSLObject._create(incoming, outgoing, server_side, server_hostname, session, self)

    def wrap_socket(
        self,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> Any:
        """Begin a connection over a socket, which belongs to the `SSLSocket` that is returned.

        sock: connected, to be connected, or listening; another TLS connection for TLS within TLS.
        suppress_ragged_eofs: means nothing: a cut is told from an end, unless the configuration ignores truncation.
        The rest is as for `wrap_bio`, and evidence is fetched where the configuration allows it.
        """
        return SSLSocket._create(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, self, session
        )

    def begin(
        self,
        server_side: bool,
        server_hostname: str | bytes | None,
        session: object,
        *,
        without_io: bool = False,
        address: Any = str,
    ) -> Conversation:
        """Begin a connection, for `SSLObject` and `SSLSocket`. Raises ConfigError where its peer cannot be verified.

        server_side, server_hostname, session: as for `ssl.SSLContext.wrap_socket`.  without_io: for an `SSLObject`.
        address: returns the peer's address for explanations.
        """
        config = self._settled()
        self.check_side(server_side, session)
        if without_io and config.settings.fetch is not None and self._evidence is None:
            refuse(
                "wrap_bio",
                "evidence cannot be fetched between memory BIOs; use bothways.aio, or wrap_socket, or give the "
                "Revocation its CRLs",
            )
        name = None if server_side else self.server_name(server_hostname)
        return Conversation(config, self, name, self._answering(config), address=address)

    def check_side(self, server_side: bool, session: object) -> None:
        """Check that the context is for this side, and that `session` is None. server_side: whether it is a server."""
        if session is not None:
            refuse("session", "sessions of OpenSSL mean nothing here")
        is_server = self._facts.is_server
        if bool(server_side) != is_server:
            refuse("server_side", f"this context is for {'servers' if is_server else 'clients'}")

    def server_name(self, server_hostname: object) -> str:
        """Return whom a client wants to reach; ConfigError for nobody, and for what cannot be a server's name."""
        name = self._encode_hostname(server_hostname)
        if not name:
            refuse("server_hostname", "missing; a client must say whom it wants to reach")
        config = self._settled()
        if isinstance(config, ClientConfig):
            target = config.target(name)
            return name if name.isascii() else target.text
        return name

    def _answering(self, config: ClientConfig | ServerConfig) -> Answering:
        finder = self._evidence
        if finder is None and config.settings.fetch is not None:
            from bothways.fetch import blocking  # HTTP is loaded only where something is to be fetched

            finder = blocking.finder(config.settings.fetch)
        return Answering(self._signer, finder)

    def _settled(self) -> ClientConfig | ServerConfig:
        """Return the configuration; a context that was being loaded takes nothing more from here on."""
        if self._config is None:
            with self._lock:
                self._settle()
        if self._config is None:
            raise ConfigError("SSLContext: it has no configuration")
        return self._config

    def _settle(self) -> None:
        if self._config is None and self._loaded is not None:
            self._given = self._config = self._loaded.config()

    @property
    def _facts(self) -> Facts:
        loaded = self._takes_more
        return facts_of(self._settled()) if loaded is None else loaded.facts()

    @property
    def _takes_more(self) -> Loaded | None:
        """What is being loaded, until the first handshake."""
        return self._loaded if self._config is None else None

    def _require_certificates(self) -> bool:
        loaded = self._takes_more
        return loaded is not None and loaded.require_certificates()

    def _issue_no_tickets(self) -> bool:
        loaded = self._takes_more
        return loaded is not None and loaded.issue_no_tickets()

    # -- what is loaded --------------------------------------------------------------------------------

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """Read our own credentials; on a context that is being loaded alone. Raises ConfigError."""
        loaded = self._takes_more
        if loaded is None:
            refuse("load_cert_chain", "the configuration has the credentials: credentials=Credentials...")
        loaded.add_credentials(certfile, keyfile, password)

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """Read trust anchors on a context that is being loaded; else do nothing, and say so once in the log.

        Raises ConfigError on one for servers that was loaded and has made a handshake.
        """
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        loaded = self._takes_more
        if loaded is None:
            self._tell("load_verify_locations")
        else:
            loaded.add_anchors(cafile, capath, cadata)

    def load_default_certs(self, purpose: Any = ssl.Purpose.SERVER_AUTH) -> None:
        """Trust whom the system trusts, on a context that is being loaded; else do nothing, and say so once."""
        if not isinstance(purpose, ssl._ASN1Object):
            raise TypeError(purpose)
        loaded = self._takes_more
        if loaded is None:
            self._tell("load_default_certs")
        else:
            loaded.add_system_anchors()

    def set_default_verify_paths(self) -> None:
        """As `load_default_certs`."""
        self.load_default_certs()

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Agree on one of these protocols (RFC 7301), of those that the configuration has, if it has any.

        Raises ConfigError where none is left, and after the first handshake of a context that was loaded.
        """
        protocols = tuple(map(_protocol, alpn_protocols))
        loaded = self._takes_more
        if loaded is not None:
            loaded.set_alpn(protocols)
            return
        given = self._settled() if self._given is None else self._given
        chosen = _allowed(protocols, given.alpn)
        if chosen != self._settled().alpn:
            if self._loaded is not None:
                refuse("set_alpn_protocols", "handshakes have been made by this context; make another one")
            self._config = replace(given, alpn=chosen)

    def _tell(self, what: str) -> None:
        if self._loaded is not None and self._facts.is_server:
            refuse(
                what, "handshakes have been made by this context, with the anchors of then; make another one"
            )
        if not self._has_told:
            self._has_told = True
            logger.info("%s added nothing: the configuration of this context says whom it trusts", what)

    # -- what is told ----------------------------------------------------------------------------------

    def cert_store_stats(self) -> dict[str, int]:
        """Count the trust anchors."""
        anchors = self._anchors()
        return {"x509": len(anchors), "crl": 0, "x509_ca": sum(map(is_ca, anchors))}

    def get_ca_certs(self, binary_form: bool = False) -> Any:
        """Return the trust anchors, as `ssl` tells certificates or in DER."""
        ders = [each for each in self._anchors() if is_ca(each)]
        return list(ders) if binary_form else [peer_cert(der) for der in ders]

    def get_ciphers(self) -> Any:
        """Return the cipher suites that are spoken."""
        return ciphers(self._facts.offer.suites)

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """Return the groups that are spoken."""
        return [NamedGroup(code).name for code in self._facts.offer.groups]

    def session_stats(self) -> dict[str, int]:
        """Count nothing: no sessions are kept."""
        return dict.fromkeys(_STATISTICS, 0)

    def _anchors(self) -> tuple[bytes, ...]:
        loaded = self._takes_more
        if loaded is not None:
            return tuple(loaded.anchors)
        trust = self._settled().settings.trust
        return () if trust is None else ders_of(trust.anchors)

    def _encode_hostname(self, hostname: Any) -> str | None:
        """Return a host name as text; ConfigError for bytes that are none."""
        if hostname is None or isinstance(hostname, str):
            return hostname
        try:
            if isinstance(hostname, bytes | bytearray | memoryview):
                return bytes(hostname).decode("ascii")
        except UnicodeDecodeError:
            pass
        raise ConfigError("server_hostname: expected a host name as text, or in ASCII")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise CannotCopy("cannot pickle or copy an SSLContext; make one of the same configuration")


def ders_of(anchors: TrustStore) -> tuple[bytes, ...]:
    """Return the anchors of a store in DER."""
    return tuple(each.public_bytes(Encoding.DER) for each in anchors.certificates)


def _protocol(name: object) -> str:
    """Return the name of an application protocol, which some libraries give in bytes."""
    return name.decode("ascii") if isinstance(name, bytes) else str(name)


def _allowed(protocols: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    """Return which protocols are left of those that a library speaks: all, unless the configuration has its own."""
    if not ours or not protocols:
        return protocols or ours
    left = tuple(each for each in protocols if each in ours)
    if not left:
        refuse(
            "set_alpn_protocols", f"the configuration has {', '.join(ours)}, and none of these is among them"
        )
    return left


def _inert(cls: type[Any]) -> Any:
    """Return a context of OpenSSL that can complete no handshake, whoever gets past our own class."""
    self = ssl.SSLContext.__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
    base: Any = _SSLContext
    base.minimum_version.__set__(self, int(ssl.TLSVersion.TLSv1_3))
    base.maximum_version.__set__(self, int(ssl.TLSVersion.TLSv1_2))
    if base.verify_mode.__get__(self) != ssl.CERT_REQUIRED or not base.check_hostname.__get__(self):
        raise ConfigError("ssl: its contexts for clients verify nothing here")
    return self
