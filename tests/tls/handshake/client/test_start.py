"""The client's first words: what it offers, and what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from bothways.iana import CompressionMethod
from bothways.tls.events import MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello
from pair import seeded_randomness
from tls.handshake.conversations import CONVERSATIONS, client_config


def hello(name: str = "localhost", **options: Any) -> ClientHello:
    notes: list[Note] = []
    client_config(**options).connection(name, observer=notes.append)
    (first,) = [note.message for note in notes if isinstance(note, MessageSeen)]
    assert isinstance(first, ClientHello)
    return first


def test_hello_offers_what_the_config_has_in_its_order() -> None:
    """RFC 9846 4.2.2: suites, groups, schemes and shares, the preferred first."""
    suites = ("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
    schemes = ("ed25519", "ecdsa_secp256r1_sha256")
    offered = hello(suites=suites, groups=("secp256r1", "x25519"), schemes=schemes, key_shares=None)
    assert offered.cipher_suites == (0x1303, 0x1301)
    extensions = offered.extensions or ()
    assert ext.find(extensions, ext.SupportedGroups) == ext.SupportedGroups((23, 29))
    assert ext.find(extensions, ext.SignatureAlgorithms) == ext.SignatureAlgorithms((0x0807, 0x0403))
    assert ext.find(extensions, ext.SupportedVersions) == ext.SupportedVersions((0x0304,))
    shares = ext.find(extensions, ext.KeyShares)
    assert shares is not None and [share.group for share in shares.shares] == [23]


def test_hello_looks_like_one_of_tls_12() -> None:
    """RFC 9846 4.2.2, E.4: legacy_version, a session ID of 32 bytes, null compression alone."""
    offered = hello()
    assert offered.legacy_version == 0x0303
    assert len(offered.legacy_session_id) == 32
    assert offered.legacy_compression_methods == bytes([CompressionMethod.null])


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("localhost", "localhost"),
        ("A.Example", "a.example"),
        ("a.example.", "a.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", None),
        ("::1", None),
        ("spiffe://a/b", None),
    ],
)
def test_hello_names_a_server_by_its_dns_name_alone(name: str, sent: str | None) -> None:
    """RFC 6066 3: addresses are not permitted there, nor is a final dot."""
    found = ext.find(hello(name).extensions or (), ext.ServerName)
    assert (found.host_name if found is not None else None) == sent


def test_hello_contains_only_configured_extensions() -> None:
    """No ALPN, no schemes for certificates, no shares unless the config says so."""
    bare = hello(key_shares=()).extensions or ()
    assert ext.find(bare, ext.ApplicationProtocols) is None
    assert ext.find(bare, ext.SignatureAlgorithmsCert) is None
    assert ext.find(bare, ext.KeyShares) == ext.KeyShares(())
    full = hello(alpn=("h2", "http/1.1"), certificate_schemes=("rsa_pkcs1_sha256",)).extensions or ()
    assert ext.find(full, ext.ApplicationProtocols) == ext.ApplicationProtocols((b"h2", b"http/1.1"))
    assert ext.find(full, ext.SignatureAlgorithmsCert) == ext.SignatureAlgorithmsCert((0x0401,))


def test_hellos_of_two_connections_share_nothing_that_was_drawn() -> None:
    """RFC 9846 4.2.2, C.1: random, session ID and share are fresh each time."""
    config = client_config()
    hellos = []
    for _ in range(2):
        notes: list[Note] = []
        config.connection("localhost", observer=notes.append)
        hellos.append(next(note.message for note in notes if isinstance(note, MessageSeen)))
    one, other = hellos
    assert isinstance(one, ClientHello) and isinstance(other, ClientHello)
    assert one.random != other.random and one.legacy_session_id != other.legacy_session_id
    shares = [ext.find(each.extensions or (), ext.KeyShares) for each in (one, other)]
    assert shares[0] != shares[1]


def test_hello_takes_its_randomness_from_that_of_the_config() -> None:
    """Entropy is injected, so that conversations can be replayed."""
    one, other = (hello(randomness=seeded_randomness(b"seed"), key_shares=()) for _ in range(2))
    assert one == other
    assert hello(randomness=seeded_randomness(b"other seed"), key_shares=()) != one


@pytest.mark.parametrize("versions", [("1.3",), ("1.3", "1.2"), ("1.2",)])
def test_records_of_the_first_hello_have_the_version_of_older_ones(versions: tuple[str, ...]) -> None:
    """RFC 9846 5.1: 0x0301 is for old servers and devices; it means nothing to others."""
    client = client_config(versions=versions, alpn=tuple(f"{n:0200}" for n in range(90)))
    sent = client.connection("localhost").data_to_send()
    first = 5 + int.from_bytes(sent[3:5], "big")
    assert sent[:3] == b"\x16\3\1" and len(sent) > first, "it is too short to need two records"
    assert sent[first : first + 3] == b"\x16\3\1"


def test_records_after_the_first_hello_have_the_version_of_12() -> None:
    """RFC 9846 5.1: the ClientHello after a HelloRetryRequest too."""
    talk = CONVERSATIONS["mutual after a retry"].pair()
    starts = []
    for _ in range(2):
        flight = talk.client.data_to_send()
        starts.append(flight[:3])
        if flight[0] == 0x14:
            starts.append(flight[6:9])
        talk.server.receive(flight)
        talk.client.receive(talk.server.data_to_send())
    assert starts == [b"\x16\3\1", b"\x14\3\3", b"\x16\3\3"]


def test_refusal_of_a_client_has_the_version_of_12() -> None:
    """RFC 9846 5.1: an alert is no ClientHello, though nothing else was sent before."""
    client = client_config().connection("localhost")
    client.data_to_send()
    client.receive(b"\x16\3\3\0\4\x14\0\0\0")
    assert client.data_to_send()[:3] == b"\x15\3\3"
