"""An authority at work: what it hands out, takes back, and refuses."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bothways.ca.authority import Authority, new_serial
from bothways.ca.errors import (
    AlreadyRevoked,
    ClockSetBack,
    DatabaseBusy,
    NotAcceptable,
    NotIssuedHere,
    NotOnHold,
    NotRenewable,
)
from bothways.ca.issuer import Issuer
from bothways.ca.keys import KeyType, new_key, signature_hash
from bothways.ca.profiles import Constraints, Delegation, Holder, Profile, constraints_of
from bothways.errors import UsageError
from ca.issuers import DAY, NOW, Clock, client, new_issuer
from interop import peers

SERVER = Holder(None, ("localhost",), ("127.0.0.1",))


def crl_serials(issuer: Issuer) -> dict[int, str]:
    """What the newest list says, by serial number."""
    return {
        entry.serial_number: str(entry.extensions[0].value.reason.value) if len(entry.extensions) else ""  # type: ignore[attr-defined]
        for entry in issuer.crl()
    }


@pytest.mark.interop
@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.ED25519, KeyType.RSA3072])
@pytest.mark.parametrize("intermediate", [True, False])
def test_openssl_accepts_what_is_issued_and_refuses_it_once_revoked(
    tmp_path: Path, key_type: KeyType, intermediate: bool
) -> None:
    """RFC 5280 6: chain, validity and the lists of the whole path, by another implementation."""
    openssl = peers.find("openssl")
    issuer = new_issuer(tmp_path / "ca", Clock(), key_type=key_type, intermediate=intermediate)
    issued = issuer.issue(Profile.PEER, SERVER, key_type=key_type)
    (tmp_path / "leaf.pem").write_bytes(issued.chain_pem)

    def verify() -> str:
        (tmp_path / "crl.pem").write_bytes(issuer.crls_pem())
        run = subprocess.run(
            [openssl, "verify", "-x509_strict", "-crl_check_all", "-attime", str(int(NOW.timestamp())),
             "-CRLfile", "crl.pem", "-CAfile", "ca/root.pem", "-untrusted", "leaf.pem", "leaf.pem"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return run.stdout + run.stderr

    assert verify() == "leaf.pem: OK\n"
    issuer.revoke(issued.serial, "keyCompromise")
    assert "certificate revoked" in verify()
    issuer.close()


def test_an_issuer_can_be_opened_again(issuer: Issuer, clock: Clock) -> None:
    serial = client(issuer, "alice")
    numbers = [issuer.crl().extensions.get_extension_for_class(x509.CRLNumber).value.crl_number]
    issuer.close()
    again = Issuer.open(issuer.path, None, actor="another", now=clock)
    assert again.register.find(serial) is not None
    numbers.append(again.crl().extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert numbers == [1, 2]
    assert [entry.actor for entry in again.audit()] == ["tester", "tester", "another"]
    again.close()


def test_a_revoked_certificate_is_in_the_crl_with_its_reason(issuer: Issuer) -> None:
    """RFC 5280 5.3.1: an unspecified reason is left out."""
    alice, bob, carol = (client(issuer, name) for name in ("alice", "bob", "carol"))
    assert crl_serials(issuer) == {}
    issuer.revoke(alice, "KEYCOMPROMISE")
    issuer.revoke(bob)
    assert crl_serials(issuer) == {alice: "keyCompromise", bob: ""}
    assert carol not in crl_serials(issuer)


def test_a_hold_can_be_released_or_made_final(issuer: Issuer) -> None:
    alice, bob = client(issuer, "alice"), client(issuer, "bob")
    for serial in (alice, bob):
        issuer.revoke(serial, "certificateHold")
    issuer.release(alice)
    issuer.revoke(bob, "superseded")
    assert crl_serials(issuer) == {bob: "superseded"}
    with pytest.raises(NotOnHold, match="revoked for superseded, which is final"):
        issuer.release(bob)
    with pytest.raises(NotOnHold, match="is not revoked"):
        issuer.release(alice)


def test_a_certificate_that_cannot_be_revoked_is_reported(issuer: Issuer) -> None:
    alice = client(issuer, "alice")
    issuer.revoke(alice, "superseded")
    with pytest.raises(AlreadyRevoked, match="is revoked already, for superseded"):
        issuer.revoke(alice, "keyCompromise")
    with pytest.raises(NotIssuedHere, match="no certificate with the serial number 2a was issued here"):
        issuer.revoke(42)
    with pytest.raises(
        UsageError, match="'boredom' is no revocation reason; those are unspecified, keyCompromise"
    ):
        issuer.revoke(alice, "boredom")
    with pytest.raises(NotIssuedHere, match="no certificate with the serial number 2a"):
        issuer.release(42)
    assert [entry.action for entry in issuer.audit()] == ["issue", "revoke"]


def test_an_entry_stays_in_the_crl_until_one_crl_after_its_certificates_end(
    issuer: Issuer, clock: Clock
) -> None:
    """RFC 5280 3.3."""
    alice = client(issuer, "alice")
    issuer.revoke(alice)
    clock.at = NOW + 89 * DAY
    assert alice in crl_serials(issuer)
    clock.at = NOW + 91 * DAY
    assert alice in crl_serials(issuer)
    clock.at = NOW + 92 * DAY
    assert alice not in crl_serials(issuer)


def test_a_renewed_certificate_keeps_profile_names_and_lifetime(issuer: Issuer, clock: Clock) -> None:
    holder = Holder("alice", (), (), ("spiffe://example/alice",), ("alice@example.com",))
    old = issuer.issue(Profile.CLIENT, holder, lifetime=10 * DAY, key_type=KeyType.P384)
    clock.at = NOW + 5 * DAY
    new = issuer.renew(old.serial)
    assert new.certificate.subject == old.certificate.subject
    assert new.certificate.not_valid_after_utc == NOW + 15 * DAY
    assert new.certificate.public_key() != old.certificate.public_key()
    assert isinstance(new.key, ec.EllipticCurvePrivateKey)
    assert new.key.curve.name == "secp384r1"
    names = [
        c.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        for c in (old.certificate, new.certificate)
    ]
    assert names[0] == names[1]
    same = issuer.renew(new.serial, same_key=True)
    assert same.key is None
    assert same.certificate.public_key() == new.certificate.public_key()
    assert issuer.audit()[-1].details["replaces"] == f"{new.serial:040x}"


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_only_a_valid_certificate_is_renewed(issuer: Issuer, clock: Clock) -> None:
    alice, bob = client(issuer, "alice"), client(issuer, "bob")
    issuer.revoke(alice)
    with pytest.raises(NotRenewable, match="alice: was revoked on 2026-06-01"):
        issuer.renew(alice)
    clock.at = NOW + 100 * DAY
    with pytest.raises(NotRenewable, match="bob: expired on 2026-08-30"):
        issuer.renew(bob)


def test_expiring_certificates_are_listed_unless_replaced_or_revoked(issuer: Issuer, clock: Clock) -> None:
    alice, bob, carol = (client(issuer, name) for name in ("alice", "bob", "carol"))
    clock.at = NOW + 80 * DAY
    issuer.renew(bob)
    issuer.revoke(carol)
    found = issuer.register.expiring(clock.at + 14 * DAY, clock.at)
    assert [entry.serial for entry in found] == [alice]


def test_only_the_names_of_a_request_are_used(issuer: Issuer) -> None:
    """RFC 2986; usages and basic constraints that a request asks for are not the profile's."""
    key = new_key(KeyType.P256)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("bob@example.com")]), critical=False)
        .sign(key, signature_hash(key))
    )
    issued = issuer.sign(request.public_bytes(Encoding.PEM), Profile.CLIENT)
    assert issued.key is None
    assert issued.certificate.public_key() == key.public_key()
    basic = issued.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca
    renamed = issuer.sign(request.public_bytes(Encoding.DER), Profile.CLIENT, holder=Holder("robert"))
    assert "robert" in renamed.certificate.subject.rfc4514_string()
    with pytest.raises(UsageError, match="the holder of the certificate generated it"):
        issued.key_pem  # noqa: B018 - reading it is what fails


