"""Mutual TLS that shows its work."""

from bothways.errors import ConfigError, InternalError, PeerAlert, PeerFault, TLSError, Truncated, UsageError
from bothways.faults import Fault
from bothways.iana import Alert
from bothways.tls.connection import ClientConfig, Connection, ServerConfig
from bothways.tls.events import (
    Caution,
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
from bothways.trust.anchors import TrustStore
from bothways.trust.credentials import Credentials

__all__ = [
    "Alert",
    "Caution",
    "ClientConfig",
    "ConfigError",
    "Connection",
    "Credentials",
    "Data",
    "Established",
    "Event",
    "EvidenceWanted",
    "Failed",
    "Fault",
    "InternalError",
    "Peer",
    "PeerAlert",
    "PeerClosed",
    "PeerFault",
    "ServerConfig",
    "SignatureWanted",
    "TLSError",
    "Truncated",
    "TrustStore",
    "UsageError",
    "Warned",
]
