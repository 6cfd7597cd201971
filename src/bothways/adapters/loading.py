"""What was loaded into a context as into one of `ssl`; the first handshake makes a configuration of it."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from typing import Any

from bothways.adapters.attributes import Facts
from bothways.errors import ConfigError
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.handshake.settings import negotiation
from bothways.trust import files
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.files import certificates_in
from bothways.trust.der import SEQUENCE, expect_element
from bothways.trust.own_identity.credentials import Credentials

_OFFERED = ("versions", "suites", "groups", "schemes", "certificate_schemes")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]{1,3}")  # file names by `openssl rehash`


class LoadedSettings:
    """Anchors, credentials and protocols so far. kind: the class of the configuration.  options: its other fields."""

    def __init__(self, kind: type[ClientConfig] | type[ServerConfig], options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in kind.__dataclass_fields__ or name == "settings":
                raise ConfigError(f"{name}: no field of {kind.__name__}")
        self._kind = kind
        self._options = dict(options)
        self.anchors: dict[bytes, None] = {}
        self.credentials: list[Credentials] = []
        self._alpn: tuple[str, ...] | None = None
        self._is_later = False

    @property
    def is_server(self) -> bool:
        """Whether the configuration is for a server."""
        return self._kind is ServerConfig

    def add_credentials(self, cert: Any, key: Any, password: Any) -> None:
        """Read a chain and its key. password: the passphrase, or a function that returns it."""
        given = password() if callable(password) else password
        self.credentials.append(Credentials.from_files(_path(cert), key and _path(key), given))

    def add_anchors(self, cafile: Any, capath: Any, cadata: Any) -> None:
        """Read anchors from a file, from a directory in OpenSSL's form, and from PEM text or DER bytes."""
        found: list[bytes] = []
        if cafile is not None:
            found += certificates_in(files.content(_path(cafile)), str(cafile))
        if capath is not None:
            for name in sorted(os.listdir(_path(capath))):
                if _HASHED.fullmatch(name):
                    found += certificates_in(files.content(os.path.join(_path(capath), name)), name)
        if cadata is not None:
            found += _in_data(cadata)
        TrustStore(found)  # raises the error for a file that cannot be read
        self.anchors.update(dict.fromkeys(found))

    def add_system_anchors(self) -> None:
        """Add the trust anchors of this system."""
        self.add_anchors(files.system_bundle(), None, None)

    def set_alpn(self, protocols: tuple[str, ...]) -> None:
        """Set the application protocols."""
        self._alpn = protocols

    def require_certificates(self) -> bool:
        """Require client certificates; False if that has no meaning here."""
        if self.is_server:
            self._options["client_auth"] = "require"
        return True

    def show_later(self, later: bool) -> bool:
        """Have clients offer post-handshake authentication, and servers request certificates only then."""
        if self.is_server:
            self._is_later = later
        else:
            self._options["post_handshake_auth"] = later
        return True

    def issue_no_tickets(self) -> bool:
        """Turn off session tickets of a server; False if that has no meaning here."""
        if self.is_server:
            self._options["tickets"] = None
        return self.is_server

    def facts(self) -> Facts:
        """Return the values for the attributes of the context, so far."""
        offer = negotiation(
            **{name: self._field(name) for name in _OFFERED},
            alpn=self._alpn or self._field("alpn"),
            rsa_key_transport=self._field("insecure_rsa_key_transport"),
            without_extended_main_secret=self._field("insecure_without_extended_main_secret"),
        )
        later = self._requests_later if self.is_server else self._field("post_handshake_auth")
        tickets = int(self.is_server and self._field("tickets") is not None)
        return Facts(
            self.is_server, offer, self._mode(), self._field("revocation") is not None, later, tickets
        )

    @property
    def _requests_later(self) -> bool:
        return self._is_later or self._field("client_auth") == "later"

    def _mode(self) -> ssl.VerifyMode:
        if not self.is_server:
            return ssl.CERT_REQUIRED
        auth = self._field("client_auth") or ("require" if self.anchors else "none")
        modes = {"none": ssl.CERT_NONE, "request": ssl.CERT_OPTIONAL}
        return modes.get(auth, ssl.CERT_REQUIRED)

    def _field(self, name: str) -> Any:
        return self._options.get(name, self._kind.__dataclass_fields__[name].default)

    def config(self) -> ClientConfig | ServerConfig:
        """Return the configuration. Raises ConfigError."""
        fields = dict(self._options)
        if self._alpn is not None:
            fields["alpn"] = self._alpn
        if self.credentials:
            fields.setdefault("credentials", tuple(self.credentials))
        if self.anchors:
            fields.setdefault("client_anchors" if self.is_server else "anchors", TrustStore(self.anchors))
        if self.is_server:
            if self._is_later and "client_anchors" in fields:
                fields["client_auth"] = "later"
            return ServerConfig(**{"credentials": ()} | fields)
        return ClientConfig(**{"anchors": None} | fields)


def _path(given: Any) -> str:
    return os.fsdecode(given)


def _in_data(data: Any) -> list[bytes]:
    """Return the certificates in PEM text, or in concatenated DER."""
    if isinstance(data, str):
        return certificates_in(data.encode("ascii", "replace"), "cadata")
    content, at, found = bytes(memoryview(data)), 0, []  # `bytes` of a number would be that many zeros
    while at < len(content):
        try:
            _, end = expect_element(content, at, len(content), SEQUENCE, "certificate")
        except ValueError as error:
            raise ConfigError(f"cadata: expected certificates in DER: {error}") from None
        found.append(content[at:end])
        at = end
    return found
