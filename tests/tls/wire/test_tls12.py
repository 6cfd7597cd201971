"""RFC 5246 7.4, RFC 8422, RFC 6066 8, RFC 5077: the messages of TLS 1.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

import wire_values
from bothways.faults import Fault
from bothways.iana import ExtensionType, HandshakeType
from bothways.roles import Version
from bothways.tls.crypto.signing import check_signature
from bothways.tls.wire import tls12
from bothways.tls.wire.codec import Codec, decode, encode
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_table import CERTIFICATE_STATUS, codes
from bothways.tls.wire.extensions import CertificateStatus
from bothways.tls.wire.flight import check_extensions, decode_message, encode_message
from bothways.tls.wire.tls13 import CERTIFICATE_VERIFY, CertificateVerify, Finished
from faults import blames
from openssl_flights import messages

CODECS: list[Codec[Any]] = [
    tls12.HELLO_REQUEST,
    tls12.CERTIFICATE,
    tls12.SERVER_KEY_EXCHANGE,
    tls12.CERTIFICATE_REQUEST,
    tls12.SERVER_HELLO_DONE,
    CERTIFICATE_VERIFY,
    tls12.FINISHED,
    CERTIFICATE_STATUS,
    tls12.NEW_SESSION_TICKET,
    tls12.CLIENT_KEY,
    tls12.ENCRYPTED_SECRET,
]


@wire_values.SAMPLE
@given(st.data())
@pytest.mark.parametrize("codec", CODECS)
def test_message_reads_what_it_writes_and_no_part_of_it(codec: Codec[Any], data: st.DataObject) -> None:
    message = data.draw(wire_values.values(codec))
    written = encode(codec, message)
    assert decode(codec, written, "it") == message
    for end in range(len(written)):
        with pytest.raises(DecodeError):
            decode(codec, written[:end], "it")


FORMS: list[tuple[Codec[Any], object, str]] = [
    (tls12.HELLO_REQUEST, tls12.HelloRequest(), ""),
    (tls12.CERTIFICATE, tls12.Certificate(()), "000000"),
    (tls12.CERTIFICATE, tls12.Certificate((b"leaf", b"ca")), "00000c 000004 6c656166 000002 6361"),
    (
        tls12.SERVER_KEY_EXCHANGE,
        tls12.ServerKeyExchange(29, b"key", 0x0401, b"sig"),
        "03 001d 03 6b6579 0401 0003 736967",
    ),
    (
        tls12.CERTIFICATE_REQUEST,
        tls12.CertificateRequest((1, 64), (0x0403, 0x0804), (b"\x30\x00",)),
        "02 0140 0004 0403 0804 0004 0002 3000",
    ),
    (tls12.CERTIFICATE_REQUEST, tls12.CertificateRequest((1,), (0x0403,), ()), "01 01 0002 0403 0000"),
    (tls12.SERVER_HELLO_DONE, tls12.ServerHelloDone(), ""),
    (tls12.CLIENT_KEY_EXCHANGE, tls12.ClientKeyExchange(b"any"), "616e79"),
    (CERTIFICATE_VERIFY, CertificateVerify(0x0401, b"sig"), "0401 0003 736967"),
    (tls12.FINISHED, Finished(bytes(12)), "00" * 12),
    (CERTIFICATE_STATUS, CertificateStatus(b"ocsp"), "01 000004 6f637370"),
    (tls12.NEW_SESSION_TICKET, tls12.NewSessionTicket(7200, b"t"), "00001c20 0001 74"),
    (tls12.NEW_SESSION_TICKET, tls12.NewSessionTicket(0, b""), "00000000 0000"),
]


@pytest.mark.parametrize(("codec", "message", "form"), FORMS)
def test_message_has_the_form_of_the_rfc(codec: Codec[Any], message: object, form: str) -> None:
    assert encode(codec, message) == bytes.fromhex(form)
    assert decode(codec, bytes.fromhex(form), "it") == message


BROKEN: list[tuple[Codec[Any], str, str]] = [
    (tls12.HELLO_REQUEST, "00", "it"),
    (tls12.SERVER_HELLO_DONE, "00", "it"),
    (tls12.CERTIFICATE, "000003 000000", "it.certificate_list[0]"),
    (tls12.CERTIFICATE, "000004 000002 61", "it.certificate_list[0]"),
    (tls12.CERTIFICATE, "000404" + "00000161" * 257, "it.certificate_list[256]"),
    (tls12.SERVER_KEY_EXCHANGE, "01 001d 01 6b 0401 0000", "it"),  # explicit_prime
    (tls12.SERVER_KEY_EXCHANGE, "03 001d 00 0401 0000", "it.params.public"),
    (tls12.SERVER_KEY_EXCHANGE, "03 001d 01 6b 0401 0001", "it.signature"),
    (tls12.CERTIFICATE_REQUEST, "00 0002 0403 0000", "it.certificate_types"),
    (tls12.CERTIFICATE_REQUEST, "01 01 0000 0000", "it.supported_signature_algorithms"),
    (tls12.CERTIFICATE_REQUEST, "01 01 0003 040305 0000", "it.supported_signature_algorithms"),
    (tls12.CERTIFICATE_REQUEST, "01 01 0002 0403 0002 0000", "it.certificate_authorities[0]"),
    (tls12.FINISHED, "00" * 11, "it.verify_data"),
    (tls12.FINISHED, "00" * 13, "it"),
    (CERTIFICATE_STATUS, "02 000001 00", "it"),
    (tls12.NEW_SESSION_TICKET, "00000000 0001", "it.ticket"),
]


@pytest.mark.parametrize(("codec", "data", "place"), BROKEN)
def test_malformed_message_is_refused_and_says_where(codec: Codec[Any], data: str, place: str) -> None:
    with blames(Fault.UNDECODABLE, place=place):
        decode(codec, bytes.fromhex(data), "it")


def test_signed_part_is_the_beginning_of_the_message() -> None:
    """RFC 8422 5.4: curve type, curve and point."""
    written = encode(tls12.SERVER_KEY_EXCHANGE, tls12.ServerKeyExchange(23, b"point", 0x0403, b"sig"))
    assert tls12.signed_params(23, b"point") == bytes.fromhex("03 0017 05") + b"point"
    assert written.startswith(tls12.signed_params(23, b"point"))


def test_client_key_exchange_is_read_by_the_kind_of_suite() -> None:
    """RFC 8422 5.7 has one byte of length, RFC 5246 7.4.7.1 two."""
    assert tls12.ecdh_key_exchange(b"point") == tls12.ClientKeyExchange(b"\x05point")
    assert tls12.ecdh_public(tls12.ClientKeyExchange(b"\x05point")) == b"point"
    assert tls12.rsa_key_exchange(b"box") == tls12.ClientKeyExchange(b"\0\3box")
    assert tls12.encrypted_premaster(tls12.ClientKeyExchange(b"\0\3box")) == b"box"


@pytest.mark.parametrize("keys", [b"", b"\0", b"\5poin", b"\5points"])
def test_malformed_ecdh_key_is_refused(keys: bytes) -> None:
    with blames(Fault.UNDECODABLE):
        tls12.ecdh_public(tls12.ClientKeyExchange(keys))


@pytest.mark.parametrize("keys", [b"", b"\3box", b"\0\3bo", b"\0\3boxes"])
def test_malformed_encrypted_secret_is_refused(keys: bytes) -> None:
    with blames(Fault.UNDECODABLE):
        tls12.encrypted_premaster(tls12.ClientKeyExchange(keys))


# -- OpenSSL's own ------------------------------------------------------------------------------------------

T = HandshakeType
FLIGHTS = {
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "P-256"): [T.server_key_exchange],
    ("ECDHE-RSA-CHACHA20-POLY1305", "RSA-2048"): [T.server_key_exchange],
    ("AES256-GCM-SHA384", "RSA-2048"): [],
}


@pytest.mark.parametrize(("suite", "key_kind"), FLIGHTS)
def test_openssl_handshake_is_read_and_written_byte_for_byte(
    suite: str, key_kind: str, tmp_path: Path
) -> None:
    """RFC 5246 7.3: the mutual handshake, as far as it is in the clear."""
    found = messages(tmp_path, suite, key_kind)
    assert [each for each, _ in found] == [
        T.client_hello,
        T.server_hello,
        T.certificate,
        *FLIGHTS[suite, key_kind],
        T.certificate_request,
        T.server_hello_done,
        T.certificate,
        T.client_key_exchange,
        T.certificate_verify,
        T.new_session_ticket,
    ]
    read = [decode_message(message_type, raw[4:], Version.TLS12) for message_type, raw in found]
    assert [encode_message(each) for each in read] == [raw for _, raw in found]
    hello, answer = read[0], read[1]
    check_extensions(hello, ())
    check_extensions(answer, codes(hello.extensions) | {ExtensionType.renegotiation_info})
    check_key_exchange(read, hello.random + answer.random)


def check_key_exchange(read: list[Any], randoms: bytes) -> None:
    """What the server signed is what we take for it; the client's key has the form of the suite."""
    (keys,) = [each for each in read if isinstance(each, tls12.ClientKeyExchange)]
    certificate = next(each for each in read if isinstance(each, tls12.Certificate))
    leaf = x509.load_der_x509_certificate(certificate.certificate_list[0]).public_key()
    signed = [each for each in read if isinstance(each, tls12.ServerKeyExchange)]
    if not signed:
        assert len(tls12.encrypted_premaster(keys)) == 256
        return
    (key,) = signed
    assert len(tls12.ecdh_public(keys)) == len(key.public)
    data = randoms + tls12.signed_params(key.named_curve, key.public)
    check_signature(key.algorithm, leaf, data, key.signature, Version.TLS12)
