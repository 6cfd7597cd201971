"""CRLs, verified by OpenSSL."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Authority
from bothways.ca.crl import REASONS, RevokedEntry, build_crl, check_reason
from bothways.ca.keys import KeyType
from bothways.errors import UsageError
from ca.issuers import NOW
from interop import peers

WEEK = timedelta(days=7)


def authority(key_type: KeyType = KeyType.P256) -> Authority:
    return Authority.create("Test", key_type, now=lambda: NOW)


@pytest.mark.interop
@pytest.mark.parametrize("key_type", [k for k in KeyType if k is not KeyType.MLDSA65])
def test_openssl_verifies_a_crl_of_every_key_type(key_type: KeyType, tmp_path: Path) -> None:
    """RFC 5280 5."""
    issuer = authority(key_type)
    crl = build_crl(issuer, [RevokedEntry(7, NOW, "keyCompromise")], 1, NOW, NOW + WEEK)
    (tmp_path / "ca.pem").write_bytes(issuer.root_pem)
    (tmp_path / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    run = subprocess.run(
        [peers.find("openssl"), "crl", "-in", "crl.pem", "-CAfile", "ca.pem", "-noout", "-text"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "verify OK" in run.stderr + run.stdout
    assert "Serial Number: 07" in run.stdout
    assert "Key Compromise" in run.stdout


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_crl_is_signed_by_its_authority(key_type: KeyType) -> None:
    issuer = authority(key_type)
    crl = build_crl(issuer, [], 1, NOW, NOW + WEEK)
    assert crl.is_signature_valid(issuer.key.public_key())
    assert not crl.is_signature_valid(authority(key_type).key.public_key())


def test_a_crl_names_its_authority_number_and_end() -> None:
    """RFC 5280 5.1 and 5.2.1 and 5.2.3."""
    issuer = authority()
    crl = build_crl(issuer, [], 2**64, NOW, NOW + WEEK)
    assert (crl.issuer, crl.last_update_utc, crl.next_update_utc) == (
        issuer.certificate.subject,
        NOW,
        NOW + WEEK,
    )
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2**64
    assert crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_every_reason_is_written_and_unspecified_is_left_out() -> None:
    """RFC 5280 5.3.1."""
    revoked = [RevokedEntry(number, NOW, reason) for number, reason in enumerate(REASONS, 1)]
    crl = build_crl(authority(), revoked, 1, NOW, NOW + WEEK)
    written = {}
    for entry in crl:
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = "unspecified"
        written[entry.serial_number] = reason
    assert written == {number: reason for number, _, reason in revoked}


def test_a_reason_is_read_in_any_case_and_an_unknown_one_refused() -> None:
    assert check_reason("CERTIFICATEHOLD") == "certificateHold"
    for bad in ("removeFromCRL", "aACompromise", "", "why"):
        with pytest.raises(UsageError, match="is no revocation reason; those are"):
            check_reason(bad)
