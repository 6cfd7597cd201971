"""CRLs: what they say, and what cannot be read (RFC 5280 5)."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from bothways.errors import ConfigError
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import ALL_REASONS, CRL, MAX_HEADER, crls_in, point_names
from bothways.trust.der import encoded, expect_element
from pki import DAY, NOW, crl, issue, issuing_point, key, leaf, name, root
from pki import der as encode
from trust.crl.test_entries import entries_of

ROOT = root()
ONE, TWO, THREE = (leaf(ROOT, f"{each}.example") for each in ("one", "two", "three"))
LIST = crl(ROOT, ONE, (TWO, "key_compromise"), number=7)
BIG = crl(ROOT, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(300)])


def ask(found: CRL, issued) -> object:
    parsed = ParsedCertificate(issued.der)
    return found.find(parsed.serial, parsed.normal_issuer)


def test_a_crl_has_its_issuer_times_number_and_entries():
    """RFC 5280 5.1."""
    found = CRL(LIST)
    assert found.issuer == ROOT.certificate.subject.public_bytes()
    assert (found.this_update, found.next_update) == (NOW - DAY, NOW + 7 * DAY)
    assert (found.number, found.base, found.problem, len(found)) == (7, None, None, 2)
    assert repr(found) == "<CRL of CN=Root, 2 entries, 2026-05-31 12:00>"
    assert "delta CRL" in repr(CRL(crl(ROOT, base=1, number=2)))


def test_the_scope_is_that_of_the_issuing_distribution_point():
    """RFC 5280 5.2.5."""
    assert CRL(LIST).scope.reasons == ALL_REASONS
    users = CRL(crl(ROOT, point=issuing_point(["URI:http://a.example/1"], users=True, indirect=True))).scope
    assert (users.user_certificates, users.ca_certificates, users.indirect) == (True, False, True)
    assert users.names == frozenset({("UniformResourceIdentifier", "http://a.example/1")})
    cas = CRL(crl(ROOT, point=issuing_point(cas=True))).scope
    assert (cas.user_certificates, cas.ca_certificates, cas.names) == (False, True, None)
    some = CRL(crl(ROOT, point=issuing_point(reasons=["key_compromise"]))).scope
    assert some.reasons == frozenset({x509.ReasonFlags.key_compromise})
    attributes = CRL(crl(ROOT, point=issuing_point(attributes=True))).scope
    assert attributes.attributes_only


def test_a_relative_name_is_completed_by_the_issuers_name():
    """RFC 5280 4.2.1.13."""
    relative = x509.RelativeDistinguishedName(list(name("part"))[:1])
    issuer, whole = name(None, O="Example").public_bytes(), name("PART", O="example")
    assert point_names(None, relative, issuer) == point_names([x509.DirectoryName(whole)], None, b"")
    assert point_names(None, None, issuer) is None


def test_crls_of_one_scope_have_one_scope_key():
    """RFC 5280 5.2.4: a delta amends a CRL of its own scope."""
    plain, delta = CRL(LIST), CRL(crl(ROOT, base=7, number=8))
    assert plain.scope_key == delta.scope_key
    assert plain.scope_key != CRL(crl(ROOT, point=issuing_point(users=True))).scope_key


def test_failed_checks_with_other_keys_do_not_prevent_that_with_the_signers(monkeypatch):
    """A peer may send many certificates with a CA's name, and a long CRL is hashed for each key."""
    found = CRL(crl(ROOT))
    for number in range(20):
        assert not found.is_signed_by(
            ParsedCertificate(root("Many", own_key=key("P-256", 2000 + number)).der)
        )
    assert found.is_signed_by(ParsedCertificate(ROOT.der))
    monkeypatch.setattr(
        "bothways.trust.crl.revocation_list.is_signature_of", lambda *_: pytest.fail("hashed again")
    )
    assert found.is_signed_by(ParsedCertificate(ROOT.der))


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519", "ML-DSA-44"])
def test_a_crl_is_signed_by_its_issuers_key_and_by_no_other(kind):
    """RFC 5280 6.3.3 g."""
    top, other = root(f"CRL {kind}", key_kind=kind), root("Other", own_key=key("P-256", 77))
    found = CRL(crl(top))
    assert found.is_signed_by(ParsedCertificate(top.der))
    assert not found.is_signed_by(ParsedCertificate(other.der))
    altered = bytearray(crl(top))
    altered[-1] ^= 1
    assert not CRL(bytes(altered)).is_signed_by(ParsedCertificate(top.der))