def test_names_outside_the_constraints_are_not_issued_and_not_recorded(tmp_path: Path, clock: Clock) -> None:
    """RFC 5280 4.2.1.10."""
    limits = Constraints(permitted_dns=("example.com",))
    issuer = new_issuer(tmp_path / "ca", clock, constraints=limits)
    assert issuer.issue(Profile.SERVER, Holder(None, ("www.example.com",)))
    with pytest.raises(NotAcceptable, match="nothing was issued: the certificate would be refused"):
        issuer.issue(Profile.SERVER, Holder(None, ("www.example.org",)))
    with pytest.raises(NotAcceptable, match="nothing was issued: the certificate would be refused"):
        issuer.issue(Profile.OCSP, Holder("OCSP", ("www.example.org",)))
    assert [entry.name for entry in issuer.register.all()] == ["www.example.com"]
    assert len(issuer.audit()) == 1
    issuer.close()


def test_a_subordinate_ca_is_issued_and_renewed_with_its_constraints(tmp_path: Path, clock: Clock) -> None:
    """RFC 5280 4.2.1.9 and 4.2.1.10."""
    issuer = new_issuer(tmp_path / "ca", clock, path_length=2)
    limits = Constraints(("example.com",), (), (), ("10.0.0.0/8",), (), ("example.org",), ("example.com",))
    branch = issuer.issue(Profile.SUB_CA, Holder("Branch CA"), delegation=Delegation(1, limits))
    renewed = issuer.renew(branch.serial)
    for issued in (branch, renewed):
        found = issued.certificate.extensions
        basic = found.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value) == (True, x509.BasicConstraints(ca=True, path_length=1))
        assert found.get_extension_for_class(x509.NameConstraints).critical
        assert constraints_of(issued.certificate) == limits
        assert found.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert branch.certificate.public_key() != renewed.certificate.public_key()
    below = Authority(
        branch.certificate, branch.key, (*branch.intermediates, issuer.authority.root), now=clock
    )
    assert len(below.issue(Profile.SERVER, dns=["a.example.com"]).intermediates) == 2
    issuer.close()


