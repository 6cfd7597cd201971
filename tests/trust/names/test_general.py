"""General names in certificates, and the forms in which they are compared (RFC 5280 4.2.1.6)."""

from __future__ import annotations

import pytest

from bothways.trust.names.general import (
    GeneralName,
    GeneralNameKind,
    Mailbox,
    address_text,
    directory_form,
    embedded_ipv4,
    further_work,
    general_names,
    host_form,
    is_dns_name,
    lower_ascii,
    mailbox_form,
    other_name,
    uri_host_form,
)
from pki import der, name
from raw_certificates import general_name, sequence, smtp_utf8_mailbox

OID = der(0x06, b"\x2a\x03")


@pytest.mark.parametrize(
    ("kind", "value", "meant", "text"),
    [
        ("EMAIL", b"me@a.example", GeneralNameKind.EMAIL, "me@a.example"),
        ("DNS", b"a.example", GeneralNameKind.DNS, "a.example"),
        ("DNS", "\u212a.example".encode(), GeneralNameKind.DNS, r"\xe2\x84\xaa.example"),
        ("DNS", b"\xfc.example", GeneralNameKind.DNS, r"\xfc.example"),
        ("DNS", b"", GeneralNameKind.DNS, ""),
        ("URI", b"urn:a", GeneralNameKind.URI, "urn:a"),
        ("IP", bytes([10, 0, 0, 1]), GeneralNameKind.IP, "10.0.0.1"),
        ("IP", bytes(15) + b"\1", GeneralNameKind.IP, "::1"),
        ("RID", b"\x2a\x03", GeneralNameKind.REGISTERED_ID, "1.2.3"),
        ("X400", sequence(), GeneralNameKind.X400, "an X.400 address"),
        ("EDI", der(0xA1, der(0x0C, b"party")), GeneralNameKind.EDI, "an EDI party name"),
        ("DN", name("me", O="Here").public_bytes(), GeneralNameKind.DIRECTORY, "CN=me,O=Here"),
        ("DN", sequence(), GeneralNameKind.DIRECTORY, ""),
        ("OTHER", OID + der(0xA0, der(0x05, b"")), GeneralNameKind.OTHER, "1.2.3"),
    ],
)
def test_every_kind_of_general_name_is_decoded(kind, value, meant, text):
    """RFC 5280 4.2.1.6; text other than ASCII is shown escaped."""
    [found] = general_names(sequence(general_name(kind, value)))
    assert (found, str(found)) == (GeneralName(meant, value), text)


