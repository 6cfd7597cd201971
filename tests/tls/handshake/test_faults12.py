"""Everything that can be wrong in a handshake of TLS 1.2: who refuses what, and the alert that is seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

import pki
from bothways import Credentials, Fault
from bothways.iana import Alert, CipherSuite, NamedGroup, SignatureScheme
from bothways.roles import Role
from bothways.tls.crypto.signing import sign
from bothways.tls.handshake.authentication12 import exchange_input
from bothways.tls.handshake.message_io import CHANGE_CIPHER_SPEC, EMPTY_RECORD_LIMIT, Outbox
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import (
    Certificate,
    CertificateRequest,
    ClientKeyExchange,
    ServerHelloDone,
    ServerKeyExchange,
    ecdh_key_exchange,
    rsa_key_exchange,
)
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from tamper import (
    Edit,
    Outgoing,
    Refusal,
    after,
    after_handshake,
    as_bytes,
    before,
    behind,
    changing,
    extending,
    in_parts,
    instead_of,
    refused,
    repeating,
    sealed,
    wire,
    without,
)
from tls.handshake.conversations import authority, credentials, credentials_of, identity
from tls.handshake.conversations12 import (
    CONVERSATIONS,
    RSA_SUITES,
    TRANSPORT_SUITES,
    client_config,
    deciphering,
    server_config,
)

CLIENT, SERVER = Role.CLIENT, Role.SERVER
ILLEGAL, FAILED, UNEXPECTED = Alert.ILLEGAL_PARAMETER, Alert.HANDSHAKE_FAILURE, Alert.UNEXPECTED_MESSAGE
S = SignatureScheme
BOTH_VERSIONS = {"versions": ("1.3", "1.2")}
TRANSPORT = "key transport"


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def resized(kind: type, change: slice | bytes) -> Edit:
    """The message with its body cut, or with bytes behind it, and a header that fits."""

    def other(raw: bytes) -> bytes:
        body = raw[4:] + change if isinstance(change, bytes) else raw[4:][change]
        return raw[:1] + len(body).to_bytes(3, "big") + body

    return as_bytes(kind, other)


def share(group: int, public: bytes) -> Edit:
    """The server's share replaced by another, properly signed with its own key."""
    seen: dict[type, Any] = {}

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        seen[type(message)] = message
        if not isinstance(message, ServerKeyExchange):
            return (message,)
        hello: ServerHello = seen[ServerHello]
        data = exchange_input(_hellos[-1].random, hello.random, group, public)
        signature = sign(message.algorithm, identity("localhost").key, data)
        return (ServerKeyExchange(group, public, message.algorithm, signature),)

    return edit


def shown_by(other: Credentials) -> Edit:
    """The server's chain replaced by another, and its share signed with the key of that."""
    seen: dict[type, Any] = {}

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        seen[type(message)] = message
        if isinstance(message, Certificate):
            return (Certificate(other.chain),)
        if not isinstance(message, ServerKeyExchange):
            return (message,)
        data = exchange_input(
            _hellos[-1].random, seen[ServerHello].random, message.named_curve, message.public
        )
        return (replace(message, signature=sign(message.algorithm, other.key, data)),)

    return edit


_hellos: list[ClientHello] = []


