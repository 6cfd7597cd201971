"""The attributes that a context inherits from `ssl`: they report the configuration, and cannot weaken it.

Setting a value that already holds is accepted; any other value raises a ConfigError that says what to do instead.
"""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple, NoReturn

from bothways.errors import ConfigError
from bothways.roles import Version
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.handshake.settings import Negotiation

# OpenSSL options that always hold here, and options that have no effect here.
_HOLDS = (
    ssl.OP_NO_SSLv2
    | ssl.OP_NO_SSLv3
    | ssl.OP_NO_TLSv1
    | ssl.OP_NO_TLSv1_1
    | ssl.OP_NO_COMPRESSION
    | ssl.OP_NO_RENEGOTIATION
    | ssl.OP_SINGLE_DH_USE
    | ssl.OP_SINGLE_ECDH_USE
)
_MEANS_NOTHING = (
    ssl.OP_ALL
    | ssl.OP_CIPHER_SERVER_PREFERENCE
    | ssl.OP_NO_TICKET
    | getattr(ssl, "OP_ENABLE_MIDDLEBOX_COMPAT", 0)
    | getattr(ssl, "OP_ENABLE_KTLS", 0)
)
_BY_VERSION = {Version.TLS12: ssl.OP_NO_TLSv1_2, Version.TLS13: ssl.OP_NO_TLSv1_3}
_TLS_VERSIONS = {Version.TLS12: ssl.TLSVersion.TLSv1_2, Version.TLS13: ssl.TLSVersion.TLSv1_3}
_LOWEST = (
    ssl.TLSVersion.MINIMUM_SUPPORTED,
    ssl.TLSVersion.SSLv3,
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
)
_CRL_CHECKS = ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_CRL_CHECK_CHAIN
_VERIFIES = ssl.VERIFY_X509_TRUSTED_FIRST | getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0)


def refuse(what: str, why: str) -> NoReturn:
    """Raise ConfigError for a change of a context. what: the attribute.  why: the reason and the alternative."""
    raise ConfigError(f"{what}: {why}")


class Facts(NamedTuple):
    """The values behind the attributes of a context.

    is_shown_later: clients offer post-handshake authentication, servers request certificates only then.
    """

    is_server: bool
    offer: Negotiation
    verify_mode: ssl.VerifyMode
    checks_revocation: bool
    is_shown_later: bool
    tickets: int


def facts_of(config: ClientConfig | ServerConfig) -> Facts:
    """Return the values for a context with this configuration."""
    settings = config.settings
    trust = settings.trust_when_open
    later = settings.identity.is_shown_later or (settings.trust is None and trust is not None)
    mode = ssl.CERT_NONE
    if trust is not None:
        mode = ssl.CERT_REQUIRED if later or trust.requires_certificate else ssl.CERT_OPTIONAL
    return Facts(
        isinstance(config, ServerConfig),
        settings.negotiation,
        mode,
        trust is not None and trust.revocation is not None,
        later,
        int(settings.tickets is not None),
    )


