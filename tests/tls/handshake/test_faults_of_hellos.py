"""Everything that can be wrong with what hellos offer and choose: who refuses what, and the alert that is seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from bothways import Fault, PeerFault
from bothways.iana import Alert, CipherSuite, NamedGroup, SignatureScheme
from bothways.roles import Role
from bothways.tls.events import Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import RETRY_RANDOM, ClientHello, ServerHello
from bothways.tls.wire.tls13 import (
    EncryptedExtensions,
)
from pair import pair
from tamper import (
    Edit,
    Refusal,
    altering,
    assert_reported,
    both,
    changing,
    editing,
    extending,
    refused,
    with_extensions,
    without,
)
from tls.handshake.conversations import CONVERSATIONS, client_config, credentials, server_config

CLIENT, SERVER = Role.CLIENT, Role.SERVER
ILLEGAL, FAILED = Alert.ILLEGAL_PARAMETER, Alert.HANDSHAKE_FAILURE
X25519, P256, P384 = NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1
RETRIED = "mutual after a retry"
BOTH_VERSIONS = {"versions": ("1.3", "1.2")}
TO_TLS12, BELOW_TLS12 = b"DOWNGRD\1", b"DOWNGRD\0"


def client(what: str, fault: Fault, alert: Alert, edit: Edit = lambda m, n: (m,), **rest: Any) -> Refusal:
    return Refusal(what, CLIENT, fault, alert, edit, **rest)


def server(what: str, fault: Fault, alert: Alert, edit: Edit = lambda m, n: (m,), **rest: Any) -> Refusal:
    return Refusal(what, SERVER, fault, alert, edit, **rest)


def unknown(extension_type: int, data: bytes = b"") -> ext.UnknownExtension:
    return ext.UnknownExtension(extension_type, data)


def reshared(*shares: tuple[int, bytes], nth: int = 0) -> Edit:
    entries = tuple(ext.KeyShareEntry(*share) for share in shares)
    return editing(ClientHello, ext.KeyShares, nth, shares=entries)


def server_share(group: int, share: bytes, nth: int = 0) -> Edit:
    return editing(ServerHello, ext.ServerShare, nth, entry=ext.KeyShareEntry(group, share))


def other_session(session: bytes) -> bytes:
    return bytes([session[0] ^ 1]) + session[1:]


def psk(those: Iterable[ext.Extension]) -> Iterable[ext.Extension]:
    offered = ext.PreSharedKeys((ext.PskIdentity(b"ticket", 0),), (bytes(32),))
    first, *rest = those
    return (first, ext.PskKeyExchangeModes((1,)), offered, *rest)


ON_CURVE_P256 = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
OFF_CURVE_P256 = ON_CURVE_P256[:-1] + b"\0"

VERSIONS = (
    client(
        "TLS 1.2 alone, without supported_versions",
        Fault.UNSUPPORTED_VERSION,
        Alert.PROTOCOL_VERSION,
        without(ClientHello, ext.SupportedVersions),
        step="1.2",
    ),
    client(
        "TLS 1.2 alone, in supported_versions",
        Fault.UNSUPPORTED_VERSION,
        Alert.PROTOCOL_VERSION,
        editing(ClientHello, ext.SupportedVersions, versions=(0x0303,)),
    ),
    client(
        "GREASE alone",
        Fault.UNSUPPORTED_VERSION,
        Alert.PROTOCOL_VERSION,
        editing(ClientHello, ext.SupportedVersions, versions=(0x1A1A,)),
    ),
    client(
        "no extensions at all",
        Fault.UNSUPPORTED_VERSION,
        Alert.PROTOCOL_VERSION,
        changing(ClientHello, extensions=None),
    ),
    client(
        "SSL 3.0 in legacy_version",
        Fault.UNSUPPORTED_VERSION,
        Alert.PROTOCOL_VERSION,
        changing(ClientHello, legacy_version=0x0300),
    ),
    server(
        "TLS 1.2 by leaving out every extension",
        Fault.UNOFFERED_VERSION,
        Alert.PROTOCOL_VERSION,
        changing(ServerHello, extensions=None),
    ),
    server(
        "TLS 1.1",
        Fault.UNOFFERED_VERSION,
        Alert.PROTOCOL_VERSION,
        changing(ServerHello, legacy_version=0x0302, extensions=None),
    ),
    server(
        "TLS 1.3 in legacy_version alone",
        Fault.UNOFFERED_VERSION,
        Alert.PROTOCOL_VERSION,
        changing(ServerHello, legacy_version=0x0304, extensions=None),
    ),
    server(
        "TLS 1.2 in supported_versions",
        Fault.ILLEGAL_VERSION,
        ILLEGAL,
        editing(ServerHello, ext.SelectedVersion, version=0x0303),
    ),
    server(
        "a version that nobody knows",
        Fault.ILLEGAL_VERSION,
        ILLEGAL,
        editing(ServerHello, ext.SelectedVersion, version=0x0305),
    ),
    server(
        "TLS 1.2 in the supported_versions of a retry",
        Fault.ILLEGAL_VERSION,
        ILLEGAL,
        editing(ServerHello, ext.SelectedVersion, version=0x0303),
        conversation=RETRIED,
    ),
    server(
        "TLS 1.2 after a retry",
        Fault.CHANGED_VERSION,
        ILLEGAL,
        editing(ServerHello, ext.SelectedVersion, nth=1, version=0x0303),
        conversation=RETRIED,
    ),
    server(
        "no version after a retry",
        Fault.CHANGED_VERSION,
        ILLEGAL,
        changing(ServerHello, nth=1, extensions=None),
        conversation=RETRIED,
    ),
    *(
        server(
            f"to TLS 1.{minor}",
            Fault.DOWNGRADED,
            ILLEGAL,
            changing(ServerHello, legacy_version=0x0301 + minor, random=bytes(24) + mark, extensions=None),
        )
        for minor, mark in ((2, TO_TLS12), (1, BELOW_TLS12), (0, BELOW_TLS12))
    ),
    *(
        server(
            f"to TLS 1.2, which was offered too, with {mark!r}",
            Fault.DOWNGRADED,
            ILLEGAL,
            changing(ServerHello, random=bytes(24) + mark, extensions=None),
            client=BOTH_VERSIONS,
        )
        for mark in (TO_TLS12, BELOW_TLS12)
    ),
    server(
        "TLS 1.1 beside a choice of TLS 1.3",
        Fault.ILLEGAL_LEGACY_VERSION,
        ILLEGAL,
        changing(ServerHello, legacy_version=0x0302),
    ),
    server("TLS 1.3", Fault.ILLEGAL_LEGACY_VERSION, ILLEGAL, changing(ServerHello, legacy_version=0x0304)),
)

CHOICES = (
    client(
        "DEFLATE beside null",
        Fault.BAD_COMPRESSION,
        ILLEGAL,
        changing(ClientHello, legacy_compression_methods=b"\x01\x00"),
    ),
    client(
        "DEFLATE alone",
        Fault.BAD_COMPRESSION,
        ILLEGAL,
        changing(ClientHello, legacy_compression_methods=b"\x01"),
    ),
    client(
        "null twice",
        Fault.BAD_COMPRESSION,
        ILLEGAL,
        changing(ClientHello, legacy_compression_methods=b"\0\0"),
    ),
    server(
        "DEFLATE", Fault.UNOFFERED_COMPRESSION, ILLEGAL, changing(ServerHello, legacy_compression_method=1)
    ),
    server(
        "one of TLS 1.2", Fault.UNOFFERED_CIPHER_SUITE, ILLEGAL, changing(ServerHello, cipher_suite=0xC02B)
    ),
    server(
        "one that we could, but did not offer",
        Fault.UNOFFERED_CIPHER_SUITE,
        ILLEGAL,
        changing(ServerHello, cipher_suite=0x1302),
        client={"suites": ("TLS_AES_128_GCM_SHA256",)},
    ),
    server("GREASE", Fault.UNOFFERED_CIPHER_SUITE, ILLEGAL, changing(ServerHello, cipher_suite=0x2A2A)),
    server(
        "in a retry",
        Fault.UNOFFERED_CIPHER_SUITE,
        ILLEGAL,
        changing(ServerHello, cipher_suite=0xC02B),
        conversation=RETRIED,
    ),
    server(
        "of the same hash",
        Fault.CHANGED_CIPHER_SUITE,
        ILLEGAL,
        changing(ServerHello, nth=1, cipher_suite=0x1303),
        conversation=RETRIED,
    ),
    server(
        "of another hash",
        Fault.CHANGED_CIPHER_SUITE,
        ILLEGAL,
        changing(ServerHello, nth=1, cipher_suite=0x1302),
        conversation=RETRIED,
    ),
    server(
        "another",
        Fault.WRONG_SESSION_ID,
        ILLEGAL,
        changing(ServerHello, legacy_session_id_echo=other_session),
    ),
    server("none", Fault.WRONG_SESSION_ID, ILLEGAL, changing(ServerHello, legacy_session_id_echo=b"")),
    server(
        "in a retry",
        Fault.WRONG_SESSION_ID,
        ILLEGAL,
        changing(ServerHello, legacy_session_id_echo=b""),
        conversation=RETRIED,
    ),
    server(
        "after a retry",
        Fault.WRONG_SESSION_ID,
        ILLEGAL,
        changing(ServerHello, nth=1, legacy_session_id_echo=b""),
        conversation=RETRIED,
    ),
    client(
        "by its configuration",
        Fault.NO_SHARED_CIPHER_SUITE,
        FAILED,
        client={"suites": ("TLS_AES_256_GCM_SHA384",)},
        server={"suites": ("TLS_AES_128_GCM_SHA256",)},
    ),
    client(
        "signalling values alone",
        Fault.NO_SHARED_CIPHER_SUITE,
        FAILED,
        changing(
            ClientHello,
            cipher_suites=(CipherSuite.TLS_FALLBACK_SCSV, CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV),
        ),
        step="1.2",
    ),
    client(
        "by its configuration",
        Fault.NO_SHARED_GROUP,
        FAILED,
        client={"groups": ("secp384r1",), "key_shares": None},
    ),
    client(
        "finite fields alone",
        Fault.NO_SHARED_GROUP,
        FAILED,
        both(editing(ClientHello, ext.SupportedGroups, groups=(256, 257)), reshared()),
    ),
    client(
        "by its configuration",
        Fault.NO_SHARED_SCHEME,
        FAILED,
        client={"credentials": None, "schemes": ("rsa_pss_rsae_sha256",)},
        conversation="one-way",
    ),
    client(
        "those of TLS 1.2 alone",
        Fault.NO_SHARED_SCHEME,
        FAILED,
        editing(
            ClientHello,
            ext.SignatureAlgorithms,
            schemes=(SignatureScheme.rsa_pkcs1_sha256, SignatureScheme.ecdsa_sha1),
        ),
    ),
    client(
        "ALPN",
        Fault.NO_SHARED_APPLICATION_PROTOCOL,
        Alert.NO_APPLICATION_PROTOCOL,
        client={"alpn": ("h2",)},
        server={"alpn": ("http/1.1",)},
        step="1.2",
    ),
    server(
        "another",
        Fault.UNOFFERED_APPLICATION_PROTOCOL,
        ILLEGAL,
        editing(EncryptedExtensions, ext.ApplicationProtocols, protocols=(b"spdy/1",)),
        conversation="with ALPN",
    ),
    server(
        "two of them",
        Fault.UNOFFERED_APPLICATION_PROTOCOL,
        ILLEGAL,
        editing(EncryptedExtensions, ext.ApplicationProtocols, protocols=(b"http/1.1", b"h2")),
        conversation="with ALPN",
    ),
    client(
        "one that is refused",
        Fault.UNKNOWN_SERVER_NAME,
        Alert.UNRECOGNIZED_NAME,
        server={"unknown_server_name": "refuse", "credentials": credentials("a.example")},
        step="1.2",
    ),
    client(
        "one that is not a name",
        Fault.UNKNOWN_SERVER_NAME,
        Alert.UNRECOGNIZED_NAME,
        editing(ClientHello, ext.ServerName, host_name="no name"),
        server={"unknown_server_name": "refuse"},
    ),
    *(
        client(
            f"one with {what}",
            Fault.BAD_SERVER_NAME,
            ILLEGAL,
            editing(ClientHello, ext.ServerName, host_name=f"local{character}host"),
        )
        for what, character in (
            ("NUL", "\0"),
            ("a bell", "\7"),
            ("colours", "\x1b[31m"),
            ("DEL", "\x7f"),
        )
    ),
    client(
        "two groups",
        Fault.DUPLICATE_ENTRY,
        ILLEGAL,
        editing(ClientHello, ext.SupportedGroups, groups=(29, 23, 29)),
    ),
    client("pre_shared_key in the middle", Fault.BINDER_NOT_LAST, ILLEGAL, with_extensions(ClientHello, psk)),
)

SHARES = (
    server("P-384 in a ServerHello", Fault.UNOFFERED_GROUP, ILLEGAL, server_share(P384, bytes(97))),
    server(
        "P-256, for which no share was sent",
        Fault.UNOFFERED_GROUP,
        ILLEGAL,
        server_share(P256, ON_CURVE_P256),
    ),
    server(
        "P-384 in a retry",
        Fault.UNOFFERED_GROUP,
        ILLEGAL,
        editing(ServerHello, ext.RetryGroup, group=P384),
        conversation=RETRIED,
    ),
    server(
        "GREASE in a retry",
        Fault.UNOFFERED_GROUP,
        ILLEGAL,
        editing(ServerHello, ext.RetryGroup, group=0x1A1A),
        conversation=RETRIED,
    ),
    client("P-384", Fault.UNOFFERED_SHARE, ILLEGAL, reshared((X25519, bytes(32)), (P384, bytes(97)))),
    client("x25519", Fault.DUPLICATE_SHARE, ILLEGAL, reshared((X25519, bytes(32)), (X25519, bytes(32)))),
    client("x25519, all zeros", Fault.BAD_SHARE, ILLEGAL, reshared((X25519, bytes(32))), step="2.4"),
    client("x25519, of small order", Fault.BAD_SHARE, ILLEGAL, reshared((X25519, b"\1" + bytes(31)))),
    client("x25519, too short", Fault.BAD_SHARE, ILLEGAL, reshared((X25519, bytes(31)))),
    client("x25519, too long", Fault.BAD_SHARE, ILLEGAL, reshared((X25519, b"\x09" + bytes(32)))),
    client(
        "P-256, off the curve",
        Fault.BAD_SHARE,
        ILLEGAL,
        reshared((P256, OFF_CURVE_P256), nth=1),
        conversation=RETRIED,
    ),
    client(
        "P-256, compressed",
        Fault.BAD_SHARE,
        ILLEGAL,
        reshared((P256, b"\x03" + ON_CURVE_P256[1:33]), nth=1),
        conversation=RETRIED,
    ),
    client(
        "P-256, the point at infinity",
        Fault.BAD_SHARE,
        ILLEGAL,
        reshared((P256, b"\0"), nth=1),
        conversation=RETRIED,
    ),
    client(
        "the hybrid, too short",
        Fault.BAD_SHARE,
        ILLEGAL,
        reshared((0x11EC, bytes(1215))),
        conversation="post-quantum hybrid",
    ),
    client(
        "the hybrid, no ML-KEM key",
        Fault.BAD_SHARE,
        ILLEGAL,
        reshared((0x11EC, b"\xff" * 1184 + b"\x09" + bytes(31))),
        conversation="post-quantum hybrid",
    ),
    server("x25519, all zeros", Fault.BAD_SHARE, ILLEGAL, server_share(X25519, bytes(32))),
    server("x25519, too long", Fault.BAD_SHARE, ILLEGAL, server_share(X25519, bytes(33))),
    server(
        "P-256, off the curve",
        Fault.BAD_SHARE,
        ILLEGAL,
        server_share(P256, OFF_CURVE_P256, nth=1),
        conversation=RETRIED,
    ),
    server(
        "the hybrid, too short",
        Fault.BAD_SHARE,
        ILLEGAL,
        server_share(0x11EC, bytes(1119)),
        conversation="post-quantum hybrid",
    ),
    server(
        "the hybrid with zeros for x25519",
        Fault.BAD_SHARE,
        ILLEGAL,
        editing(
            ServerHello,
            ext.ServerShare,
            entry=lambda e: replace(e, key_exchange=e.key_exchange[:1088] + bytes(32)),
        ),
        conversation="post-quantum hybrid",
    ),
)


def asks_again(*extensions: ext.Extension) -> Edit:
    """The second ServerHello is a HelloRetryRequest too."""
    return changing(
        ServerHello, nth=1, random=RETRY_RANDOM, extensions=(ext.SelectedVersion(0x0304), *extensions)
    )


RETRIES = (
    server(
        "for the same group",
        Fault.SECOND_RETRY,
        Alert.UNEXPECTED_MESSAGE,
        asks_again(ext.RetryGroup(P256)),
        conversation=RETRIED,
    ),
    server(
        "for another cookie",
        Fault.SECOND_RETRY,
        Alert.UNEXPECTED_MESSAGE,
        asks_again(ext.Cookie(b"2")),
        conversation=RETRIED,
    ),
    server(
        "without group and cookie",
        Fault.USELESS_RETRY,
        ILLEGAL,
        without(ServerHello, ext.RetryGroup, ext.Cookie),
        conversation=RETRIED,
    ),
    server(
        "with a cookie that no ClientHello can hold beside the rest",
        Fault.MESSAGE_TOO_LONG,
        Alert.DECODE_ERROR,
        editing(ServerHello, ext.Cookie, cookie=bytes(65_000)),
        conversation=RETRIED,
    ),
    server(
        "x25519",
        Fault.RETRY_FOR_SENT_SHARE,
        ILLEGAL,
        editing(ServerHello, ext.RetryGroup, group=X25519),
        conversation=RETRIED,
    ),
    server(
        "x25519 for P-256",
        Fault.UNOFFERED_GROUP,
        ILLEGAL,
        editing(ServerHello, ext.RetryGroup, group=0x11EC),
        conversation=RETRIED,
    ),
    server(
        "a ServerHello for the group before",
        Fault.WRONG_SHARE_AFTER_RETRY,
        ILLEGAL,
        server_share(X25519, b"\x09" + bytes(31), nth=1),
        conversation=RETRIED,
    ),
    client(
        "the same share again",
        Fault.WRONG_SHARE_AFTER_RETRY,
        ILLEGAL,
        reshared((X25519, b"\x09" + bytes(31)), nth=1),
        conversation=RETRIED,
    ),
    client("no share", Fault.WRONG_SHARE_AFTER_RETRY, ILLEGAL, reshared(nth=1), conversation=RETRIED),
    client(
        "two shares",
        Fault.WRONG_SHARE_AFTER_RETRY,
        ILLEGAL,
        reshared((P256, ON_CURVE_P256), (X25519, b"\x09" + bytes(31)), nth=1),
        conversation=RETRIED,
    ),
    client(
        "another cookie",
        Fault.WRONG_COOKIE,
        ILLEGAL,
        editing(ClientHello, ext.Cookie, nth=1, cookie=b"mine"),
        conversation=RETRIED,
    ),
    client(
        "no cookie",
        Fault.WRONG_COOKIE,
        ILLEGAL,
        without(ClientHello, ext.Cookie, nth=1),
        conversation=RETRIED,
    ),
    client(
        "a cookie that nobody sent",
        Fault.WRONG_COOKIE,
        ILLEGAL,
        extending(ClientHello, ext.Cookie(b"mine"), nth=1),
        conversation="retry without a cookie",
    ),
    client(
        "legacy_version",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        changing(ClientHello, nth=1, legacy_version=0x0302),
        conversation=RETRIED,
    ),
    client(
        "random",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        changing(ClientHello, nth=1, random=bytes(32)),
        conversation=RETRIED,
    ),
    client(
        "legacy_session_id",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        changing(ClientHello, nth=1, legacy_session_id=other_session),
        conversation=RETRIED,
    ),
    client(
        "cipher_suites",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        changing(ClientHello, nth=1, cipher_suites=(0x1301,)),
        conversation=RETRIED,
    ),
    client(
        "legacy_compression_methods",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        changing(ClientHello, nth=1, legacy_compression_methods=b"\0\1"),
        conversation=RETRIED,
    ),
    client(
        "server_name",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        editing(ClientHello, ext.ServerName, nth=1, host_name="a.example"),
        conversation=RETRIED,
    ),
    client(
        "supported_groups",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        editing(ClientHello, ext.SupportedGroups, nth=1, groups=(23,)),
        conversation=RETRIED,
    ),
    client(
        "supported_versions",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        editing(ClientHello, ext.SupportedVersions, nth=1, versions=(0x0304, 0x0303)),
        conversation=RETRIED,
    ),
    client(
        "signature_algorithms, left out",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        without(ClientHello, ext.SignatureAlgorithms, nth=1),
        conversation=RETRIED,
    ),
    client(
        "an unknown extension, added",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        extending(ClientHello, unknown(0x1234), nth=1),
        conversation=RETRIED,
    ),
    client(
        "early_data, which may not stand there",
        Fault.CHANGED_HELLO,
        ILLEGAL,
        extending(ClientHello, ext.EarlyDataIndication(), nth=1),
        conversation=RETRIED,
    ),
)

REFUSALS = VERSIONS + CHOICES + SHARES + RETRIES


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_hello_is_refused(case: Refusal) -> None:
    """RFC 9846 4.2 and 4.3: each fault of the negotiation, and its alert."""
    by_address = case.conversation == "by address"
    settings = CONVERSATIONS["mutual" if by_address else case.conversation]
    refused(
        case,
        client_config(**settings.client | case.client),
        server_config(**settings.server | case.server),
        "192.0.2.1" if by_address else "localhost",
    )


SUITES_OF_12 = (CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,)


@pytest.mark.parametrize(
    "edit",
    [
        without(ClientHello, ext.SupportedVersions),
        editing(ClientHello, ext.SupportedVersions, versions=(0x0303,)),
        both(
            changing(ClientHello, cipher_suites=SUITES_OF_12),
            editing(ClientHello, ext.SupportedVersions, versions=(0x0303,)),
        ),
    ],
)
def test_downgrade_by_an_attacker_is_detected(edit: Edit) -> None:
    """RFC 9846 4.2.3: a server that has TLS 1.3 marks its older choice, and the client knows what it offered."""
    notes: list[Note] = []
    with altering(CLIENT, edit, in_flight=True):
        talk = pair(client_config(**BOTH_VERSIONS), server_config(**BOTH_VERSIONS), server_notes=notes)
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.DOWNGRADED
    assert_reported(talk.client.failure, ILLEGAL, notes, talk.server)
