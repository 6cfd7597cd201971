"""External PSKs made usable in TLS 1.3: imported for a hash by RFC 9258, or used directly with the hash of the key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from bothways.faults import Blame
from bothways.iana import ProtocolVersion, TLSKdf
from bothways.roles import Role
from bothways.tls.crypto.hkdf import digest, expand_label, extract
from bothways.tls.crypto.suites import Suite
from bothways.tls.keys.schedule13 import EarlySecret, PskKind
from bothways.tls.wire.codec import decode, encode
from bothways.tls.wire.fields import opaque, record, uint
from bothways.trust.keys.external_psks import ExternalPSK, ExternalPSKs

_HASHES: dict[str, HashAlgorithm] = {"SHA-256": SHA256(), "SHA-384": SHA384()}
_KDFS = {"sha256": TLSKdf.HKDF_SHA256, "sha384": TLSKdf.HKDF_SHA384}
_TARGETS = {int(kdf): name for name, kdf in _KDFS.items()}


@dataclass(frozen=True, slots=True)
class ImportedIdentity:
    """The identity of an imported PSK, as a client sends it (RFC 9258 5.1)."""

    external_identity: bytes
    context: bytes
    target_protocol: int
    target_kdf: int


_IDENTITY = record(
    ImportedIdentity,
    external_identity=opaque(1, 2**16 - 1),
    context=opaque(0, 2**16 - 1),
    target_protocol=uint(2),
    target_kdf=uint(2),
)


class UsablePSK(NamedTuple):
    """An external PSK for one hash. identity: what a client sends. hash_name: "sha256" or "sha384"."""

    key: ExternalPSK
    identity: bytes
    hash_name: str

    def early(self, suite: Suite) -> EarlySecret:
        """Return the start of the key schedule, for a cipher suite with this hash."""
        if suite.hash.name != self.hash_name:
            raise ValueError("a PSK is used with one hash")
        if self.key.insecure_without_importer:
            return EarlySecret(suite, self.key.secret, PskKind.EXTERNAL)
        return EarlySecret(suite, self._imported(suite), PskKind.IMPORTED)

    def _imported(self, suite: Suite) -> bytes:
        """Return the imported PSK, as long as the hash of the cipher suite (RFC 9258 5.1)."""
        algorithm = _HASHES[self.key.hash]
        secret = extract(algorithm, bytes(algorithm.digest_size), self.key.secret)
        return expand_label(
            algorithm, secret, "derived psk", digest(algorithm, self.identity), suite.hash_size
        )

    def __repr__(self) -> str:
        return f"<UsablePSK of {self.key!r} with {self.hash_name}>"


def usable_psks(key: ExternalPSK, role: Role, hash_names: Iterable[str]) -> Iterator[UsablePSK]:
    """Yield a key for each hash that it can be used with, in the order of `hash_names`. role: ours."""
    for each in dict.fromkeys(hash_names):
        if not key.insecure_without_importer:
            identity = ImportedIdentity(
                key.octets, key.context_of(role), ProtocolVersion.TLSv1_3, _KDFS[each]
            )
            yield UsablePSK(key, encode(_IDENTITY, identity), each)
        elif each == _HASHES[key.hash].name:
            yield UsablePSK(key, key.octets, each)


def find_psk(keys: ExternalPSKs, role: Role, identity: bytes) -> UsablePSK | None:
    """Return the key that a client names by `identity`; None for an unknown one. role: ours."""
    plain = keys.named(identity, imported=False)
    if plain is not None:
        return UsablePSK(plain, identity, _HASHES[plain.hash].name)
    sent = _imported_identity(identity)
    if sent is None:
        return None
    key, hash_name = keys.named(sent.external_identity, imported=True), _TARGETS.get(sent.target_kdf)
    if key is None or hash_name is None or sent.target_protocol != ProtocolVersion.TLSv1_3:
        return None
    return UsablePSK(key, identity, hash_name) if sent.context == key.context_of(role) else None


# How a client may use a key that we have, and in another way than we do.
DIRECT = "is used directly by the client, and with the importer (RFC 9258) here"
IMPORTED = "is imported by the client (RFC 9258), and used directly here (insecure_without_importer)"
OTHER_CONTEXT = "is imported by the client with another context, as of other names of the two sides"
OTHER_TARGET = "is imported by the client for another protocol or hash than those of TLS 1.3"
OTHER_HASH = "is known here, and no cipher suite with its hash is supported by both sides"


def problem_with(keys: ExternalPSKs | None, role: Role, identity: bytes) -> str:
    """Say why a key that a client names by `identity` cannot be used, after the same work for every identity."""
    sent = _imported_identity(identity)
    inner = identity if sent is None else sent.external_identity
    name = inner.decode("ascii", "backslashreplace")
    if keys is None:
        return f"{name} is not known"
    usable = find_psk(keys, role, identity)
    imported, plain = keys.named(inner, imported=True), keys.named(inner, imported=False)
    if usable is not None:
        return f"{name} {OTHER_HASH}"
    if sent is None:
        return f"{name} is not known" if imported is None else f"{name} {DIRECT}"
    if imported is not None:
        return f"{name} {OTHER_TARGET if sent.context == imported.context_of(role) else OTHER_CONTEXT}"
    return f"{name} is not known" if plain is None else f"{name} {IMPORTED}"


def _imported_identity(identity: bytes) -> ImportedIdentity | None:
    try:
        return decode(_IDENTITY, identity, "ImportedIdentity")
    except Blame:
        return None
