"""Extensions each by itself."""

from __future__ import annotations

from bothways.describe.documents.asn1 import whole
from bothways.describe.documents.certificate_extensions import CERTIFICATE_EXTENSIONS
from bothways.describe.documents.extensions import describe_extensions, facts_of
from described_files import der, oid, sequence

CA = sequence(oid("2.5.29.19"), der(0x01, b"\xff"), der(0x04, sequence(der(0x01, b"\xff"))))
NAMES = oid("2.5.29.17")


def facts(*extensions: bytes) -> list[tuple[str, str]]:
    return facts_of(describe_extensions(whole(sequence(*extensions), "extensions"), CERTIFICATE_EXTENSIONS))


def test_an_undecodable_extension_hides_no_other():
    """It is reported with the position of the fault, and with its bytes."""
    broken = sequence(NAMES, der(0x04, b"\x30\x05\x82"))
    assert facts(broken, CA) == [
        ("alternative names", "cannot be read (a length of 5 at byte 0 runs past the end): 300582"),
        ("CA", "yes (critical)"),
    ]


def test_a_malformed_extension_hides_no_other():
    """It is reported with its number."""
    assert facts(der(0x04, b""), CA, sequence(oid("1.2.3.4")), sequence(NAMES, der(0x04, b""), b"\5\0")) == [
        ("extension no. 1", "cannot be read: no extension at byte 2"),
        ("CA", "yes (critical)"),
        ("extension no. 3", "cannot be read: no value of an extension at byte 28"),
        ("extension no. 4", "cannot be read: a field that does not belong there at byte 37"),
    ]


def test_an_unknown_extension_is_shown_by_its_object_identifier():
    """With its length, its bytes and its decoded structure."""
    unknown = sequence(oid("1.2.3.4"), der(0x01, b"\xff"), der(0x04, der(0x0C, b"text")))
    assert facts(unknown) == [("extension 1.2.3.4", '6 bytes: 0c0474657874, which is "text" (critical)')]
    assert facts(sequence(oid("1.2.3.4"), der(0x04, b"?"))) == [("extension 1.2.3.4", "1 byte: 3f")]
    long = sequence(oid("1.2.3.4"), der(0x04, bytes(5_000)))
    assert facts(long) == [("extension 1.2.3.4", f"5,000 bytes: {'00' * 32}... (5000 bytes)")]


def test_an_extension_that_occurs_twice_is_marked():
    """RFC 5280 4.2 forbids it, and both are described."""
    assert facts(CA, CA) == [
        ("CA", "yes (critical)"),
        ("CA", "yes (critical) (a second time, which is forbidden)"),
    ]


def test_many_extensions_are_counted():
    """At most sixty-four are described."""
    crowd = [sequence(oid(f"1.2.3.{number}"), der(0x04, b"")) for number in range(1, 101)]
    found = facts(*crowd)
    assert len(found) == 65
    assert found[-1] == ("extensions", "and 36 more")


def test_many_names_are_counted():
    """Ten thousand names make no ten thousand rows."""
    names = sequence(*(der(0x82, b"%d.example" % number) for number in range(10_000)))
    found = facts(sequence(NAMES, der(0x04, names)))
    assert found[-1][1].endswith("and 9,900 more")
    assert len(found) < 30


def test_a_truncated_list_is_described_up_to_there():
    """What was decoded is described."""
    assert facts(CA, b"\x30\x05\x06") == [
        ("CA", "yes (critical)"),
        ("extensions", "cannot be read from there on: a length of 5 at byte 19 runs past the end"),
    ]


def test_an_extension_without_a_value_says_so():
    """An empty sequence of purposes, for one."""
    assert facts(sequence(oid("2.5.29.37"), der(0x04, sequence()))) == [("extended key usage", "empty")]
