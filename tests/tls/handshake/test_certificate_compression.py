"""Compressed certificates in a handshake: who sends them to whom, and what of a peer's is refused (RFC 8879)."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import pki
from bothways import ConfigError, Credentials, Established, Fault
from bothways.iana import Alert
from bothways.iana import CertificateCompressionAlgorithm as Algorithm
from bothways.roles import Role
from bothways.tls.events import MessageSeen, Note
from bothways.tls.handshake.certificate_compression import CompressedChains
from bothways.tls.wire import compression
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.compression import FREE_OCTETS, compress, installed
from bothways.tls.wire.flight import HEADER, Message, encode_message, encoded
from bothways.tls.wire.tls13 import Certificate, CertificateEntry, CompressedCertificate
from pair import pair
from tamper import Edit, Outgoing, Refusal, altering, refused
from tls.handshake.conversations import (
    CONVERSATIONS,
    asking,
    client_config,
    credentials,
    good_status,
    server_config,
)

ZLIB = {"accept_compressed": ("zlib",)}
HERE = tuple(Algorithm(each) for each in installed())


def seen(notes: list[Note], *, sent: bool) -> list[MessageSeen]:
    """The Certificate messages in one direction, compressed or not."""
    return [
        note
        for note in notes
        if isinstance(note, MessageSeen) and note.sent is sent and isinstance(note.content, Certificate)
    ]


def talk(client: dict[str, Any], server: dict[str, Any]) -> tuple[list[MessageSeen], list[MessageSeen]]:
    """A handshake; returns the Certificate messages that the client sent and received."""
    notes: list[Note] = []
    talked = pair(client_config(**client), server_config(**server), client_notes=notes)
    talked.exchange()
    assert talked.client.established and talked.server.established, talked.client.failure
    assert talked.server.peer is not None and talked.client.peer is not None
    return seen(notes, sent=True), seen(notes, sent=False)


@pytest.mark.parametrize("algorithm", HERE, ids=lambda each: each.name)
def test_both_sides_compress_for_a_peer_that_accepts_it(algorithm: Algorithm) -> None:
    """RFC 8879 3: the client offers in its hello, the server in its CertificateRequest."""
    accepting = {"accept_compressed": (algorithm.name,)}
    for messages in talk(accepting, accepting):
        (note,) = messages
        assert isinstance(note.message, CompressedCertificate)
        assert note.message.algorithm == algorithm
        assert note.message.uncompressed_length == len(encode_message(note.content)) - HEADER
        assert len(note.raw) < note.message.uncompressed_length


def test_each_direction_is_by_itself() -> None:
    """RFC 8879 3: an offer says what its sender decompresses, and asks nothing else."""
    ours, theirs = talk(ZLIB, {})
    assert isinstance(theirs[0].message, CompressedCertificate) and isinstance(ours[0].message, Certificate)
    ours, theirs = talk({}, ZLIB)
    assert isinstance(ours[0].message, CompressedCertificate) and isinstance(theirs[0].message, Certificate)
    ours, theirs = talk(ZLIB | {"compress_with": ()}, ZLIB | {"compress_with": ()})
    assert isinstance(ours[0].message, Certificate) and isinstance(theirs[0].message, Certificate)


def test_nobody_is_asked_to_compress_by_default() -> None:
    """A stranger's bytes reach a decompressor only where a configuration says so."""
    for config in (client_config(), server_config()):
        assert config.settings.negotiation.compressions == ()
        assert config.settings.identity.compressed.algorithms == installed()
    assert not any(
        isinstance(each, ext.CompressCertificate) for each in client_config().settings.negotiation.hello
    )


def test_staples_are_compressed_with_the_certificates() -> None:
    """RFC 8879 4: what is compressed is the message that would have been sent."""
    ours, theirs = talk(
        ZLIB | {"revocation": asking(), "staples": good_status(credentials("client.example"))},
        ZLIB | {"revocation": asking(), "staples": good_status(credentials("localhost"))},
    )
    for note in (*ours, *theirs):
        assert isinstance(note.message, CompressedCertificate)
        certificate = note.content
        assert isinstance(certificate, Certificate)
        assert ext.find(certificate.certificate_list[0].extensions, ext.CertificateStatus) is not None


def test_empty_certificate_is_not_compressed() -> None:
    """RFC 9846 4.5.1.3: it has nothing that could become shorter."""
    notes: list[Note] = []
    talked = pair(
        client_config(credentials=None), server_config(client_auth="request", **ZLIB), client_notes=notes
    )
    talked.exchange()
    assert talked.server.established
    (note,) = seen(notes, sent=True)
    assert isinstance(note.message, Certificate)


