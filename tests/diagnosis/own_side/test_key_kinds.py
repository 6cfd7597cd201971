"""What to use in place of a key that a peer cannot verify, by the signature schemes that it lists."""

from __future__ import annotations

import pytest

from bothways.diagnosis import Observed, OwnSide, Situation, explain
from bothways.diagnosis.own_side.key_kinds import kinds_of_key
from bothways.diagnosis.situation import HelloOffer
from bothways.errors import PeerFault
from bothways.faults import Fault
from bothways.iana import SignatureScheme
from bothways.roles import Role, Version


@pytest.mark.parametrize(
    ("schemes", "kinds"),
    [
        (("ecdsa_secp384r1_sha384", "ed448", "rsa_pss_rsae_sha384"), "it accepts P-384, Ed448"),
        (("ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha256"), "it accepts P-384, RSA"),
        (("mldsa44",), "it accepts ML-DSA-44"),
        (("rsa_pss_rsae_sha512",), "accepted nearly everywhere"),
        (("rsa_pkcs1_sha1", "ecdsa_sha1"), "no key of ours can be used"),
    ],
)
def test_another_key_is_one_that_the_client_lists(schemes: tuple[str, ...], kinds: str) -> None:
    """As OpenSSL lists them at security level 4, which takes long keys of RSA alone; Java with a restriction of EC."""
    listed = tuple(int(SignatureScheme[each]) for each in schemes)
    error = PeerFault(
        Fault.NO_SHARED_SCHEME, step=None, peer="client", facts={"offered": schemes, "accepted": ("x",)}
    )
    seen = Observed(offer=HelloOffer(schemes=listed))
    assert kinds in explain(error, Situation(OwnSide(Role.SERVER), seen)).first.remedy


def test_a_version_leaves_out_what_it_does_not_have() -> None:
    """RSA with PKCS #1 v1.5 is of certificates alone in TLS 1.3 (RFC 9846 4.3.3), and ML-DSA is not of TLS 1.2."""
    for name, version in (("rsa_pkcs1_sha256", Version.TLS13), ("mldsa65", Version.TLS12)):
        listed = (int(SignatureScheme[name]),)
        assert "no key of ours" in kinds_of_key(listed, version, "client")["another_key"]
        assert "it accepts" in kinds_of_key(listed, None, "client")["another_key"]
    assert kinds_of_key((), Version.TLS13, "client") == {}
