"""Every message in a line."""

from __future__ import annotations

import pytest

import identities
from bothways.describe.messages import listed, summary, title, version
from bothways.tls.events import MessageSeen
from bothways.tls.wire import tls12
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateEntry,
    CompressedCertificate,
    KeyUpdate,
    NewSessionTicket,
)
from watched import Talk


def test_messages_are_summed_up_in_one_line():
    """Every message of the handshake says what a reader wants to know."""
    talk = Talk(
        identities.client_config(identities.client(), alpn=("echo/1",)),
        identities.server_config(alpn=("echo/1",)),
    )
    reported = {
        title(each.note.message): summary(each.note.message)
        for each in talk.server.notes
        if isinstance(each.note, MessageSeen)
    }
    assert reported["EncryptedExtensions"] == "application protocol echo/1"
    assert reported["CertificateRequest"].endswith("; issued under CN=Test Root")
    assert reported["Certificate"].startswith("CN=Ada with a key: ECDSA on secp256r1; CN=Test Intermediate")
    assert reported["CertificateVerify"].startswith("ecdsa_secp256r1_sha256, a signature of ")
    assert reported["Finished"] == "a MAC of 32 bytes"
    assert "session ID of 32 bytes echoed" in reported["ServerHello"]


@pytest.mark.parametrize(
    ("message", "reported"),
    [
        (Certificate(b"", ()), "empty: no certificate"),
        (Certificate(b"", (CertificateEntry(b"junk", ()),)), "4 bytes that are not a certificate"),
        (KeyUpdate(1), "the peer has to change its keys too"),
        (KeyUpdate(0), "the following records use new keys"),
        (NewSessionTicket(7200, 1, b"n", b"t", ()), "a ticket for 7200 seconds"),
        (CompressedCertificate(2, 900, bytes(700)), "brotli, 900 bytes in 700"),
        (CompressedCertificate(9, 900, bytes(7)), "CertificateCompressionAlgorithm 9, 900 bytes in 7"),
        (tls12.Certificate(()), "empty: no certificate"),
        (tls12.CertificateRequest((64,), (0x0403,), ()), "schemes ecdsa_secp256r1_sha256"),
        (
            tls12.ServerKeyExchange(29, bytes(32), 0x0403, b"s"),
            "key share for x25519 (32 bytes), signed by ecdsa_secp256r1_sha256",
        ),
        (tls12.ClientKeyExchange(bytes(32)), "32 bytes from which only the server can compute the secret"),
        (tls12.NewSessionTicket(60, b"t"), "a ticket for 60 seconds"),
        (tls12.ServerHelloDone(), ""),
        (object(), ""),
    ],
)
def test_rare_messages_are_summed_up_too(message, reported):
    """A picture of what came never fails."""
    assert summary(message) == reported


def test_long_lists_are_cut_and_versions_written_as_people_do():
    """The first few, and how many more."""
    assert listed(list("abcdefgh")) == "a, b, c, d and 4 more"
    assert listed([]) == "none"
    assert (version(0x0304), version(0x0303)) == ("TLS 1.3", "TLS 1.2")


def test_compressed_certificate_is_described_with_the_names_in_it() -> None:
    """Ladder and report tell the same of it as of one that is not compressed."""
    certificate = Certificate(b"", (CertificateEntry(b"nothing", ()),))
    text = summary(CompressedCertificate(1, 900, bytes(700)), certificate=certificate)
    assert text == "zlib, 900 bytes in 700; 7 bytes that are not a certificate"