def test_nothing_is_compressed_in_tls_12() -> None:
    """RFC 8879 3: the extension is ignored there; the client offers it, since it offers TLS 1.3 too."""
    both = {"versions": ("1.3", "1.2")} | ZLIB
    notes: list[Note] = []
    talked = pair(client_config(**both), server_config(**ZLIB | {"versions": ("1.2",)}), client_notes=notes)
    talked.exchange()
    assert talked.client.established and talked.client.version == "1.2"
    assert not any(isinstance(getattr(note, "message", None), CompressedCertificate) for note in notes)
    only_12 = client_config(**ZLIB | {"versions": ("1.2",)}).settings.negotiation.hello
    assert not any(isinstance(each, ext.CompressCertificate) for each in only_12)


def test_chain_that_hardly_shrinks_is_sent_as_it_is() -> None:
    """Keys and signatures of ML-DSA are random: the peer would work for two in a hundred bytes."""
    issued = pki.leaf(pki.root(), "localhost", key_kind="ML-DSA-44")
    own = Credentials.from_pem(issued.chain_pem, issued.key_pem)
    message = encoded(Certificate(b"", tuple(CertificateEntry(der, ()) for der in own.chain)))
    chains = CompressedChains(installed(), 1)
    assert chains.shortest(message, (ext.CompressCertificate((1, 2, 3)),)) is None


def test_chain_is_compressed_once_and_the_shortest_form_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake takes no more time for it, whatever clients ask for."""
    made: list[int] = []

    def counted(algorithm: int, data: bytes) -> bytes:
        made.append(algorithm)
        return compress(algorithm, data)

    monkeypatch.setattr("bothways.tls.handshake.certificate_compression.compress", counted)
    server = server_config()
    for _ in range(3):
        talked = pair(client_config(accept_compressed=tuple(each.name for each in HERE)), server)
        talked.exchange()
        assert talked.client.established
    assert sorted(made) == sorted(HERE)
    own = encoded(Certificate(b"", (CertificateEntry(credentials("localhost").chain[0] * 3, ()),)))
    chains = CompressedChains(installed(), 1)
    everything = (ext.CompressCertificate(tuple(HERE)),)
    best = chains.shortest(own, everything)
    assert best is not None
    alone = [chains.shortest(own, (ext.CompressCertificate((each,)),)) for each in HERE]
    assert len(best.raw) == min(len(each.raw) for each in alone if each is not None)


def test_forms_that_are_kept_are_bounded() -> None:
    """Staples are renewed for years."""
    chains = CompressedChains((Algorithm.zlib,), 1)
    asked = (ext.CompressCertificate((Algorithm.zlib,)),)
    size = 20_000
    tracemalloc.start()
    try:
        for number in range(100):
            own = Certificate(
                b"", (CertificateEntry(random.Random(number).randbytes(size) + bytes(size), ()),)
            )
            assert chains.shortest(encoded(own), asked) is not None
        assert tracemalloc.get_traced_memory()[0] < 30 * 4 * size
    finally:
        tracemalloc.stop()


def test_unknown_algorithms_and_those_of_grease_are_passed_over() -> None:
    """RFC 8879 3, RFC 8701: the peer may offer what we do not know."""
    chains = CompressedChains((Algorithm.zlib,), 1)
    own = encoded(Certificate(b"", (CertificateEntry(bytes(500), ()),)))
    assert chains.shortest(own, (ext.CompressCertificate((0x0A0A, 16384)),)) is None
    assert chains.shortest(own, ()) is None
    found = chains.shortest(own, (ext.CompressCertificate((0x0A0A, 2, 1)),))
    assert found is not None and found.message.algorithm == Algorithm.zlib


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No optional distribution is there."""
    monkeypatch.setattr(compression, "find_spec", lambda module: None)
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
def test_algorithm_that_is_unknown_or_not_installed_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="accept_compressed: 'lzma' is not supported; expected zlib"):
        client_config(accept_compressed=("lzma",))
    with pytest.raises(ConfigError, match="compress_with: a name occurs twice"):
        server_config(compress_with=("zlib", "zlib"))
    with pytest.raises(ConfigError, match=r"accept_compressed: zstd needs the package zstandard"):
        server_config(accept_compressed=("zstd",))
    assert client_config().settings.identity.compressed.algorithms == (Algorithm.zlib,)


# -- what is refused ------------------------------------------------------------------------------------


def compressed_as(
    algorithm: int = Algorithm.zlib, size: int | None = None, data: bytes | None = None
) -> Edit:
    """Send a message with these fields; by default what an honest peer would send."""

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        if not isinstance(message, Certificate):
            return (message,)
        body = encode_message(message)[HEADER:]
        sent = zlib.compress(body) if data is None else data
        return (CompressedCertificate(algorithm, len(body) if size is None else size, sent),)

    return edit


EMPTY = encode_message(Certificate(b"", ()))[HEADER:]
BAD, MUST_NOT = Alert.BAD_CERTIFICATE, Alert.ILLEGAL_PARAMETER


