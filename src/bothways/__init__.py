"""Mutual TLS with explanations of every check and failure.

Each name is imported on first use, since importing the whole engine takes about a quarter of a second.
"""

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names

if TYPE_CHECKING:
    from bothways.diagnosis.failure import explain_failure, failure_of
    from bothways.errors import (
        AuthenticationUnavailable,
        ConfigError,
        InternalError,
        PeerAlert,
        PeerFault,
        TLSError,
        Truncated,
        UsageError,
    )
    from bothways.faults import Fault
    from bothways.iana import Alert
    from bothways.ticket_keys.shared import SharedTicketKeys
    from bothways.tls.config import ClientConfig, ServerConfig
    from bothways.tls.connection import Connection
    from bothways.tls.ech.configs import ECHConfigList
    from bothways.tls.ech.keys import ECHKey, ECHKeys
    from bothways.tls.events import (
        Caution,
        ChecksWanted,
        ClientAuthenticated,
        ClientDeclined,
        Data,
        Established,
        Event,
        EvidenceWanted,
        Failed,
        Peer,
        PeerClosed,
        SignatureWanted,
        Warned,
    )
    from bothways.tls.handshake.access import Refusal
    from bothways.tls.resumption.session_store import SessionStore
    from bothways.tls.resumption.ticket_keys import TicketKeys
    from bothways.trust.access.cel import CelRule
    from bothways.trust.access.rule import PeerRule
    from bothways.trust.anchors import TrustStore
    from bothways.trust.keys.external_psks import ExternalPSK, ExternalPSKs
    from bothways.trust.keys.pins import PinnedKeys
    from bothways.trust.own_identity.credentials import Credentials
    from bothways.trust.own_identity.raw_key import RawKeyCredentials
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "bothways.diagnosis.failure": "explain_failure failure_of",
            "bothways.errors": (
                "AuthenticationUnavailable ConfigError InternalError PeerAlert PeerFault TLSError Truncated "
                "UsageError"
            ),
            "bothways.faults": "Fault",
            "bothways.iana": "Alert",
            "bothways.ticket_keys.shared": "SharedTicketKeys",
            "bothways.tls.config": "ClientConfig ServerConfig",
            "bothways.tls.connection": "Connection",
            "bothways.tls.ech.configs": "ECHConfigList",
            "bothways.tls.ech.keys": "ECHKey ECHKeys",
            "bothways.tls.events": (
                "Caution ChecksWanted ClientAuthenticated ClientDeclined Data Established Event EvidenceWanted "
                "Failed Peer PeerClosed SignatureWanted Warned"
            ),
            "bothways.tls.handshake.access": "Refusal",
            "bothways.tls.resumption.session_store": "SessionStore",
            "bothways.tls.resumption.ticket_keys": "TicketKeys",
            "bothways.trust.access.rule": "PeerRule",
            "bothways.trust.anchors": "TrustStore",
            "bothways.trust.access.cel": "CelRule",
            "bothways.trust.own_identity.credentials": "Credentials",
            "bothways.trust.keys.external_psks": "ExternalPSK ExternalPSKs",
            "bothways.trust.keys.pins": "PinnedKeys",
            "bothways.trust.own_identity.raw_key": "RawKeyCredentials",
        },
    )

    def __dir__():
        """Return the public names, including those that were not imported yet."""
        return sorted({*globals(), *__all__})


__all__ = [
    "Alert",
    "AuthenticationUnavailable",
    "Caution",
    "CelRule",
    "ChecksWanted",
    "ClientAuthenticated",
    "ClientConfig",
    "ClientDeclined",
    "ConfigError",
    "Connection",
    "Credentials",
    "Data",
    "ECHConfigList",
    "ECHKey",
    "ECHKeys",
    "Established",
    "Event",
    "EvidenceWanted",
    "ExternalPSK",
    "ExternalPSKs",
    "Failed",
    "Fault",
    "InternalError",
    "Peer",
    "PeerAlert",
    "PeerClosed",
    "PeerFault",
    "PeerRule",
    "PinnedKeys",
    "RawKeyCredentials",
    "Refusal",
    "ServerConfig",
    "SessionStore",
    "SharedTicketKeys",
    "SignatureWanted",
    "TLSError",
    "TicketKeys",
    "Truncated",
    "TrustStore",
    "UsageError",
    "Warned",
    "explain_failure",
    "failure_of",
]
