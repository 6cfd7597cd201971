"""A certificate taken apart (RFC 5280 4.1)."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import BasicConstraints, Name
from hypothesis import given
from hypothesis import strategies as st

from bothways.trust.certificate.parsed import ParsedCertificate, issuer_of, subject_of
from bothways.trust.der import element
from bothways.trust.names.distinguished import dotted
from pki import as_version_1, intermediate, leaf, name, root
from pki import der as encode
from raw_certificates import alternatives, edited, general_name, raw

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)


def test_the_parts_are_those_that_the_parser_finds():
    """RFC 5280 4.1."""
    parsed, certificate = ParsedCertificate(SERVER.der), SERVER.certificate
    assert parsed.subject == certificate.subject.public_bytes()
    assert parsed.issuer == certificate.issuer.public_bytes()
    assert int.from_bytes(parsed.serial, "big") == certificate.serial_number
    assert parsed.version == 3
    assert parsed.x509 == certificate
    assert parsed.key == certificate.public_key()
    assert (parsed.not_before, parsed.not_after) == (
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    assert parsed.authority_key_identifier == ParsedCertificate(CA.der).subject_key_identifier
    assert (parsed.subject_text, parsed.issuer_text) == ("CN=server.example", "CN=Intermediate")


def test_issuer_and_child_know_each_other_by_name():
    """RFC 5280 7.1."""
    assert ParsedCertificate(CA.der).is_named_issuer_of(ParsedCertificate(SERVER.der))
    assert ParsedCertificate(CA.der).is_named_issuer_of(
        ParsedCertificate(leaf(CA, issuer_name=name("INTERMEDIATE")).der)
    )
    assert not ParsedCertificate(ROOT.der).is_named_issuer_of(ParsedCertificate(SERVER.der))
    assert ParsedCertificate(ROOT.der).is_self_issued
    assert not ParsedCertificate(CA.der).is_self_issued


def test_a_signature_algorithm_that_differs_inside_and_outside_is_refused():
    """RFC 5280 4.1.1.2."""
    sha256, sha384 = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040303")
    for der in (
        SERVER.der.replace(sha256, sha384, 1),
        SERVER.der[::-1].replace(sha256[::-1], sha384[::-1], 1)[::-1],
    ):
        with pytest.raises(ValueError, match="signature algorithm inside"):
            ParsedCertificate(der)


def test_the_encoding_outside_the_signed_part_is_unique():
    """RFC 5280 4.1.1.3: unused bits or trailing bytes would change the digest of the same certificate."""
    signature = SERVER.certificate.signature
    start = len(SERVER.der) - len(signature) - 1
    assert SERVER.der[start - 2 :] == bytes([3, len(signature) + 1, 0]) + signature
    body = SERVER.der[SERVER.der.index(SERVER.certificate.tbs_certificate_bytes) : start - 2]
    for value in (
        *(bytes([3, len(signature) + 1, unused]) + signature for unused in (1, 7, 8, 255)),
        bytes([3, len(signature) + 2, 0]) + signature,
        bytes([3, len(signature) + 1, 0]) + signature + b"\x05\0",
        b"\3\0",
        b"\4\2\0\0",
        b"",
    ):
        with pytest.raises(ValueError, match=r"signature|cut off|past the end"):
            ParsedCertificate(encode(0x30, body + value))
    assert ParsedCertificate(encode(0x30, body + SERVER.der[start - 2 :])).der == SERVER.der


@pytest.mark.parametrize("part", ["subject", "issuer"])
def test_a_name_with_a_too_long_string_is_refused(part):
    """RFC 5280 A.1: what cannot be normalized could bypass an excluded subtree."""

    def with_name(text):
        value = encode(0x30, bytes.fromhex("0603550403") + encode(0x0C, text.encode()))
        made = leaf(CA) if part == "subject" else leaf(ROOT)
        old = (made.certificate.subject if part == "subject" else made.certificate.issuer).public_bytes()
        tbs = made.certificate.tbs_certificate_bytes
        assert tbs.count(old) == 1
        _, first, stop = element(tbs, 0, len(tbs))
        inner = encode(0x30, tbs[first:stop].replace(old, encode(0x30, encode(0x31, value))))
        return encode(0x30, inner + made.der[made.der.index(tbs) + len(tbs) :])

    ParsedCertificate(with_name("\u00e9" * 256)).load()
    ParsedCertificate(with_name("e" * 5_000)).load()
    with pytest.raises(ValueError, match="more than 256 characters"):
        ParsedCertificate(with_name("\u00e9" * 257)).load()


def test_the_year_0_is_refused():
    """RFC 5280 4.1.2.5.2: the parser accepts it, and the period could not be computed later."""
    der = leaf(CA, not_after=datetime(2050, 6, 1, tzinfo=UTC)).der
    parsed = ParsedCertificate(der.replace(b"20500601", b"00000601"))
    with pytest.raises(ValueError, match=r"year 0|year must be in 1\.\.9999"):
        parsed.load()


def test_a_serial_number_that_is_not_positive_is_accepted():
    """RFC 5280 4.1.2.2: users should handle them gracefully; no warning escapes."""
    parsed = ParsedCertificate(
        leaf(CA, serial=0x1122334455).der.replace(bytes.fromhex("1122334455"), bytes.fromhex("ff22334455"))
    )
    parsed.load()
    assert int.from_bytes(parsed.serial, "big", signed=True) < 0
    assert parsed.key == leaf(CA).certificate.public_key()


def test_bytes_after_the_certificate_are_refused():
    """RFC 5280 4.1."""
    with pytest.raises(ValueError, match="1 bytes follow"):
        ParsedCertificate(SERVER.der + b"\x00")


def test_a_certificate_without_any_name_is_described_as_such():
    """RFC 5280 4.1.2.6."""
    assert ParsedCertificate(leaf(ROOT, None, alternatives=()).der).subject_text == "(no name)"


@given(st.integers(0, len(SERVER.der) - 1), st.integers(1, 255))
def test_an_altered_byte_gives_a_certificate_or_a_value_error(place, change):
    """One gate for the parser's exceptions."""
    der = bytearray(SERVER.der)
    der[place] ^= change
    try:
        parsed = ParsedCertificate(bytes(der))
        parsed.load()
    except ValueError:
        return
    assert parsed.subject_text


