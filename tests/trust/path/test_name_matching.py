"""For which names a certificate is valid (RFC 9525)."""

from __future__ import annotations

import pytest

from bothways.errors import ConfigError
from bothways.faults import Fault
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.name_matching import ServerName, matches, name_reasons, names_of, server_name
from bothways.trust.verdict import Names
from pki import der as encode
from pki import intermediate, issue, leaf, root
from raw_certificates import alternatives, general_name, sequence, smtp_utf8_mailbox

ROOT = root()


@pytest.mark.parametrize(
    ("text", "kind", "compared", "sni"),
    [
        ("Server.Example", "dns", "server.example", "server.example"),
        ("server.example.", "dns", "server.example", "server.example"),
        ("localhost", "dns", "localhost", "localhost"),
        ("my_service.internal", "dns", "my_service.internal", "my_service.internal"),
        ("b\u00fccher.example", "dns", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "dns", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "ip", "127.0.0.1", None),
        ("[2001:DB8::1]", "ip", "2001:db8::1", None),
        ("fe80::1%eth0", "ip", "fe80::1", None),
        ("SPIFFE://Example/Api", "uri", "spiffe://example/Api", None),
    ],
)
def test_a_wanted_name_is_converted_to_the_compared_form(text, kind, compared, sni):
    """RFC 9525 2 and 6.3; RFC 6066 3: an address is never sent as SNI."""
    wanted = server_name(text)
    assert (wanted.kind, wanted.text, wanted.sni) == (kind, compared, sni)
    assert server_name(text).text == str(wanted) == compared


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a..b",
        "-a.example",
        "a-.example",
        "server.example:443",
        "server.example/path",
        "a b",
        "*.example.com",
        "1.2.3",
        "256.1.1.1",
        "x" * 64 + ".example",
        "a." * 127 + "example",
        "stra\u00dfe.example",
        "\u2488.example",
    ],
)
def test_an_invalid_name_is_a_config_error_that_shows_it(text):
    """An error of our caller, raised when the connection is made."""
    with pytest.raises(ConfigError, match="server_name: "):
        server_name(text)


def test_a_label_that_is_too_long_is_told_as_that():
    """RFC 1035 2.3.4. Other rules may be broken too, and are told first."""
    with pytest.raises(ConfigError, match="has a label of more than 63 characters"):
        server_name("x" * 64 + ".example")
    with pytest.raises(ConfigError, match="give the bare host"):
        server_name("x" * 64 + ".example/path")


@pytest.mark.parametrize(
    ("presented", "wanted", "is_match"),
    [
        ("server.example", "server.example", True),
        ("SERVER.example", "server.example", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "xn--bcher-kva.example.com", True),
        ("a*.example.com", "ab.example.com", False),
        ("*b.example.com", "ab.example.com", False),
        ("a.*.example.com", "a.b.example.com", False),
        ("*.*.com", "a.b.com", False),
        ("*", "localhost", False),
        ("*.com", "example.com", False),
        ("server.example.", "server.example", False),
        ("xn--bcher-kva.example", "b\u00fccher.example", True),
        ("server.example", "other.example", False),
        ("server.example\x00.evil.example", "server.example", False),
        ("\u212aerver.example", "kerver.example", False),
        ("\u212aerver.example", "\u212aerver.example", False),
        ("\u017ferver.example", "server.example", False),
        ("SERVER.\uff45xample", "server.example", False),
        ("*.\u212a.example", "a.k.example", False),
    ],
)
def test_dns_names_match_exactly_or_by_one_whole_left_most_label(presented, wanted, is_match):
    """RFC 9525 6.3."""
    assert matches(Names("", dns=(presented,)), server_name(wanted)) is is_match


def test_addresses_match_by_value_and_only_as_addresses():
    """RFC 9525 6.4: an address in a dNSName or a common name does not count."""
    names = Names("CN=10.0.0.1", "10.0.0.1", dns=("10.0.0.2",), ip=("10.0.0.3", "2001:db8::1"))
    matching = ["10.0.0.3", "2001:db8:0::1", "[2001:0DB8::1]"]
    assert all(matches(names, server_name(each)) for each in matching)
    others = ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.3"]
    assert not any(matches(names, server_name(each)) for each in others)


def test_uris_match_whole_with_scheme_and_authority_in_any_case():
    """RFC 9525 6.5; a SPIFFE ID's path counts letter for letter."""
    names = Names("", uri=("SPIFFE://Example.org/ns/a",))
    assert matches(names, server_name("spiffe://example.org/ns/a"))
    assert not matches(names, server_name("spiffe://example.org/ns/A"))
    assert not matches(names, server_name("spiffe://example.org/ns/a/b"))


@pytest.mark.parametrize(
    ("issued", "got"),
    [
        (leaf(ROOT, "a", alternatives=["URI:spiffe://e/a", "DNS:a.example"]), None),
        (leaf(ROOT, "a", alternatives=["URI:spiffe://e/b"]), ("spiffe://e/b",)),
        (
            leaf(ROOT, "a", alternatives=["URI:spiffe://e/a", "URI:spiffe://e/b"]),
            ("spiffe://e/a", "spiffe://e/b"),
        ),
        (leaf(ROOT, "a", alternatives=["URI:spiffe://e/a", "URI:urn:a"]), ("spiffe://e/a", "urn:a")),
        (intermediate(ROOT, "a", alternatives=["URI:spiffe://e/a"]), ("the CA spiffe://e/a",)),
        (
            leaf(ROOT, "a", alternatives=["URI:spiffe://e/a"], key_usage=("digital_signature", "crl_sign")),
            ("the CA spiffe://e/a",),
        ),
    ],
)
def test_a_spiffe_id_is_the_only_uri_of_a_certificate_that_signs_no_others(issued, got):
    """X509-SVID 2 and 5.2."""
    certificate = ParsedCertificate(issued.der)
    reasons = name_reasons(certificate, names_of(certificate), server_name("spiffe://e/a"))
    assert [(each.fault, each.facts["got"]) for each in reasons] == (
        [] if got is None else [(Fault.NAME_MISMATCH, got)]
    )


