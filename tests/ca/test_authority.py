"""Certificates that a CA signs, verified by other implementations."""

from __future__ import annotations

import itertools
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509.verification import PolicyBuilder, Store

from bothways.ca.authority import Addresses, Authority, Issued, new_serial
from bothways.ca.errors import AuthorityExpired, NamesRefused, NotAcceptable
from bothways.ca.keys import KeyType
from bothways.ca.profiles import Constraints, Profile
from bothways.errors import UsageError
from bothways.trust.anchors import TrustStore
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from interop import peers

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVERY_NAME = {
    "dns": ("localhost", "*.example.com"),
    "ip": ("127.0.0.1", "::1"),
    "uri": ("spiffe://example/web",),
    "email": ("web@example.com",),
}


def root(key_type: KeyType = KeyType.P256, **more: object) -> Authority:
    return Authority.create("Test Root", key_type, now=lambda: NOW, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def intermediate() -> Authority:
    return root().intermediate("Test Issuing CA")


def issue(authority: Authority, profile: Profile, key_type: KeyType = KeyType.P256) -> Issued:
    return authority.issue(profile, "web", key_type=key_type, **EVERY_NAME)  # type: ignore[arg-type]


def extension(certificate: x509.Certificate, kind: type[Any]) -> x509.Extension[Any]:
    return certificate.extensions.get_extension_for_class(kind)


@pytest.mark.interop
@pytest.mark.parametrize("profile", [Profile.SERVER, Profile.CLIENT, Profile.PEER, Profile.OCSP])
@pytest.mark.parametrize("key_type", [k for k in KeyType if k is not KeyType.MLDSA65])
def test_openssl_accepts_every_profile_strictly(key_type: KeyType, profile: Profile, tmp_path: Path) -> None:
    """RFC 5280 6: `-x509_strict` also refuses what most verifiers let pass."""
    openssl = peers.find("openssl")
    authority = root(key_type).intermediate("Test Issuing CA", key_type)
    issued = issue(authority, profile, key_type)
    (tmp_path / "root.pem").write_bytes(authority.root_pem)
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    purposes = {
        Profile.SERVER: ("sslserver",),
        Profile.CLIENT: ("sslclient",),
        Profile.PEER: ("sslserver", "sslclient"),
        Profile.OCSP: ("ocsphelper",),
    }
    for purpose in purposes[profile]:
        run = subprocess.run(
            [openssl, "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-purpose", purpose,
             "-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.RSA3072])
def test_the_verifier_of_cryptography_accepts_server_and_client(key_type: KeyType) -> None:
    """RFC 5280 6, by another implementation; it knows neither Ed25519 nor ML-DSA in certificates."""
    authority = root(key_type).intermediate("Test Issuing CA", key_type)
    issued = issue(authority, Profile.PEER, key_type)
    policy = PolicyBuilder().store(Store([authority.root])).time(NOW)
    server = policy.build_server_verifier(x509.DNSName("localhost"))
    assert len(server.verify(issued.certificate, list(issued.intermediates))) == 3
    assert policy.build_client_verifier().verify(issued.certificate, list(issued.intermediates)).chain


@pytest.mark.parametrize("key_type", list(KeyType))
def test_our_own_trust_accepts_every_key_type(key_type: KeyType) -> None:
    authority = root(key_type).intermediate("Test Issuing CA", key_type)
    issued = issue(authority, Profile.PEER, key_type)
    credentials = Credentials.from_pem(issued.chain_pem, issued.key_pem)
    assert credentials.chain == issued.credentials.chain
    anchors = TrustStore.from_pem(authority.root_pem)
    for purpose, name in ((Purpose.SERVER, "127.0.0.1"), (Purpose.CLIENT, None)):
        verdict = judge(credentials.chain, anchors, purpose=purpose, name=name, at=NOW)
        assert isinstance(verdict, Trusted)


def test_serials_have_128_random_bits_and_are_positive() -> None:
    """RFC 5280 4.1.2.2: positive, at most 20 octets; the source's bits are taken as they are."""
    assert new_serial(lambda size: b"\xff" * size) == 2**128 - 1
    drawn = iter([bytes(16), b"\0" * 15 + b"\1"])
    assert new_serial(lambda size: next(drawn)) == 1
    authority = root()
    serials = {authority.issue(Profile.CLIENT, "a").serial for _ in range(20)}
    assert len(serials) == 20
    assert max(serials).bit_length() > 112


def test_a_leaf_is_valid_from_before_now_and_within_its_issuers_validity(intermediate: Authority) -> None:
    """Backdating for clocks that run behind; a leaf never outlives who signed it."""
    leaf = intermediate.issue(Profile.SERVER, dns=["localhost"]).certificate
    assert leaf.not_valid_before_utc == NOW - timedelta(hours=1)
    assert leaf.not_valid_after_utc == NOW + timedelta(days=90)
    late = intermediate.issue(Profile.SERVER, dns=["localhost"], lifetime=timedelta(days=9999)).certificate
    assert late.not_valid_after_utc == intermediate.certificate.not_valid_after_utc


def test_an_expired_leaf_can_be_issued_with_a_time(intermediate: Authority) -> None:
    leaf = intermediate.issue(Profile.SERVER, dns=["localhost"], at=NOW - timedelta(days=100)).certificate
    assert leaf.not_valid_after_utc == NOW - timedelta(days=10)


def test_an_expired_authority_issues_nothing() -> None:
    authority = root(lifetime=timedelta(days=1))
    with pytest.raises(AuthorityExpired, match="has the CA certificate expired"):
        authority.issue(Profile.CLIENT, "a", at=NOW + timedelta(days=2))


def test_key_identifiers_link_the_chain(intermediate: Authority) -> None:
    """RFC 5280 4.2.1.1 and 4.2.1.2."""
    leaf = intermediate.issue(Profile.CLIENT, "alice").certificate
    path = (leaf, intermediate.certificate, intermediate.root)
    for below, above in itertools.pairwise(path):
        names = extension(below, x509.AuthorityKeyIdentifier).value.key_identifier
        assert names == extension(above, x509.SubjectKeyIdentifier).value.digest


def test_only_an_rsa_server_key_has_keyencipherment(intermediate: Authority) -> None:
    """RFC 5280 4.2.1.3: keyEncipherment is for RSA key transport, so for servers with RSA keys alone."""
    for key_type in (KeyType.P256, KeyType.RSA3072):
        for profile in (Profile.SERVER, Profile.CLIENT):
            certificate = issue(intermediate, profile, key_type).certificate
            expected = profile is Profile.SERVER and isinstance(certificate.public_key(), rsa.RSAPublicKey)
            assert extension(certificate, x509.KeyUsage).value.key_encipherment is expected


def test_the_chain_is_leaf_then_intermediates_without_root_and_text(intermediate: Authority) -> None:
    issued = intermediate.issue(Profile.CLIENT, "alice")
    read = x509.load_pem_x509_certificates(issued.chain_pem)
    assert read == [issued.certificate, intermediate.certificate]
    assert issued.chain_pem.startswith(b"-----BEGIN CERTIFICATE-----")
    assert root().issue(Profile.CLIENT, "alice").intermediates == ()


def test_key_and_pkcs12_can_be_decoded_again(intermediate: Authority) -> None:
    issued = intermediate.issue(Profile.CLIENT, "alice")
    key = load_pem_private_key(issued.key_pem, None)
    assert key.public_key() == issued.certificate.public_key()  # type: ignore[union-attr]
    loaded = pkcs12.load_pkcs12(issued.pkcs12(b"secret", "alice"), b"secret")
    assert loaded.cert is not None
    assert loaded.cert.certificate == issued.certificate
    assert [extra.certificate for extra in loaded.additional_certs] == list(issued.intermediates)


def test_an_mldsa_key_is_not_put_into_pkcs12(intermediate: Authority) -> None:
    with pytest.raises(UsageError, match="use the PEM files"):
        intermediate.issue(Profile.CLIENT, "alice", key_type=KeyType.MLDSA65).pkcs12(b"secret")


def test_urls_are_in_leaves_and_not_in_ocsp_responders() -> None:
    """RFC 5280 4.2.1.13 and 4.2.2.1; RFC 6960 4.2.2.2.1 spares the OCSP signer's own status."""
    authority = root(addresses=Addresses(("http://ca/crl",), ("http://ca/ocsp",), ("http://ca/ca.der",)))
    leaf = authority.issue(Profile.CLIENT, "a").certificate
    assert "http://ca/crl" in str(extension(leaf, x509.CRLDistributionPoints).value)
    assert "http://ca/ocsp" in str(extension(leaf, x509.AuthorityInformationAccess).value)
    signer = authority.issue(Profile.OCSP, "ocsp").certificate
    assert extension(signer, x509.OCSPNoCheck)
    with pytest.raises(x509.ExtensionNotFound):
        extension(signer, x509.AuthorityInformationAccess)


def test_an_intermediate_signs_no_authority_below_its_path_length(intermediate: Authority) -> None:
    """RFC 5280 4.2.1.9."""
    with pytest.raises(NotAcceptable, match="path length constraint of this CA is 0"):
        intermediate.intermediate("Below")
    deep = root().intermediate("Policy CA", path_length=1).intermediate("Issuing CA")
    assert len(deep.issue(Profile.CLIENT, "a").intermediates) == 2


def test_name_constraints_are_critical_in_the_intermediate() -> None:
    """RFC 5280 4.2.1.10."""
    limits = Constraints(permitted_dns=(".example.com",), excluded_ip=("10.0.0.0/8",))
    found = extension(root().intermediate("CA", constraints=limits).certificate, x509.NameConstraints)
    assert found.critical
    assert found.value.permitted_subtrees == [x509.DNSName("example.com")]


def test_no_repr_contains_a_private_key(intermediate: Authority) -> None:
    issued = intermediate.issue(Profile.CLIENT, "alice")
    assert "key" not in repr(issued).lower().replace("public_key", "")
    assert "PrivateKey" not in repr(intermediate)


def test_a_ca_needs_a_printable_name() -> None:
    for name in ("", "x" * 65, "a\nb"):
        with pytest.raises(NamesRefused, match="the name of a CA"):
            Authority.create(name)
