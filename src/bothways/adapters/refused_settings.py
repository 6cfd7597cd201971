"""Methods of `ssl.SSLContext` that could change what is verified or spoken: each refuses and says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from bothways.adapters.attributes import refuse


class RefusedSettings:
    """Mixed into `SSLContext` before what it inherits from `ssl`."""

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Refuse: the configuration says which suites are spoken."""
        refuse("set_ciphers", "say so in the configuration: suites=(...), by their IANA names")

    def set_ecdh_curve(self, name: str, /) -> None:
        """Refuse: the configuration says which groups are spoken."""
        refuse("set_ecdh_curve", "say so in the configuration: groups=(...)")

    def load_dh_params(self, path: str, /) -> None:
        """Refuse: no finite-field groups are spoken."""
        refuse(
            "load_dh_params", "key exchange is by elliptic curves and ML-KEM; the configuration has groups="
        )

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        """Refuse: NPN is not spoken."""
        refuse("set_npn_protocols", "NPN is not spoken; use set_alpn_protocols")

    def set_servername_callback(self, server_name_callback: Any) -> None:
        """Refuse all but None, as `sni_callback`."""
        if server_name_callback is not None:
            refuse(
                "set_servername_callback", "give ServerConfig several credentials: the name asked for chooses"
            )

    def set_psk_client_callback(self, callback: Any) -> None:
        """Refuse all but None: peers are known by certificates."""
        if callback is not None:
            refuse("set_psk_client_callback", "peers are known by their certificates")

    def set_psk_server_callback(self, callback: Any, identity_hint: Any = None) -> None:
        """Refuse all but None: peers are known by certificates."""
        if callback is not None:
            refuse("set_psk_server_callback", "peers are known by their certificates")

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Refuse: the configuration says which suites are spoken."""
        self.set_ciphers(ciphersuites)

    def set_groups(self, grouplist: str, /) -> None:
        """Refuse: the configuration says which groups are spoken."""
        self.set_ecdh_curve(grouplist)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Refuse: the configuration says which signature schemes are accepted."""
        refuse("set_client_sigalgs", "say so in the configuration: schemes=(...)")

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Refuse, as `set_client_sigalgs`."""
        refuse("set_server_sigalgs", "say so in the configuration: schemes=(...)")

    # -- what lies beneath -----------------------------------------------------------------------------

    def _wrap_bio(self, *arguments: object, **options: object) -> NoReturn:
        """Refuse: OpenSSL makes no connection here."""
        refuse("_wrap_bio", "use wrap_bio")

    def _wrap_socket(self, *arguments: object, **options: object) -> NoReturn:
        """Refuse: OpenSSL makes no connection here."""
        refuse("_wrap_socket", "use wrap_socket")

    def _set_alpn_protocols(self, protocols: object) -> NoReturn:
        """Refuse what goes past `set_alpn_protocols`."""
        refuse("_set_alpn_protocols", "use set_alpn_protocols")

    def _load_windows_store_certs(self, storename: str, purpose: object) -> bytearray:
        """Load nothing but by `load_default_certs`."""
        return bytearray()

    _windows_cert_stores = ()