@pytest.mark.parametrize(
    ("der_of_names", "problem"),
    [
        (sequence(), "is empty"),
        (sequence(general_name("DNS", b"a")) + b"\0", "1 bytes follow"),
        (general_name("DNS", b"a"), "no list of names"),
        (sequence(b"\x82\x05a"), "runs past the end"),
        (sequence(der(0x89, b"x")), "a name of an unknown type: tag"),
        (sequence(der(0x0C, b"x")), "a name of an unknown type: tag"),
        (sequence(der(0xA2, der(0x16, b"x"))), "a name of an unknown type: tag"),
        (sequence(general_name("IP", b"12345")), "an IP address of 5 bytes"),
        (sequence(general_name("IP", b"")), "an IP address of 0 bytes"),
        (sequence(general_name("IP", bytes(8))), "an IP address of 8 bytes"),
        (sequence(*[general_name("DNS", b"a")] * 4097), "more than 4096 names"),
        (sequence(general_name("DN", b"")), "cut off"),
        (sequence(general_name("DN", b"\5\0")), "no name"),
        (sequence(general_name("DN", sequence() + b"\5\0")), "bytes follow a directory name"),
        (sequence(general_name("RID", b"")), "a registeredID that is not an object identifier"),
        (sequence(general_name("RID", b"\x80")), "a registeredID that is not an object identifier"),
        (sequence(general_name("RID", b"\x2a\x80\x01")), "a registeredID that is not an object identifier"),
        (sequence(general_name("RID", b"\x2a\x81\x80")), "a registeredID that is not an object identifier"),
        (sequence(general_name("OTHER", OID)), "cut off"),
        (
            sequence(general_name("OTHER", OID + der(0xA0, b""))),
            "an otherName that has not exactly one value",
        ),
        (
            sequence(general_name("OTHER", OID + der(0xA0, b"\5\0\5\0"))),
            "an otherName that has not exactly one value",
        ),
        (
            sequence(general_name("OTHER", OID + der(0xA0, b"\5\0") + b"\5\0")),
            "an otherName that has not exactly one value",
        ),
        (sequence(general_name("OTHER", der(6, b"") + der(0xA0, b"\5\0"))), "is not an object identifier"),
        (sequence(general_name("RID", b"\x2a" * 64)), "a registeredID that is not an object identifier"),
    ],
)
def test_malformed_general_names_are_refused(der_of_names, problem):
    """RFC 5280 A.2: GeneralNames is a sequence of one or more, each by its kind."""
    with pytest.raises(ValueError, match=problem):
        general_names(der_of_names)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Host.Example", "host.example"),
        ("host.example.", "host.example"),
        ("_srv.example", "_srv.example"),
        ("localhost", "localhost"),
        ("\u212aelvin.example", None),
        ("stra\u00dfe.example", None),
        ("", None),
        (".", None),
        (".example", None),
        ("a..example", None),
        ("a example", None),
        ("a\0.example", None),
        ("-a.example", None),
        ("a-.example", None),
        ("10.0.0.1", None),
        ("x" * 64 + ".example", None),
        ("a." * 127 + "a", None),
        ("a." * 126 + "a", "a." * 126 + "a"),
    ],
)
def test_a_host_has_one_compared_form(text, form):
    """RFC 1034 3.5, RFC 1123 2.1: letters of ASCII alone have a case."""
    assert host_form(text) == form
    assert is_dns_name(text) is (form == text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("me@Host.Example", ("me", "host.example")),
        ("Me@host.example", ("Me", "host.example")),
        ('"me"@host.example', ("me", "host.example")),
        (r'"m\e"@host.example', ("me", "host.example")),
        ('"a@b"@host.example', ("a@b", "host.example")),
        ('"a b"@host.example', ("a b", "host.example")),
        (r'"a\"b"@host.example', ('a"b', "host.example")),
        ("a.b@host.example", ("a.b", "host.example")),
        ("a..b@host.example", None),
        (".a@host.example", None),
        ("a b@host.example", None),
        ("a@b@host.example", None),
        ('"a"b"@host.example', None),
        ('"a\\"@host.example', None),
        ('"a\n"@host.example', None),
        ('"@host.example', None),
        ("@host.example", None),
        ("host.example", None),
        ("me@", None),
        ("me@[10.0.0.1]", None),
        ("me@ho\u212a.example", None),
        ("m\u00fc@host.example", None),
        ("x" * 257 + "@host.example", None),
    ],
)
def test_a_mailbox_has_one_compared_form_however_it_is_quoted(text, form):
    """RFC 5321 4.1.2: quotation marks are no part of the local part, whose case counts."""
    assert mailbox_form(text) == (None if form is None else Mailbox(*form))


def test_an_smtputf8mailbox_may_have_other_letters_in_its_local_part_only():
    """RFC 9598 3: the host is in A-labels."""
    assert mailbox_form("m\u00fc@Host.example", ascii_only=False) == Mailbox("m\u00fc", "host.example")
    assert mailbox_form("m\u00fc@b\u00fccher.example", ascii_only=False) is None
    assert mailbox_form("m\u0085@host.example", ascii_only=False) is None


