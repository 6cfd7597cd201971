"""trust.decoding.parsing: whatever the parsers raise, it comes out as one kind of error that says where."""

from __future__ import annotations

import warnings

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from bothways.trust.decoding import parsing
from bothways.trust.decoding.parsing import (
    EncodingError,
    PassphraseNeeded,
    UnsupportedKind,
    WrongPassphrase,
    attempt,
)
from pki import crl, der, key, leaf, ocsp_refusal, ocsp_response, root

ROOT = root()
LEAF = leaf(ROOT)
CRL_DER = crl(ROOT, LEAF)
RESPONSE_DER = ocsp_response(LEAF)
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key(), hashes.SHA256())
REQUEST_DER = REQUEST.public_bytes(Encoding.DER)


class PanicException(BaseException):
    """What pyo3 raises for a panic, by its name and module."""


PanicException.__module__ = "pyo3_runtime"


@pytest.mark.parametrize(
    ("raised", "problem"),
    [
        (ValueError("odd"), "odd"),
        (TypeError("bad type"), "bad type"),
        (KeyError(23), "an unknown value: 23"),
        (OverflowError("too large"), "too large"),
        (NotImplementedError(), "NotImplementedError"),
        (RecursionError("deep"), "deep"),
        (AttributeError("none"), "none"),
        (x509.InvalidVersion("7 is not a valid X509 version", 7), "version 8, which is unknown"),
        (
            ValueError("path_length must be None when ca is False"),
            ("a pathLenConstraint in a certificate that is not a CA's"),
        ),
        (
            ValueError("ParseError { kind: InvalidSize { min: 1, max: 9, actual: 0 } }"),
            "a list that is empty or too long",
        ),
        (ValueError("1 is not a valid OCSP response version"), "an unknown OCSP response version"),
        (
            ValueError("CpsUri ASN.1 structure found but OID did not match"),
            "a policy qualifier of another type than its identifier says",
        ),
        (
            ValueError(
                "Could not deserialize key data. The data may be in an incorrect format, ... Details: x"
            ),
            "it is damaged, or not a key of a supported type",
        ),
        (ValueError("too short. Please file an issue at https://example.com"), "too short"),
        (x509.UnsupportedGeneralNameType("x400Address", 3), "x400Address"),
        (
            x509.DuplicateExtension("Duplicate", x509.ObjectIdentifier("2.5.29.17")),
            "the extension 2.5.29.17 occurs twice",
        ),
        (PanicException("index out of range"), "the parser failed"),
    ],
)
def test_whatever_a_parser_raises_is_an_encoding_error_with_its_place(raised, problem):
    """The kinds that `cryptography` raises, documented or not."""

    def read():
        raise raised

    with pytest.raises(EncodingError) as caught:
        attempt("subject", read)
    assert (caught.value.place, caught.value.problem) == ("subject", problem)
    assert str(caught.value) == f"subject: {problem}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_exceptions_that_are_not_about_the_encoding_are_passed_on(raised):
    """KeyboardInterrupt, SystemExit, MemoryError."""

    def read():
        raise raised

    with pytest.raises(raised):
        attempt("subject", read)


def test_an_unsupported_kind_is_distinguished_from_damaged_data():
    """A key may be well-formed and of no use."""

    def read():
        raise UnsupportedAlgorithm("SM2")

    with pytest.raises(UnsupportedKind, match="key: an unknown type: SM2"):
        attempt("key", read)


def test_a_warning_that_a_program_made_an_error_refuses_nothing():
    """RFC 5280 4.1.2.2: serial numbers that are not positive are accepted; `cryptography` warns of them."""

    def read():
        warnings.warn("odd", UserWarning, stacklevel=1)
        return "read"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert attempt("serial", read) == "read"


def test_a_parsers_notation_is_converted_to_text():
    """Rust's `ParseError { kind: ... }` means nothing to readers of RFCs."""
    with pytest.raises(EncodingError) as caught:
        parsing.certificate(LEAF.der[:-5])
    assert "ParseError" not in str(caught.value)
    assert "cut off" in caught.value.problem
    text = (
        'ParseError { kind: InvalidValue, location: [0, "Certificate::tbs_cert", "TbsCertificate::subject"] }'
    )
    assert (
        parsing.problem_of(ValueError(text)) == "a value that its type does not allow (at 0.tbs_cert.subject)"
    )
    assert parsing.problem_of(ValueError("ParseError { kind: NewKind }")) == "NewKind"


