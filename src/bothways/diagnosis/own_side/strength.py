"""Whether our keys are too short by rules of the peer that are stricter than ours."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.stacks import Stack, has_strict_level
from bothways.faults import shown
from bothways.iana import Alert
from bothways.tls.crypto.signing import described
from bothways.trust.certificate.parsed import ParsedCertificate

LIKELY, POSSIBLE, OURS = Weight.LIKELY, Weight.POSSIBLE, Party.OURS


def weak_key(case: Case) -> Iterator[Likely]:
    """Our key is too weak by the rules of the peer."""
    if case.chain:
        got = described(case.chain[0].key)
        yield case.likely(Cause.WEAK_KEY, OURS, POSSIBLE, "it may ask for more than is usual", got=got)


def perhaps_weak(case: Case) -> Iterator[Likely]:
    """Rules that ask for more than RSA of 2048 bits refuse it by the alert for every other reason, as Java's may."""
    if case.own_reasons or own_issuer.is_issuer_unnamed(case) or case.stack is Stack.OPENSSL:
        return  # whose levels are told by what it lists
    weak = next((each for each in case.chain if bits(each) < STRICT_RSA_BITS), None)
    if weak is not None:
        whose = (
            "our certificate" if weak is case.chain[0] else f"the CA {shown(weak.subject_text)} in our chain"
        )
        facts = {"got": described(weak.key), "subject": whose, "above": weak is not case.chain[0]}
        evidence = "it may ask for more than is usual, as Java does by jdk.certpath.disabledAlgorithms"
        yield case.likely(Cause.WEAK_KEY, OURS, POSSIBLE, evidence, **facts)


def below_strict_levels(case: Case) -> Iterator[Likely]:
    """OpenSSL at security level 3 requires 128 bits of every key of a chain, and otherwise sends bad_certificate.

    At that level it lists no schemes with SHA-224; servers that refuse us later, without an alert, show it too.
    """
    weak = next((each for each in case.chain if bits(each) < STRICT_RSA_BITS), None)
    strict = has_strict_level(case.peer_schemes)
    if weak is None or case.own_reasons or own_issuer.is_issuer_unnamed(case):
        return
    if not strict and case.alert != Alert.BAD_CERTIFICATE:
        return
    above = weak is not case.chain[0]
    whose = f"the CA {shown(weak.subject_text)} in our chain" if above else "our certificate"
    evidence = "peers that require stronger keys than usual (security level 3) send this alert"
    if strict:
        evidence = "it lists the signature schemes of OpenSSL at security level 3, without SHA-224"
    weight = POSSIBLE if case.stack is Stack.OPENSSL and not strict else LIKELY
    yield case.likely(
        Cause.WEAK_KEY, OURS, weight, evidence, got=described(weak.key), subject=whose, above=above
    )


STRICT_RSA_BITS = 3072


def bits(certificate: ParsedCertificate) -> int:
    """Return the length of an RSA key; that of another kind counts as long."""
    return certificate.key.key_size if isinstance(certificate.key, RSAPublicKey) else STRICT_RSA_BITS