@pytest.mark.parametrize(
    ("name_der", "mailbox"),
    [
        (smtp_utf8_mailbox("m\u00fc@host.example"), "m\u00fc@host.example"),
        (general_name("OTHER", bytes.fromhex("06082b06010505070809a0021600")), ""),
        (general_name("OTHER", bytes.fromhex("06082b06010505070809a0030c01ff")), ""),
        (general_name("OTHER", OID + der(0xA0, der(0x0C, b"me@a"))), None),
        (general_name("EMAIL", b"me@a"), None),
    ],
)
def test_an_smtputf8mailbox_is_decoded_from_its_othername(name_der, mailbox):
    """RFC 9598 3: a UTF8String, and nothing else."""
    [found] = general_names(sequence(name_der))
    assert found.utf8_mailbox == mailbox
    assert str(found)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://Host.Example/path", "host.example"),
        ("https://user:word@host.example:8443?q#f", "host.example"),
        ("spiffe://example.org/ns/a", "example.org"),
        ("x://host.example./", "host.example"),
        ("https://host.example:/", "host.example"),
        ("https://[2001:db8::1]/", None),
        ("https://10.0.0.1/", None),
        ("https://host.example:80x/", None),
        ("https://a@b@host.example/", None),
        ("https://ho%73t.example/", None),
        ("https://good.example\\@bad.example/", None),
        ("https://good.example /", None),
        ("https://ho\u212at.example/", None),
        ("https:///path", None),
        ("https:host.example", None),
        ("https://host.example/" + "x" * 8192, None),
        ("urn:uuid:1", None),
        ("1x://host.example/", None),
        ("://host.example/", None),
    ],
)
def test_the_host_of_a_uri_is_a_dns_name_or_none(uri, host):
    """RFC 5280 4.2.1.10, RFC 3986 3.2: an ambiguous URI has none."""
    assert uri_host_form(uri) == host


def test_addresses_and_networks_are_shown():
    """RFC 5280 4.2.1.10."""
    assert address_text(bytes([10, 0, 0, 0, 255, 0, 0, 0])) == "10.0.0.0/255.0.0.0"
    assert address_text(bytes(32)) == "::/::"


def test_an_ipv4_mapped_address_is_recognised():
    """RFC 4291 2.5.5.2."""
    assert embedded_ipv4(bytes.fromhex("00000000000000000000ffff0a000001")) == bytes([10, 0, 0, 1])
    assert embedded_ipv4(bytes.fromhex("20010db800000000000000000a000001")) is None
    assert embedded_ipv4(bytes([10, 0, 0, 1])) is None


def test_letters_beyond_ascii_keep_their_case():
    """RFC 9525 6.3: a Kelvin sign is no k."""
    assert lower_ascii("HOST") == "host"
    assert lower_ascii("\u212aHOST") == "\u212aHOST"


@pytest.mark.parametrize(
    "value",
    [
        sequence(b"\5\0"),
        sequence(der(0x31, b"")),
        sequence(der(0x31, sequence(OID, der(0x13, b"caf\xe9")))),
        sequence(der(0x31, sequence(OID, der(0x0C, "\u00e9".encode() * 257)))),
    ],
)
def test_a_malformed_directory_name_has_no_compared_form(value):
    """RFC 5280 4.1.2.4: nor has one that is too long to normalize."""
    [found] = general_names(sequence(general_name("DN", value)))
    assert directory_form(found.value) is None
    assert str(found) in (value.hex(), "1.2.3=caf\ufffd", "1.2.3=" + "\u00e9" * 257)


def test_the_cost_of_comparing_a_name_grows_with_its_length():
    """A name may be as long as its certificate."""
    names = [GeneralName(GeneralNameKind.DNS, b"x" * 20), GeneralName(GeneralNameKind.DNS, b"x" * 64)]
    assert further_work(names) == 2
    assert further_work([GeneralName(GeneralNameKind.DIRECTORY, bytes(300))]) == 100
    assert further_work([GeneralName(GeneralNameKind.OTHER, OID + der(0xA0, b"\5\0"))]) == 6


def test_an_othername_is_decoded():
    """RFC 5280 4.2.1.6."""
    assert other_name(OID + der(0xA0, b"\5\0")) == (b"\x2a\x03", b"\5\0")