def _rows(sender: Role) -> Iterable[Refusal]:
    # What the liar sends is what it would send honestly, so that it is not compressed again.
    sides: dict[str, Any] = {
        "client": ZLIB | {"compress_with": ()},
        "server": ZLIB | {"compress_with": ()},
        "step": "2.1" if sender is Role.SERVER else "3.1",
    }

    def row(what: str, fault: Fault, alert: Alert, edit: Edit) -> Refusal:
        return Refusal(f"{what}, by the {sender.value}", sender, fault, alert, edit, **sides)

    bad = Fault.BAD_COMPRESSED_CERTIFICATE
    unoffered = Fault.UNOFFERED_CERTIFICATE_COMPRESSION
    yield row("brotli, which was not offered", unoffered, MUST_NOT, compressed_as(Algorithm.brotli))
    yield row("an algorithm that nobody has", unoffered, MUST_NOT, compressed_as(0))
    yield row("less than stated", bad, BAD, compressed_as(size=5000))
    yield row("more than stated", bad, BAD, compressed_as(size=10))
    yield row("a length of nothing", bad, BAD, compressed_as(size=0))
    yield row("not zlib", bad, BAD, compressed_as(data=b"a certificate"))
    yield row("a bomb", bad, BAD, compressed_as(size=FREE_OCTETS + 1, data=zlib.compress(bytes(2**20))))
    yield row("one byte after the end", bad, BAD, compressed_as(size=4, data=zlib.compress(EMPTY) + b"\0"))
    yield row("more than a Certificate may have", bad, BAD, compressed_as(size=2**16 + 1))
    yield row(
        "bytes that are no Certificate",
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        compressed_as(size=6, data=zlib.compress(b"\0\0\0\1ab")),
    )
    yield row(
        "a compressed certificate in a compressed certificate",
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        compressed_as(size=10, data=zlib.compress(b"\0\1\0\0\4\0\0\1ab")),
    )
    yield row(
        "a context of no request",
        Fault.WRONG_REQUEST_CONTEXT,
        Alert.ILLEGAL_PARAMETER,
        compressed_as(size=5, data=zlib.compress(b"\1a\0\0\0")),
    )
    entry = b"\0\0\1a" + b"\0\x05" + b"\0\x0a" + b"\0\1" + b"\0"  # supported_groups, which belongs elsewhere
    chain = b"\0" + len(entry).to_bytes(3, "big") + entry
    yield row(
        "an extension that may not stand in a Certificate",
        Fault.MISPLACED_EXTENSION,
        Alert.ILLEGAL_PARAMETER,
        compressed_as(size=len(chain), data=zlib.compress(chain)),
    )


ROWS = (
    *_rows(Role.SERVER),
    *_rows(Role.CLIENT),
    Refusal(
        "an empty chain, compressed",
        Role.SERVER,
        Fault.EMPTY_SERVER_CERTIFICATE,
        Alert.DECODE_ERROR,
        compressed_as(size=len(EMPTY), data=zlib.compress(EMPTY)),
        client=ZLIB,
        server={"compress_with": ()},
    ),
    Refusal(
        "an empty chain, compressed",
        Role.CLIENT,
        Fault.NO_CERTIFICATE,
        Alert.CERTIFICATE_REQUIRED,
        compressed_as(size=len(EMPTY), data=zlib.compress(EMPTY)),
        server=ZLIB,
        client={"compress_with": ()},
    ),
    Refusal(
        "a compressed one where it is the transcript that is altered",
        Role.SERVER,
        Fault.BAD_CERTIFICATE_VERIFY,
        Alert.DECRYPT_ERROR,
        compressed_as(),
        client=ZLIB,
        server={"compress_with": ()},
        in_flight=True,
    ),
    Refusal(
        "two certificates, of which the second is compressed",
        Role.SERVER,
        Fault.UNEXPECTED_MESSAGE,
        Alert.UNEXPECTED_MESSAGE,
        lambda message, nth: (
            (message, *compressed_as()(message, nth)) if isinstance(message, Certificate) else (message,)
        ),
        client=ZLIB,
        server={"compress_with": ()},
    ),
)


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_peer_is_refused(case: Refusal) -> None:
    """RFC 8879 4, 5."""
    refused(case, client_config(**case.client), server_config(**case.server))


def test_transcript_covers_the_compressed_message() -> None:
    """RFC 8879 4: in the handshake context the CompressedCertificate stands where the Certificate would."""
    with altering(Role.SERVER, compressed_as()):
        talked = CONVERSATIONS["mutual"].pair(ZLIB, {"compress_with": ()})
        talked.exchange()
    assert talked.client.established and talked.server.established


def test_failure_after_a_compressed_certificate_tells_of_its_names() -> None:
    """What is explained of a certificate is explained of a compressed one."""
    stranger = pki.leaf(pki.root("Other"), "localhost")
    own = Credentials.from_pem(stranger.chain_pem, stranger.key_pem)
    talked = pair(client_config(**ZLIB), server_config(credentials=own))
    talked.exchange()
    error = talked.client.failure
    assert error is not None and error.situation is not None
    kinds = [type(message).__name__ for sent, message in error.situation.messages if not sent]
    assert "Certificate" in kinds and "CompressedCertificate" not in kinds
    assert not any(isinstance(event, Established) for event in talked.client_events)
