"""What a context is for its connections: a configuration, by which each of them begins.

One that is filled like a context of `ssl` is complete with its first connection.
"""

from __future__ import annotations

import threading
from typing import Any

from bothways.adapters.attributes import Attributes, Facts, facts_of, refuse
from bothways.adapters.conversation import Answering, Finder, Signer, SSLConversation
from bothways.adapters.loading import LoadedSettings
from bothways.errors import ConfigError
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.driver import Answers


class ConfiguredContext(Attributes):
    """A base class of `SSLContext`, and the only one of which connections are made."""

    # without a constructor call there is no configuration
    _lock = threading.Lock()
    _given: ClientConfig | ServerConfig | None = None
    _config: ClientConfig | ServerConfig | None = None
    _loaded: LoadedSettings | None = None
    _signer: Signer | None = None
    _evidence: Finder | None = None

    @property
    def config(self) -> ClientConfig | ServerConfig:
        """The configuration of the next connections."""
        return self._completed()

    def begin(
        self,
        server_side: bool,
        server_hostname: str | bytes | None,
        session: object,
        *,
        without_io: bool = False,
        address: Any = str,
    ) -> SSLConversation:
        """Start a connection, for `SSLObject` and `SSLSocket`. Raises ConfigError if its peer cannot be verified.

        server_side, server_hostname, session: as for `ssl.SSLContext.wrap_socket`.  without_io: for an `SSLObject`.
        address: returns the peer's address for explanations.
        """
        config = self._completed()
        self.check_side(server_side, server_hostname, session)
        if without_io and config.settings.fetch is not None and self._evidence is None:
            refuse(
                "wrap_bio",
                "evidence cannot be fetched between memory BIOs; use bothways.aio, or wrap_socket, or give the "
                "Revocation its CRLs",
            )
        name = None if server_side else self.server_name(server_hostname)
        return SSLConversation(config, self, name, self._answering(config), address=address)

    def check_side(self, server_side: bool, server_hostname: object, session: object) -> None:
        """Check that the context is for this side, and that nothing is given that this side cannot have.

        server_side: whether it is for a server.  server_hostname: for a client only.  session: None for both.  Raises
        ConfigError.
        """
        if server_side and server_hostname:
            raise ConfigError("server_hostname can only be specified in client mode")
        if session is not None:
            refuse("session", "sessions of OpenSSL cannot be used here")
        loaded = self._takes_more
        is_server = loaded.facts().is_server if loaded else isinstance(self._completed(), ServerConfig)
        if bool(server_side) != is_server:
            refuse("server_side", f"this context is for {'servers' if is_server else 'clients'}")

    def server_name(self, server_hostname: object) -> str:
        """Return the server's name for a client. Raises ConfigError for none, and for an invalid one."""
        name = self._encode_hostname(server_hostname)
        if not name:
            refuse("check_hostname requires server_hostname", "a client needs the name of its server")
        config = self._completed()
        if isinstance(config, ClientConfig):
            target = config.target(name)
            return name if name.isascii() else target.text
        return name

    def _answering(self, config: ClientConfig | ServerConfig) -> Answering:
        finder = self._evidence
        if finder is None and config.settings.fetch is not None:
            from bothways.fetch import (
                blocking,  # the HTTP client is imported only if something may be fetched
            )

            finder = blocking.finder(config.settings.fetch)
        return Answers(self._signer, finder)

    def _completed(self) -> ClientConfig | ServerConfig:
        """Return the configuration; a context that is still being filled is complete from here on."""
        if self._config is None:
            with self._lock:
                self._complete()
        if self._config is None:
            raise ConfigError("SSLContext: it has no configuration")
        return self._config

    def _complete(self) -> None:
        if self._config is None and self._loaded is not None:
            self._given = self._config = self._loaded.config()

    @property
    def _facts(self) -> Facts:
        loaded = self._takes_more
        return facts_of(self._completed()) if loaded is None else loaded.facts()

    @property
    def _takes_more(self) -> LoadedSettings | None:
        """What is filled in so far; None after the first handshake, and for a context with a configuration."""
        return self._loaded if self._config is None else None

    def _encode_hostname(self, hostname: Any) -> str | None:
        """Return a host name as text; ConfigError for bytes that are not ASCII."""
        if hostname is None or isinstance(hostname, str):
            return hostname
        try:
            if isinstance(hostname, bytes | bytearray | memoryview):
                return bytes(hostname).decode("ascii")
        except UnicodeDecodeError:
            pass
        raise ConfigError("server_hostname: expected a host name as text, or in ASCII")


def checked_context(context: object) -> ConfiguredContext:
    """Return a context if it is ours. Raises ConfigError for another one."""
    if not isinstance(context, ConfiguredContext):
        raise ConfigError("context: expected a bothways.ssl.SSLContext, which alone makes these connections")
    return context
