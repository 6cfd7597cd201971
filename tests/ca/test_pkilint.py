"""What pkilint's linters of RFC 5280 and RFC 6960 find in all that an authority signs: nothing, or why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Addresses, Authority
from bothways.ca.crl import REASONS
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType, signature_hash
from bothways.ca.ocsp import EncodedResponse, OCSPError, OCSPRequest, Responder, error_response
from bothways.ca.profiles import Constraints, Delegation, Holder, Profile
from bothways.ca.register.values import WHOLE, Series
from ca.issuers import DAY, NOW, Clock, client, new_issuer
from ca.linting import findings
from ca.ocsp_requests import ocsp, request

URL = "http://ca.example.com"
HOLDER = Holder(
    "web",
    ("www.example.com", "mail.example.com"),
    ("192.0.2.1", "2001:db8::1"),
    ("https://example.com/a",),
    ("web@example.com",),
)
DOMAIN = "pkix.invalid_domain_name_syntax: Invalid domain name syntax"
ADDRESS = "pkix.invalid_uri_syntax: Invalid URI syntax"
FOUND = [
    # A wildcard is no host name, and RFC 5280 4.2.1.6 leaves it to others; RFC 9525 6.3 says what it means.
    (Holder(None, ("*.example.com",)), f'{DOMAIN}: "*.example.com"'),
    # The linter knows the schemes of the web alone; RFC 3986 3.1 knows any, and SPIFFE-ID 2 this one.
    (Holder(None, uri=("spiffe://example.com/web",)), f'{ADDRESS}: "spiffe://example.com/web"'),
    # Hosts of one label are names of a local network, and 'localhost' of RFC 6761 6.3 is one.
    (Holder(None, ("localhost",)), f'{DOMAIN}: "localhost"'),
]


@pytest.fixture
def issuer(tmp_path: Path, clock: Clock) -> Iterator[Issuer]:
    made = new_issuer(tmp_path / "ca", clock, url=URL, partition=2, path_length=1)
    yield made
    made.close()


@pytest.mark.parametrize("profile", [each for each in Profile if each is not Profile.SUB_CA])
def test_nothing_is_found_in_a_certificate_of_any_profile(
    issuer: Issuer, profile: Profile, tmp_path: Path
) -> None:
    """RFC 5280 4, with names of every kind and every address."""
    issued = issuer.issue(profile, HOLDER)
    assert findings("certificate", der(issued.certificate)) == set()


def test_nothing_is_found_where_names_are_few_or_long(issuer: Issuer, tmp_path: Path) -> None:
    """RFC 5280 4.1.2.6 and 4.2.1.6: without a subject the alternative names are critical."""
    long = ".".join(["x" * 60] * 4)
    for profile, holder in (
        (Profile.CLIENT, Holder("alice")),
        (Profile.CLIENT, Holder("Ünïcødé 名前")),
        (Profile.SERVER, Holder(None, (long,))),
        (Profile.CLIENT, Holder(None, email=("x" * 64 + "@" + "y" * 60 + ".example",))),
    ):
        issued = issuer.issue(profile, holder)
        assert findings("certificate", der(issued.certificate)) == set()


def test_nothing_is_found_in_authorities(issuer: Issuer, tmp_path: Path) -> None:
    limits = Constraints(("example.com",), ("secret.example.com",), ("192.0.2.0/24",), ("2001:db8::/32",))
    below = issuer.issue(Profile.SUB_CA, Holder("Branch CA"), delegation=Delegation(0, limits))
    for certificate in (issuer.authority.root, issuer.authority.certificate, below.certificate):
        assert findings("certificate", der(certificate)) == set()


@pytest.mark.parametrize("key_type", list(KeyType))
def test_nothing_is_found_for_any_type_of_key(key_type: KeyType, tmp_path: Path) -> None:
    addresses = Addresses((f"{URL}/crl",), (f"{URL}/ocsp",), (f"{URL}/ca.cer",))
    authority = Authority.create("Test", key_type, addresses=addresses)
    for certificate in (
        authority.certificate,
        authority.issue(Profile.PEER, dns=["www.example.com"], key_type=key_type).certificate,
    ):
        assert findings("certificate", der(certificate)) == set()


@pytest.mark.parametrize(("holder", "found"), FOUND)
def test_every_remaining_finding_of_the_linters_has_a_reason(
    issuer: Issuer, holder: Holder, found: str
) -> None:
    issued = issuer.issue(Profile.PEER, holder)
    assert findings("certificate", der(issued.certificate)) == {found}


def test_nothing_is_found_in_crls_of_any_kind(issuer: Issuer, tmp_path: Path) -> None:
    """RFC 5280 5: whole, of a partition, deltas of both, with every reason, and the root's."""
    serials = [client(issuer, name) for name in "abcdefghij"]
    for serial, reason in zip(serials, REASONS, strict=False):
        issuer.revoke(serial, reason)
    series = [WHOLE, Series(0)]
    for each in series:
        assert findings("crl", der(issuer.crl(series=each))) == set()
    held = client(issuer, "held")
    issuer.revoke(held, "certificateHold")
    issuer.crl()
    issuer.release(held)
    issuer.revoke(client(issuer, "k"), "keyCompromise")
    for each in series:
        delta = issuer.crl(series=Series(each.partition, delta=True))
        assert findings("crl", der(delta)) == set()
    root = x509.load_pem_x509_crl((issuer.path / "root-crl.pem").read_bytes())
    assert findings("arl", der(root)) == set()


def test_nothing_is_found_in_responses_of_any_kind(issuer: Issuer, tmp_path: Path) -> None:
    """RFC 6960 4.2."""
    alice, bob, carol = (client(issuer, name) for name in ("alice", "bob", "carol"))
    issuer.revoke(bob, "keyCompromise")
    issuer.revoke(carol)
    responder = Responder(
        issuer.authority.certificate,
        lambda: issuer.issue(Profile.OCSP, Holder("OCSP signer")),
        issuer.authority.now,
    )
    answers: list[EncodedResponse] = []
    for serial in (alice, bob, carol, 42):
        for nonce in (None, b"n" * 32):
            question = responder.read(request(issuer, serial, nonce, algorithm=hashes.SHA256()))
            answers.append(responder.sign(question, issuer.register.find(serial)))
    assert [answer.status for answer in answers[::2]] == ["good", "revoked", "revoked", "unknown"]
    with pytest.raises(OCSPError) as refused:
        responder.read(b"")
    later = error_response(ocsp.OCSPResponseStatus.TRY_LATER)
    for answer in (*answers, refused.value.response, later):
        assert findings("ocsp", answer.der) == set()


def der(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return signed.public_bytes(Encoding.DER)


def test_the_linters_find_known_faults(issuer: Issuer) -> None:
    """So that finding nothing says something."""
    ca = issuer.authority
    crl = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
    bare = crl.last_update(NOW).next_update(NOW + DAY).sign(ca.key, signature_hash(ca.key))
    assert findings("crl", der(bare))
    question = OCSPRequest(1, hashes.SHA256())
    issued = issuer.issue(Profile.OCSP, Holder("OCSP signer"))
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        bytes(32), bytes(32), question.serial, hashes.SHA256(), ocsp.OCSPCertStatus.REVOKED, NOW, NOW - DAY, NOW,
        x509.ReasonFlags.remove_from_crl,
    )  # fmt: skip
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issued.certificate)
    response = builder.sign(issued.key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert findings("ocsp", response)
