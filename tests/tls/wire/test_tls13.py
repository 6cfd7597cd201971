"""RFC 9846 4.4 to 4.7: the messages of TLS 1.3 after the hellos."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire_values
from bothways.faults import Fault
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls13
from bothways.tls.wire.codec import Codec, decode, encode
from bothways.tls.wire.decode_errors import DecodeError
from faults import blames

CODECS: list[Codec[Any]] = [
    tls13.ENCRYPTED_EXTENSIONS,
    tls13.CERTIFICATE_REQUEST,
    tls13.CERTIFICATE_ENTRY,
    tls13.CERTIFICATE,
    tls13.CERTIFICATE_VERIFY,
    tls13.FINISHED,
    tls13.NEW_SESSION_TICKET,
    tls13.KEY_UPDATE,
]


@wire_values.SAMPLE
@given(st.data())
@pytest.mark.parametrize("codec", CODECS)
def test_message_reads_what_it_writes(codec: Codec[Any], data: st.DataObject) -> None:
    message = data.draw(wire_values.values(codec))
    written = encode(codec, message)
    assert decode(codec, written, "it") == message
    if codec is not tls13.FINISHED:
        for end in range(len(written)):
            with pytest.raises(DecodeError):
                decode(codec, written[:end], "it")


FORMS: list[tuple[Codec[Any], object, str]] = [
    (tls13.ENCRYPTED_EXTENSIONS, tls13.EncryptedExtensions(()), "0000"),
    (
        tls13.ENCRYPTED_EXTENSIONS,
        tls13.EncryptedExtensions((ext.ApplicationProtocols((b"h2",)),)),
        "0009 0010 0005 0003 02 6832",
    ),
    (
        tls13.CERTIFICATE_REQUEST,
        tls13.CertificateRequest(b"c", (ext.SignatureAlgorithms((0x0403,)),)),
        "01 63 0008 000d 0004 0002 0403",
    ),
    (tls13.CERTIFICATE, tls13.Certificate(b"", ()), "00 000000"),
    (
        tls13.CERTIFICATE,
        tls13.Certificate(b"c", (tls13.CertificateEntry(b"leaf", ()), tls13.CertificateEntry(b"ca", ()))),
        "01 63 000010 000004 6c656166 0000 000002 6361 0000",
    ),
    (
        tls13.CERTIFICATE,
        tls13.Certificate(b"", (tls13.CertificateEntry(b"x", (ext.CertificateStatus(b"o"),)),)),
        "00 00000f 000001 78 0009 0005 0005 01 000001 6f",
    ),
    (tls13.CERTIFICATE_VERIFY, tls13.CertificateVerify(0x0804, b"sig"), "0804 0003 736967"),
    (tls13.CERTIFICATE_VERIFY, tls13.CertificateVerify(0x0804, b""), "0804 0000"),
    (tls13.FINISHED, tls13.Finished(b"mac"), "6d6163"),
    (
        tls13.NEW_SESSION_TICKET,
        tls13.NewSessionTicket(7200, 1, b"n", b"t", (ext.MaxEarlyData(16),)),
        "00001c20 00000001 01 6e 0001 74 0008 002a 0004 00000010",
    ),
    (tls13.KEY_UPDATE, tls13.KeyUpdate(1), "01"),
]


@pytest.mark.parametrize(("codec", "message", "form"), FORMS)
def test_message_has_the_form_of_the_rfc(codec: Codec[Any], message: object, form: str) -> None:
    assert encode(codec, message) == bytes.fromhex(form)
    assert decode(codec, bytes.fromhex(form), "it") == message


BROKEN: list[tuple[Codec[Any], str, str]] = [
    (tls13.ENCRYPTED_EXTENSIONS, "", "it.extensions"),
    (tls13.ENCRYPTED_EXTENSIONS, "0000 00", "it"),
    (tls13.CERTIFICATE_REQUEST, "02 63", "it.certificate_request_context"),
    (tls13.CERTIFICATE, "00 000606" + "000001610000" * 257, "it.certificate_list[256]"),
    (tls13.CERTIFICATE, "00 000005 000000 0000", "it.certificate_list[0].cert_data"),
    (tls13.CERTIFICATE, "00 000004 000001 78", "it.certificate_list[0].extensions"),
    (tls13.CERTIFICATE, "00 00000c 000001 78 0006 0005 0002 01", "it.certificate_list"),
    (
        tls13.CERTIFICATE,
        "00 00000b 000001 78 0005 0005 0001 01",
        "it.certificate_list[0].extensions.status_request.response",
    ),
    (tls13.CERTIFICATE_VERIFY, "08", "it.algorithm"),
    (tls13.CERTIFICATE_VERIFY, "0804 0001", "it.signature"),
    (tls13.NEW_SESSION_TICKET, "00000000 00000000 00 0000 0000", "it.ticket"),
    (tls13.KEY_UPDATE, "", "it.request_update"),
    (tls13.KEY_UPDATE, "0000", "it"),
]


@pytest.mark.parametrize(("codec", "data", "place"), BROKEN)
def test_malformed_message_is_refused_and_says_where(codec: Codec[Any], data: str, place: str) -> None:
    with blames(Fault.UNDECODABLE, place=place):
        decode(codec, bytes.fromhex(data), "it")
