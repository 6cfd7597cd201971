"""A subclass of `ssl.SSLContext` whose connections are made by our engine with a configuration.

The inherited OpenSSL context cannot be used: it requires certificates, checks names, has neither anchors nor
credentials, and supports no version of TLS.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
from _ssl import _SSLContext
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NoReturn, Self

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.adapters.attributes import refuse
from bothways.adapters.configured import ConfiguredContext
from bothways.adapters.conversation import Finder, Signer
from bothways.adapters.loading import LoadedSettings
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
    """Raised when a context is copied; `ssl` raises TypeError too."""


class SSLContext(RefusedSettings, ConfiguredContext):
    """A context for every library that takes an `ssl.SSLContext`: both peers are verified as `config` says.

    config: a `ClientConfig` or a `ServerConfig`.  signer: called with a `SignatureWanted`, returns the signature, for
    keys that are held elsewhere; with `wrap_bio` it is called in the event loop.  evidence: called with an
    `EvidenceWanted` of `wrap_socket`, instead of the fetching that the configuration allows. Raises ConfigError.
    """

    _has_told = False

    def __new__(cls, config: object = None, *arguments: object, **options: object) -> Self:
        """Create the unusable OpenSSL context that the type requires."""
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
        """Return a client's context that is filled like one of `ssl`, until the first handshake.

        It is filled by `load_verify_locations`, `load_cert_chain` and `set_alpn_protocols`. signer, evidence: as for
        `bothways.net.wrap`.  options: fields of `ClientConfig`. Raises ConfigError.
        """
        return cls._to_be_loaded(LoadedSettings(ClientConfig, options), signer, evidence)

    @classmethod
    def for_server(
        cls, *, signer: Signer | None = None, evidence: Finder | None = None, **options: Any
    ) -> Self:
        """Return a server's context that is filled in the same way; with trust anchors, clients need a certificate.

        signer, evidence: as for `bothways.net.wrap`.  options: fields of `ServerConfig`. Raises ConfigError.
        """
        return cls._to_be_loaded(LoadedSettings(ServerConfig, options), signer, evidence)

    @classmethod
    def _to_be_loaded(cls, loaded: LoadedSettings, signer: Signer | None, evidence: Finder | None) -> Self:
        self: Self = _inert(cls)
        self._lock = threading.Lock()
        self._signer, self._evidence = signer, evidence
        self._loaded = loaded
        return self

    # -- creating connections --------------------------------------------------------------------------

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> Any:
        """Start a connection over memory BIOs and return an `SSLObject`.

        server_hostname: for a client, the name that the server's certificate must contain. Raises ConfigError without
        it, for the wrong side, and if evidence would have to be fetched, since that would block an event loop; use
        `bothways.aio`.
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
        """Start a connection over a socket, which belongs to the returned `SSLSocket`.

        sock: a socket that is connected, not connected yet, or listening; or another TLS connection for TLS within TLS.
        suppress_ragged_eofs: has no effect: a truncation is reported, unless the configuration ignores it. The rest is
        as for `wrap_bio`, and evidence is fetched if the configuration allows it.
        """
        return SSLSocket._create(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, self, session
        )

    @property
    def sslobject_class(self) -> Any:
        """The class of the result of `wrap_bio`."""
        return SSLObject

    @sslobject_class.setter
    def sslobject_class(self, value: object) -> None:
        refuse("sslobject_class", "connections are made by bothways alone")

    @property
    def sslsocket_class(self) -> Any:
        """The class of the result of `wrap_socket`."""
        return SSLSocket

    @sslsocket_class.setter
    def sslsocket_class(self, value: object) -> None:
        refuse("sslsocket_class", "connections are made by bothways alone")

    def _require_certificates(self) -> bool:
        loaded = self._takes_more
        return loaded is not None and loaded.require_certificates()

    def _show_later(self, later: bool) -> bool:
        loaded = self._takes_more
        return loaded is not None and loaded.show_later(later)

    def _issue_no_tickets(self) -> bool:
        loaded = self._takes_more
        return loaded is not None and loaded.issue_no_tickets()

    # -- loading ---------------------------------------------------------------------------------------

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """Load our own credentials; only into a context that is still being filled. Raises ConfigError."""
        loaded = self._takes_more
        if loaded is None:
            refuse("load_cert_chain", "the configuration has the credentials: credentials=Credentials...")
        loaded.add_credentials(certfile, keyfile, password)

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """Load trust anchors into a context that is still being filled; else do nothing and log that once.

        Raises ConfigError for a server's context that was filled and has made a handshake.
        """
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        loaded = self._takes_more
        if loaded is None:
            self._tell("load_verify_locations")
        else:
            loaded.add_anchors(cafile, capath, cadata)

    def load_default_certs(self, purpose: Any = ssl.Purpose.SERVER_AUTH) -> None:
        """Load the system's trust anchors into a context that is still being filled; else log that once."""
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
        """Set the application protocols (RFC 7301); only those of the configuration, if it has any.

        Raises ConfigError if none is left, and after the first handshake of a context that was filled.
        """
        protocols = tuple(map(_protocol, alpn_protocols))
        loaded = self._takes_more
        if loaded is not None:
            loaded.set_alpn(protocols)
            return
        given = self._completed() if self._given is None else self._given
        chosen = _allowed(protocols, given.alpn)
        if chosen != self._completed().alpn:
            if self._loaded is not None:
                refuse("set_alpn_protocols", "this context has made handshakes; create another context")
            self._config = replace(given, alpn=chosen)

    def _tell(self, what: str) -> None:
        if self._loaded is not None and self._facts.is_server:
            refuse(
                what,
                "this context has made handshakes with its earlier trust anchors; create another context",
            )
        if not self._has_told:
            self._has_told = True
            logger.info("%s added nothing: the configuration of this context has the trust anchors", what)

    # -- information -----------------------------------------------------------------------------------

    def cert_store_stats(self) -> dict[str, int]:
        """Return the number of trust anchors."""
        anchors = self._anchors()
        return {"x509": len(anchors), "crl": 0, "x509_ca": sum(map(is_ca, anchors))}

    def get_ca_certs(self, binary_form: bool = False) -> Any:
        """Return the trust anchors, as dicts of `ssl` or in DER."""
        ders = [each for each in self._anchors() if is_ca(each)]
        return list(ders) if binary_form else [peer_cert(der) for der in ders]

    def get_ciphers(self) -> Any:
        """Return the cipher suites of the configuration."""
        return ciphers(self._facts.offer.suites)

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """Return the groups of the configuration."""
        return [NamedGroup(code).name for code in self._facts.offer.groups]

    def session_stats(self) -> dict[str, int]:
        """Return counts of zero, since OpenSSL's sessions are not used."""
        return dict.fromkeys(_STATISTICS, 0)

    def _anchors(self) -> tuple[bytes, ...]:
        loaded = self._takes_more
        if loaded is not None:
            return tuple(loaded.anchors)
        trust = self._completed().settings.trust_when_open
        return () if trust is None else ders_of(trust.anchors)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise CannotCopy("cannot pickle or copy an SSLContext; make one of the same configuration")


