"""Signing requests, honest and hostile."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from bothways.ca.keys import KeyType, new_key, signature_hash
from bothways.ca.requests import read_request
from bothways.errors import ConfigError

KEY = new_key(KeyType.P256)
NAMES: list[x509.GeneralName] = [
    x509.DNSName("a.example"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.UniformResourceIdentifier("spiffe://example/a"),
    x509.RFC822Name("a@example.com"),
]


def request(
    names: list[x509.GeneralName] | None = None, common: tuple[str, ...] = ("alice",), key: object = KEY
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in common])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    hash_ = None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        hash_ = signature_hash(key)
    return builder.sign(key, hash_).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def test_names_of_every_kind_are_read() -> None:
    key, holder = read_request(request(NAMES), "csr")
    assert key == KEY.public_key()
    assert holder.common_name == "alice"
    assert (holder.dns, holder.ip) == (("a.example",), ("127.0.0.1",))
    assert (holder.uri, holder.email) == (("spiffe://example/a",), ("a@example.com",))
    assert read_request(request(common=()), "csr")[1].common_name is None


def test_a_request_whose_signature_proves_nothing_is_refused() -> None:
    """RFC 2986 4.2: the signature proves possession of the private key."""
    data = bytearray(request(NAMES))
    at = bytes(data).index(b"alice")
    data[at] ^= 1
    with pytest.raises(ConfigError, match="csr: its signature does not prove"):
        read_request(bytes(data), "csr")


KEYS = [
    (ec.generate_private_key(ec.SECP256K1()), "of a kind for which no certificate is issued"),
    (ed448.Ed448PrivateKey.generate(), "of a kind for which no certificate is issued"),
    (dsa.generate_private_key(2048), "of a kind for which no certificate is issued"),
    (
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        "RSA key of 1024 bits; it takes 2048 to 8192",
    ),
]


@pytest.mark.parametrize(("key", "problem"), KEYS)
def test_a_key_for_which_nothing_is_issued_is_refused(key: object, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_request(request(key=key), "csr")


WISHES: list[tuple[list[x509.GeneralName], tuple[str, ...], str]] = [
    (NAMES, ("a", "b"), "asks for 2 common names"),
    ([x509.DNSName(f"n{i}.example") for i in range(101)], ("a",), "asks for 101 names; at most 100"),
    ([x509.IPAddress(ip_network("10.0.0.0/8"))], ("a",), "is no request|asks for a IPAddress"),
    (
        [x509.RegisteredID(ObjectIdentifier("1.2.3"))],
        ("a",),
        "asks for a RegisteredID, which no profile gives",
    ),
    ([x509.DirectoryName(x509.Name([]))], ("a",), "asks for a DirectoryName"),
]


@pytest.mark.parametrize(("names", "common", "problem"), WISHES)
def test_wishes_that_no_profile_grants_are_refused(
    names: list[x509.GeneralName], common: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_request(request(names, common), "csr")


@pytest.mark.parametrize("data", [b"", b"x", bytes(100), b"-----BEGIN NOTHING-----\n", b"0" * 70_000])
def test_what_is_no_request_is_told(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"csr: is (no request|larger)"):
        read_request(data, "csr")


@given(st.data())
def test_an_altered_request_is_refused_or_says_what_it_said(data: st.DataObject) -> None:
    """Whatever comes, the only error is ConfigError."""
    altered = bytearray(REQUEST)
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert read_request(bytes(altered), "csr") == read_request(REQUEST, "csr")
    except ConfigError:
        pass


REQUEST = request(NAMES)
