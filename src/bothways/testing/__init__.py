"""A pytest plugin: servers and clients with valid, expired, revoked, misnamed, untrusted or expiring certificates.

With the extra `testing` installed, the fixtures `mtls` and `mtls_session` are available in every test; the guide is
docs/testing.md. Public names are imported on first use, since every run of pytest loads this package.
"""

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names

if TYPE_CHECKING:
    from bothways.testing.client import Attempt, Client
    from bothways.testing.identities import Identity
    from bothways.testing.mutual import MutualTLS
    from bothways.testing.plugin import mtls, mtls_session
    from bothways.testing.server import Handshake, Server, answer_http, echo
else:
    try:
        from bothways.testing.plugin import mtls, mtls_session
    except ModuleNotFoundError as missing:  # only the fixtures need pytest
        if missing.name != "pytest":
            raise
    _FIXTURES = ("mtls", "mtls_session")
    _imported = lazy_names(
        __name__,
        {
            "bothways.testing.client": "Attempt Client",
            "bothways.testing.identities": "Identity",
            "bothways.testing.mutual": "MutualTLS",
            "bothways.testing.server": "Handshake Server answer_http echo",
        },
    )

    def __getattr__(name):
        """Import a public name from the module where it is made (PEP 562)."""
        if name in _FIXTURES:
            raise ModuleNotFoundError(f"{name} needs pytest: pip install 'bothways[testing]'", name="pytest")
        return _imported(name)


__all__ = [
    "Attempt",
    "Client",
    "Handshake",
    "Identity",
    "MutualTLS",
    "Server",
    "answer_http",
    "echo",
    "mtls",
    "mtls_session",
]