@pytest.mark.parametrize("kind", [ValueError, KeyError, OverflowError])
def test_long_input_in_a_parsers_message_is_cut_and_not_searched(kind):
    """A regular expression with backtracking would take very long."""
    quoted = "ParseError { kind: a, location: [" * 10_000
    assert len(parsing.problem_of(kind(quoted))) <= 400
    assert len(parsing.problem_of(kind("'" + quoted + "' does not appear to be an address"))) <= 400


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (parsing.certificate, LEAF.der),
        (parsing.open_certificate, LEAF.der),
        (parsing.certificates_from_pem, LEAF.pem),
        (parsing.crl, CRL_DER),
        (parsing.open_crl, CRL_DER),
        (parsing.signing_request, REQUEST_DER),
        (parsing.signing_request, REQUEST.public_bytes(Encoding.PEM)),
        (parsing.open_signing_request, REQUEST_DER),
        (parsing.ocsp_response, RESPONSE_DER),
        (parsing.ocsp_response, ocsp_refusal("TRY_LATER")),
        (parsing.open_ocsp_response, RESPONSE_DER),
    ],
)
def test_valid_documents_are_accepted_and_truncated_ones_refused(read, data):
    """RFC 5280 4.1 and 5.1, RFC 2986, RFC 6960."""
    assert read(data) is not None
    with pytest.raises(EncodingError):
        read(data[: len(data) // 2])


def test_a_certificate_with_an_undecodable_name_is_refused():
    """So that no attribute raises later."""
    name = LEAF.certificate.subject.public_bytes()
    renamed = LEAF.der.replace(name, name.replace(b"\x0c", b"\x02", 1))
    assert parsing.open_certificate(renamed) is not None
    with pytest.raises(EncodingError, match="^subject: "):
        parsing.certificate(renamed)


def test_a_complete_response_has_no_part_that_cannot_be_decoded():
    """`cryptography` decodes the extensions only when they are accessed."""
    one, two = (x509.ObjectIdentifier(f"1.3.6.1.4.1.99999.{number}") for number in (1, 2))
    both = ocsp_response(
        LEAF, extra=[(x509.UnrecognizedExtension(each, b"\5\0"), False) for each in (one, two)]
    )
    prefix = bytes.fromhex("2b06010401868d1f")
    twice = both.replace(prefix + b"\2", prefix + b"\1")
    assert twice != both and parsing.ocsp_response(both) and parsing.open_ocsp_response(twice)
    with pytest.raises(EncodingError, match="extensions"):
        parsing.ocsp_response(twice)


def test_the_entries_of_a_crl_are_decoded_in_order():
    """RFC 5280 5.1.2.6."""
    found = parsing.crl(CRL_DER)
    assert [each.serial_number for each in parsing.revoked_in(found)] == [LEAF.certificate.serial_number]


def test_a_crl_is_recognised():
    """Also one with undecodable parts."""
    damaged = crl(ROOT, extra=[(x509.UnrecognizedExtension(x509.FreshestCRL.oid, b""), False)])
    assert parsing.is_crl(CRL_DER)
    assert parsing.is_crl(damaged)
    assert not parsing.is_crl(LEAF.der)


def test_an_undecodable_entry_is_reported_with_its_number():
    """RFC 5280 5.3: an entry with one extension twice."""
    reason = bytes.fromhex("300a0603551d1504030a0101")
    entry = der(0x30, b"\x02\x01\x05" + der(0x17, b"250101000000Z") + der(0x30, reason + reason))
    tbs = b"\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x30\x00" + der(0x17, b"250101000000Z") + der(0x30, entry)
    found = parsing.crl(der(0x30, der(0x30, tbs) + b"\x30\x05\x06\x03\x2b\x65\x70" + der(3, bytes(65))))
    with pytest.raises(EncodingError, match=r"entry 1, extensions: the extension 2\.5\.29\.21 occurs twice"):
        list(parsing.revoked_in(found))


def test_keys_are_opened_with_the_passphrase_that_they_need():
    """A passphrase for an unencrypted key is ignored; a missing or wrong one is reported."""
    plain = key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    secret = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    for data, password in ((plain, None), (plain, b"any"), (secret, b"right"), (LEAF.key_pem, None)):
        assert parsing.private_key(data, password) is not None
    with pytest.raises(PassphraseNeeded):
        parsing.private_key(secret)
    sealed = key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"right"))
    for locked in (secret, sealed):
        with pytest.raises(WrongPassphrase):
            parsing.private_key(locked, b"wrong")
    with pytest.raises(EncodingError) as caught:
        parsing.private_key(plain[:-3])
    assert type(caught.value) is EncodingError


def test_pkcs12_is_opened_with_the_passphrase_that_it_needs():
    """RFC 7292."""
    found = parsing.pkcs12_contents(LEAF.p12(b"right"), b"right")
    assert (found.certificate, found.others) == (LEAF.der, (ROOT.der,))
    with pytest.raises(PassphraseNeeded):
        parsing.pkcs12_contents(LEAF.p12(b"right"), None)
    with pytest.raises(WrongPassphrase):
        parsing.pkcs12_contents(LEAF.p12(b"right"), b"wrong")
    with pytest.raises(EncodingError):
        parsing.pkcs12_contents(LEAF.der, None)
    empty = pkcs12.serialize_key_and_certificates(None, None, None, [LEAF.certificate], NoEncryption())
    assert parsing.pkcs12_contents(empty, None) == (None, None, (LEAF.der,))


def test_public_keys_are_read():
    """RFC 5280 4.1.2.7."""
    spki = LEAF.der[LEAF.der.index(bytes.fromhex("3059301306072a8648ce3d")) :][:91]
    assert parsing.public_key(spki) == LEAF.certificate.public_key()
    with pytest.raises(EncodingError):
        parsing.public_key(spki[:40])


def test_parameters_of_signatures_are_returned_where_usable():
    """RFC 4055 3.1."""
    signed = leaf(root(key_kind="RSA-2048"), pss=True).certificate
    assert isinstance(parsing.signature_hash(signed), hashes.SHA256)
    assert isinstance(parsing.pss_padding(signed), padding.PSS)
    assert parsing.pss_padding(LEAF.certificate) is None
    unknown = LEAF.der.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f"))
    assert parsing.signature_hash(parsing.open_certificate(unknown)) is None


def test_the_direct_issuer_is_recognised_by_name_and_signature():
    """RFC 5280 6.1.3 a."""
    assert parsing.is_issued_directly_by(LEAF.certificate, ROOT.certificate)
    assert not parsing.is_issued_directly_by(LEAF.certificate, root("Other").certificate)
    assert not parsing.is_issued_directly_by(LEAF.certificate, root(own_key=key("P-384", 9)).certificate)


def test_names_and_documents_are_encoded_as_they_were():
    """`cryptography` encodes them again."""
    assert parsing.encoded(LEAF.certificate) == LEAF.der
    assert LEAF.der.count(parsing.name_der(LEAF.certificate.subject)) == 1
