"""When two distinguished names are the same (RFC 5280 7.1), and how one is shown."""

from __future__ import annotations

import unicodedata

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from bothways.trust.names.distinguished import (
    FOLDED_LIMIT,
    attributes,
    common_name,
    comparable_relatives,
    dn_text,
    dotted,
    has_too_long_text,
    normal,
    string,
)
from pki import der as encode
from pki import name

UTF8, PRINTABLE, BMP, BIT = (
    _ASN1Type.UTF8String,
    _ASN1Type.PrintableString,
    _ASN1Type.BMPString,
    _ASN1Type.BitString,
)


def der(*parts: tuple[x509.ObjectIdentifier, str, _ASN1Type]) -> bytes:
    return x509.Name(
        [x509.NameAttribute(oid, value, _type=kind) for oid, value, kind in parts]
    ).public_bytes()


def ou(value: str) -> bytes:
    return der(
        *[(NameOID.ORGANIZATIONAL_UNIT_NAME, value[at : at + 60], UTF8) for at in range(0, len(value), 60)]
    )


def cn(value: str, kind: _ASN1Type = UTF8) -> bytes:
    return der((NameOID.COMMON_NAME, value, kind))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (cn("Payments"), cn("PAYMENTS")),
        (cn("Payments", PRINTABLE), cn("payments", UTF8)),
        (cn("Payments", BMP), cn("payments", PRINTABLE)),
        (cn(" Pay   Ments "), cn("pay ments")),
        (cn("Stra\u00dfe"), cn("STRASSE")),
        (cn("caf\u00e9"), cn("CAFE\u0301")),
        (cn("so\u00adft"), cn("soft")),
        (cn("so\u0001ft"), cn("soft")),
        (cn("so\u001fft"), cn("soft")),
        (cn("so\u0085ft"), cn("so ft")),
        (cn("so\tft"), cn("so ft")),
        (cn("so\u00a0ft"), cn("so ft")),
        (cn("so\u3000 ft"), cn("so ft")),
        (cn("\u202esoft"), cn("soft")),
        (cn("\ufeffs\u200doft\ufe0f"), cn("soft")),
        (cn("\u212aelvin"), cn("kelvin")),
    ],
)
def test_names_that_differ_in_case_spaces_composition_or_string_type_are_the_same(one, other):
    """RFC 5280 7.1, RFC 4518 2."""
    assert one != other
    assert normal(one) == normal(other)


# RFC 4518 2.2: what is mapped to nothing, as ranges.
NOTHING = (
    "0-8 E-1F 7F-84 86-9F AD 34F 6DD 70F 1806 180B-180E 200B-200F 202A-202E 2060-2063 206A-206F FE00-FE0F FEFF "
    "FFF9-FFFC 1D173-1D17A E0001 E0020-E007F"
)


def test_the_characters_that_a_comparison_ignores_are_those_of_the_rfc():
    """RFC 4518 2.2: the ends of each range are ignored, and the characters beside it are not."""

    def with_it(character: str) -> bytes:
        text = encode(0x0C, f"a{character}b".encode())
        return normal(encode(0x30, encode(0x31, encode(0x30, b"\x06\x03\x55\x04\x03" + text))))

    ranges = [[int(each, 16) for each in part.split("-")] for part in NOTHING.split()]
    ends = {each for part in ranges for each in part}
    beside = {part[0] - 1 for part in ranges if part[0]} | {part[-1] + 1 for part in ranges}
    ignored = {number for number in ends | beside if with_it(chr(number)) == with_it("")}
    assert ignored == ends


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (cn("Payments"), cn("Payment")),
        (cn("Pay Ments"), cn("Payments")),
        (cn("a"), der((NameOID.ORGANIZATION_NAME, "a", UTF8))),
        (cn("a"), der((NameOID.COMMON_NAME, "a", UTF8), (NameOID.COMMON_NAME, "a", UTF8))),
        (name("a", O="b").public_bytes(), name("b", O="a").public_bytes()),
        (cn("a"), b"garbage"),
        (b"garbage", b"other garbage"),
    ],
)
def test_names_that_differ_in_anything_else_are_different(one, other):
    """RFC 5280 7.1: same number and order of relative names, same attributes."""
    assert normal(one) != normal(other)


def test_the_order_inside_a_relative_name_does_not_count():
    """RFC 5280 7.1: a relative name is a set."""
    a, b = (
        bytes.fromhex("3008060355040313016130080603550403130162"[0:20]),
        bytes.fromhex("30080603550403130162"),
    )
    one = b"\x30\x16\x31\x14" + a + b
    other = b"\x30\x16\x31\x14" + b + a
    assert normal(one) == normal(other)
    assert len(attributes(one)[0]) == 2


def test_a_long_name_is_compared_like_a_short_one():
    """Only short names are cached."""
    assert normal(ou("A" * 600)) == normal(ou("a" * 600))
    assert dn_text(ou("A" * 600)) == ",".join(["OU=" + "A" * 60] * 10)


def test_a_long_unicode_string_is_compared_without_normalization(monkeypatch):
    """To normalize 60 KB of combining characters takes seconds, and any peer may send them."""
    folded = []
    normalize = unicodedata.normalize
    monkeypatch.setattr(
        "unicodedata.normalize", lambda form, text: folded.append(len(text)) or normalize(form, text)
    )

    def whole(text):
        value = encode(0x30, b"\x06\x03\x55\x04\x03" + encode(0x0C, text.encode()))
        return encode(0x30, encode(0x31, value))

    combining = "\u0345\u0301" * 15_000
    assert normal(whole(combining)) == normal(whole(combining)) != normal(whole(combining + "a"))
    assert normal(whole("\u00e9" * 257)) != normal(whole("\u00c9" * 257))
    assert max(folded, default=0) <= FOLDED_LIMIT
    assert normal(whole("\u00e9" * 256)) == normal(whole("\u00c9" * 256))
    assert normal(whole("a" * 60_000)) == normal(whole("A" * 60_000))
    assert has_too_long_text(whole("\u00e9" * 257))
    assert not has_too_long_text(whole("\u00e9" * 256)) and not has_too_long_text(whole("a" * 60_000))


