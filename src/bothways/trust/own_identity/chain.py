"""Our own chain: of the certificates in a file the one of our key, then each one's issuer, without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.errors import AlteredCertificate, ConfigError, IncompleteChain, UnusableFile
from bothways.faults import shown
from bothways.trust.certificate.files import readable_by_der
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.own_identity.private_keys import PrivateKey
from bothways.trust.path.chain_links import (
    NOT_TOLD,
    follows,
    identifier_text,
    instead_of_issuer,
    is_altered,
    is_self_signed,
    key_difference,
    may_issue,
)

_MAX_CHAIN = 16


class KeyMismatch(ConfigError):
    """A private key belongs to another certificate. not_after: when that expires."""

    code = "KEY_MISMATCH"

    def __init__(self, text: str, not_after: datetime) -> None:
        super().__init__(text)
        self.not_after = not_after


def chain_in_order(
    certificates: Sequence[bytes], source: str, key: PrivateKey | None, key_source: str
) -> list[ParsedCertificate]:
    """Return the chain of the certificate that belongs to a key, without the root. Raises ConfigError.

    certificates: in DER, in any order; the first is ours if `key` is None.  source, key_source: the names of the files,
    for errors.
    """
    if not certificates:
        raise UnusableFile(f"{source}: it contains no certificate")
    pool = list(readable_by_der(certificates, source).values())
    leaf = pool[0] if key is None else _leaf_of(key, pool, source, key_source)
    return _in_order(leaf, [each for each in pool if each is not leaf], source)


def _leaf_of(
    key: PrivateKey, pool: Sequence[ParsedCertificate], source: str, key_source: str
) -> ParsedCertificate:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fitting = [
        each
        for each in pool
        if each.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public
    ]
    if not fitting:
        subject = shown(pool[0].subject_text)
        raise KeyMismatch(
            f"{key_source}: the private key does not belong to the certificate of {subject} in {source}",
            pool[0].not_after,
        )
    return next((each for each in fitting if not each.is_self_issued), fitting[0])


def _gap(
    leaf: ParsedCertificate, last: ParsedCertificate, rest: Sequence[ParsedCertificate], source: str
) -> UnusableFile:
    """Return which certificate is missing after the last one of a chain, and what is there instead of it."""
    missing, subject = shown(last.issuer_text), shown(last.subject_text)
    other = instead_of_issuer(last, rest) or rest[0]
    if is_altered(last, other):
        text = (
            f"{source}: the signature of the certificate of {subject} does not verify under the key of {missing}, "
            "which is there and is the one that it names: it is damaged or was altered; copy it again, or have it "
            "issued again"
        )
        return AlteredCertificate(text, last.subject_text)
    if other.is_named_issuer_of(last):
        why = key_difference(last, other)
        how, again = (
            (f" with another key: {why}", "") if why else (f", and {NOT_TOLD}", ", or copy both again")
        )
        problem = (
            f"{missing}, which issued {subject}, is there{how}; "
            f"put the certificate in its place that the CA has for the key that it signed with{again}"
        )
    else:
        alien = next((each for each in rest if not may_issue(each) and not each.is_self_issued), None)
        if alien is not None:
            return UnusableFile(
                f"{source}: it contains the certificate of {shown(alien.subject_text)} too, which is not one of a CA "
                f"and does not belong to the chain of {shown(leaf.subject_text)}: leave it out; each identity has a "
                "file of its own"
            )
        extra, wanted = shown(other.subject_text), last.authority_key_identifier
        key = "" if wanted is None else f" with the key {identifier_text(wanted)}"
        problem = (
            f"{missing}, which issued {subject}{key}, is missing; "
            f"add its certificate, or remove {extra}, which does not belong to the chain"
        )
    return IncompleteChain(f"{source}: the chain is incomplete: {problem}", last.issuer_text)


def _in_order(
    leaf: ParsedCertificate, others: list[ParsedCertificate], source: str
) -> list[ParsedCertificate]:
    """Follow the issuers from the leaf, without the root; a remainder means a missing issuer (RFC 9846 4.5.1)."""
    chain = [leaf]
    rest = list(others)
    while rest and not is_self_signed(chain[-1]):
        issuer = next(
            (each for each in rest if each.is_named_issuer_of(chain[-1]) and follows(chain[-1], each)),
            None,
        )
        if issuer is None:
            raise _gap(leaf, chain[-1], rest, source)
        rest.remove(issuer)
        chain.append(issuer)
    if len(chain) > _MAX_CHAIN:
        raise UnusableFile(
            f"{source}: a chain of {len(chain)} certificates; at most {_MAX_CHAIN} are accepted"
        )
    return chain[:-1] if len(chain) > 1 and is_self_signed(chain[-1]) else chain