def test_another_uri_may_be_one_of_several():
    assert matches(Names("", uri=("urn://e/a", "urn://e/b")), server_name("urn://e/a"))


def test_every_kind_of_name_is_collected():
    """The names of a client are reported, with or without a subjectAltName."""
    full = [
        "DNS:a.example",
        "IP:10.0.0.1",
        "IP:2001:db8::1",
        "URI:spiffe://e/a",
        "EMAIL:me@a.example",
        "DN:Other",
    ]
    found = names_of(ParsedCertificate(issue("Me", ROOT, alternatives=full).der))
    assert found == Names(
        "CN=Me", "Me", ("a.example",), ("10.0.0.1", "2001:db8::1"), ("spiffe://e/a",), ("me@a.example",)
    )
    assert names_of(ParsedCertificate(issue("Me", ROOT).der)) == Names("CN=Me", "Me")


def presenting(*names: bytes) -> Names:
    """What is collected of a certificate with these alternative names."""
    return names_of(ParsedCertificate(leaf(ROOT, "me", alternatives=(), extra=[alternatives(*names)]).der))


@pytest.mark.parametrize(
    ("presented", "wanted"),
    [
        (general_name("DNS", "\u212a.example".encode()), "k.example"),
        (general_name("DNS", "\u212a.example".encode()), "xn--k-zca.example"),
        (general_name("DNS", b"\xfc.example"), "xn--tda.example"),
        (general_name("DNS", "\u017f.example".encode()), "s.example"),
        (general_name("URI", "http://\u212a.example/".encode()), "http://k.example/"),
        (general_name("URI", "http://\u212a.example/".encode()), "http://\u212a.example/"),
        (general_name("IP", bytes.fromhex("00000000000000000000ffff0a000001")), "10.0.0.1"),
        (general_name("IP", bytes([10, 0, 0, 1])), "::ffff:10.0.0.1"),
        (general_name("DNS", b"10.0.0.1"), "10.0.0.1"),
        (smtp_utf8_mailbox("me@k.example"), "k.example"),
    ],
)
def test_a_name_with_other_letters_than_ascii_or_of_another_kind_matches_nothing(presented, wanted):
    """RFC 9525 6.3 and 6.4: only ASCII has a case, and addresses are compared octet by octet."""
    names = presenting(presented, general_name("DNS", b"other.example"))
    assert not matches(names, server_name(wanted))
    assert matches(names, server_name("other.example"))


def test_an_embedded_ipv4_address_matches_only_itself():
    """RFC 9525 6.4."""
    names = presenting(general_name("IP", bytes.fromhex("00000000000000000000ffff0a000001")))
    assert matches(names, server_name("::ffff:10.0.0.1"))


def test_unsupported_kinds_of_names_hide_no_other():
    """RFC 5280 4.2.1.6: an X.400 address and an EDI party name may be in the same list."""
    others = [general_name("X400", sequence()), general_name("EDI", encode(0xA1, encode(0x0C, b"party")))]
    names = presenting(*others, general_name("DNS", b"server.example"))
    assert names.dns == ("server.example",)
    assert matches(names, server_name("server.example"))


def test_a_mismatch_shows_the_presented_and_the_wanted_names():
    """RFC 9525 6.3."""
    certificate = ParsedCertificate(
        leaf(ROOT, "a.example", alternatives=["DNS:a.example", "IP:10.0.0.1"]).der
    )
    [reason] = name_reasons(certificate, names_of(certificate), server_name("b.example"))
    assert (reason.fault, reason.position) == (Fault.NAME_MISMATCH, 0)
    assert reason.facts == {"got": ("a.example", "10.0.0.1"), "wanted": "b.example"}
    assert name_reasons(certificate, names_of(certificate), server_name("a.example")) == []


def test_a_common_name_never_matches_a_server():
    """RFC 9525 6.3."""
    certificate = ParsedCertificate(issue("server.example", ROOT).der)
    [reason] = name_reasons(certificate, names_of(certificate), ServerName("ip", "10.0.0.1"))
    assert (reason.fault, reason.facts) == (Fault.NO_SERVER_NAMES, {"wanted": "IP:10.0.0.1"})


def test_a_label_that_is_too_long_in_another_script_is_refused():
    """RFC 5890 2.3.2.1."""
    with pytest.raises(ConfigError, match="cannot be written in A-labels"):
        server_name("\u00fc" * 80 + ".example")


def test_an_address_in_a_dns_name_is_reported_as_such():
    """RFC 9525 6.2: addresses are compared with iPAddress entries alone."""
    issued = leaf(None, "x", ca=None, alternatives=("DNS:192.0.2.7", "DNS:a.example"))
    certificate = ParsedCertificate(issued.der)
    (reason,) = name_reasons(certificate, names_of(certificate), server_name("192.0.2.7"))
    assert "for the DNS name 192.0.2.7, a.example, not for 192.0.2.7" in str(reason)
