"""Which certificates of a chain follow one another by their signatures, and what is wrong where none follows.

Only for chains that failed, or that we send ourselves: verification searches by `path_search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509

from bothways.faults import shown
from bothways.trust.certificate.issuers import most_likely_first
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import is_signed_by
from bothways.trust.path.constraints import has_weak_key, is_signed_weakly

SIGNATURES = 16  # that are checked for one chain at most


def linked(chain: Sequence[ParsedCertificate]) -> tuple[list[ParsedCertificate], list[ParsedCertificate]]:
    """Return the leaf with the issuers that follow it, and the certificates that are left over."""
    path, rest = [chain[0]], list(chain[1:])
    left = SIGNATURES
    while rest and not is_self_signed(path[-1]):
        named = most_likely_first(path[-1], [each for each in rest if each.is_named_issuer_of(path[-1])])[
            :left
        ]
        left -= len(named)
        issuer = next((each for each in named if follows(path[-1], each)), None)
        if issuer is None:
            break
        rest.remove(issuer)
        path.append(issuer)
    return path, rest


def follows(child: ParsedCertificate, issuer: ParsedCertificate) -> bool:
    """Whether a CA's key signed a certificate, which is not checked where the signature counts for nothing.

    That is so for a weak hash or a weak key, of which no more can be said than that. The names have been compared.
    """
    return is_signed_weakly(child) or has_weak_key(issuer) or is_signed_by(child, issuer)


def is_self_signed(certificate: ParsedCertificate) -> bool:
    """Whether a certificate is a root's; one of a new key, signed with the old one, has the same two names."""
    named, own = certificate.authority_key_identifier, certificate.subject_key_identifier
    if not certificate.is_self_issued or (named is not None and own is not None and named != own):
        return False
    return follows(certificate, certificate)


def instead_of_issuer(
    child: ParsedCertificate, others: Sequence[ParsedCertificate]
) -> ParsedCertificate | None:
    """Return the CA certificate that stands in the place of an issuer and is none: of its name if there is one."""
    named = most_likely_first(child, [each for each in others if each.is_named_issuer_of(child)])
    return next(iter(named), None) or next((each for each in others if may_issue(each)), None)


def may_issue(certificate: ParsedCertificate) -> bool:
    """Whether a certificate says that it is a CA's."""
    try:
        basic = certificate.extension(x509.BasicConstraints)
    except ValueError:
        return False
    return basic is not None and basic.ca


NOT_TOLD = "its key did not sign it: it is for another key, or one of the two was altered"


def key_difference(child: ParsedCertificate, other: ParsedCertificate) -> str | None:
    """Return by their key identifiers that a CA certificate is not the issuer's (RFC 5280 4.2.1.1).

    None where they do not tell that: then only `NOT_TOLD` is known of one whose key did not sign the child.
    """
    wanted, has = child.authority_key_identifier, other.subject_key_identifier
    if wanted is None or has is None or wanted == has:
        return None
    return f"the key identifier wanted is {identifier_text(wanted)}, and it has {identifier_text(has)}"


def identifier_text(identifier: bytes) -> str:
    """Return a key identifier as `openssl x509 -text` prints it, of bounded length."""
    return shown(identifier[:SHOWN_OCTETS].hex(":").upper()) + (
        "..." if len(identifier) > SHOWN_OCTETS else ""
    )


SHOWN_OCTETS = 20  # as many as a SHA-1 digest has


def names_key_of(child: ParsedCertificate, others: Iterable[ParsedCertificate]) -> bool:
    """Whether a certificate names the key of one of the others as that of its issuer."""
    wanted = child.authority_key_identifier
    return wanted is not None and any(each.subject_key_identifier == wanted for each in others)


def is_altered(child: ParsedCertificate, issuer: ParsedCertificate) -> bool:
    """Whether a certificate that an issuer's key did not sign names that very key, so that it is not as it was issued.

    The caller has compared the names, and checked the signature (RFC 5280 4.2.1.1).
    """
    return issuer.is_named_issuer_of(child) and names_key_of(child, [issuer])