@given(st.integers(0, len(SERVER.der) - 1))
def test_no_prefix_is_a_certificate(length):
    """RFC 5280 4.1."""
    with pytest.raises(ValueError, match=r".+"):
        ParsedCertificate(SERVER.der[:length])


def test_an_extension_that_stands_twice_is_refused_by_name():
    """RFC 5280 4.2."""
    der = SERVER.der.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    with pytest.raises(ValueError, match="extensions: subjectKeyIdentifier occurs twice"):
        ParsedCertificate(der).load()


def test_a_key_of_an_unknown_kind_is_refused():
    """RFC 5280 4.1.2.7."""
    ec_public_key, nobodys = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209")
    with pytest.raises(ValueError, match="subjectPublicKeyInfo: a type of key that we do not support"):
        ParsedCertificate(SERVER.der.replace(ec_public_key, nobodys)).load()


def test_a_name_of_many_attributes_is_refused():
    """Each is processed several times in a verification."""
    part = encode(0x31, encode(0x30, bytes.fromhex("0603550403") + encode(0x0C, b"a")))
    ParsedCertificate(edited(SERVER, subject=encode(0x30, part * 64)).der).load()
    with pytest.raises(ValueError, match="subject: it is not a distinguished name of at most 64 attributes"):
        ParsedCertificate(edited(SERVER, subject=encode(0x30, part * 65)).der).load()


def test_digests_are_of_the_whole_certificate_and_of_its_key():
    """What an edge of the path memory is made of."""
    parsed = ParsedCertificate(SERVER.der)
    spki = SERVER.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert parsed.digest == sha256(SERVER.der).digest()
    assert parsed.key_digest == sha256(spki).digest()
    assert parsed.spki == spki


def test_parts_are_loaded_when_first_asked_for():
    """Names and key are cheap; the rest is not."""
    assert ParsedCertificate(SERVER.der).extension(BasicConstraints).ca is False
    assert ParsedCertificate(SERVER.der).x509 == SERVER.certificate
    unreadable = ParsedCertificate(
        leaf(ROOT, None).der.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    )
    assert unreadable.subject_text == "(no name)"


def test_version_1_is_what_a_certificate_without_a_version_has():
    """RFC 5280 4.1.2.1."""
    parsed = ParsedCertificate(as_version_1(CA).der)
    assert (parsed.version, parsed.extensions, parsed.subject_text) == (1, {}, "CN=Intermediate")


def test_a_serial_number_that_is_no_integer_is_refused():
    """RFC 5280 4.1."""
    der = bytearray(leaf(CA, serial=0x1122334455).der)
    at = bytes(der).index(bytes.fromhex("02051122334455"))
    der[at] = 0x04
    with pytest.raises(ValueError, match="no serialNumber"):
        ParsedCertificate(bytes(der))


