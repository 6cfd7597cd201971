"""Where extensions are in every structure that has them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.trust.decoding.extension_structures import Structure, area_in, read_alone
from bothways.trust.decoding.extensions import all_extensions
from bothways.trust.decoding.parsing import EncodingError
from pki import crl, der, issuing_point, key, leaf, ocsp_response, root

ROOT = root()
NONCE = bytes.fromhex("06092b0601050507300102")
REASON = bytes.fromhex("300a0603551d1504030a0101")
CRITICAL_USAGE = bytes.fromhex("300e0603551d0f0101ff040403020780")
SOUND = leaf(ROOT, alternatives=("DNS:a.example", "IP:127.0.0.1"), usage=("serverAuth",))


def extension(oid: bytes, value: bytes) -> bytes:
    return der(0x30, oid + der(4, value))


def request(*extra: x509.ExtensionType) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for each in extra:
        builder = builder.add_extension(each, critical=False)
    return builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("structure", "document", "kinds"),
    [
        (Structure.REQUEST, request(x509.BasicConstraints(False, None)), [x509.BasicConstraints]),
        (Structure.REQUEST, request(), []),
        (
            Structure.CRL,
            crl(ROOT, point=issuing_point(["URI:http://a.example/crl"])),
            [x509.AuthorityKeyIdentifier, x509.CRLNumber, x509.IssuingDistributionPoint],
        ),
        (Structure.OCSP_RESPONSE, ocsp_response(SOUND, nonce=b"abcd"), [x509.OCSPNonce]),
        (Structure.OCSP_RESPONSE, ocsp_response(SOUND), []),
        (
            Structure.CRL_ENTRY,
            der(0x30, b"\x02\x01\x05" + der(0x17, b"250101000000Z") + der(0x30, REASON)),
            [x509.CRLReason],
        ),
        (Structure.CRL_ENTRY, der(0x30, b"\x02\x01\x05" + der(0x17, b"250101000000Z")), []),
        (
            Structure.OCSP_REQUEST,
            der(0x30, der(0x30, der(0x30, b"") + der(0xA2, der(0x30, extension(NONCE, b"\x04\x01a"))))),
            [x509.OCSPNonce],
        ),
        (
            Structure.OCSP_SINGLE_RESPONSE,
            der(0x30, der(0x30, b"") + b"\x80\x00" + der(0xA1, der(0x30, REASON))),
            [x509.CRLReason],
        ),
    ],
)
def test_extensions_of_every_structure_are_found_and_decoded(structure, document, kinds):
    """RFC 5280 5.2 and 5.3, RFC 2985 5.4.2, RFC 6960 4.1 and 4.2."""
    assert [type(each.value) for each in all_extensions(document, structure)] == kinds


@pytest.mark.parametrize("structure", Structure)
def test_a_structure_without_extensions_is_an_encoding_error(structure):
    """Whatever the data is."""
    with pytest.raises(EncodingError, match="^extensions: "):
        area_in(b"\x30\x05\x30\x05\x00\x00\x00", structure)


def test_one_extension_is_read_in_the_smallest_certificate_that_has_it() -> None:
    """With its criticality, and for what follows it the parser refuses it."""
    found = read_alone(CRITICAL_USAGE, Structure.CERTIFICATE)
    assert found.critical and isinstance(found.value, x509.KeyUsage) and found.value.digital_signature
    with pytest.raises(ValueError, match="ExtraData"):
        read_alone(CRITICAL_USAGE[:1] + b"\x10" + CRITICAL_USAGE[2:] + b"\5\0", Structure.CERTIFICATE)
