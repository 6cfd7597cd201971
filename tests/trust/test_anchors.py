"""Anchors: where they come from, how they are found by name, and the memory of signatures."""

from __future__ import annotations

import pytest

from bothways.errors import ConfigError
from bothways.trust.anchors import REMEMBERED_CERTIFICATES, Recent, TrustStore
from bothways.trust.certificate.files import certificates_in
from bothways.trust.certificate.parsed import ParsedCertificate
from pki import intermediate, key, leaf, name, root

ROOT = root()
OTHER = root("Other")


def test_anchors_come_from_pem_der_files_and_parsed_certificates(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_bytes(b"# the root\n" + ROOT.pem + OTHER.pem + ROOT.pem)
    expected = (ROOT.certificate, OTHER.certificate)
    assert TrustStore.from_file(path).certificates == expected
    assert TrustStore.from_pem(ROOT.pem + OTHER.pem).certificates == expected
    assert TrustStore.from_certificates(expected).certificates == expected
    assert TrustStore.from_pem(ROOT.der).certificates == (ROOT.certificate,)
    assert len(TrustStore.from_file(path)) == 2


def test_stores_have_different_digests(tmp_path):
    """Of their anchors in any order, and of the profile; for a watched one at that moment."""
    one, both = TrustStore.from_pem(ROOT.pem), TrustStore.from_pem(ROOT.pem + OTHER.pem)
    assert len({one.digest, both.digest, TrustStore.from_pem(ROOT.pem, profile="web").digest}) == 3
    assert TrustStore.from_pem(OTHER.pem + ROOT.pem + ROOT.pem).digest == both.digest == both.digest
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem)
    watched = TrustStore.watched(path)
    assert watched.digest == one.digest


def test_the_systems_anchors_come_from_the_file_that_ssl_cert_file_names(tmp_path, monkeypatch):
    """As OpenSSL has it."""
    path = tmp_path / "bundle.pem"
    path.write_bytes(ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert TrustStore.system().certificates == (ROOT.certificate,)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "neither PEM nor DER"),
        (b"hello", "neither PEM nor DER, but text without any certificate"),
        (b"\xfe\xff\0", "neither PEM nor DER; expected"),
        (ROOT.key_pem, "it contains no certificate, but PRIVATE KEY; expected"),
        (b"\x30\x00", "certificate 1 cannot be parsed"),
        (ROOT.pem + ROOT.pem.replace(b"MII", b"AII"), "certificate 2 cannot be parsed"),
    ],
)
def test_a_store_without_readable_anchors_is_a_config_error(data, sentence):
    """Without anchors no peer can be verified."""
    with pytest.raises(ConfigError, match=f"anchors: {sentence}"):
        TrustStore.from_pem(data)


def test_a_url_is_no_file_and_is_not_fetched():
    """Other programs take both."""
    with pytest.raises(ConfigError, match="root.pem: cannot be read: it is a URL, and a file is expected"):
        TrustStore.from_file("https://pki.example/root.pem")


def test_anchors_are_found_by_the_name_of_the_issuer():
    """RFC 5280 7.1: letter case does not count; several may have one name."""
    twin = root("ROOT", own_key=key("P-256", 1))
    store = TrustStore.from_certificates([ROOT.certificate, twin.certificate, OTHER.certificate])
    found = store.issuers_of(ParsedCertificate(leaf(ROOT, key_identifiers=False).der))
    assert [each.der for each in found] == [ROOT.der, twin.der]
    assert [each.der for each in store.issuers_of(ParsedCertificate(leaf(twin).der))] == [twin.der]
    capitals = leaf(ROOT, issuer_name=name("rOOt"), key_identifiers=False)
    assert [each.der for each in store.issuers_of(ParsedCertificate(capitals.der))] == [ROOT.der, twin.der]
    assert list(store.issuers_of(ParsedCertificate(leaf(intermediate(ROOT)).der))) == []


def test_an_anchor_is_recognised_by_its_exact_bytes():
    """A certificate with the same name and key is another certificate."""
    store = TrustStore.from_pem(ROOT.pem)
    assert store.own(ParsedCertificate(ROOT.der)) is not None
    assert store.own(ParsedCertificate(root().der)) is None