def ders_of(anchors: TrustStore) -> tuple[bytes, ...]:
    """Return the anchors of a store in DER."""
    return tuple(each.public_bytes(Encoding.DER) for each in anchors.certificates)


def _protocol(name: object) -> str:
    """Return the name of an application protocol, which some libraries pass as bytes."""
    return name.decode("ascii") if isinstance(name, bytes) else str(name)


def _allowed(protocols: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of a library's protocols that are allowed: all, unless the configuration has its own."""
    if not ours or not protocols:
        return protocols or ours
    left = tuple(each for each in protocols if each in ours)
    if not left:
        refuse(
            "set_alpn_protocols", f"the configuration has {', '.join(ours)}, and none of these is among them"
        )
    return left


def _inert(cls: type[Any]) -> Any:
    """Return an OpenSSL context that can complete no handshake, even if our class is bypassed.

    Its attributes alone could be set from beneath. Its suites of TLS 1.2 need shared keys, and there are none; its only
    group is none of TLS 1.3 (RFC 9846 4.3.7).
    """
    self = ssl.SSLContext.__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
    base: Any = _SSLContext
    base.minimum_version.__set__(self, int(ssl.TLSVersion.TLSv1_3))
    base.maximum_version.__set__(self, int(ssl.TLSVersion.TLSv1_2))
    for method, to in (("set_ciphers", "PSK:@SECLEVEL=5"), ("set_ecdh_curve", "secp224r1")):
        # a library in OpenSSL's place may have neither
        with contextlib.suppress(ssl.SSLError, ValueError, AttributeError):
            getattr(base, method)(self, to)
    if base.verify_mode.__get__(self) != ssl.CERT_REQUIRED or not base.check_hostname.__get__(self):
        raise ConfigError("ssl: its contexts for clients verify nothing here")
    return self
