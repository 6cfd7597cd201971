"""Certification requests, usual and hostile."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID, ObjectIdentifier

import pki
from bothways.ca.der import sequence, tagged
from bothways.ca.errors import AuthorityError, NamesRefused, RequestRefused
from bothways.ca.keys import KeyType, new_key, signature_hash
from bothways.ca.profiles import Holder, Profile, check_holder
from bothways.ca.requests import read_request
from fuzz.mutation import mutants

KEY = new_key(KeyType.P256)
NAMES: list[x509.GeneralName] = [
    x509.DNSName("a.example"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.UniformResourceIdentifier("spiffe://example/a"),
    x509.RFC822Name("a@example.com"),
]


def request(
    names: list[x509.GeneralName] | bytes | None = None,
    common: tuple[str, ...] = ("alice",),
    key: object = KEY,
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in common])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if isinstance(names, bytes):
        encoded = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, names)
        builder = builder.add_extension(encoded, critical=False)
    elif names:
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


def test_a_request_with_an_invalid_signature_is_refused() -> None:
    """RFC 2986 4.2: the signature proves possession of the private key."""
    data = bytearray(request(NAMES))
    at = bytes(data).index(b"alice")
    data[at] ^= 1
    with pytest.raises(RequestRefused, match="csr: its signature does not prove"):
        read_request(bytes(data), "csr")


KEYS = [
    (lambda: ec.generate_private_key(ec.SECP256K1()), "of a type for which this CA issues no certificates"),
    (ed448.Ed448PrivateKey.generate, "of a type for which this CA issues no certificates"),
    (lambda: pki.key("DSA"), "of a type for which this CA issues no certificates"),
    (
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
        "RSA key has 1024 bits; 2048 to 8192 are accepted",
    ),
]


@pytest.mark.parametrize(("make", "problem"), KEYS)
def test_a_key_for_which_nothing_is_issued_is_refused(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(RequestRefused, match=problem):
        read_request(request(key=make()), "csr")


WISHES: list[tuple[list[x509.GeneralName], tuple[str, ...], str]] = [
    (NAMES, ("a", "b"), "requests 2 common names"),
    ([x509.DNSName(f"n{i}.example") for i in range(101)], ("a",), "requests 101 names; at most 100"),
    (
        [x509.IPAddress(ip_network("10.0.0.0/8"))],
        ("a",),
        "is not a certificate signing request|requests a IPAddress",
    ),
    (
        [x509.RegisteredID(ObjectIdentifier("1.2.3"))],
        ("a",),
        "requests a RegisteredID, which no profile allows",
    ),
    ([x509.DirectoryName(x509.Name([]))], ("a",), "requests a DirectoryName"),
]


@pytest.mark.parametrize(("names", "common", "problem"), WISHES)
def test_requested_names_that_no_profile_allows_are_refused(
    names: list[x509.GeneralName] | bytes, common: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(RequestRefused, match=problem):
        read_request(request(names, common), "csr")


@pytest.mark.parametrize("data", [b"", b"x", bytes(100), b"-----BEGIN NOTHING-----\n", b"0" * 70_000])
def test_data_that_is_not_a_request_is_refused(data: bytes) -> None:
    with pytest.raises(RequestRefused, match=r"csr: is (not a certificate signing request|larger)"):
        read_request(data, "csr")


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_key_of_every_type_that_is_made_here_is_certified_from_a_request(key_type: KeyType) -> None:
    key = new_key(key_type)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, signature_hash(key))
    assert read_request(made.public_bytes(Encoding.PEM), "csr")[0] == key.public_key()


def test_an_rsa_key_with_a_small_exponent_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=3, key_size=2048)
    with pytest.raises(RequestRefused, match="the exponent of its RSA key is below 65537"):
        read_request(request(key=key), "csr")


def test_other_extensions_of_a_request_are_ignored() -> None:
    """Everything but the names is decided by the profile."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for number, critical in ((1, True), (2, False)):
        odd = x509.UnrecognizedExtension(ObjectIdentifier(f"1.3.6.1.4.1.99999.{number}"), bytes(1000))
        builder = builder.add_extension(odd, critical=critical)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(NAMES[:1]), critical=True)
    data = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    assert read_request(data, "csr")[1] == Holder(None, ("a.example",))