def test_subjects_are_the_der_names_each_once():
    """RFC 9846 4.3.4."""
    store = TrustStore.from_certificates(
        [ROOT.certificate, root(own_key=key("P-256", 1)).certificate, OTHER.certificate]
    )
    assert store.subjects == (name("Root").public_bytes(), name("Other").public_bytes())
    assert store.subjects_octets == sum(map(len, store.subjects))
    assert store.subjects is store.subjects, "made once, however many they are"


def test_the_cache_is_limited_and_drops_the_oldest():
    store = TrustStore.from_pem(ROOT.pem, remember_paths=8)
    edges = [(bytes([each]), b"key") for each in range(20)]
    for edge in edges:
        store.remember(edge, ParsedCertificate(ROOT.der))
    known = [store.is_verified(edge) for edge in edges]
    assert sum(known) <= 8
    assert all(known[-4:])
    assert not any(known[:12])
    store.forget_paths()
    assert not any(map(store.is_verified, edges))


def test_the_cache_can_be_disabled_and_its_size_is_not_negative():
    store = TrustStore.from_pem(ROOT.pem, remember_paths=0)
    assert not store.remembers_paths
    store.remember((b"a", b"b"), ParsedCertificate(ROOT.der))
    assert not store.is_verified((b"a", b"b"))
    with pytest.raises(ConfigError, match="remember_paths"):
        TrustStore.from_pem(ROOT.pem, remember_paths=-1)


def test_anchors_are_bytes_and_nothing_else():
    """A path or a text is refused."""
    for make in (TrustStore.from_pem, lambda data: TrustStore([data])):
        with pytest.raises(ConfigError, match=r"expected PEM or DER as bytes, not str"):
            make("ca.pem")
    assert len(TrustStore.from_pem(bytearray(ROOT.pem))) == len(TrustStore([memoryview(ROOT.der)])) == 1


def test_a_store_shows_the_names_of_its_anchors():
    """The first few by name."""
    assert repr(TrustStore.from_pem(ROOT.pem)) == "<TrustStore of 1: CN=Root>"
    five = [root(f"R{each}").certificate for each in range(5)]
    assert TrustStore.from_certificates(five).readable_names == ("CN=R0", "CN=R1", "CN=R2", "2 more")


def test_other_blocks_in_a_file_are_skipped():
    """RFC 7468 2: text and other labels may be between certificates."""
    data = ROOT.key_pem + b"text\n" + ROOT.pem
    assert certificates_in(data, "file") == [ROOT.der]


def test_decoded_certificates_of_a_path_are_cached_within_limits():
    """Their content, never a verdict."""
    store = TrustStore.from_pem(ROOT.pem, remember_paths=8)
    ca = ParsedCertificate(intermediate(ROOT).der)
    assert store.parsed(ca.der) is not ca
    store.remember((ca.digest, b"key"), ca)
    assert store.parsed(ca.der) is ca
    many = [ParsedCertificate(leaf(ROOT, f"h{each}.example").der) for each in range(8)]
    for each in many:
        store.remember((each.digest, b"key"), each)
    assert store.parsed(ca.der) is not ca
    assert store.parsed(many[-1].der) is many[-1]
    store.forget_paths()
    assert store.parsed(many[-1].der) is not many[-1]
    off = TrustStore.from_pem(ROOT.pem, remember_paths=0)
    off.remember((ca.digest, b"key"), ca)
    assert off.parsed(ca.der) is not ca


def test_fewer_certificates_than_signatures_are_cached():
    """Each takes some thousand bytes, a signature a hundred."""
    recent = Recent(REMEMBERED_CERTIFICATES)
    for number in range(2000):
        recent.keep(number, object())
    assert sum(recent.find(number) is not None for number in range(2000)) <= REMEMBERED_CERTIFICATES


def test_a_damaged_anchor_in_a_file_is_counted_and_named():
    """RFC 7468 3."""
    with pytest.raises(ConfigError, match="anchors: certificate 2 cannot be read: .* not base64"):
        TrustStore.from_pem(ROOT.pem + ROOT.pem.replace(b"MII", b"***"))