def test_strings_that_do_not_decode_are_compared_as_bytes():
    """RFC 5280 7.1."""
    bad = cn("aa").replace(b"aa", b"\xff\xfe")
    assert normal(bad) != normal(cn("aa"))
    assert "CN=" in dn_text(bad)
    bits = der((NameOID.X500_UNIQUE_IDENTIFIER, "ab", UTF8)).replace(b"\x0c\x02", b"\x03\x02")
    assert dn_text(bits) == "x500UniqueIdentifier=#03026162"
    assert normal(bits) == normal(bits)


@pytest.mark.parametrize(
    ("tag", "value", "comparable"),
    [
        (0x0C, "caf\u00e9".encode(), True),
        (0x0C, b"caf\xe9", False),
        (0x13, b"cafe", True),
        (0x13, b"caf\xe9", False),
        (0x14, b"caf\xe9", True),
        (0x1E, b"\0c\0a", True),
        (0x1E, b"\0c\0", False),
        (0x1C, b"\0\0\0c", True),
        (0x1C, b"\0c", False),
        (0x03, b"\0\xff", True),
        (0x0C, "\u00e9".encode() * 257, False),
    ],
)
def test_a_name_with_strings_invalid_for_their_types_cannot_be_compared(tag, value, comparable):
    """RFC 5280 7.1: it may look like another name, and bypass name constraints."""
    attribute = encode(0x30, b"\x06\x03\x55\x04\x0a" + encode(tag, value))
    found = comparable_relatives(encode(0x30, encode(0x31, attribute)))
    assert (found is not None) is comparable


def test_a_name_is_shown_with_its_last_part_first():
    """RFC 4514 2."""
    assert dn_text(name("Pay, Inc", C="SE", O="E").public_bytes()) == "CN=Pay\\, Inc,O=E,C=SE"
    assert dn_text(b"\x30\x00") == ""
    assert dn_text(b"garbage") == b"garbage".hex()
    assert dn_text(der((x509.ObjectIdentifier("2.999.1.840.113549"), "x", UTF8))) == "2.999.1.840.113549=x"


def test_the_common_name_is_the_last_one():
    """RFC 5280 4.1.2.6."""
    both = der((NameOID.COMMON_NAME, "general", UTF8), (NameOID.COMMON_NAME, "particular", PRINTABLE))
    assert common_name(both) == "particular"
    assert common_name(name(None, O="E").public_bytes()) is None
    assert common_name(b"garbage") is None


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "3000ff",
        "3002",
        "30023000",
        "30023100",
        "3004310230 00".replace(" ", ""),
        "300631043002 0500".replace(" ", ""),
        "300b3109310706035504030c00",  # an attribute that is a set
        "300b3109300706035504038000",  # a value with a tag of its own
        "30083106300406000c00",  # a type of no octets
        "3009310730050601800c00",  # of a number that does not end
        "300b3109300706035504830c00",  # of a last number that does not end
        "300b3109300706035580030c00",  # of a number in more octets than it needs
    ],
)
def test_a_malformed_name_is_a_value_error(garbage):
    """RFC 5280 4.1.2.4."""
    with pytest.raises(ValueError, match=r".+"):
        attributes(bytes.fromhex(garbage))


@pytest.mark.parametrize("together", [True, False])
def test_a_name_of_too_many_attributes_is_refused(together: bool):
    """Bounded work, in one relative distinguished name or in many."""
    one = encode(0x30, bytes.fromhex("06012a0c00"))
    cut = encode(0x30, b"\x06")
    for last, message in ((b"", None), (one + cut, "a name of more than 64 attributes")):
        body = one * 64 + last
        parts = [body] if together else [one] * 64 + ([one, cut] if last else [])
        name = encode(0x30, b"".join(encode(0x31, each) for each in parts))
        if message is None:
            assert sum(map(len, attributes(name))) == 64
        else:
            with pytest.raises(ValueError, match=message):
                attributes(name)


def test_an_attribute_has_exactly_one_value():
    """RFC 5280 4.1.2.4."""
    with pytest.raises(ValueError, match="no single value"):
        attributes(
            bytes.fromhex("300d310b3009060355040313003000"[0:4]) + bytes.fromhex("310b3009060355040313001300")
        )


def test_any_identifier_and_string_is_shown():
    """X.690 8.19: an identifier without a final byte is invalid."""
    assert dotted(b"\x55\x04\x03") == "2.5.4.3"
    assert dotted(b"\x85") == "?"
    assert string(0x0C, "caf\u00e9".encode()) == "caf\u00e9"
    assert string(0x03, b"\x00\x01") == "0001"


@pytest.mark.parametrize("size", [64, 3000, 60_000])
def test_a_very_long_identifier_is_shown_by_its_length(size: int) -> None:
    """A peer chooses names, and Python refuses to print very long numbers."""
    kind = b"\x55" + b"\xff" * (size - 2) + b"\x01"
    endless = encode(0x30, encode(0x31, encode(0x30, encode(6, kind) + encode(0x0C, b"x"))))
    assert dn_text(endless) == f"an identifier of {size} bytes=x"
