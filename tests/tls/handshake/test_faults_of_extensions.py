"""Everything that can be wrong with extensions by form and place: who refuses what, and the alert that is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bothways import Fault
from bothways.iana import Alert, ExtensionType
from bothways.roles import Role
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    EncryptedExtensions,
)
from tamper import (
    Edit,
    Refusal,
    after_handshake,
    as_bytes,
    both,
    changing,
    extending,
    refused,
    repeating,
    sealed,
    without,
)
from tls.handshake.conversations import CONVERSATIONS, client_config, server_config

CLIENT, SERVER = Role.CLIENT, Role.SERVER
ILLEGAL = Alert.ILLEGAL_PARAMETER
RETRIED = "mutual after a retry"
X = ExtensionType


def client(what: str, fault: Fault, alert: Alert, edit: Edit = lambda m, n: (m,), **rest: Any) -> Refusal:
    return Refusal(what, CLIENT, fault, alert, edit, **rest)


def server(what: str, fault: Fault, alert: Alert, edit: Edit = lambda m, n: (m,), **rest: Any) -> Refusal:
    return Refusal(what, SERVER, fault, alert, edit, **rest)


def unknown(extension_type: int, data: bytes = b"") -> ext.UnknownExtension:
    return ext.UnknownExtension(extension_type, data)


def in_entries(*extensions: ext.Extension) -> Edit:
    """Add extensions to the first certificate of a Certificate."""
    return changing(
        Certificate,
        certificate_list=lambda those: (replace(those[0], extensions=extensions), *those[1:]),
    )


def cut(kind: type) -> tuple[Edit, Edit]:
    """The message with its last byte left out of it, and with one byte more."""

    def resized(raw: bytes, body: bytes) -> bytes:
        return raw[:1] + len(body).to_bytes(3, "big") + body

    return (
        as_bytes(kind, lambda raw: resized(raw, raw[4:-1])),
        as_bytes(kind, lambda raw: resized(raw, raw[4:] + b"\0")),
    )


UNDECODABLE = tuple(
    Refusal(f"a {kind.__name__} that is {how}", sender, Fault.UNDECODABLE, Alert.DECODE_ERROR, edit)
    for sender, kind in (
        (CLIENT, ClientHello),
        (SERVER, ServerHello),
        (SERVER, EncryptedExtensions),
        (SERVER, CertificateRequest),
        (SERVER, Certificate),
        (CLIENT, Certificate),
    )
    for how, edit in zip(("too short", "too long"), cut(kind), strict=True)
)

DUPLICATES = (
    *(
        Refusal(
            f"{extension.__name__} in the {place}", sender, Fault.DUPLICATE_EXTENSION, ILLEGAL, edit, **rest
        )
        for sender, place, extension, edit, rest in (
            (CLIENT, "ClientHello", ext.SupportedGroups, repeating(ClientHello, ext.SupportedGroups), {}),
            (CLIENT, "ClientHello", ext.KeyShares, repeating(ClientHello, ext.KeyShares), {}),
            (CLIENT, "ClientHello", ext.ServerName, repeating(ClientHello, ext.ServerName), {}),
            (SERVER, "ServerHello", ext.ServerShare, repeating(ServerHello, ext.ServerShare), {}),
            (SERVER, "ServerHello", ext.SelectedVersion, repeating(ServerHello, ext.SelectedVersion), {}),
            (
                SERVER,
                "HelloRetryRequest",
                ext.Cookie,
                repeating(ServerHello, ext.Cookie),
                {"conversation": RETRIED},
            ),
            (
                SERVER,
                "EncryptedExtensions",
                ext.ApplicationProtocols,
                repeating(EncryptedExtensions, ext.ApplicationProtocols),
                {"conversation": "with ALPN"},
            ),
            (
                SERVER,
                "CertificateRequest",
                ext.SignatureAlgorithms,
                repeating(CertificateRequest, ext.SignatureAlgorithms),
                {},
            ),
            (SERVER, "Certificate", ext.UnknownExtension, in_entries(unknown(99), unknown(99)), {}),
            (
                CLIENT,
                "ClientHello with GREASE",
                ext.UnknownExtension,
                extending(ClientHello, unknown(0x0A0A), unknown(0x0A0A), first=True),
                {},
            ),
        )
    ),
    server(
        "unknown ones in a ticket",
        Fault.DUPLICATE_EXTENSION,
        ILLEGAL,
        then=after_handshake(
            sealed(22, bytes.fromhex("04000016 00000e10 00000000 00 0001 74 0008 12340000 12340000"))
        ),
    ),
)

# RFC 9846 4.3 has the table of what may stand where. One of every message that must not hold it:
MISPLACED = (
    client(
        "oid_filters in a ClientHello",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(ClientHello, unknown(X.oid_filters)),
    ),
    server(
        "ALPN in a ServerHello",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(ServerHello, unknown(X.application_layer_protocol_negotiation, b"\0\3\2h2")),
    ),
    server(
        "supported_groups in a ServerHello",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(ServerHello, unknown(X.supported_groups, b"\0\2\0\x1d")),
    ),
    server(
        "signature_algorithms in a HelloRetryRequest",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(ServerHello, unknown(X.signature_algorithms)),
        conversation=RETRIED,
    ),
    server(
        "key_share in EncryptedExtensions",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(EncryptedExtensions, unknown(X.key_share)),
    ),
    server(
        "supported_versions in EncryptedExtensions",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(EncryptedExtensions, unknown(X.supported_versions, b"\3\4")),
    ),
    server(
        "signature_algorithms in EncryptedExtensions",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(EncryptedExtensions, unknown(X.signature_algorithms)),
    ),
    server(
        "supported_groups in a CertificateRequest",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(CertificateRequest, unknown(X.supported_groups)),
    ),
    server(
        "key_share in a CertificateRequest",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(CertificateRequest, unknown(X.key_share)),
    ),
    server(
        "supported_groups in a Certificate",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        in_entries(unknown(X.supported_groups)),
    ),
    client(
        "ALPN in a Certificate",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        in_entries(unknown(X.application_layer_protocol_negotiation)),
    ),
    server(
        "key_share in a ticket",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        then=after_handshake(
            sealed(22, bytes.fromhex("04000012 00000e10 00000000 00 0001 74 0004 00330000"))
        ),
    ),
)

UNSOLICITED = (
    server(
        "an unknown one in the ServerHello",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(ServerHello, unknown(0x1234)),
    ),
    server(
        "pre_shared_key in the ServerHello",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(ServerHello, ext.SelectedIdentity(0)),
    ),
    server(
        "an unknown one in the retry",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(ServerHello, unknown(0x1234)),
        conversation=RETRIED,
    ),
    server(
        "ALPN that nobody offered",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.ApplicationProtocols((b"h2",))),
    ),
    server(
        "early_data that nobody offered",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.EarlyDataIndication()),
    ),
    server(
        "GREASE",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, unknown(0x0A0A)),
    ),
    server(
        "server_name for an address",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        both(without(ClientHello, ext.ServerName), extending(EncryptedExtensions, ext.ServerName())),
        conversation="by address",
    ),
    server(
        "a staple that nobody asked for",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        in_entries(ext.CertificateStatus(b"ocsp")),
    ),
    client(
        "a staple that the server did not ask for",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        in_entries(ext.CertificateStatus(b"ocsp")),
    ),
    client(
        "an unknown one in the client's Certificate",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        in_entries(unknown(0x1234)),
    ),
)

MISSING = (
    client(
        "signature_algorithms in a ClientHello",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(ClientHello, ext.SignatureAlgorithms),
    ),
    client(
        "supported_groups in a ClientHello",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(ClientHello, ext.SupportedGroups),
    ),
    client(
        "key_share in a ClientHello",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(ClientHello, ext.KeyShares),
    ),
    client(
        "key_share in the second ClientHello",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(ClientHello, ext.KeyShares, nth=1),
        conversation=RETRIED,
    ),
    client(
        "psk_key_exchange_modes beside pre_shared_key",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        extending(ClientHello, ext.PreSharedKeys((ext.PskIdentity(b"ticket", 0),), (bytes(32),))),
    ),
    server(
        "key_share in a ServerHello",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(ServerHello, ext.ServerShare),
    ),
    *(
        server(
            f"supported_versions in a HelloRetryRequest to a client of {' and '.join(versions)}",
            Fault.MISSING_EXTENSION,
            Alert.MISSING_EXTENSION,
            without(ServerHello, ext.SelectedVersion),
            conversation=RETRIED,
            client={"versions": versions},
        )
        for versions in (("1.3",), ("1.3", "1.2"))
    ),
    server(
        "signature_algorithms in a CertificateRequest",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(CertificateRequest, ext.SignatureAlgorithms),
    ),
)

REFUSALS = UNDECODABLE + DUPLICATES + MISPLACED + UNSOLICITED + MISSING


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_extension_is_refused(case: Refusal) -> None:
    """RFC 9846 4.3: each extension has its form, its messages, and an answer only where it was asked for."""
    by_address = case.conversation == "by address"
    settings = CONVERSATIONS["mutual" if by_address else case.conversation]
    refused(
        case,
        client_config(**settings.client | case.client),
        server_config(**settings.server | case.server),
        "192.0.2.1" if by_address else "localhost",
    )
