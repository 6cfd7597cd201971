"""What a responder is asked, read again by `cryptography`."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.ocsp.request import REQUEST_HASHES, cert_ids_of, request, serial_number
from bothways.trust.ocsp.response import OCSPResponse
from pki import issue, leaf, name, ocsp_response, root

ROOT = root()
ISSUER = ParsedCertificate(ROOT.der)
ONE = leaf(ROOT, "one.example")


def test_a_request_asks_for_one_certificate():
    """RFC 6960 4.1.1, under the hash wanted; by default the one that every responder knows."""
    plain = ocsp.load_der_ocsp_request(request(ParsedCertificate(ONE.der), ISSUER))
    assert plain.serial_number == ONE.certificate.serial_number
    assert plain.hash_algorithm.name == "sha1"
    identifier = x509.SubjectKeyIdentifier.from_public_key(ROOT.key.public_key())
    assert plain.issuer_key_hash == identifier.digest
    assert len(plain.extensions) == 0
    for each in REQUEST_HASHES:
        asked = ocsp.load_der_ocsp_request(request(ParsedCertificate(ONE.der), ISSUER, None, each))
        assert asked.hash_algorithm.name == each


def test_a_request_has_the_nonce_that_it_is_given():
    """RFC 9654 2.1: 1 to 128 bytes."""
    for size in (1, 32, 128):
        asked_for = ocsp.load_der_ocsp_request(request(ParsedCertificate(ONE.der), ISSUER, b"n" * size))
        assert asked_for.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * size
    for size in (0, 129):
        with pytest.raises(ValueError, match="1 to 128"):
            request(ParsedCertificate(ONE.der), ISSUER, b"n" * size)


def test_a_certificate_has_a_certid_for_each_encoding_of_its_issuers_name():
    """RFC 5280 7.1: equal names may have different octets."""
    spelled = ParsedCertificate(leaf(ROOT, "one.example", issuer_name=name("ROOT")).der)
    assert len(cert_ids_of(spelled, ISSUER, ["sha1", "sha256"])) == 4
    (named,) = cert_ids_of(ParsedCertificate(ONE.der), ISSUER, ["sha1"])
    (single,) = OCSPResponse(ocsp_response(ONE)).responses
    assert single.certificate == named and named.digest(b"") == bytes.fromhex(
        "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    )


def test_a_serial_number_is_decoded_as_an_integer():
    """RFC 5280 4.1.2.2: an INTEGER."""
    for number in (1, 127, 128, 2**159 - 1):
        assert serial_number(ParsedCertificate(issue("one", ROOT, serial=number).der)) == number
