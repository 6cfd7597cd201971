"""trust.decoding.extensions: each extension is read alone where not all can be read together."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding.extension_readers import TLSFeatures
from bothways.trust.decoding.extension_structures import Structure, area_in
from bothways.trust.decoding.extensions import (
    CONSULTED,
    EXTENSIONS_LIMIT,
    NAMES,
    UnreadExtension,
    all_extensions,
    check_count,
    extension_of,
    extensions_of,
    name_of,
    one_by_one,
    read_extensions,
    read_needed,
)
from bothways.trust.decoding.parsing import EncodingError
from pki import der, leaf, root

ROOT = root()
GARBAGE = b"\x30\x03\x02\x01"
NO_REV_AVAIL = x509.ObjectIdentifier("2.5.29.56")
UNKNOWN = x509.ObjectIdentifier("1.2.3.4")
NONCE = bytes.fromhex("06092b0601050507300102")
REASON = bytes.fromhex("300a0603551d1504030a0101")


def with_value(oid: x509.ObjectIdentifier, value: bytes = GARBAGE, *, critical: bool = False):
    return (x509.UnrecognizedExtension(oid, value), critical)


def extension(oid: bytes, value: bytes, critical: bytes = b"") -> bytes:
    return der(0x30, oid + critical + der(4, value))


SOUND = leaf(ROOT, alternatives=("DNS:a.example", "IP:127.0.0.1"), usage=("serverAuth",))


def test_extensions_decoded_one_by_one_are_the_same_as_all_together():
    """RFC 5280 4.2."""
    found = all_extensions(SOUND.der, Structure.CERTIFICATE)
    assert found == tuple(SOUND.certificate.extensions)
    assert found == extensions_of(SOUND.certificate)


def test_one_undecodable_item_hides_no_other():
    """It keeps its bytes and says why."""
    bad = leaf(
        ROOT, alternatives=("DNS:a.example",), extra=[with_value(ExtensionOID.ISSUER_ALTERNATIVE_NAME)]
    )
    sound = leaf(ROOT, alternatives=("DNS:a.example",))
    *others, unread = all_extensions(bad.der, Structure.CERTIFICATE)
    assert [type(each.value) for each in others] == [
        type(each.value) for each in extensions_of(sound.certificate)
    ]
    assert not any(isinstance(each.value, UnreadExtension) for each in others)
    assert isinstance(unread.value, UnreadExtension)
    assert (unread.oid, unread.critical) == (ExtensionOID.ISSUER_ALTERNATIVE_NAME, False)
    assert unread.value.public_bytes() == GARBAGE
    assert "cut off" in unread.value.problem
    assert repr(unread.value) == f"<UnreadExtension issuerAltName: {unread.value.problem}>"


def test_an_extension_that_occurs_twice_is_listed_twice_and_not_accepted():
    """RFC 5280 4.2."""
    twice = SOUND.der.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    named = [each.oid for each in all_extensions(twice, Structure.CERTIFICATE)]
    assert named.count(ExtensionOID.SUBJECT_KEY_IDENTIFIER) == 2
    with pytest.raises(EncodingError, match="extensions: subjectKeyIdentifier occurs twice"):
        ParsedCertificate(twice).load()


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize("oid", sorted(CONSULTED, key=lambda each: each.dotted_string))
def test_an_undecodable_extension_that_is_used_refuses_its_certificate(oid, critical):
    """Critical or not; the error has its name."""
    bare = {"ca": None, "usage": None, "key_usage": None, "key_identifiers": False, "alternatives": ()}
    with pytest.raises(EncodingError) as caught:
        ParsedCertificate(leaf(ROOT, **bare, extra=[with_value(oid, critical=critical)]).der).load()
    assert caught.value.place == NAMES[oid] == name_of(oid)


@pytest.mark.parametrize(
    "kind",
    [
        x509.CertificatePolicies, x509.CRLDistributionPoints, x509.FreshestCRL, x509.AuthorityInformationAccess,
        x509.ExtendedKeyUsage, x509.SubjectAlternativeName, x509.TLSFeature,
    ],
)  # fmt: skip
def test_an_extension_with_an_empty_list_refuses_its_certificate(kind):
    """RFC 5280 4.2.1: SIZE (1..MAX)."""
    bare = {"usage": None, "key_identifiers": False, "alternatives": ()}
    empty = x509.UnrecognizedExtension(kind.oid, b"\x30\x00")
    with pytest.raises(EncodingError, match=f"^{NAMES[kind.oid]}: "):
        ParsedCertificate(leaf(ROOT, **bare, extra=[(empty, False)]).der).load()


def test_an_undecodable_extension_that_is_not_used_is_ignored():
    """Such as an issuerAltName."""
    parsed = ParsedCertificate(leaf(ROOT, extra=[with_value(ExtensionOID.ISSUER_ALTERNATIVE_NAME)]).der)
    assert isinstance(parsed.extensions[ExtensionOID.ISSUER_ALTERNATIVE_NAME].value, UnreadExtension)
    assert parsed.extension(x509.IssuerAlternativeName) is None


def refused_reading():
    raise ValueError("one of them cannot be read")


def test_only_used_extensions_are_decoded_one_by_one():
    """A failure takes longer than a success, and a stranger could cause many."""
    usage = extension(bytes.fromhex("0603551d0f"), b"\x03\x02\x05\xa0")
    stamps = extension(bytes.fromhex("060a2b06010401d679020402"), GARBAGE)
    area = der(0x30, stamps + usage)
    found = read_needed(refused_reading, area, Structure.CERTIFICATE, CONSULTED)
    unread, read = found.values()
    assert unread.value.problem == "it was not read"
    assert read.value.digital_signature
    with pytest.raises(EncodingError, match="keyUsage: it is cut off"):
        area = der(0x30, extension(bytes.fromhex("0603551d0f"), GARBAGE) + stamps)
        read_needed(refused_reading, area, Structure.CERTIFICATE, CONSULTED)


def test_an_extension_that_occurs_twice_is_refused():
    """RFC 5280 4.2."""
    usage = extension(bytes.fromhex("0603551d0f"), b"\x03\x02\x05\xa0")
    with pytest.raises(EncodingError, match="extensions: keyUsage occurs twice"):
        read_needed(refused_reading, der(0x30, usage * 3), Structure.CERTIFICATE, CONSULTED)


@pytest.mark.parametrize("count", [EXTENSIONS_LIMIT, EXTENSIONS_LIMIT + 1, 4000])
def test_the_number_of_extensions_is_limited_before_any_is_decoded(count):
    """Each takes more time than its bytes suggest."""
    each = [
        extension(b"\x06\x03\x2a" + bytes([0x80 | number >> 7, number & 127]), b"") for number in range(count)
    ]
    area = der(0x30, b"".join(each))

    def read():
        asked.append(True)
        return []

    asked: list[bool] = []
    if count <= EXTENSIONS_LIMIT:
        assert read_needed(read, area, Structure.CERTIFICATE, CONSULTED) == {}
        assert len(one_by_one(area, Structure.CERTIFICATE)) == count
        return
    for refused in (check_count, lambda it: read_needed(read, it, Structure.CERTIFICATE, CONSULTED)):
        with pytest.raises(EncodingError, match=f"extensions: more than {EXTENSIONS_LIMIT} of them"):
            refused(area)
    assert not asked
    with pytest.raises(EncodingError, match=f"extensions: more than {EXTENSIONS_LIMIT} of them"):
        one_by_one(area, Structure.CERTIFICATE)


@pytest.mark.parametrize(
    ("value", "features", "others"),
    [
        ("3003020105", [x509.TLSFeatureType.status_request], None),
        ("3003020117", [], (23,)),
        ("3006020105020117", [x509.TLSFeatureType.status_request], (23,)),
        ("300702011702020100", [], (23, 256)),
    ],
)
def test_an_unknown_tls_feature_is_accepted(value, features, others):
    """RFC 7633 4.1: any extension of TLS may be named."""
    parsed = ParsedCertificate(
        leaf(ROOT, extra=[with_value(ExtensionOID.TLS_FEATURE, bytes.fromhex(value))]).der
    )
    found = extension_of_parsed(parsed)
    assert list(found) == features
    assert found.public_bytes().hex() == value
    assert getattr(found, "others", None) == others
    assert isinstance(found, TLSFeatures) == (others is not None)


def extension_of_parsed(parsed: ParsedCertificate) -> x509.TLSFeature:
    found = parsed.extension(x509.TLSFeature)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "value", ["3000", "300302017f00", "3003020180", "300502030100ff", "3003040117", "020117", "300205"]
)
def test_malformed_tls_features_are_refused(value):
    """RFC 7633 4.1."""
    extra = [with_value(ExtensionOID.TLS_FEATURE, bytes.fromhex(value))]
    with pytest.raises(EncodingError, match="^tlsFeature: "):
        ParsedCertificate(leaf(ROOT, extra=extra).der).load()


@pytest.mark.parametrize(
    ("oid", "value", "is_read"),
    [
        (NO_REV_AVAIL, b"\x05\x00", True),
        (NO_REV_AVAIL, b"", False),
        (ExtensionOID.POLICY_MAPPINGS, bytes.fromhex("3008300606012a06012b"), True),
        (ExtensionOID.POLICY_MAPPINGS, b"", False),
        (ExtensionOID.POLICY_MAPPINGS, b"\x30\x00", False),
        (ExtensionOID.POLICY_MAPPINGS, b"\x02\x01\x00", False),
        (ExtensionOID.POLICY_MAPPINGS, bytes.fromhex("30020500"), False),
        (ExtensionOID.POLICY_MAPPINGS, bytes.fromhex("3005300306012a"), False),
        (ExtensionOID.POLICY_MAPPINGS, bytes.fromhex("3008300606012a06012b00"), False),
    ],
)
def test_values_that_the_parser_does_not_check_are_checked(oid, value, is_read):
    """RFC 9608 2 and RFC 5280 4.2.1.5: both ways of reading agree."""
    document = leaf(ROOT, extra=[with_value(oid, value)])
    area = area_in(document.der, Structure.CERTIFICATE)
    together = read_extensions(lambda: document.certificate.extensions, area, Structure.CERTIFICATE)
    alone = one_by_one(area, Structure.CERTIFICATE)
    assert [isinstance(found[-1].value, UnreadExtension) for found in (together, alone)] == [not is_read] * 2


@pytest.mark.parametrize(
    "area",
    [
        "020100",  # no list
        "30023000",  # an empty extension
        "3007300506032a030405",  # no value
        "300b300906032a030404000500",  # more after the value
        "3003300104",  # cut off
    ],
)
def test_a_malformed_list_of_extensions_is_an_encoding_error(area):
    """RFC 5280 4.1."""
    data = bytes.fromhex(area)
    with pytest.raises(EncodingError, match="^extensions: "):
        one_by_one(data, Structure.CERTIFICATE)


def test_an_extension_is_found_by_its_kind():
    """In an object of `cryptography`."""
    assert extension_of(SOUND.certificate, x509.ExtendedKeyUsage) is not None
    assert extension_of(SOUND.certificate, x509.NameConstraints) is None


def test_each_extension_has_its_criticality():
    """RFC 5280 4.2."""
    *_, found = all_extensions(
        leaf(ROOT, extra=[with_value(UNKNOWN, critical=True)]).der, Structure.CERTIFICATE
    )
    assert (found.oid, found.critical) == (UNKNOWN, True)
    assert name_of(UNKNOWN) == "1.2.3.4"
