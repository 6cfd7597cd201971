"""Every type of key in every profile, before other people's verifiers: each accepts, or its reason stands here."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from bothways.ca.authority import Authority, Issued
from bothways.ca.keys import KeyType
from bothways.ca.profiles import Profile
from interop import peers

PROFILES = (Profile.SERVER, Profile.CLIENT, Profile.PEER, Profile.OCSP)
USAGES = {
    Profile.SERVER: "1.3.6.1.5.5.7.3.1",
    Profile.CLIENT: "1.3.6.1.5.5.7.3.2",
    Profile.OCSP: "1.3.6.1.5.5.7.3.9",
}
PURPOSES = {Profile.SERVER: "sslserver", Profile.CLIENT: "sslclient", Profile.OCSP: "ocsphelper"}

# What a verifier says instead of accepting, and for which types of keys.
REASONS = {
    ("openssl", KeyType.MLDSA65): "",  # OpenSSL 3.5 is the first to know ML-DSA
    ("certtool", KeyType.MLDSA65): "",  # GnuTLS 3.8.9 is the first, and only if it was built so
    ("cryptography", KeyType.ED25519): "algorithm",  # its policy has the algorithms of the web alone
    ("cryptography", KeyType.MLDSA65): "algorithm",
}

Verifier = Callable[[Issued, Authority, Profile, Path], str]


def openssl(issued: Issued, authority: Authority, profile: Profile, folder: Path) -> str:
    return _told(
        folder, peers.find("openssl"), "verify", "-x509_strict", "-purpose", PURPOSES[profile],
        "-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem",
    )  # fmt: skip


def certtool(issued: Issued, authority: Authority, profile: Profile, folder: Path) -> str:
    return _told(
        folder, peers.find("certtool"), "--verify", "--load-ca-certificate", "root.pem",
        "--infile", "chain.pem", "--verify-purpose", USAGES[profile],
    )  # fmt: skip


def cryptography(issued: Issued, authority: Authority, profile: Profile, folder: Path) -> str:
    policy = PolicyBuilder().store(Store([authority.root]))
    chain = list(issued.intermediates)
    try:
        if profile is Profile.SERVER:
            policy.build_server_verifier(x509.DNSName("localhost")).verify(issued.certificate, chain)
        else:
            policy.build_client_verifier().verify(issued.certificate, chain)
    except VerificationError as error:
        return str(error)
    return ""


def _told(folder: Path, *words: str) -> str:
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.mark.interop
@pytest.mark.parametrize("verifier", [openssl, certtool, cryptography], ids=lambda each: each.__name__)
@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_verifier_accepts_every_profile_or_its_reason_stands_here(
    verifier: Verifier, key_type: KeyType, tmp_path: Path
) -> None:
    """RFC 5280 6, by others."""
    authority = Authority.create("Test Root", key_type).intermediate("Test Issuing CA", key_type)
    (tmp_path / "root.pem").write_bytes(authority.root_pem)
    for profile in PROFILES:
        issued = authority.issue(profile, "x", dns=["localhost"], email=["x@example.com"], key_type=key_type)
        (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
        for purpose in (Profile.SERVER, Profile.CLIENT) if profile is Profile.PEER else (profile,):
            if verifier is cryptography and purpose is Profile.OCSP:
                continue  # it judges servers and clients alone
            told = verifier(issued, authority, purpose, tmp_path)
            if (verifier.__name__, key_type) not in REASONS:
                assert told == "", f"{profile.value} for {purpose.value}"
            elif told:
                assert REASONS[verifier.__name__, key_type] in told.lower()
