"""What is in a file, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

import pki
from bothways.explain.documents import Document, Unreadable, documents, key_words

DER, PEM = Encoding.DER, Encoding.PEM


def facts(document: Document) -> dict[str, str]:
    return dict(document.facts)


def one(data: bytes, **options) -> Document:
    (document,) = documents(data, options.pop("now", pki.NOW), **options)
    return document


@pytest.fixture(scope="module")
def root() -> pki.Issued:
    return pki.root("Root")


def test_a_certificate_is_told_in_words(root):
    """Names, validity, key, usages, locations."""
    address = x509.UniformResourceIdentifier("http://ca.example/x")
    issued = pki.leaf(
        root,
        "server.example",
        alternatives=["DNS:server.example", "IP:10.0.0.1", "URI:spiffe://a/b", "EMAIL:a@b.example", "DN:x"],
        usage=("serverAuth", "any"),
        extra=[
            (x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)]), False),
            (
                x509.AuthorityInformationAccess(
                    [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)]
                ),
                False,
            ),
            (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True),
        ],
    )
    document = one(issued.pem)
    told = facts(document)
    assert (document.kind, document.title) == ("certificate", "server.example")
    assert told["issuer"] == "CN=Root"
    assert told["valid"] == "2026-05-02 12:00 to 2027-05-02 12:00 UTC, 335 days left"
    assert told["names"] == (
        "DNS server.example, IP 10.0.0.1, URI spiffe://a/b, email a@b.example, name CN=x"
    )
    assert told["is for"] == "server authentication, any"
    assert told["key may"] == "digital signature (critical)"
    assert told["CA"] == "no (critical)"
    assert told["CRL at"] == "URI http://ca.example/x"
    assert told["issuer says"] == "OCSP URI http://ca.example/x"
    assert told["must staple"] == "yes"
    assert told["critical extension"] == "1.2.3.4"
    assert one(issued.der) == document


def test_an_authority_is_told_with_its_bounds(root):
    """Self-signed by its own key or not, path length, name constraints."""
    told = facts(one(root.pem))
    assert told["issuer"] == "CN=Root (itself)"
    assert told["signed with"].endswith(", by its own key")
    assert told["CA"] == "yes (critical)"
    constraints = x509.NameConstraints([x509.DNSName("example")], [x509.DNSName("bad.example")])
    middle = pki.intermediate(root, path_length=1, extra=[(constraints, True)])
    told = facts(one(middle.pem))
    assert told["CA"] == "yes, at most 1 CAs below it (critical)"
    assert told["names below"] == "only DNS example, not DNS bad.example (critical)"
    forged = pki.root("Root", signed_by=pki.key("P-256", 77))
    assert facts(one(forged.pem))["signed with"].endswith(", not by its own key")


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (pki.NOW - 31 * pki.DAY, "NOT YET VALID: in 1 day"),
        (pki.NOW + 337 * pki.DAY, "EXPIRED 2 days ago"),
        (pki.NOW + 335 * pki.DAY - timedelta(hours=2), "2 hours left"),
        (pki.NOW + 335 * pki.DAY - timedelta(minutes=1), "1 minute left"),
        (pki.NOW + 335 * pki.DAY - timedelta(seconds=1), "less than a minute left"),
    ],
)
def test_validity_is_told_against_the_clock(root, moment, words):
    """What a person wants to know first."""
    assert facts(one(pki.leaf(root).pem, now=moment))["valid"].endswith(words)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("P-384", "ECDSA on secp384r1"),
        ("RSA-2048", "RSA, 2048 bits"),
        ("Ed25519", "Ed25519"),
        ("Ed448", "Ed448"),
        ("ML-DSA-65", "ML-DSA-65"),
    ],
)
def test_keys_are_named_and_never_shown(kind, words):
    """The public half identifies a key; its private half stays in the file."""
    key = pki.key(kind)
    pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private = one(pem)
    assert (private.kind, private.title) == ("private key", words)
    public = one(key.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo))
    assert public.key_id == private.key_id
    assert one(key.public_key().public_bytes(DER, PublicFormat.SubjectPublicKeyInfo)) == public
    der = key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert one(der) == private


def test_old_and_odd_keys_are_named_too():
    """DSA by its size, what is unknown by its class."""
    assert key_words(dsa.generate_private_key(2048)) == "DSA, 2048 bits"
    assert key_words(mldsa.MLDSA44PrivateKey.generate()) == "ML-DSA-44"


def test_an_encrypted_key_asks_for_its_passphrase():
    """Missing, wrong, right, and one that is not needed."""
    issued = pki.root()
    locked = issued.encrypted_key_pem(b"sesame")
    with pytest.raises(Unreadable, match="passphrase is needed"):
        one(locked)
    with pytest.raises(Unreadable, match="passphrase is wrong"):
        one(locked, password=b"other")
    assert one(locked, password=b"sesame") == one(issued.key_pem)
    assert one(issued.key_pem, password=b"superfluous") == one(issued.key_pem)
    old = issued.key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"sesame")
    )
    assert one(old, password=b"sesame") == one(issued.key_pem)
    with pytest.raises(Unreadable, match="passphrase is needed"):
        one(old)


def test_pkcs12_is_opened_with_its_passphrase(root):
    """Key, certificate and the others; a wrong passphrase and none are told apart."""
    box = pki.leaf(root).p12(b"sesame")
    kinds = [document.kind for document in documents(box, pki.NOW, b"sesame")]
    assert kinds == ["private key", "certificate", "certificate"]
    with pytest.raises(Unreadable, match="and a passphrase is needed"):
        documents(box, pki.NOW)
    with pytest.raises(Unreadable, match="and the passphrase is wrong"):
        documents(box, pki.NOW, b"other")


def test_a_request_says_whether_its_maker_holds_the_key():
    """RFC 2986: the signature proves possession."""
    key = pki.key()
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(pki.name("a.example"))
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    document = one(request.public_bytes(PEM))
    assert (document.kind, document.title) == ("certificate request", "a.example")
    assert facts(document)["names"] == "DNS a.example"
    assert facts(document)["signature"].startswith("valid")
    der = bytearray(request.public_bytes(DER))
    der[-1] ^= 1
    assert facts(one(bytes(der)))["signature"].startswith("WRONG")


def crl(root: pki.Issued, count: int, *, reason: bool = True) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(pki.NOW)
        .next_update(pki.NOW + 7 * pki.DAY)
    )
    for serial in range(1, count + 1):
        entry = x509.RevokedCertificateBuilder().serial_number(serial * 256).revocation_date(pki.NOW)
        if reason:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(root.key, hashes.SHA256())


def test_a_crl_lists_the_first_of_its_entries(root):
    """Who issued it, until when it counts, whom it revokes."""
    document = one(crl(root, 22).public_bytes(DER))
    assert (document.kind, document.title) == ("CRL", "Root")
    assert facts(document)["next"] == "2026-06-08 12:00 UTC, in 7 days"
    entries = [text for name, text in document.facts if not name]
    assert entries[0] == "0100 on 2026-06-01, keyCompromise"
    assert entries[-1] == "and 2 more"
    stale = one(crl(root, 0).public_bytes(PEM), now=pki.NOW + 8 * pki.DAY)
    assert facts(stale)["next"].endswith("STALE for 1 day")
    assert facts(stale)["revoked"] == "0 certificates"
    assert facts(one(crl(root, 1, reason=False).public_bytes(DER)))[""] == "0100 on 2026-06-01"


def test_an_ocsp_response_tells_its_answer(root):
    """Good or revoked, since when, until when; or why there is no answer."""
    issued = pki.leaf(root)
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            issued.certificate, root.certificate, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD,
            pki.NOW, pki.NOW + pki.DAY, None, None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, root.certificate)
        .sign(root.key, hashes.SHA256())
    )  # fmt: skip
    document = one(response.public_bytes(DER))
    assert document.kind == "OCSP response"
    assert facts(document)["status"] == "good"
    assert facts(document)["next"] == "2026-06-02 12:00 UTC, in 1 day"
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert one(refused.public_bytes(DER)).title == "try_later"


def test_what_cannot_be_parsed_hides_nothing_else(root):
    """A broken certificate in a file of several is told as such."""
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    other = b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"
    parameters = b"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n"
    bad = b"-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----\n"
    found = documents(broken + root.pem + other + parameters + bad, pki.NOW)
    assert [(each.kind, each.title) for each in found] == [
        ("certificate", "cannot be parsed"),
        ("certificate", "Root"),
        ("dh parameters", "3 bytes that are not explained here"),
        ("public key", "cannot be parsed"),
    ]


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA", b"0\x03\x02\x01\x01", b"0"]
)
def test_other_files_are_unreadable(data):
    """Whatever is none of these says so, and nothing else is raised."""
    with pytest.raises(Unreadable):
        documents(data, pki.NOW)


def test_names_are_shown_escaped(root):
    """Peers' words move no cursor."""
    issued = pki.leaf(root, "evil\x1b[2J\u202e", alternatives=())
    told = one(issued.pem)
    assert told.title == "evil\\x1b[2J\\u202e"
    assert "\x1b" not in str(told.facts)