class Attributes(ssl.SSLContext):
    """The attributes of a context, computed from `_facts`."""

    @property
    def _facts(self) -> Facts:
        raise NotImplementedError

    def _require_certificates(self) -> bool:
        """Make client certificates required, if that can still be changed; False if not."""
        return False

    def _show_later(self, later: bool) -> bool:
        """Turn post-handshake authentication on or off, if that can still be changed; False if not."""
        del later
        return False

    def _issue_no_tickets(self) -> bool:
        """Turn off session tickets of a server, if that can still be changed; False if not."""
        return False

    # -- how peers are verified ------------------------------------------------------------------------

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """Whether the peer must have a certificate. For a client it is always CERT_REQUIRED."""
        return self._facts.verify_mode

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        if value == ssl.CERT_NONE:
            refuse("verify_mode", "CERT_NONE would accept any peer; bothways makes no unverified connections")
        if value != self.verify_mode and not (value == ssl.CERT_REQUIRED and self._require_certificates()):
            refuse("verify_mode", "the configuration says whether peers need a certificate (client_auth=...)")

    @property
    def check_hostname(self) -> bool:
        """Whether the server's name is checked: always, for a client."""
        return not self._facts.is_server

    @check_hostname.setter
    def check_hostname(self, value: bool) -> None:
        if not value:
            refuse(
                "check_hostname",
                "the server's name is always checked; else anybody with a trusted certificate could be the server",
            )
        if self._facts.is_server:
            refuse("check_hostname", "clients have no host names that could be checked")

    @property
    def hostname_checks_common_name(self) -> bool:
        """Whether a common name can be the name of a server: never (RFC 9525)."""
        return False

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: bool) -> None:
        if value:
            refuse(
                "hostname_checks_common_name", "a common name is not compared with server names (RFC 9525)"
            )

    @property
    def _host_flags(self) -> int:  # type: ignore[override, unused-ignore]
        """Flags of OpenSSL for names, which have no effect here."""
        return getattr(ssl._ssl, "HOSTFLAG_NEVER_CHECK_SUBJECT", 0)  # type: ignore[attr-defined]

    @_host_flags.setter
    def _host_flags(self, value: int) -> None:
        refuse("_host_flags", "names are checked by RFC 9525, and nothing else")

    @property
    def verify_flags(self) -> ssl.VerifyFlags:
        """OpenSSL's flags for path building: a path ends at a trust anchor, whether it is a root or not."""
        checks = _CRL_CHECKS if self._facts.checks_revocation else 0
        return ssl.VerifyFlags(_VERIFIES | checks)

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        if value != self.verify_flags:
            refuse(
                "verify_flags",
                "the configuration says how peers are verified (revocation=..., TrustStore(profile=...))",
            )

    @property
    def post_handshake_auth(self) -> bool:
        """Whether a client offers post-handshake authentication; whether a server requests certificates only then."""
        return self._facts.is_shown_later

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: bool) -> None:
        if bool(value) != self.post_handshake_auth and not self._show_later(bool(value)):
            refuse(
                "post_handshake_auth",
                'set it by ClientConfig(post_handshake_auth=True), ServerConfig(client_auth="later")',
            )

    # -- protocol parameters ---------------------------------------------------------------------------

    @property
    def minimum_version(self) -> ssl.TLSVersion:
        """The lowest version of TLS that is accepted."""
        return _TLS_VERSIONS[min(self._facts.offer.versions)]

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        if value not in (self.minimum_version, *_LOWEST) and not 0 < value < self.minimum_version:
            refuse("minimum_version", "set it in the configuration: versions=('1.3',)")

    @property
    def maximum_version(self) -> ssl.TLSVersion:
        """The highest version of TLS that is accepted."""
        return _TLS_VERSIONS[max(self._facts.offer.versions)]

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        highest = (self.maximum_version, ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3)
        if value not in highest:
            refuse("maximum_version", "set it in the configuration: versions=('1.2',)")

    @property
    def options(self) -> ssl.Options:
        """OpenSSL's options that hold for every connection."""
        spoken = self._facts.offer.versions
        return ssl.Options(
            _HOLDS | ssl.OP_ALL | sum(bit for version, bit in _BY_VERSION.items() if version not in spoken)
        )

    @options.setter
    def options(self, value: int) -> None:
        holds = self.options & ~_MEANS_NOTHING
        missing, more = holds & ~value, value & ~(holds | _MEANS_NOTHING)
        if missing:
            refuse("options", f"{ssl.Options(missing)!r} cannot be switched off")
        if more:
            refuse(
                "options", f"{ssl.Options(more)!r} is not supported; the configuration says what is offered"
            )

    @property
    def protocol(self) -> Any:  # type: ignore[override, unused-ignore]
        """Whether this context is for clients or for servers."""
        return ssl.PROTOCOL_TLS_SERVER if self._facts.is_server else ssl.PROTOCOL_TLS_CLIENT

    @property
    def security_level(self) -> int:  # type: ignore[override]
        """OpenSSL's security level for what is required here: keys of at least 112 bits of strength."""
        return 2

    @property
    def num_tickets(self) -> int:
        """The number of session tickets that a server sends: one or none."""
        return self._facts.tickets

    @num_tickets.setter
    def num_tickets(self, value: int) -> None:
        if value != self.num_tickets and not (value == 0 and self._issue_no_tickets()):
            refuse(
                "num_tickets", "a server sends one session ticket, or none with ServerConfig(tickets=None)"
            )

    # -- hooks -----------------------------------------------------------------------------------------

    @property
    def keylog_filename(self) -> Any:
        """None: a key log is a function in the configuration (`insecure_keylog`)."""
        return None

    @keylog_filename.setter
    def keylog_filename(self, value: object) -> None:
        if value is not None:
            refuse("keylog_filename", "give the configuration a function: insecure_keylog=...")

    @property
    def sni_callback(self) -> Any:
        """None: a server chooses among its credentials by the server name."""
        return None

    @sni_callback.setter
    def sni_callback(self, value: object) -> None:
        if value is not None:
            refuse(
                "sni_callback",
                "give ServerConfig several credentials: one is chosen by the server name that the client requests",
            )

    @property
    def _msg_callback(self) -> Any:
        """None: connections of the engine have observers instead."""
        return None

    @_msg_callback.setter
    def _msg_callback(self, value: object) -> None:
        if value is not None:
            refuse("_msg_callback", "watch a connection of the engine by its observer")