@pytest.fixture(autouse=True)
def _seen_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the last ClientHello: a server signs its random, and may echo its session ID."""
    put = Outbox.put_message

    def put_message(out: Outbox, message: Message, raw: bytes | None = None) -> bytes:
        if isinstance(message, ClientHello):
            _hellos.append(message)
        return put(out, message, raw)

    monkeypatch.setattr(Outbox, "put_message", put_message)


def with_suites(*names: str) -> Edit:
    return changing(ClientHello, cipher_suites=tuple(int(CipherSuite[name]) for name in names))


def falls_back(suites: tuple[int, ...]) -> tuple[int, ...]:
    return (*suites, int(CipherSuite.TLS_FALLBACK_SCSV))


OFF_CURVE = bytes([4]) + bytes(range(64))

HELLOS = (
    Refusal(
        "DEFLATE alone",
        CLIENT,
        Fault.LACKS_NULL_COMPRESSION,
        ILLEGAL,
        changing(ClientHello, legacy_compression_methods=b"\1"),
        step="1.1",
    ),
    Refusal(
        "to TLS 1.2 from 1.3",
        CLIENT,
        Fault.NEEDLESS_FALLBACK,
        Alert.INAPPROPRIATE_FALLBACK,
        changing(ClientHello, cipher_suites=falls_back),
        server=BOTH_VERSIONS,
    ),
    Refusal(
        "to TLS 1.1 from 1.2",
        CLIENT,
        Fault.NEEDLESS_FALLBACK,
        Alert.INAPPROPRIATE_FALLBACK,
        changing(ClientHello, cipher_suites=falls_back, legacy_version=0x0302),
    ),
    *(
        Refusal(
            f"version {version:#06x}",
            CLIENT,
            Fault.UNSUPPORTED_VERSION,
            Alert.PROTOCOL_VERSION,
            changing(ClientHello, legacy_version=version),
        )
        for version in (0x0200, 0x0300, 0x0301, 0x0302)
    ),
    *(
        Refusal(
            f"version {version:#06x}",
            SERVER,
            Fault.UNOFFERED_VERSION,
            Alert.PROTOCOL_VERSION,
            changing(ServerHello, legacy_version=version),
            step="1.2",
        )
        for version in (0x0300, 0x0301, 0x0302, 0x0304)
    ),
    Refusal(
        "compressed points alone, of the client",
        CLIENT,
        Fault.NO_UNCOMPRESSED_POINTS,
        ILLEGAL,
        changing(
            ClientHello,
            extensions=lambda those: tuple(
                ext.EcPointFormats((1,)) if isinstance(each, ext.EcPointFormats) else each for each in those
            ),
        ),
    ),
    Refusal(
        "compressed points alone, of the server",
        SERVER,
        Fault.NO_UNCOMPRESSED_POINTS,
        ILLEGAL,
        changing(
            ServerHello,
            extensions=lambda those: tuple(
                ext.EcPointFormats((1,)) if isinstance(each, ext.EcPointFormats) else each for each in those
            ),
        ),
    ),
    *(
        Refusal(
            f"bytes in the first hello of the {sender.value}",
            sender,
            Fault.BAD_RENEGOTIATION_INFO,
            FAILED,
            changing(
                kind,
                extensions=lambda those: tuple(
                    ext.RenegotiationInfo(bytes(12)) if isinstance(each, ext.RenegotiationInfo) else each
                    for each in those
                ),
            ),
        )
        for sender, kind in ((CLIENT, ClientHello), (SERVER, ServerHello))
    ),
    Refusal(
        "an old server",
        SERVER,
        Fault.NO_SECURE_RENEGOTIATION,
        FAILED,
        without(ServerHello, ext.RenegotiationInfo),
        step="1.2",
    ),
    *(
        Refusal(
            f"of the {sender.value}",
            sender,
            Fault.NO_EXTENDED_MAIN_SECRET,
            FAILED,
            without(kind, ext.ExtendedMainSecret),
        )
        for sender, kind in ((CLIENT, ClientHello), (SERVER, ServerHello))
    ),
    Refusal(
        "by echoing the ID of a client of TLS 1.3",
        SERVER,
        Fault.RESUMED_UNKNOWN_SESSION,
        ILLEGAL,
        changing(ServerHello, legacy_session_id_echo=lambda old: _hellos[-1].legacy_session_id),
        client=BOTH_VERSIONS,
        step="1.2",
    ),
    Refusal(
        "a suite of TLS 1.3 in a hello of 1.2",
        SERVER,
        Fault.UNOFFERED_CIPHER_SUITE,
        ILLEGAL,
        changing(ServerHello, cipher_suite=0x1301),
        client=BOTH_VERSIONS,
    ),
    Refusal(
        "key transport that was not offered",
        SERVER,
        Fault.UNOFFERED_CIPHER_SUITE,
        ILLEGAL,
        changing(ServerHello, cipher_suite=0x009C),
    ),
    Refusal(
        "of TLS 1.2",
        SERVER,
        Fault.UNOFFERED_COMPRESSION,
        ILLEGAL,
        changing(ServerHello, legacy_compression_method=1),
    ),
    *(
        Refusal(
            f"mark {mark.hex()}",
            SERVER,
            Fault.DOWNGRADED,
            ILLEGAL,
            changing(ServerHello, random=lambda old, mark=mark: old[:24] + mark),
            client=BOTH_VERSIONS,
        )
        for mark in (b"DOWNGRD\1", b"DOWNGRD\0")
    ),
    Refusal(
        "suites of another kind of key",
        CLIENT,
        Fault.NO_SHARED_CIPHER_SUITE,
        FAILED,
        with_suites(*RSA_SUITES),
    ),
    Refusal(
        "key transport, which we do not allow",
        CLIENT,
        Fault.NO_SHARED_CIPHER_SUITE,
        FAILED,
        with_suites(*TRANSPORT_SUITES),
    ),
    Refusal(
        "of TLS 1.2 without signature_algorithms",
        CLIENT,
        Fault.NO_SHARED_SCHEME,
        FAILED,
        without(ClientHello, ext.SignatureAlgorithms),
    ),
    Refusal(
        "of TLS 1.2 whose curves are not those of our certificates",
        CLIENT,
        Fault.NO_CERTIFICATE_ON_OFFERED_CURVE,
        FAILED,
        server={"credentials": (credentials("localhost", "P-384"), credentials("localhost", "P-521"))},
        client={"groups": ("x25519", "secp256r1")},
        step="1.2",
    ),
    Refusal(
        "a certificate on P-384 for a client of P-256",
        SERVER,
        Fault.CERTIFICATE_ON_UNOFFERED_CURVE,
        ILLEGAL,
        shown_by(credentials("localhost", "P-384")),
        client={"groups": ("x25519", "secp256r1")},
        step="2.2",
    ),
    Refusal(
        "of TLS 1.2 with a message begun in the record of its ClientHello",
        CLIENT,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        after(ClientHello, behind(b"\x0b")),
        step="1.1",
    ),
    Refusal(
        "of TLS 1.2 with hybrids alone",
        CLIENT,
        Fault.NO_SHARED_GROUP,
        FAILED,
        changing(
            ClientHello,
            extensions=lambda those: tuple(
                ext.SupportedGroups((0x11EC,)) if isinstance(each, ext.SupportedGroups) else each
                for each in those
            ),
        ),
    ),
    Refusal(
        "in a hello of TLS 1.2",
        SERVER,
        Fault.DUPLICATE_EXTENSION,
        ILLEGAL,
        repeating(ServerHello, ext.ExtendedMainSecret),
    ),
    Refusal(
        "a ticket in a hello of TLS 1.2",
        SERVER,
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(ServerHello, ext.SessionTicket(b"")),
    ),
    Refusal(
        "a protocol of TLS 1.2",
        SERVER,
        Fault.UNOFFERED_APPLICATION_PROTOCOL,
        ILLEGAL,
        extending(ServerHello, ext.ApplicationProtocols((b"h3",))),
        client={"alpn": ("h2",)},
    ),
    Refusal(
        "protocols of TLS 1.2",
        CLIENT,
        Fault.NO_SHARED_APPLICATION_PROTOCOL,
        Alert.NO_APPLICATION_PROTOCOL,
        client={"alpn": ("h2",)},
        server={"alpn": ("http/1.1",)},
    ),
)

EXCHANGES = (
    Refusal(
        "an RSA key under ECDHE_ECDSA",
        SERVER,
        Fault.SCHEME_DOES_NOT_FIT_SUITE,
        ILLEGAL,
        changing(ServerKeyExchange, algorithm=int(S.rsa_pss_rsae_sha256)),
        step="2.2",
    ),
    Refusal(
        "ML-DSA, which a client of TLS 1.3 offers",
        SERVER,
        Fault.SCHEME_DOES_NOT_FIT_SUITE,
        ILLEGAL,
        changing(ServerKeyExchange, algorithm=int(S.mldsa65)),
        client=BOTH_VERSIONS,
    ),
    Refusal(
        "SHA-1 in TLS 1.2",
        SERVER,
        Fault.UNOFFERED_SCHEME,
        ILLEGAL,
        changing(ServerKeyExchange, algorithm=0x0203),
        step="2.2",
    ),
    Refusal(
        "SHA-1 of a client in TLS 1.2",
        CLIENT,
        Fault.UNOFFERED_SCHEME,
        ILLEGAL,
        changing(CertificateVerify, algorithm=0x0203),
        step="3.4",
    ),
    *(
        Refusal(
            f"{what} for a P-256 key of the server in TLS 1.2",
            SERVER,
            Fault.SCHEME_DOES_NOT_FIT_KEY,
            ILLEGAL,
            changing(ServerKeyExchange, algorithm=int(scheme)),
            step="2.2",
        )
        for what, scheme in (("Ed25519", S.ed25519), ("Ed448", S.ed448))
    ),
    Refusal(
        "ML-DSA for a P-256 key in TLS 1.2",
        CLIENT,
        Fault.SCHEME_DOES_NOT_FIT_KEY,
        ILLEGAL,
        changing(CertificateVerify, algorithm=int(S.mldsa44)),
        server=BOTH_VERSIONS,
        step="3.4",
    ),
    *(
        Refusal(
            f"of the {sender.value} in TLS 1.2, {what}",
            sender,
            Fault.BAD_CERTIFICATE_VERIFY,
            Alert.DECRYPT_ERROR,
            changing(kind, signature=change),
            step=step,
        )
        for sender, kind, step in ((SERVER, ServerKeyExchange, "2.2"), (CLIENT, CertificateVerify, "3.4"))
        for what, change in (("one bit", flipped), ("empty", b""), ("zeros", bytes(70)))
    ),
    Refusal(
        "a share of the server that is altered",
        SERVER,
        Fault.BAD_CERTIFICATE_VERIFY,
        Alert.DECRYPT_ERROR,
        changing(ServerKeyExchange, public=flipped),
    ),
    *(
        Refusal(
            f"of the server, {what}",
            SERVER,
            Fault.BAD_SHARE,
            ILLEGAL,
            share(group, public),
            step="2.4",
        )
        for what, group, public in (
            ("of low order", NamedGroup.x25519, bytes(32)),
            ("too short", NamedGroup.x25519, bytes([9]) + bytes(30)),
            ("not on the curve", NamedGroup.secp256r1, OFF_CURVE),
            ("compressed", NamedGroup.secp256r1, b"\2" + bytes(range(32))),
        )
    ),
    Refusal(
        "a group that was not offered, signed",
        SERVER,
        Fault.UNOFFERED_GROUP,
        ILLEGAL,
        share(NamedGroup.secp384r1, bytes([4]) + bytes(96)),
        client={"groups": ("x25519", "secp256r1")},
        step="2.2",
    ),
    Refusal(
        "a hybrid in TLS 1.2, signed",
        SERVER,
        Fault.UNOFFERED_GROUP,
        ILLEGAL,
        share(NamedGroup.X25519MLKEM768, bytes([9]) + bytes(200)),
        client={"groups": ("X25519MLKEM768", "x25519", "secp256r1")} | BOTH_VERSIONS,
        step="2.2",
    ),
    *(
        Refusal(
            f"of the client, {what}",
            CLIENT,
            Fault.BAD_SHARE,
            ILLEGAL,
            instead_of(ClientKeyExchange, ecdh_key_exchange(public)),
            server={"groups": (group,)},
            step="2.4",
        )
        for what, group, public in (
            ("of low order", "x25519", bytes(32)),
            ("too long", "x25519", bytes(33)),
            ("not on the curve", "secp256r1", OFF_CURVE),
            ("the point at infinity", "secp256r1", b"\0"),
        )
    ),
    Refusal(
        "an ECDSA certificate under RSA key transport",
        SERVER,
        Fault.KEY_DOES_NOT_FIT_SUITE,
        Alert.UNSUPPORTED_CERTIFICATE,
        changing(Certificate, certificate_list=lambda those: tuple(_no_usage().chain)),
        conversation=TRANSPORT,
        step="2.4",
    ),
    Refusal(
        "in TLS 1.2",
        SERVER,
        Fault.EMPTY_SERVER_CERTIFICATE,
        Alert.DECODE_ERROR,
        changing(Certificate, certificate_list=()),
        step="2.1",
    ),
    Refusal(
        "in TLS 1.2",
        CLIENT,
        Fault.NO_CERTIFICATE,
        FAILED,
        client={"credentials": None},
        step="3.1",
    ),
    *(
        Refusal(
            f"of the {sender.value} in TLS 1.2, {what}",
            sender,
            Fault.BAD_FINISHED,
            Alert.DECRYPT_ERROR,
            changing(Finished, verify_data=change),
            step=step,
        )
        for sender, step in ((SERVER, "4.2"), (CLIENT, "4.1"))
        for what, change in (("one bit", flipped), ("zeros", bytes(12)))
    ),
    Refusal(
        "of a client that altered its share after the fact",
        CLIENT,
        Fault.BAD_RECORD,
        Alert.BAD_RECORD_MAC,
        changing(ClientKeyExchange, exchange_keys=lambda old: old[:1] + bytes([old[1] ^ 1]) + old[2:]),
        conversation="one-way",
        in_flight=True,
        step="4.1",
    ),
)


def _no_usage() -> Credentials:
    return credentials_of(pki.leaf(authority(), "localhost", key_usage=None))


KINDS_12 = (
    (CLIENT, ClientHello, "mutual"),
    (SERVER, ServerHello, "mutual"),
    (SERVER, Certificate, "mutual"),
    (SERVER, ServerKeyExchange, "mutual"),
    (SERVER, CertificateRequest, "mutual"),
    (SERVER, ServerHelloDone, "mutual"),
    (SERVER, Finished, "mutual"),
    (CLIENT, Certificate, "mutual"),
    (CLIENT, ClientKeyExchange, "mutual"),
    (CLIENT, ClientKeyExchange, TRANSPORT),
    (CLIENT, CertificateVerify, "mutual"),
    (CLIENT, Finished, "mutual"),
)
UNDECODABLE = tuple(
    Refusal(
        f"a {kind.__name__} of TLS 1.2 that is {how}, {name}",
        sender,
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        resized(kind, change),
        conversation=name,
    )
    for sender, kind, name in KINDS_12
    for how, change in (("a byte longer", b"\0"), ("a byte shorter", slice(None, -1)), ("empty", slice(0, 0)))
    if kind is not ServerHelloDone or isinstance(change, bytes)
)


def named(data: bytes) -> Edit:
    """A ClientHello with these bytes as its server_name."""

    def other(those: tuple[ext.Extension, ...]) -> tuple[ext.Extension, ...]:
        return tuple(ext.UnknownExtension(0, data) if isinstance(e, ext.ServerName) else e for e in those)

    return changing(ClientHello, extensions=other)


NAMES = tuple(
    Refusal(f"a server_name that {what}", CLIENT, Fault.UNDECODABLE, Alert.DECODE_ERROR, named(data))
    for what, data in (
        ("is cut within its length", b"\0"),
        ("is all ones", b"\xff" * 4),
        ("announces more than there is", b"\0\x0a\7\0\1a"),
        ("announces less than there is", b"\0\3\7\0\1a"),
        ("is an empty list", b"\0\0"),
        ("has an empty name", b"\0\3\0\0\0"),
    )
) + tuple(
    Refusal(
        f"a server_name {where} that {what}",
        CLIENT,
        Fault.BAD_SERVER_NAME,
        Alert.ILLEGAL_PARAMETER,
        named(data),
        client=versions,
        server=versions,
    )
    for where, versions in (("of TLS 1.2", {}), ("of TLS 1.3", {"versions": ("1.3",)}))
    for what, data in (
        ("names two hosts", b"\0\x08\0\0\1a\0\0\1b"),
        ("names two hosts, and another between", b"\0\x0c\0\0\1a\7\0\1a\0\0\1b"),
        ("is not ASCII", b"\0\5\0\0\2\xc3\xa4"),
    )
)
EXPLICIT_CURVE = as_bytes(ServerKeyExchange, lambda raw: raw[:4] + b"\1" + raw[5:])
RECORDS = (
    Refusal("a curve in full", SERVER, Fault.UNDECODABLE, Alert.DECODE_ERROR, EXPLICIT_CURVE, step="2.2"),
    *(
        Refusal(
            f"in two parts, a ChangeCipherSpec of the {sender.value} between",
            sender,
            Fault.INTERLEAVED,
            UNEXPECTED,
            in_parts(kind, wire(CHANGE_CIPHER_SPEC)),
        )
        for sender, kind in ((SERVER, ServerKeyExchange), (CLIENT, CertificateVerify))
    ),
    Refusal(
        "data between the parts of a message of TLS 1.2",
        SERVER,
        Fault.INTERLEAVED,
        UNEXPECTED,
        in_parts(ServerKeyExchange, sealed(23, b"x")),
    ),
    *(
        Refusal(
            f"of type {kind} in TLS 1.2, of the {sender.value}",
            sender,
            Fault.EMPTY_FRAGMENT,
            UNEXPECTED,
            then=after_handshake(sealed(kind, b"")),
        )
        for sender in Role
        for kind in (21, 22)
    ),
    *(
        Refusal(
            f"of TLS 1.2, of the {sender.value}, {what}",
            sender,
            Fault.BAD_RECORD,
            Alert.BAD_RECORD_MAC,
            then=after_handshake(wire(record)),
        )
        for sender in Role
        for what, record in (
            ("shorter than nonce and tag", b"\x17\x03\x03\0\x17" + bytes(23)),
            ("of nothing", b"\x17\x03\x03\0\0"),
            ("of garbage", b"\x17\x03\x03\0\x40" + bytes(64)),
            ("a handshake message in the clear", b"\x16\x03\x03\0\4" + bytes(4)),
            ("an alert in the clear", b"\x15\x03\x03\0\2\1\0"),
        )
    ),
    *(
        Refusal(
            f"empty data of TLS 1.2, of the {sender.value}",
            sender,
            Fault.TOO_MANY_EMPTY_RECORDS,
            UNEXPECTED,
            then=after_handshake(sealed(23, times=EMPTY_RECORD_LIMIT + 1)),
        )
        for sender in Role
    ),
    Refusal(
        "a ChangeCipherSpec before the ServerHello",
        SERVER,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        before(ServerHello, wire(CHANGE_CIPHER_SPEC)),
    ),
)
REFUSALS = HELLOS + EXCHANGES + UNDECODABLE + NAMES + RECORDS


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_fault_of_a_handshake_of_12_is_refused(case: Refusal) -> None:
    """RFC 5246 7.2.2, 7.4 and what it is based on: each fault, and its alert as the other side sees it."""
    settings = CONVERSATIONS[case.conversation]
    refused(
        case, client_config(**settings.client | case.client), server_config(**settings.server | case.server)
    )


# -- RSA key transport: no oracle ----------------------------------------------------------------------------


def premaster(padded: bytes) -> Edit:
    """A ClientKeyExchange with any block, textbook RSA under the server's key: padding and all is ours."""
    key = deciphering().certificate.public_key()
    numbers = key.public_numbers()  # type: ignore[union-attr]
    sealed_block = pow(int.from_bytes(padded, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    return instead_of(ClientKeyExchange, rsa_key_exchange(sealed_block))


def block(secret: bytes, *, start: bytes = b"\0\2", zero: bytes = b"\0") -> bytes:
    filler = 256 - len(start) - len(zero) - len(secret)
    return start + b"\x55" * filler + zero + secret


SECRET = b"\3\3" + bytes(range(1, 47))
WRONG_SECRETS: dict[str, Edit] = {
    "another secret, well padded": premaster(block(SECRET)),
    "an older version inside": premaster(block(b"\3\1" + SECRET[2:])),
    "a later version inside": premaster(block(b"\3\4" + SECRET[2:])),
    "one byte short": premaster(block(SECRET[:-1])),
    "one byte long": premaster(block(SECRET + b"\1")),
    "empty": premaster(block(b"")),
    "a long one": premaster(block(bytes(range(1, 200)))),
    "block type 1": premaster(block(SECRET, start=b"\0\1")),
    "block type 0": premaster(block(SECRET, start=b"\0\0")),
    "no zero first": premaster(block(SECRET, start=b"\1\2")),
    "no zero between": premaster(b"\0\2" + b"\x55" * 254),
    "a zero in the filler": premaster(b"\0\2" + b"\x55" * 4 + b"\0" + b"\x55" * 200 + b"\0" + SECRET),
    "zero": instead_of(ClientKeyExchange, rsa_key_exchange(bytes(256))),
    "one": instead_of(ClientKeyExchange, rsa_key_exchange(bytes(255) + b"\1")),
    "larger than the modulus": instead_of(ClientKeyExchange, rsa_key_exchange(b"\xff" * 256)),
    "shorter than the modulus": instead_of(ClientKeyExchange, rsa_key_exchange(b"\1" * 255)),
    "longer than the modulus": instead_of(ClientKeyExchange, rsa_key_exchange(b"\1" * 257)),
    "no bytes at all": instead_of(ClientKeyExchange, rsa_key_exchange(b"")),
}


@pytest.mark.parametrize("conversation", ["key transport", "key transport, one-way"])
@pytest.mark.parametrize("what", WRONG_SECRETS)
def test_every_wrong_secret_ends_like_any_wrong_key(what: str, conversation: str) -> None:
    """RFC 5246 7.4.7.1: at the client's Finished, which does not open, and by the same words."""
    settings = CONVERSATIONS[conversation]
    case = Refusal(what, CLIENT, Fault.BAD_RECORD, Alert.BAD_RECORD_MAC, WRONG_SECRETS[what], step="4.1")
    error = refused(case, client_config(**settings.client), server_config(**settings.server))
    assert error.state == "WAIT_CLIENT_FINISHED"
    assert error.facts == {}


def test_secret_whose_version_was_altered_in_the_hello_opens_nothing() -> None:
    """RFC 5246 7.4.7.1: the version inside is that of the ClientHello, whatever was chosen."""
    settings = CONVERSATIONS["key transport"]
    case = Refusal(
        "a later version in the hello",
        CLIENT,
        Fault.BAD_RECORD,
        Alert.BAD_RECORD_MAC,
        changing(ClientHello, legacy_version=0x0304),
        step="4.1",
    )
    refused(case, client_config(**settings.client), server_config(**settings.server))
