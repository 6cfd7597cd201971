"""RFC 9846 4.2: the hellos, OpenSSL's own among them, and no second spelling of any of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given

import wire_values
from bothways.faults import Fault
from bothways.iana import NamedGroup, ProtocolVersion
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.codec import decode, encode
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_placement import check_placement
from bothways.tls.wire.extension_table import ExtensionContext
from bothways.tls.wire.hello import (
    CLIENT_HELLO,
    HELLO_RETRY_REQUEST,
    RETRY_RANDOM,
    SERVER_HELLO,
    ClientHello,
    ServerHello,
    is_retry,
)
from faults import blames
from openssl_hello import client_hello

RANDOM = bytes(range(32))


@wire_values.SAMPLE
@given(wire_values.values(CLIENT_HELLO))
def test_client_hello_reads_what_it_writes(hello: ClientHello) -> None:
    assert decode(CLIENT_HELLO, encode(CLIENT_HELLO, hello), "ClientHello") == hello


@wire_values.SAMPLE
@given(wire_values.values(SERVER_HELLO))
def test_server_hello_reads_what_it_writes(hello: ServerHello) -> None:
    assert decode(SERVER_HELLO, encode(SERVER_HELLO, hello), "ServerHello") == hello


@wire_values.SAMPLE
@given(wire_values.values(HELLO_RETRY_REQUEST))
def test_retry_reads_what_it_writes(hello: ServerHello) -> None:
    retry = ServerHello(hello.legacy_version, RETRY_RANDOM, b"", hello.cipher_suite, 0, hello.extensions)
    assert decode(SERVER_HELLO, encode(SERVER_HELLO, retry), "ServerHello") == retry


def test_retry_random_is_the_hash_of_its_name() -> None:
    """RFC 9846 4.2.3: SHA-256 of "HelloRetryRequest"."""
    from hashlib import sha256

    assert sha256(b"HelloRetryRequest").digest() == RETRY_RANDOM
    assert is_retry(ServerHello(0x0303, RETRY_RANDOM, b"", 0x1301, 0, ()))
    assert not is_retry(ServerHello(0x0303, RANDOM, b"", 0x1301, 0, ()))


def test_random_decides_how_a_key_share_reads() -> None:
    """RFC 9846 4.3.8: an entry in a ServerHello, a group alone in a HelloRetryRequest."""
    final = ServerHello(0x0303, RANDOM, b"", 0x1301, 0, (ext.ServerShare(ext.KeyShareEntry(29, b"k")),))
    retry = ServerHello(0x0303, RETRY_RANDOM, b"", 0x1301, 0, (ext.RetryGroup(29),))
    for hello in (final, retry):
        assert decode(SERVER_HELLO, encode(SERVER_HELLO, hello), "ServerHello") == hello
    with pytest.raises(ValueError, match="ServerShare has no form in a HelloRetryRequest"):
        encode(SERVER_HELLO, ServerHello(0x0303, RETRY_RANDOM, b"", 0x1301, 0, final.extensions))


@pytest.mark.parametrize("extensions", [None, ()])
def test_absent_extensions_are_not_empty_ones(extensions: ext.Extensions | None) -> None:
    """RFC 5246 7.4.1.2: a hello may end before its extensions; both forms stay what they are."""
    client = ClientHello(0x0303, RANDOM, b"", (0xC02B,), b"\0", extensions)
    server = ServerHello(0x0303, RANDOM, b"", 0xC02B, 0, extensions)
    assert decode(CLIENT_HELLO, encode(CLIENT_HELLO, client), "ClientHello").extensions == extensions
    assert decode(SERVER_HELLO, encode(SERVER_HELLO, server), "ServerHello").extensions == extensions
    ends = b"" if extensions is None else b"\0\0"
    assert encode(SERVER_HELLO, server).endswith(b"\xc0\x2b\0" + ends)


HELLO = "0303" + RANDOM.hex()

BROKEN = [
    ("", "ClientHello.legacy_version", "2 bytes must stand here and 0 do (offset 0)"),
    (HELLO + "21" + "00" * 33, "ClientHello.legacy_session_id", "length 33 is not within 0..32 (offset 34)"),
    (HELLO + "00" + "0000", "ClientHello.cipher_suites", "length 0 is not within 2..65534 (offset 35)"),
    (HELLO + "00" + "0003130113", "ClientHello.cipher_suites", "length 3 is not a multiple of 2 (offset 35)"),
    (
        HELLO + "00" + "00021301" + "00",
        "ClientHello.legacy_compression_methods",
        "length 0 is not within 1..255 (offset 39)",
    ),
    (
        HELLO + "00" + "00021301" + "0100" + "00",
        "ClientHello.extensions",
        "2 bytes must stand here and 1 do (offset 41)",
    ),
    (HELLO + "00" + "00021301" + "0100" + "0000" + "00", "ClientHello", "1 bytes are left over (offset 43)"),
    (
        HELLO + "00" + "00021301" + "0100" + "000a" + "00330006" + "0004001d00bb",
        "ClientHello.extensions.key_share.shares[0].key_exchange",
        "length 187 runs past the end by 187 (offset 51)",
    ),
]


@pytest.mark.parametrize(("data", "place", "problem"), BROKEN)
def test_malformed_client_hello_is_refused_and_says_where(data: str, place: str, problem: str) -> None:
    with blames(Fault.UNDECODABLE, place=place, problem=problem):
        decode(CLIENT_HELLO, bytes.fromhex(data), "ClientHello")


# -- OpenSSL's own -----------------------------------------------------------------------------------------


def test_openssl_client_hello_is_read_and_written_byte_for_byte() -> None:
    body = client_hello()[4:]
    hello = decode(CLIENT_HELLO, body, "ClientHello")
    assert encode(CLIENT_HELLO, hello) == body
    extensions = hello.extensions or ()
    assert ext.find(extensions, ext.ServerName) == ext.ServerName("server.example")
    assert ext.find(extensions, ext.ApplicationProtocols) == ext.ApplicationProtocols((b"h2", b"http/1.1"))
    versions = ext.find(extensions, ext.SupportedVersions)
    assert versions is not None and ProtocolVersion.TLSv1_3 in versions.versions
    shares = ext.find(extensions, ext.KeyShares)
    assert shares is not None and NamedGroup.x25519 in {each.group for each in shares.shares}
    check_placement(ExtensionContext.CH, extensions, None)


def test_openssl_client_hello_for_tls12_is_read_and_written_byte_for_byte() -> None:
    body = client_hello(newest=False)[4:]
    hello = decode(CLIENT_HELLO, body, "ClientHello")
    assert encode(CLIENT_HELLO, hello) == body
    assert ext.find(hello.extensions or (), ext.ExtendedMainSecret) is not None


def test_hello_dressed_with_grease_is_read_and_written_byte_for_byte() -> None:
    """RFC 8701 3.1: a client strews values that nobody knows; they are kept, and found where they were."""
    hello = ClientHello(
        ProtocolVersion.TLSv1_2,
        RANDOM,
        RANDOM,
        (0x2A2A, 0x1301, 0x1302),
        b"\0",
        (
            ext.UnknownExtension(0x3A3A, b""),
            ext.SupportedGroups((0x4A4A, 0x11EC, 29)),
            ext.SignatureAlgorithms((0x5A5A, 0x0403)),
            ext.ApplicationProtocols((b"\x6a\x6a", b"h2")),
            ext.SupportedVersions((0x7A7A, 0x0304)),
            ext.PskKeyExchangeModes((0x2B, 1)),
            ext.KeyShares((ext.KeyShareEntry(0x4A4A, b"\0"), ext.KeyShareEntry(29, RANDOM))),
            ext.UnknownExtension(0x8A8A, b"\0"),
        ),
    )
    assert decode(CLIENT_HELLO, encode(CLIENT_HELLO, hello), "ClientHello") == hello
    check_placement(ExtensionContext.CH, hello.extensions or (), None)


def test_no_prefix_of_a_client_hello_is_one() -> None:
    """Save the one that ends before its extensions: RFC 5246 7.4.1.2 lets them be left out."""
    body = client_hello()[4:]
    bare = len(encode(CLIENT_HELLO, ClientHello(*_fields_without_extensions(body))))
    for end in range(len(body)):
        if end == bare:
            continue
        with pytest.raises(DecodeError):
            decode(CLIENT_HELLO, body[:end], "ClientHello")


def _fields_without_extensions(body: bytes) -> tuple[object, ...]:
    hello = decode(CLIENT_HELLO, body, "ClientHello")
    return (
        hello.legacy_version,
        hello.random,
        hello.legacy_session_id,
        hello.cipher_suites,
        hello.legacy_compression_methods,
        None,
    )


def test_mutated_client_hello_is_refused_or_has_one_spelling(full: bool) -> None:
    """Whatever is accepted encodes to the same bytes; nothing but DecodeError comes out."""
    body = client_hello()[4:]
    randomness = random.Random(9846)
    accepted = 0
    for _ in range(60_000 if full else 2_000):
        mutant = bytearray(body)
        for _ in range(randomness.randint(1, 4)):
            _mutate(mutant, randomness)
        try:
            hello = decode(CLIENT_HELLO, bytes(mutant), "ClientHello")
        except DecodeError as error:
            assert str(error.facts["place"]).startswith("ClientHello")
            continue
        accepted += 1
        assert encode(CLIENT_HELLO, hello) == mutant
    assert accepted > 100


def _mutate(data: bytearray, randomness: random.Random) -> None:
    at = randomness.randrange(len(data))
    match randomness.randrange(4):
        case 0:
            data[at] = randomness.randrange(256)
        case 1:
            data[at] ^= 1 << randomness.randrange(8)
        case 2:
            del data[at : at + randomness.randint(1, 4)]
        case _:
            data[at:at] = randomness.randbytes(randomness.randint(1, 4))