def test_a_signature_is_checked_once_for_each_key():
    """A CRL of many megabytes is hashed once."""
    found = CRL(LIST)
    assert [found.is_signed_by(ParsedCertificate(ROOT.der)) for _ in range(2)] == [True, True]
    others = [
        ParsedCertificate(root("Many", own_key=key("P-256", 2000 + number)).der) for number in range(40)
    ]
    assert not any(found.is_signed_by(each) for each in others)
    assert sum(found.has_checked(each) for each in [ParsedCertificate(ROOT.der), *others]) == 16


def test_a_weak_signature_does_not_count():
    """RFC 9325: as in certificates."""
    top = root("CRL RSA", key_kind="RSA-2048")
    der = crl(top).replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    assert CRL(der).weakness == "SHA-1"
    assert not CRL(der).is_signed_by(ParsedCertificate(top.der))
    assert CRL(LIST).weakness is None


def test_an_unknown_critical_extension_makes_a_crl_unusable():
    """RFC 5280 5.2 and 5.3."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "1.3.6.1.4.1.99999.1" in CRL(crl(ROOT, extra=[(unknown, True)])).problem
    assert CRL(crl(ROOT, extra=[(unknown, False)])).problem is None
    for critical in (True, False):
        found = CRL(crl(ROOT, ONE, entry_extra=[(unknown, critical)]))
        assert found.problem is None and ask(found, ONE) is not None
        assert ("an entry has a critical extension" in str(found.problem)) is critical


def damaged(signed: bool = True) -> bytes:
    """A CRL with a malformed entry, signed by its CA or not."""
    der = LIST.replace(bytes.fromhex("170d") + b"260530120000Z", bytes.fromhex("1b0d") + b"260530120000Z")
    assert der != LIST
    if not signed:
        return der
    tbs = encoded(0x30, der[slice(*expect_element(der, 4, len(der), 0x30, "tbs"))])
    signature = ROOT.key.sign(tbs, ec.ECDSA(SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return encoded(0x30, tbs, algorithm, encoded(0x03, b"\x00", signature))


def test_entries_are_not_read_before_the_signature_is_checked(monkeypatch):
    """An attacker on the network could otherwise make us read millions of entries."""
    signer, stranger = ParsedCertificate(ROOT.der), ParsedCertificate(root("Stranger").der)
    monkeypatch.setattr(
        "bothways.trust.crl.revocation_list.index_entries",
        lambda *_: pytest.fail("read before it was checked"),
    )
    for der in (LIST, damaged(), damaged(signed=False)):
        found = CRL(der)
        assert (found.number, found.issuer_text) == (7, "CN=Root")
        assert repr(found) == "<CRL of CN=Root, entries not read, 2026-05-31 12:00>"
        assert found.needs_preparing(stranger) and not found.prepare(stranger)
        assert not found.needs_preparing(stranger) and found.needs_preparing(signer)
    assert not found.prepare(signer)
    monkeypatch.undo()
    found = CRL(LIST)
    assert found.needs_preparing(signer) and found.prepare(signer) and not found.needs_preparing(signer)


def test_a_signed_crl_with_undecodable_entries_has_a_problem_and_is_refused_in_files():
    """RFC 5280 5.1.2.6: it proves no certificate good."""
    found = CRL(damaged())
    assert found.prepare(ParsedCertificate(ROOT.der))
    assert "its entries cannot be read" in found.problem
    assert ask(found, ONE) is None and len(found) == 0
    with pytest.raises(ConfigError, match="file: CRL 1 cannot be read: .*revoked_certificates"):
        crls_in(damaged(), "file")


def test_bytes_after_a_crl_are_refused():
    """They would be bytes of it that no signature covers."""
    with pytest.raises(ValueError, match="1 bytes follow the CRL"):
        CRL(crl(ROOT) + b"\0")


def test_the_size_of_a_crl_without_its_entries_is_limited():
    """That part is decoded before the signature is checked."""
    room = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(MAX_HEADER))
    with pytest.raises(ValueError, match="more than 65536 bytes apart from its entries"):
        CRL(crl(ROOT, extra=[(room, False)]))
    assert len(BIG) > 4096 and len(CRL(BIG)) == 300


def test_crls_are_read_from_pem_and_der():
    """PEM (several) or DER."""
    pem = b"".join(x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in (LIST, BIG))
    assert [len(each) for each in crls_in(ROOT.pem + pem, "file")] == [2, 300]
    assert [len(each) for each in crls_in(LIST, "file")] == [2]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "file: it contains no CRL"),
        (ROOT.pem, "file: it contains no CRL"),
        (LIST[:-1], "file: CRL 1 cannot be read"),
        (ROOT.der, "file: CRL 1 cannot be read"),
        (
            b"-----BEGIN X509 CRL-----\n****\n-----END X509 CRL-----\n",
            "file: CRL 1 cannot be read: .* not base64",
        ),
    ],
)
def test_data_that_is_not_a_crl_is_a_config_error(data, sentence):
    with pytest.raises(ConfigError, match=sentence):
        crls_in(data, "file")


def test_a_file_that_ends_within_a_crl_is_a_config_error():
    """The CRLs before it would otherwise be taken for all."""
    pem = x509.load_der_x509_crl(LIST).public_bytes(Encoding.PEM)
    for cut in (pem[:-3], pem + pem[:100], pem + pem[:-20]):
        with pytest.raises(ConfigError, match="a.pem: it is truncated"):
            crls_in(cut, "a.pem")


@given(st.integers(0, len(LIST) - 1), st.integers(1, 255))
def test_an_altered_byte_gives_a_crl_or_a_value_error(place, change):
    """One gate for the parser's exceptions."""
    der = bytearray(LIST)
    der[place] ^= change
    try:
        found = CRL(bytes(der))
        found.read_entries()
    except ValueError:
        return
    ask(found, ONE)


