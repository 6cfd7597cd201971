"""Which kinds of keys a peer can verify, by the signature schemes that it lists: what to use in place of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bothways.diagnosis.stacks import has_strict_level
from bothways.iana import SignatureScheme, names
from bothways.tls.crypto.signing import TABLE

KEYS: Mapping[str, str] = {
    "ecdsa_secp256r1_sha256": "P-256",
    "ecdsa_secp384r1_sha384": "P-384",
    "ecdsa_secp521r1_sha512": "P-521",
    "ed25519": "Ed25519",
    "ed448": "Ed448",
    "rsa_pss_rsae_sha256": "RSA",
    "rsa_pkcs1_sha256": "RSA",
    "mldsa44": "ML-DSA-44",
    "mldsa65": "ML-DSA-65",
    "mldsa87": "ML-DSA-87",
}
NONE_FITS = (
    "have the {peer} updated, or configured to accept signatures with SHA-256: "
    "no key of ours can be used with any scheme that it lists"
)


def kinds_of_key(listed_by_peer: Sequence[int], version: int | None, peer: str) -> dict[str, str]:
    """Return as a fact what to use in place of our key; none where nothing is known of what the peer lists.

    OpenSSL at a high security level lists schemes of RSA too, and accepts only long keys: it leaves out SHA-224, and
    from 192 bits on SHA-256.
    """
    if not listed_by_peer:
        return {}
    usable = [
        each
        for each in listed_by_peer
        if each in TABLE and (version is None or version in TABLE[each].versions)
    ]
    if not usable:
        return {"another_key": NONE_FITS.format(peer=peer)}
    found = {KEYS[each]: None for each in names(SignatureScheme, tuple(usable)) if each in KEYS}
    if has_strict_level(listed_by_peer):
        found.pop("RSA", None)
    if not found:
        return {}
    accepts = ", ".join(found)
    return {
        "another_key": f"use a certificate with another kind of key; by the schemes that it lists it accepts {accepts}"
    }
