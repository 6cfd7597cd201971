"""What ladders and reports print of a field: names of the registries, and nothing that a peer can abuse."""

from __future__ import annotations

from typing import Any

import pytest

from bothways.iana import NamedGroup
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.codec import Codec
from bothways.tls.wire.describe import fields_in, in_words
from bothways.tls.wire.extension_table import ExtensionContext, extension_block
from bothways.tls.wire.fields import opaque, optional, rest, uint, vector
from bothways.tls.wire.tls12 import SERVER_KEY_EXCHANGE, ServerKeyExchange
from bothways.tls.wire.tls13 import CERTIFICATE, Certificate, CertificateEntry

CH = extension_block(ExtensionContext.CH)

WORDS: list[tuple[Codec[Any], object, str]] = [
    (uint(4), 7200, "7200"),
    (uint(2, NamedGroup), 29, "x25519"),
    (uint(2, NamedGroup), 0x1234, "NamedGroup 0x1234"),
    (vector(uint(2, NamedGroup), 2, 254), (0x0A0A, 29), "GREASE 0x0a0a, x25519"),
    (vector(uint(2), 0, 254), (), "none"),
    (vector(uint(1), 0, 2**16 - 1), (1,) * 70, ", ".join(["1"] * 64) + ", and 6 more"),
    (opaque(0, 255), b"", "empty"),
    (rest(), b"ab", "6162"),
    (opaque(0, 255), bytes(48), "00" * 16 + "... (48 bytes)"),
    (optional(CH), None, "left out"),
    (optional(CH), (), "none"),
    (CH, (ext.ServerName("a.example"),), "server_name a.example"),
    (CH, (ext.ServerName("a\x1b[2J"),), "server_name a\\x1b[2J"),
    (CH, (ext.StatusRequest(),), "status_request none empty"),
    (CH, (ext.ExtendedMainSecret(),), "extended_main_secret"),
    (CH, (ext.UnknownExtension(0x7777, b"\x1b"),), "ExtensionType 0x7777 1b"),
    (
        CH,
        (ext.KeyShares((ext.KeyShareEntry(29, bytes(32)),)), ext.SupportedVersions((0x0304, 0x0303))),
        "key_share group x25519, key_exchange "
        + "00" * 16
        + "... (32 bytes); supported_versions TLSv1_3, TLSv1_2",
    ),
]


@pytest.mark.parametrize(("codec", "value", "text"), WORDS)
def test_field_reads_in_words(codec: Codec[Any], value: object, text: str) -> None:
    assert in_words(codec, value) == text


def test_fields_come_with_name_value_and_words() -> None:
    entry = CertificateEntry(b"der", ())
    assert fields_in(CERTIFICATE, Certificate(b"", (entry,))) == [
        ("certificate_request_context", b"", "empty"),
        ("certificate_list", (entry,), "cert_data 646572, extensions none"),
    ]
    key = ServerKeyExchange(29, bytes(32), 0x0804, b"")
    assert [each.text for each in fields_in(SERVER_KEY_EXCHANGE, key)] == [
        "x25519",
        "00" * 16 + "... (32 bytes)",
        "rsa_pss_rsae_sha256",
        "empty",
    ]