def test_extensions_are_for_version_3():
    """RFC 5280 4.1.2.9."""
    tbs = CA.certificate.tbs_certificate_bytes
    assert tbs[1] == 0x82
    unversioned = encode(0x30, tbs[4:].removeprefix(bytes.fromhex("a003020102")))
    der = encode(0x30, unversioned + bytes.fromhex("300a06082a8648ce3d040302") + b"\x03\x01\x00")
    with pytest.raises(ValueError, match="it has extensions, which version 1 does not have"):
        ParsedCertificate(der).load()


def test_an_issuer_has_a_name():
    """RFC 5280 4.1.2.4."""
    nameless = root(Name([]))
    with pytest.raises(ValueError, match="issuer: it is empty"):
        ParsedCertificate(nameless.der).load()


def test_a_serial_number_of_more_than_20_octets_is_accepted():
    """docs/defaults.md: RFC 5280 4.1.2.2 binds CAs."""
    short = leaf(CA, serial=0x1122334455)
    tbs = short.certificate.tbs_certificate_bytes
    long = tbs.replace(bytes.fromhex("02051122334455"), b"\x02\x18" + b"\x11" * 24)
    header = 2 + tbs[1] - 128
    parts = encode(
        0x30, encode(0x30, long[header:]) + bytes.fromhex("300a06082a8648ce3d040302") + b"\x03\x01\x00"
    )
    assert ParsedCertificate(parts).x509.serial_number == int.from_bytes(b"\x11" * 24, "big")
    parsed = ParsedCertificate(parts)
    parsed.load()
    parsed.load()


ISSUER_UID, SUBJECT_UID = bytes.fromhex("81020001"), bytes.fromhex("82020001")
ONE, TWO, FOUR = (bytes.fromhex(f"a0030201{number}") for number in ("00", "01", "03"))
VERSIONS = [
    ("v1", ["version", "extensions"], {}, None),
    ("v3 with unique identifiers", [], {"uids": ISSUER_UID + SUBJECT_UID}, None),
    ("v1 with unique identifiers", ["version", "extensions"], {"uids": ISSUER_UID}, "issuerUniqueID, which"),
    ("v1 with its subject's", ["version", "extensions"], {"uids": SUBJECT_UID}, "subjectUniqueID, which"),
    ("v1 said aloud", ["extensions"], {"version": ONE}, "a default value is written out"),
    ("v2", ["extensions"], {"version": TWO}, "version 2, which is unknown"),
    ("v2 with extensions", [], {"version": TWO}, "it has extensions, which version 2 does not have"),
    ("v4", [], {"version": FOUR}, "a version that RFC 5280 does not define"),
    ("a version of two octets", [], {"version": bytes.fromhex("a00402020002")}, "a version that"),
    ("a negative version", [], {"version": bytes.fromhex("a0030201ff")}, "a version that"),
    ("unique identifiers in the wrong order", [], {"uids": SUBJECT_UID + ISSUER_UID}, "out of order"),
    ("a unique identifier twice", [], {"uids": ISSUER_UID * 2}, "out of order"),
    (
        "a part that nobody knows",
        [],
        {"uids": bytes.fromhex("8400")},
        "what follows the key is out of order, or does not belong there",
    ),
    (
        "an empty list of extensions",
        ["extensions"],
        {"uids": bytes.fromhex("a3023000")},
        "an empty list of extensions",
    ),
    ("extensions twice", [], {"uids": bytes.fromhex("a3023000")}, "out of order"),
]


@pytest.mark.parametrize(("what", "without", "changes", "problem"), VERSIONS, ids=lambda each: str(each)[:40])
def test_a_version_has_the_parts_that_it_may_have(what, without, changes, problem):
    """RFC 5280 4.1.2.1, 4.1.2.8 and 4.1.2.9."""

    def read():
        ParsedCertificate(edited(SERVER, *without, **changes).der).load()

    if problem is None:
        read()
    else:
        with pytest.raises(ValueError, match=problem):
            read()