HOSTILE: list[tuple[list[x509.GeneralName] | bytes, tuple[str, ...], str]] = [
    ([NAMES[0], x509.DNSName("A.example")], ("a",), "is requested twice"),
    ([x509.DNSName("a\nb.example")], ("a",), "is not a DNS name"),
    ([x509.DNSName("a.example\0.evil.example")], ("a",), "is not a DNS name"),
    (sequence(tagged(0x81, b"a@example.com\r\nBcc: b")), ("a",), "is not an email address"),
    ([x509.UniformResourceIdentifier("spiffe://example/../a")], ("a",), "is not a SPIFFE ID"),
    (NAMES, ("a\x1b[2J",), "that are not printable"),
    (NAMES, ("a\u202eb",), "that are not printable"),
]


@pytest.mark.parametrize(("names", "common", "problem"), HOSTILE)
def test_a_hostile_name_is_read_and_then_certified_by_no_profile(
    names: list[x509.GeneralName] | bytes, common: tuple[str, ...], problem: str
) -> None:
    holder = read_request(request(names, common), "csr")[1]
    with pytest.raises(NamesRefused, match=problem):
        check_holder(Profile.CLIENT, holder)


SEEDS = [request(NAMES), request(common=()), request([NAMES[0]] * 20, ("x" * 64,))]


def test_a_mutated_request_is_refused_or_has_its_key_and_checked_names(full: bool) -> None:
    """Bytes and whole pieces are moved; what is still read proves its key, and its names are checked."""
    read = 0
    for data in mutants(SEEDS, 100_000 if full else 1500, "requests"):
        try:
            _, holder = read_request(data, "csr")
            check_holder(Profile.CLIENT, holder)
            read += 1
        except (NamesRefused, RequestRefused) as error:
            assert str(error).isprintable()
    assert read >= 2


REWRITTEN = [
    # What stands in the request, and what is put in its place of the same length before it is signed anew.
    (b"alice", b"al\x00ce", "that are not printable"),
    (b"alice", b"al\xffce", "is not a certificate signing request, or malformed"),
    (b"\x87\x04\x7f\x00\x00\x01", b"\x87\x04\x82\x02ab", ""),
    (
        b"a.example",
        b"\xc3\xbc.exampl",
        "is not a certificate signing request, or malformed|is not a DNS name",
    ),
    (b"\x0c\x05alice", b"\x1e\x05alice", "is not a certificate signing request, or malformed"),
    (b"\x0c\x05alice", b"\x04\x05alice", ""),
]


@pytest.mark.parametrize(("old", "new", "problem"), REWRITTEN)
def test_a_signed_unusual_request_is_refused_or_decoded_exactly(old: bytes, new: bytes, problem: str) -> None:
    """The signature is valid, so the owner of the key made it so."""
    data = resigned(request(NAMES), old, new)
    if not problem:
        check_holder(Profile.CLIENT, read_request(data, "csr")[1])
        return
    with pytest.raises(AuthorityError, match=problem):
        check_holder(Profile.CLIENT, read_request(data, "csr")[1])


def resigned(der: bytes, old: bytes, new: bytes) -> bytes:
    """A request with other bytes in it, signed again."""
    assert der.count(old) == 1
    assert len(old) == len(new)
    signed = x509.load_der_x509_csr(der).tbs_certrequest_bytes
    head = der[der.index(signed) + len(signed) :]
    algorithm = head[: 2 + head[1]]
    inner = signed.replace(old, new)
    signature = KEY.sign(inner, ec.ECDSA(hashes.SHA256()))  # type: ignore[union-attr, call-arg, arg-type]
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    body = inner + algorithm + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body