@given(st.integers(0, len(LIST) - 1))
def test_no_prefix_of_a_crl_is_a_crl(length):
    """RFC 5280 5.1."""
    with pytest.raises(ValueError, match=r".+"):
        CRL(LIST[:length])


def test_entries_behind_an_empty_list_of_entries_are_no_crl():
    """RFC 5280 5.1: there is one list. Whoever reads the first alone does not find who is revoked."""
    start, _, end = entries_of(LIST)
    at, whole = expect_element(LIST, 0, len(LIST), 0x30, "list")
    tbs, rest = expect_element(LIST, at, whole, 0x30, "tbs")
    for more in (b"\x30\x00", LIST[start:end]):
        signed = encoded(0x30, LIST[tbs:start], b"\x30\x00", more, LIST[end:rest])
        with pytest.raises(ConfigError, match="CRL 1 cannot be read"):
            crls_in(encoded(0x30, signed, LIST[rest:whole]), "a")
    assert len(crls_in(crl(ROOT), "a")[0]) == 0


def test_an_extension_that_stands_twice_and_an_unknown_version_are_refused():
    """RFC 5280 5.1.2.1, 5.2."""
    with pytest.raises(ValueError, match=r"cRLNumber occurs twice"):
        CRL(LIST.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d14")))
    with pytest.raises(ValueError, match=r".+"):
        CRL(LIST.replace(bytes.fromhex("020101300a"), bytes.fromhex("020105300a"), 1))


def test_a_crl_of_version_1_is_accepted():
    """RFC 5280 5.1.2.1: it has neither version nor extensions."""
    fields = x509.load_der_x509_crl(crl(ROOT, ONE, number=None)).tbs_certlist_bytes
    header = 2 + (fields[1] - 128 if fields[1] > 128 else 0)
    inner = fields[header + 3 :]
    inner = inner[: inner.index(bytes.fromhex("0603551d23")) - 6]  # where the extensions begin
    tbs = encode(0x30, inner)
    whole = encode(0x30, tbs + bytes.fromhex("300a06082a8648ce3d040302") + b"\x03\x01\x00")
    assert ask(CRL(whole), ONE) is not None