def test_extensions_are_found_as_they_stand():
    """RFC 5280 4.1: what the parser re-encodes or cannot read is read from these."""
    found = ParsedCertificate(SERVER.der).raw_extensions
    assert [dotted(oid) for oid in found] == [
        each.oid.dotted_string for each in SERVER.certificate.extensions
    ]
    for each in SERVER.certificate.extensions:
        assert (each.critical, each.value.public_bytes()) in found.values()
    assert ParsedCertificate(edited(SERVER, "version", "extensions").der).raw_extensions == {}


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        (encode(0x30, b"") + b"\x05\x00", "bytes follow the extensions"),
        (encode(0x30, b"\x05\x00"), "no extension at byte"),
        (encode(0x30, encode(0x30, b"\x06\x01\x29\x04\x00\x05\x00")), "bytes follow the extension's value"),
        (encode(0x30, encode(0x30, b"\x06\x01\x29\x04\x00") * 2), "occurs twice"),
        (encode(0x30, encode(0x30, encode(6, b"\x29" * 80) + b"\x04\x00") * 2), "of 80 bytes occurs twice"),
        (b"\x05\x00", "no extensions"),
        (
            encode(0x30, b"".join(encode(0x30, bytes((6, 1, each, 4, 0))) for each in range(65))),
            "more than 64 extensions",
        ),
    ],
)
def test_malformed_extensions_are_refused(extensions, problem):
    """RFC 5280 4.2."""
    parsed = ParsedCertificate(edited(SERVER, extensions=encode(0xA3, extensions)).der)
    with pytest.raises(ValueError, match=problem):
        _ = parsed.raw_extensions


NAMES = {
    "an X.400 address": general_name("X400", encode(0x30, b"")),
    "an EDI party name": general_name("EDI", encode(0xA1, encode(0x0C, b"party"))),
    "a DNS name that is not ASCII": general_name("DNS", b"\xfc.example"),
    "an e-mail address that is not ASCII": general_name("EMAIL", b"\xfc@a.example"),
    "a URI that is not ASCII": general_name("URI", b"http://\xfc/"),
    "a directory name that is none": general_name("DN", encode(0x30, encode(0x31, b""))),
}


@pytest.mark.parametrize("what", NAMES)
def test_alternative_names_that_the_parser_refuses_are_read(what):
    """RFC 5280 4.2.1.6: each kind may be there, and a malformed name does not take the others away."""
    parsed = ParsedCertificate(leaf(CA, alternatives=(), extra=[alternatives(NAMES[what], SERVER_NAME)]).der)
    parsed.load()
    assert [str(each) for each in parsed.alternative_names][1:] == ["server.example"]


SERVER_NAME = general_name("DNS", b"server.example")


@pytest.mark.parametrize(
    ("extension", "problem"),
    [
        (alternatives(), "subjectAltName: the list of names is empty"),
        (alternatives(general_name("IP", b"12345")), "subjectAltName: an IP address of 5 bytes"),
        (alternatives(general_name("IP", b"12345"), critical=True), "an IP address of 5 bytes"),
        (raw("2.5.29.17", b"\5\0"), "subjectAltName: no list of names"),
        (raw("2.5.29.30", encode(0x30, b"")), "nameConstraints: name constraints without a subtree"),
        (raw("2.5.29.30", b"\5\0", True), "nameConstraints: no name constraints"),
    ],
)
def test_malformed_names_and_constraints_are_refused_critical_or_not(extension, problem):
    """RFC 5280 4.2.1.6 and 4.2.1.10."""
    with pytest.raises(ValueError, match=problem):
        ParsedCertificate(leaf(CA, alternatives=(), extra=[extension]).der).load()


def test_a_certificate_without_these_extensions_has_none():
    """RFC 5280 4.2.1.6 and 4.2.1.10."""
    parsed = ParsedCertificate(leaf(CA, alternatives=()).der)
    assert parsed.alternative_names is None
    assert parsed.name_constraints is None


def period(tag: int, text: str) -> bytes:
    """A period of validity that ends so."""
    return encode(0x30, encode(0x17, b"260501120000Z") + encode(tag, text.encode()))


UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


