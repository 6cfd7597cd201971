"""Methods of `ssl.SSLContext` that could change verification or parameters: each raises ConfigError."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from bothways.adapters.attributes import refuse


class RefusedSettings:
    """A base class of `SSLContext`, before `ssl.SSLContext`."""

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Raise ConfigError: the configuration has the cipher suites."""
        refuse("set_ciphers", "set it in the configuration: suites=(...), by their IANA names")

    def set_ecdh_curve(self, name: str, /) -> None:
        """Raise ConfigError: the configuration has the groups."""
        refuse("set_ecdh_curve", "set it in the configuration: groups=(...)")

    def load_dh_params(self, path: str, /) -> None:
        """Raise ConfigError: finite-field groups are not supported."""
        refuse(
            "load_dh_params", "key exchange is by elliptic curves and ML-KEM; the configuration has groups="
        )

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        """Raise ConfigError: NPN is not supported."""
        refuse("set_npn_protocols", "NPN is not supported; use set_alpn_protocols")

    def set_servername_callback(self, server_name_callback: Any) -> None:
        """Raise ConfigError, except for None, as `sni_callback`."""
        if server_name_callback is not None:
            refuse(
                "set_servername_callback",
                "give ServerConfig several credentials: one is chosen by the server name that the client requests",
            )

    def set_psk_client_callback(self, callback: Any) -> None:
        """Raise ConfigError, except for None: peers are authenticated by certificates."""
        if callback is not None:
            refuse("set_psk_client_callback", "peers are authenticated by certificates")

    def set_psk_server_callback(self, callback: Any, identity_hint: Any = None) -> None:
        """Raise ConfigError, except for a `callback` of None: peers are authenticated by certificates.

        identity_hint: has no effect.
        """
        if callback is not None:
            refuse("set_psk_server_callback", "peers are authenticated by certificates")

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Raise ConfigError: the configuration has the cipher suites."""
        self.set_ciphers(ciphersuites)

    def set_groups(self, grouplist: str, /) -> None:
        """Raise ConfigError: the configuration has the groups."""
        self.set_ecdh_curve(grouplist)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Raise ConfigError: the configuration has the signature schemes."""
        refuse("set_client_sigalgs", "set it in the configuration: schemes=(...)")

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Raise ConfigError, as `set_client_sigalgs`."""
        refuse("set_server_sigalgs", "set it in the configuration: schemes=(...)")

    # -- internal methods of OpenSSL's context -----------------------------------------------------------

    def _wrap_bio(self, *arguments: object, **options: object) -> NoReturn:
        """Raise ConfigError: OpenSSL makes no connections here."""
        refuse("_wrap_bio", "use wrap_bio")

    def _wrap_socket(self, *arguments: object, **options: object) -> NoReturn:
        """Raise ConfigError: OpenSSL makes no connections here."""
        refuse("_wrap_socket", "use wrap_socket")

    def _set_alpn_protocols(self, protocols: object) -> NoReturn:
        """Raise ConfigError: it would bypass `set_alpn_protocols`."""
        refuse("_set_alpn_protocols", "use set_alpn_protocols")

    def _load_windows_store_certs(self, storename: str, purpose: object) -> bytearray:
        """Load nothing; `load_default_certs` does that."""
        return bytearray()

    _windows_cert_stores = ()
