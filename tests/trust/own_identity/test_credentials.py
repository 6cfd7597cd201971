"""Who we are: whatever cannot work is said when the credentials are made."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from bothways.errors import ConfigError
from bothways.trust.own_identity.credentials import Credentials
from pki import altered, intermediate, issue, key, leaf, name, root

ROOT = root()
HIGH = intermediate(ROOT, "High")
LOW = intermediate(HIGH, "Low")
ME = leaf(LOW, "me.example", alternatives=["DNS:me.example", "DNS:*.me.example"])
OTHER = leaf(LOW, "other.example")
ORDERED = (ME.der, LOW.der, HIGH.der)


def key_der(issued) -> bytes:
    return issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def test_certificate_chain_and_key_are_taken_from_one_pem_in_any_order():
    """RFC 9846 4.5.1: sent with the leaf first, each certified by the next, without the root."""
    credentials = Credentials.from_pem(
        HIGH.pem + b"some text\n" + ROOT.pem + ME.key_pem + ME.pem + LOW.pem + LOW.pem
    )
    assert credentials.chain == ORDERED
    assert credentials.certificate == ME.certificate
    assert credentials.certificates == (ME.certificate, LOW.certificate, HIGH.certificate)
    assert credentials.names.dns == ("me.example", "*.me.example")
    assert credentials.key.public_key() == ME.key.public_key()


def test_certificate_and_key_are_read_from_files_of_their_own(tmp_path):
    (tmp_path / "me.pem").write_bytes(ME.chain_pem)
    (tmp_path / "me.key").write_bytes(ME.key_pem)
    assert Credentials.from_files(tmp_path / "me.pem", str(tmp_path / "me.key")).chain == ORDERED


def test_der_certificate_and_key_are_accepted():
    """DER."""
    own = issue("me", None)
    assert Credentials.from_pem(own.der, key_der(own)).chain == (own.der,)


@pytest.mark.parametrize("password", [b"open sesame", None])
def test_pkcs12_is_accepted_from_bytes_and_from_a_file(tmp_path, password):
    """RFC 7292."""
    data = ME.p12(password)
    (tmp_path / "me.p12").write_bytes(data)
    assert Credentials.from_pkcs12(data, password).chain == ORDERED
    assert Credentials.from_files(tmp_path / "me.p12", password=password).chain == ORDERED


def test_an_encrypted_key_opens_with_its_password_as_text_or_bytes():
    """Encrypted keys."""
    data = ME.chain_pem + ME.encrypted_key_pem("p\u00e4ss".encode())
    assert Credentials.from_pem(data, password="p\u00e4ss").chain == ORDERED
    assert Credentials.from_pem(data, password="p\u00e4ss".encode()).chain == ORDERED


def test_a_password_for_an_unencrypted_key_is_ignored():
    """One configuration may serve several files."""
    assert Credentials.from_pem(ME.chain_pem, ME.key_pem, password="unused").chain == ORDERED


def test_parts_already_parsed_are_accepted():
    assert (
        Credentials.from_parts([HIGH.certificate, ME.certificate, LOW.certificate], ME.key).chain == ORDERED
    )


def test_external_credentials_have_no_private_key():
    """A signer that answers later."""
    credentials = Credentials.external(ME.chain_pem)
    assert credentials.key is None
    assert credentials.chain == ORDERED


def test_a_self_signed_leaf_is_sent_alone():
    """A root is left out of the chain, but a leaf never is."""
    own = leaf(None, "dev.example")
    assert Credentials.from_pem(own.pem + own.key_pem).chain == (own.der,)


def test_a_renewed_certificate_of_the_same_key_is_taken_before_the_self_signed_one():
    """A key may have a self-signed certificate from before it was certified."""
    request = issue("me.example", None, own_key=ME.key)
    assert Credentials.from_pem(ME.chain_pem + ME.key_pem).chain[0] == ME.der
    with pytest.raises(ConfigError, match="does not belong to the chain"):
        Credentials.from_pem(request.pem + ME.chain_pem + ME.key_pem)


@pytest.mark.parametrize(
    ("cert", "key_bytes", "password", "sentence"),
    [
        (ME.pem, LOW.key_pem, None, "does not belong to the certificate of CN=me.example in certificate"),
        (ME.pem + HIGH.pem, ME.key_pem, None, "incomplete: CN=Low, which issued CN=me.example with the key"),
        (ME.chain_pem + OTHER.pem, ME.key_pem, None, "certificate of CN=other.example too, which is not one of a CA"),
        (ME.pem + LOW.pem + OTHER.pem, ME.key_pem, None, "does not belong to the chain of CN=me.example: leave it out"),
        (ME.pem, None, None, "certificate: it contains no private key"),
        (ME.key_pem, None, None, "certificate: it contains no certificate"),
        (ME.pem, ME.pem, None, "key: it contains no private key"),
        (ME.pem, b"hello", None, "key: neither PEM nor DER; expected a private key"),
        (b"hello", ME.key_pem, None, "certificate: neither PEM nor DER, but text without any certificate"),
        (b"", ME.key_pem, None, "certificate: neither PEM nor DER"),
        (ME.pem, ME.encrypted_key_pem(b"x"), None, "key: it is encrypted, and no password was given"),
        (ME.pem, ME.encrypted_key_pem(b"x"), "y", "key: the password is wrong"),
        (ME.pem, ME.encrypted_key_pem(b"x"), "\ud800", "password: it has a character that cannot be encoded"),
        (ME.pem, ME.encrypted_key_pem(b"x"), 5, "password: expected text or bytes, not int"),
        (ME.pem, "me.key", None, "key: expected PEM or DER as bytes, not str"),
        ("me.pem", None, None, "certificate: expected PEM or DER as bytes, not str"),
        (ME.pem, ME.key_pem + ME.key_pem, None, "key: 2 private keys in it"),
        (ME.pem, b"\x30\x03\x02\x01\x00", None, "key: the private key cannot be decoded"),
        (b"\x30\x00", ME.key_pem, None, "certificate: certificate 1 cannot be parsed"),
        (ME.pem.replace(b"MII", b"!!!"), ME.key_pem, None, "certificate: certificate 1 cannot be read"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_own_message(cert, key_bytes, password, sentence):
    """Which file, what was expected, what to do."""
    with pytest.raises(ConfigError) as caught:
        Credentials.from_pem(cert, key_bytes, password)
    assert sentence in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_chain_with_a_forged_signature_is_refused():
    """The names and the key identifiers fit, and the signature does not."""
    with pytest.raises(
        ConfigError, match="the signature of the certificate of CN=me.example does not verify"
    ):
        Credentials.from_pem(altered(ME).pem + LOW.pem, ME.key_pem)


def test_a_chain_that_is_too_long_is_refused():
    """docs/defaults.md: what we send must be what a peer of ours accepts."""
    above = ROOT
    for depth in range(16):
        above = intermediate(above, f"Level {depth}")
    with pytest.raises(ConfigError, match="a chain of 17 certificates; at most 16"):
        Credentials.from_pem(leaf(above).chain_pem, leaf(above).key_pem)


def test_a_wrong_or_missing_password_of_pkcs12_is_reported():
    """RFC 7292."""
    data = ME.p12(b"right")
    with pytest.raises(ConfigError, match=r"PKCS#12: the password is wrong"):
        Credentials.from_pkcs12(data, "wrong")
    with pytest.raises(ConfigError, match=r"PKCS#12: it is encrypted, and no password was given"):
        Credentials.from_pkcs12(data, None)


def test_bytes_of_any_kind_are_taken_and_text_is_not():
    """ConfigError says what was expected."""
    pair = Credentials.from_pem(bytearray(ME.chain_pem), memoryview(ME.key_pem))
    assert pair.chain == Credentials.from_pem(ME.chain_pem, ME.key_pem).chain
    for make in (lambda: Credentials.from_pkcs12("me.p12", None), lambda: Credentials.external("me.pem")):
        with pytest.raises(ConfigError, match="expected PEM or DER as bytes, not str"):
            make()


def test_garbage_is_no_pkcs12():
    """RFC 7292."""
    with pytest.raises(ConfigError, match=r"PKCS#12: not a PKCS#12 file"):
        Credentials.from_pkcs12(b"\x30\x03\x02\x01\x03", "x")


def test_a_key_that_cannot_sign_is_refused():
    """RFC 9846 4.5.2: a certificate proves a signature."""
    exchange = x25519.X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with pytest.raises(ConfigError, match="key: a X25519 key cannot sign handshakes"):
        Credentials.from_pem(ME.pem, exchange)


def test_a_missing_file_is_named(tmp_path):
    """A configuration that cannot work."""
    with pytest.raises(ConfigError, match=r"gone\.pem: cannot be read: No such file"):
        Credentials.from_files(tmp_path / "gone.pem")


def test_no_text_contains_a_private_key():
    credentials = Credentials.from_pem(ME.chain_pem, ME.key_pem)
    assert repr(credentials) == "<Credentials of CN=me.example, 3 certificates, with its key>"
    assert (
        repr(Credentials.external(ME.pem))
        == "<Credentials of CN=me.example, 1 certificates, key held elsewhere>"
    )


def test_credentials_match_the_names_in_their_leaf():
    """RFC 6066 3: how a server chooses by SNI; an invalid name matches nothing."""
    credentials = Credentials.from_pem(ME.chain_pem, ME.key_pem)
    assert credentials.matches("ME.example")
    assert credentials.matches("a.me.example")
    assert not any(map(credentials.matches, ("a.b.me.example", "other.example", "", "10.0.0.1", "a b")))


def test_credentials_know_the_authorities_that_issued_them():
    """RFC 9846 4.3.4: any issuer in the chain counts, compared by RFC 5280 7.1."""
    credentials = Credentials.from_pem(ME.chain_pem, ME.key_pem)
    for issuer in ("Low", "High", "Root", "ROOT"):
        assert credentials.is_issued_by([name("Nobody").public_bytes(), name(issuer).public_bytes()])
    assert not credentials.is_issued_by([name("Nobody").public_bytes(), b"garbage"])
    assert not credentials.is_issued_by([])


@pytest.mark.parametrize(
    "kind", ["P-384", "RSA-2048", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
)
def test_every_kind_of_key_that_signs_is_accepted(kind):
    """RFC 9846 4.3.3, RFC 9881."""
    own = issue("me", None, own_key=key(kind))
    assert Credentials.from_pem(own.pem, own.key_pem).key.public_key() == own.key.public_key()


def test_pkcs12_without_a_key_or_its_certificate_is_refused():
    """RFC 7292: a file of certificates alone."""
    none = NoEncryption()
    bare = pkcs12.serialize_key_and_certificates(None, None, ME.certificate, None, none)
    with pytest.raises(ConfigError, match="it contains no private key; export"):
        Credentials.from_pkcs12(bare, None)
    keyed = pkcs12.serialize_key_and_certificates(None, ME.key, None, [LOW.certificate], none)
    with pytest.raises(ConfigError, match="it contains no certificate that belongs to its key"):
        Credentials.from_pkcs12(keyed, None)


def test_a_key_of_an_unknown_kind_is_reported():
    """RFC 5958: an unknown algorithm."""
    der = key_der(leaf(ROOT)).replace(
        bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209")
    )
    with pytest.raises(
        ConfigError, match="key: a type of key that is not supported|the private key cannot be"
    ):
        Credentials.from_pem(ME.pem, der)


def test_no_certificates_are_no_credentials():
    with pytest.raises(ConfigError, match="chain: it contains no certificate"):
        Credentials.from_parts([], ME.key)


def test_credentials_say_what_their_key_may_be_used_for():
    """RFC 5280 4.2.1.3."""
    signs = Credentials.from_pem(ME.chain_pem, ME.key_pem)
    assert signs.allows_key_usage("digital_signature")
    assert not signs.allows_key_usage("key_encipherment")