def test_a_ca_with_path_length_0_issues_no_subordinate_ca(issuer: Issuer) -> None:
    """RFC 5280 4.2.1.9."""
    with pytest.raises(NotAcceptable, match="path length constraint of this CA is 0"):
        issuer.issue(Profile.SUB_CA, Holder("Branch CA"))
    assert list(issuer.register.all()) == []


def test_a_clock_that_is_set_back_is_recognised(issuer: Issuer, clock: Clock) -> None:
    issuer.crl()
    clock.at = NOW - timedelta(minutes=1)
    with pytest.raises(ClockSetBack, match="before the thisUpdate of the last CRL"):
        issuer.crl()
    clock.at = NOW - 365 * DAY
    with pytest.raises(
        ClockSetBack, match=r"the CA certificate is valid from 2026-06-01 11:00: set the clock"
    ):
        client(issuer, "alice")
    assert issuer.register.crl_numbers() == [1]


def test_a_used_serial_number_is_replaced_by_another_random_one(issuer: Issuer, clock: Clock) -> None:
    drawn = iter([bytes(15) + b"\7", bytes(15) + b"\7", bytes(15) + b"\1"])

    def random(size: int) -> bytes:
        return next(drawn)

    fixed = dataclasses.replace(issuer, authority=dataclasses.replace(issuer.authority, random=random))
    assert [client(fixed, "alice"), client(fixed, "bob")] == [7, 1]
    broken = dataclasses.replace(issuer.authority, random=lambda size: bytes(15) + b"\7")
    with pytest.raises(DatabaseBusy, match="is the random source broken"):
        client(dataclasses.replace(issuer, authority=broken), "carol")
    assert len(issuer.audit()) == 2


def test_serial_numbers_are_random() -> None:
    assert new_serial(os.urandom) != new_serial(os.urandom)
