"""Proofs by the peer. Each is an object whose constructor makes the check, so that none exists without it."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.faults import Fault, blame
from bothways.iana import SignatureScheme
from bothways.iana import name as spelled
from bothways.roles import Version
from bothways.tls.crypto.signing import check_signature
from bothways.tls.keys.schedule13 import same_secret
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.raw_public_key import RawPublicKey, read_raw_key
from bothways.trust.path.constraints import key_weakness
from bothways.trust.path.validation import read_leaf


class Signed:
    """The peer signed the handshake with the private key of the certificate that it sent.

    chain: as the peer sent it.  leaf: its first certificate.  staples: the OCSP responses that came with it.
    """

    __slots__ = ("chain", "leaf", "scheme", "staples")

    chain: tuple[bytes, ...]
    leaf: ParsedCertificate
    scheme: int
    staples: tuple[bytes | None, ...]

    def __init__(
        self,
        chain: tuple[bytes, ...],
        scheme: int,
        signature: bytes,
        data: bytes,
        version: Version,
        *,
        offered: Sequence[int],
        anchors: TrustStore,
        staples: tuple[bytes | None, ...] = (),
    ) -> None:
        """Check the signature of `data` with the key of the leaf; blame the peer if it is wrong.

        offered: our signature schemes.  anchors: used to verify the certificate later.
        """
        check_offered(scheme, offered)
        leaf = read_leaf(chain[0], anchors)
        check_signature(scheme, leaf.x509, data, signature, version)
        self.chain, self.leaf, self.scheme, self.staples = chain, leaf, scheme, staples


class SignedByKey:
    """The peer signed the handshake with the private key of the raw public key that it sent (RFC 7250)."""

    __slots__ = ("raw_key", "scheme")

    raw_key: RawPublicKey
    scheme: int

    def __init__(
        self, spki: bytes, scheme: int, signature: bytes, data: bytes, offered: Sequence[int]
    ) -> None:
        """Check the signature of `data` with the key; blame the peer if it is wrong, or the key is too weak.

        spki: as the peer sent it.  offered: our signature schemes.
        """
        check_offered(scheme, offered)
        self.raw_key = _usable_raw_key(spki)
        check_signature(scheme, self.raw_key, data, signature, Version.TLS13)
        self.scheme = scheme


class Finish:
    """The peer's Finished agrees with all messages that we sent and received."""

    __slots__ = ("verify_data",)

    verify_data: bytes

    def __init__(self, verify_data: bytes, expected: bytes) -> None:
        """Compare the value from the peer with the expected one; blame the peer if they differ."""
        if not same_secret(verify_data, expected):
            blame(Fault.BAD_FINISHED)
        self.verify_data = verify_data


class Bound:
    """The client has the PSK of the session that it offers: its binder covers this ClientHello."""

    __slots__ = ("binder",)

    binder: bytes

    def __init__(self, binder: bytes, expected: bytes) -> None:
        """Compare the client's binder with the expected one; blame it if they differ (RFC 9846 4.3.11)."""
        if not same_secret(binder, expected):
            blame(Fault.BAD_BINDER)
        self.binder = binder


class BoundToKey:
    """The client has the external PSK that it offers: its binder covers this ClientHello."""

    __slots__ = ("binder",)

    binder: bytes

    def __init__(self, binder: bytes, expected: bytes, problem: str) -> None:
        """Compare the client's binder with the expected one; blame it if they differ (RFC 9846 4.3.11, E.6).

        problem: what is said on our side.
        """
        if not same_secret(binder, expected):
            blame(Fault.UNKNOWN_PSK, problem=problem)
        self.binder = binder


def check_offered(scheme: int, offered: Sequence[int]) -> None:
    """Blame the peer for a signature scheme that we did not offer (RFC 9846 4.5.2, RFC 5246 7.4.3, 7.4.8)."""
    if scheme not in offered:
        blame(Fault.UNOFFERED_SCHEME, got=spelled(SignatureScheme, scheme))


def _usable_raw_key(spki: bytes) -> RawPublicKey:
    try:
        key = read_raw_key(spki)
    except ValueError as error:
        blame(Fault.BAD_RAW_KEY, problem=str(error))
    weak = key_weakness(key.key)
    if weak is not None:
        blame(Fault.BAD_RAW_KEY, problem=f"it is too weak: {weak}")
    return key