@pytest.mark.parametrize(
    ("tag", "text", "end"),
    [
        (UTC_TIME, "270501120000Z", datetime(2027, 5, 1, 12, tzinfo=UTC)),
        (UTC_TIME, "491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (UTC_TIME, "500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (GENERALIZED_TIME, "20270501120000Z", datetime(2027, 5, 1, 12, tzinfo=UTC)),
        (GENERALIZED_TIME, "20500101000000Z", datetime(2050, 1, 1, tzinfo=UTC)),
        (GENERALIZED_TIME, "99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_either_form(tag, text, end):
    """RFC 5280 4.1.2.5: two digits are 1950 to 2049, and four may name those years too."""
    assert ParsedCertificate(edited(SERVER, validity=period(tag, text)).der).not_after == end


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (GENERALIZED_TIME, "20270501120000.5Z"),
        (GENERALIZED_TIME, "20270501120000.0Z"),
        (GENERALIZED_TIME, "20270501120000+0100"),
        (GENERALIZED_TIME, "20270501120000"),
        (GENERALIZED_TIME, "202705011200Z"),
        (GENERALIZED_TIME, "2027050112Z"),
        (GENERALIZED_TIME, "00000101000000Z"),
        (UTC_TIME, "270501120000+0000"),
        (UTC_TIME, "2705011200Z"),
        (UTC_TIME, "270501120000"),
        (UTC_TIME, "270501120060Z"),
        (UTC_TIME, "270501240000Z"),
        (UTC_TIME, "270230120000Z"),
        (UTC_TIME, "2705011200000Z"),
        (UTC_TIME, ""),
        (0x1A, "270501120000Z"),
    ],
)
def test_a_time_in_no_form_of_the_rfc_is_refused(tag, text):
    """RFC 5280 4.1.2.5.1 and 4.1.2.5.2: Zulu, with seconds, without fractions."""
    with pytest.raises(ValueError, match=r".+"):
        ParsedCertificate(edited(SERVER, validity=period(tag, text)).der).load()


@pytest.mark.parametrize("serial", ["00", "ff", "0080", "8000", "14" * 20, "14" * 21, "14" * 200, "91" * 20])
def test_any_serial_number_is_accepted(serial):
    """RFC 5280 4.1.2.2: what CAs may not make, users handle gracefully."""
    number = bytes.fromhex(serial)
    parsed = ParsedCertificate(edited(SERVER, serial=encode(0x02, number)).der)
    parsed.load()
    assert parsed.serial == number


@pytest.mark.parametrize("serial", ["", "0001", "ff80"])
def test_a_serial_number_that_is_no_integer_of_der_is_refused(serial):
    """X.690 8.3.2."""
    with pytest.raises(ValueError, match="serial"):
        ParsedCertificate(edited(SERVER, serial=encode(0x02, bytes.fromhex(serial))).der).load()


def attribute(tag: int, value: bytes) -> bytes:
    return encode(0x30, b"\x06\x03\x55\x04\x03" + encode(tag, value))


NO_NAMES = {
    "an empty relative name": encode(0x31, b""),
    "a relative name that is not a set": attribute(0x0C, b"a"),
    "an attribute without a value": encode(0x31, encode(0x30, b"\x06\x03\x55\x04\x03")),
    "an attribute with two values": encode(0x31, encode(0x30, b"\x06\x03\x55\x04\x03\x0c\x01a\x0c\x01b")),
    "an attribute without a type": encode(0x31, encode(0x30, b"\x0c\x01a")),
    "what is cut off": b"\x31\x05\x30",
}


@pytest.mark.parametrize("place", ["subject", "issuer"])
@pytest.mark.parametrize("what", NO_NAMES)
def test_a_malformed_name_is_refused_with_its_field(what: str, place: str) -> None:
    """RFC 5280 4.1.2.4."""
    named = edited(SERVER, **{place: encode(0x30, NO_NAMES[what])})
    with pytest.raises(ValueError, match=place):
        ParsedCertificate(named.der).load()


@pytest.mark.parametrize(
    "name",
    [
        encode(0x31, attribute(0x02, b"\x05")),
        encode(0x31, attribute(0x14, b"K\xf6zjegyz\xf5")),
        encode(0x31, attribute(0x02, b"\x05") + attribute(0x0C, b"a")),
        encode(0x31, attribute(0x03, b"\x00a") + attribute(0x03, b"\x00b")),
        encode(0x31, attribute(0x0C, b"\xff\xfe")),
    ],
)
def test_a_name_with_unusual_string_types_can_be_compared_and_shown(name: bytes) -> None:
    """The parser of X.509 refuses most of these; public roots have TeletexString in Latin letters."""
    parsed = ParsedCertificate(edited(SERVER, subject=encode(0x30, name)).der)
    assert parsed.load().x509.serial_number > 0
    assert parsed.normal_subject
    assert subject_of(parsed.x509) == parsed.subject_text
    assert "CN=" in parsed.subject_text
    assert issuer_of(parsed.x509) == parsed.issuer_text


def test_the_former_name_still_works():
    """No other name leads anywhere."""
    module = importlib.import_module("bothways.trust.certificate")
    assert module.Parsed is ParsedCertificate
    assert not hasattr(module, "Sealed")
