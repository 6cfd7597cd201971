"""From a reason for refusing a certificate, ours or the peer's, to its cause: one mapping for both sides.

Our own chain is verified by `bothways.trust`, with the end of the chain as the trust anchor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.describe.messages import listed
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.situation import OwnSide, Situation
from bothways.errors import PeerFault
from bothways.faults import Fault, Reason, sentence, shown
from bothways.roles import Role
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.entries import HOLD
from bothways.trust.names.distinguished import dn_text, normal
from bothways.trust.path.chain_links import follows
from bothways.trust.verdict import Purpose

FRESH = timedelta(days=1)
ENVIRONMENTS = {
    "test": "test", "testing": "test", "sandbox": "test", "staging": "test", "stage": "test", "uat": "test",
    "dev": "test", "development": "test", "mtf": "test", "qa": "test", "preprod": "test", "demo": "test",
    "prod": "production", "production": "production", "live": "production",
}  # fmt: skip
# Words in CA names that do not identify their owner.
COMMON_WORDS = frozenset(
    [
        "ca",
        "root",
        "intermediate",
        "issuing",
        "issuer",
        "authority",
        "certificate",
        "certification",
        "sub",
        "subordinate",
        "server",
        "client",
        "tls",
        "ssl",
        "rsa",
        "ecc",
        "ecdsa",
        "class",
        "global",
        "trust",
        "the",
        "and",
        "of",
        "inc",
        "ltd",
        "llc",
        "gmbh",
        "co",
        "corp",
        "com",
        "org",
        "net",
        "services",
        "service",
        "secure",
        "public",
        "private",
        "internal",
    ]
)
# Those of them that say where a CA is in a hierarchy, what its certificates are for, or an owner's legal form.
POSITIONS = COMMON_WORDS - {
    "corp", "global", "trust", "services", "service", "secure", "public", "private", "internal",
}  # fmt: skip

BY_FAULT: Mapping[Fault, Cause] = {
    Fault.BAD_ENCODING: Cause.UNREADABLE,
    Fault.BAD_RAW_KEY: Cause.UNUSABLE_KEY,
    Fault.RAW_KEY_NOT_PINNED: Cause.KEY_NOT_PINNED,
    Fault.PSK_REMOVED: Cause.PSK_NOT_SHARED,
    Fault.CHAIN_TOO_LARGE: Cause.CHAIN_TOO_LARGE,
    Fault.NO_PATH: Cause.CA_NOT_ACCEPTED,
    Fault.PATH_SEARCH_EXHAUSTED: Cause.CHAIN_TOO_LARGE,
    Fault.PATH_TOO_LONG: Cause.PATH_TOO_LONG,
    Fault.BAD_CERTIFICATE_SIGNATURE: Cause.SIGNATURE_WRONG,
    Fault.WEAK_HASH: Cause.WEAK_SIGNATURE,
    Fault.UNSUPPORTED_SIGNATURE: Cause.WEAK_SIGNATURE,
    Fault.WEAK_KEY: Cause.WEAK_KEY,
    Fault.REVOKED: Cause.REVOKED,
    Fault.REVOCATION_UNKNOWN: Cause.STATUS_UNKNOWN,
    Fault.STAPLE_REQUIRED: Cause.STAPLE_MISSING,
    Fault.BAD_STAPLE: Cause.BAD_STAPLE,
    Fault.CERTIFICATE_EXPIRED: Cause.EXPIRED,
    Fault.CERTIFICATE_NOT_YET_VALID: Cause.NOT_YET_VALID,
    Fault.NOT_A_CA: Cause.NOT_A_CA,
    Fault.PATH_LENGTH_EXCEEDED: Cause.PATH_TOO_LONG,
    Fault.KEY_MAY_NOT_SIGN_CERTIFICATES: Cause.NOT_A_CA,
    Fault.WRONG_KEY_USAGE: Cause.WRONG_KEY_USAGE,
    Fault.WRONG_EXTENDED_KEY_USAGE: Cause.WRONG_USE,
    Fault.UNKNOWN_CRITICAL_EXTENSION: Cause.UNKNOWN_EXTENSION,
    Fault.NAME_NOT_PERMITTED: Cause.NAME_NOT_ALLOWED,
    Fault.NAME_EXCLUDED: Cause.NAME_NOT_ALLOWED,
    Fault.NAME_NOT_COMPARABLE: Cause.NAME_NOT_ALLOWED,
    Fault.NO_VALID_POLICY: Cause.POLICY,
    Fault.BAD_POLICY_MAPPING: Cause.POLICY,
    Fault.NOT_A_WEB_CERTIFICATE: Cause.NOT_A_WEB_CERTIFICATE,
    Fault.NAME_MISMATCH: Cause.WRONG_NAME,
    Fault.NO_SERVER_NAMES: Cause.NO_ALTERNATIVE_NAME,
}

# What has to be known to have a certificate with an extended key usage issued.
WHERE_ISSUED: Mapping[str, str] = {
    "serverAuth": "",
    "clientAuth": "; public CAs do not issue it for clients any more, so use a private CA",
}

_DETAILS: Mapping[Fault, str] = {
    Fault.PATH_LENGTH_EXCEEDED: ": {issuer} allows {limit} below it",
    Fault.PATH_TOO_LONG: ": more than {limit}",
    Fault.REVOKED: " on {revoked_at:%Y-%m-%d} ({reason})",
    Fault.NAME_NOT_PERMITTED: "{issuer} does not permit {name}",
    Fault.NAME_EXCLUDED: "{issuer} excludes {name}",
    Fault.NAME_NOT_COMPARABLE: "the form in which {issuer} constrains names such as {name} cannot be processed",
    Fault.UNKNOWN_CRITICAL_EXTENSION: "{oid}",
    Fault.BAD_RAW_KEY: "{problem}",
    Fault.RAW_KEY_NOT_PINNED: "its SHA-256 is {digest}",
    Fault.PSK_REMOVED: "that of {name} was removed or changed",
    Fault.CHAIN_TOO_LARGE: "{got} {unit}, more than {limit}",
    Fault.PATH_SEARCH_EXHAUSTED: "more work to search than is allowed ({unit} by then: {limit})",
}


def cause_of(
    case: Case, reason: Reason, party: Party, weight: Weight, evidence: str = "", **more: object
) -> Likely:
    """Return the cause that belongs to a reason for refusing a certificate."""
    facts = dict(reason.facts)
    detail = sentence(_DETAILS.get(reason.fault, "{problem}"), facts)
    date = facts.get("not_after") or facts.get("not_before")
    purpose = case.purpose if party is Party.OURS else case.peers_purpose
    usage = "serverAuth" if purpose is Purpose.SERVER else "clientAuth"
    facts |= {
        "detail": detail,
        "subject": _subject(case, reason, party),
        "date": f"{date:%Y-%m-%d %H:%M} UTC" if isinstance(date, datetime) else "",
        "usage": usage,
        "also": WHERE_ISSUED[usage],
        "above": bool(reason.position),
    }
    if reason.fault is Fault.REVOKED and facts.get("reason") == HOLD:
        facts["lasting"] = "or ask its CA to lift the hold, as only this revocation can be (RFC 5280 5.3.1)"
    return case.likely(BY_FAULT[reason.fault], party, weight, evidence, **facts | more)


def fault_of_ours(reason: Reason, role: Role, now: datetime) -> Likely:
    """Return a reason against our own chain as a cause with its remedy, where no connection has failed for it."""
    case = Case(PeerFault(reason.fault, step=None, peer=role.peer), Situation(OwnSide(role), now=now))
    return cause_of(case, reason, Party.OURS, Weight.CERTAIN)


def _subject(case: Case, reason: Reason, party: Party) -> str:
    whose = "our" if party is Party.OURS else f"the {case.role.peer}'s"
    if not reason.position:
        return f"{whose} certificate"
    return f"the CA {shown(reason.subject)} in {whose} chain"


# -- issuers -----------------------------------------------------------------------------------------------


def is_named(chain: Sequence[ParsedCertificate], authorities: Iterable[bytes]) -> bool:
    """Whether a chain leads to one of the authorities, given as DER names."""
    issuers = {each.normal_issuer for each in chain}
    return any(normal(each) in issuers for each in authorities)


def is_among(name: str, authorities: Iterable[bytes]) -> bool:
    """Whether a name, as text, is one of the authorities."""
    return any(shown(dn_text(each)) == shown(name) for each in authorities)


def highest_named(chain: Sequence[ParsedCertificate], authorities: Iterable[bytes]) -> str | None:
    """Return the issuer highest in a chain that is one of the authorities."""
    wanted = {normal(each) for each in authorities}
    return next((each.issuer_text for each in reversed(chain) if each.normal_issuer in wanted), None)


def above_named(chain: Sequence[ParsedCertificate], name: str, anchors: TrustStore | None) -> str | None:
    """Return the issuer of the CA with this name, by our chain or our trust anchors; None for a root."""
    known = [*chain, *_anchors(anchors)]
    found = next((each for each in known if each.subject_text == name), None)
    return None if found is None or found.is_self_issued else found.issuer_text


def _anchors(anchors: TrustStore | None) -> list[ParsedCertificate]:
    certificates = anchors.certificates if anchors is not None else ()
    return [ParsedCertificate(each.public_bytes(Encoding.DER)) for each in certificates]


# Words in the issuer names of certificates that products for TLS inspection generate.
INSPECTING = (
    "zscaler", "fortinet", "fortigate", "palo alto", "blue coat", "bluecoat", "symantec web security", "netskope",
    "forcepoint", "websense", "sophos", "barracuda", "checkpoint", "check point", "cisco umbrella", "mcafee web",
    "kaspersky", "avast", "bitdefender", "eset ssl", "mitmproxy", "charles proxy", "portswigger", "fiddler",
    "squid", "sslsniff", "untangle", "watchguard", "sonicwall", "cato networks", "menlo",
)  # fmt: skip


def inspecting_proxy(issuer: str) -> str | None:
    """Return the word by which an issuer seems to be a product that inspects TLS, or ""."""
    return next((each for each in INSPECTING if each in issuer.lower()), None)


def listed_names(authorities: Sequence[bytes]) -> str:
    """Return the first of several DER names as text."""
    return listed([shown(dn_text(each)) or "(empty)" for each in authorities])


def described(chain: Sequence[ParsedCertificate], sent: int = 0) -> str:
    """Describe a chain: the number of its certificates, and the issuer of the last.

    sent: how many there were, with those that repeat another or cannot be decoded.
    """
    if not chain:
        return "no certificate"
    issuer = chain[-1].issuer_text
    if sent > len(chain):
        return (
            f"{sent} certificates ({sent - len(chain)} repeated or unreadable), the last issued by {issuer}"
        )
    if len(chain) == 1:
        return f"one certificate alone, issued by {issuer}"
    return f"{len(chain)} certificates, the last issued by {issuer}"


def relative(issuer: str, others: Iterable[str]) -> str | None:
    """Return one of `others` that seems to belong to the same CA as `issuer`: they share an identifying word."""
    if is_root(issuer):
        return None
    return next((each for each in others if _share_identifying_word(issuer, each)), None)


def _share_identifying_word(one: str, other: str) -> bool:
    """Whether two names share an identifying word, or, where one of them has none, any but those of positions.

    So "Corp Issuing" belongs to "Corp Root", and "Globex Corp Issuing" does not belong to "Acme Corp Root".
    """
    identifying = _identifying_words(one), _identifying_words(other)
    if all(identifying):
        return bool(identifying[0] & identifying[1])
    return bool(_identifying_words(one, POSITIONS) & _identifying_words(other, POSITIONS))


def _identifying_words(name: str, common: frozenset[str] = COMMON_WORDS) -> frozenset[str]:
    values = " ".join(re.findall(r"(?:CN|O|OU)=((?:\\.|[^,+])*)", name)) or name
    words = re.findall(r"[^\W_]+", values.lower())
    return frozenset(each for each in words if each not in common and not re.fullmatch(r"[a-z]?\d*", each))


def is_root(name: str) -> bool:
    """Whether a CA is a root by its own name."""
    return "root" in re.findall(r"[a-z]+", name.lower())


def is_intermediate(name: str) -> bool:
    """Whether a CA is an intermediate by its own name."""
    words = set(re.findall(r"[a-z]+", name.lower()))
    return bool(words & {"intermediate", "issuing", "subordinate"}) and "root" not in words


def intermediate_in(
    leaf: ParsedCertificate, *chains: Iterable[ParsedCertificate]
) -> ParsedCertificate | None:
    """Return the intermediate among the certificates of several chains that signed a leaf, or None."""
    known = (each for chain in chains for each in chain if not each.is_self_issued)
    named = (each for each in known if each.subject_text == leaf.issuer_text)
    return next((each for each in named if follows(leaf, each)), None)


def mixed(ours: str, theirs: str) -> tuple[str, str] | None:
    """Return the environments that the names of two sides contain, if they differ; `own_side` and `theirs` are CA
    names.

    Where one side has "test" and the other has no environment, both have to belong to the same owner.
    """
    one, other = environment(ours), environment(theirs)
    if one == other or (None in (one, other) and not _identifying_words(ours) & _identifying_words(theirs)):
        return None
    return one or "production", other or "production"


def mixed_with(issuer: str, others: Sequence[str]) -> tuple[str, str] | None:
    """Return the environments of an issuer and of the CAs of the other side, if they differ.

    They do not where one of those CAs is of the same owner and of the same environment.
    """
    found = [mixed(issuer, each) for each in others]
    alike = [each for each, different in zip(others, found, strict=True) if different is None]
    if any(_identifying_words(issuer) & _identifying_words(each) for each in alike):
        return None
    return next((each for each in found if each is not None), None)


def environment(*names: str) -> str | None:
    """Return the environment that names contain, "test" or "production", if any does."""
    words = (each for name in names for each in re.findall(r"[a-z]+", name.lower()))
    return next((ENVIRONMENTS[each] for each in words if each in ENVIRONMENTS), None)


def knows(
    anchors: TrustStore | None, certificate: ParsedCertificate
) -> tuple[ParsedCertificate | None, bool]:
    """Return our trust anchor with the name of a certificate's issuer, and whether its key signed the certificate."""
    found = anchors_of(anchors, certificate)
    signer = next((each for each in found if follows(certificate, each)), None)
    return signer or (found[0] if found else None), signer is not None


def anchors_of(anchors: TrustStore | None, certificate: ParsedCertificate) -> list[ParsedCertificate]:
    """Return our trust anchors that have the name of a certificate's issuer."""
    return list(anchors.issuers_of(certificate)) if anchors is not None else []


def certificates_of_issuer(
    certificate: ParsedCertificate, anchors: TrustStore | None, *chains: Iterable[ParsedCertificate]
) -> list[ParsedCertificate]:
    """Return the certificates of a certificate's issuer that we have: its trust anchors, and those of chains."""
    known = {each.der: each for chain in chains for each in chain if each.is_named_issuer_of(certificate)}
    known |= {each.der: each for each in anchors_of(anchors, certificate)}
    return [each for each in known.values() if follows(certificate, each)]


def has_issuer_url(certificate: ParsedCertificate) -> bool:
    """Whether a certificate has the URL of its issuer's certificate, as those issued by an intermediate usually do."""
    try:
        access = certificate.extension(x509.AuthorityInformationAccess)
    except ValueError:
        return False
    return any(each.access_method._name == "caIssuers" for each in access or ())


def may_not_sign(certificate: ParsedCertificate) -> bool:
    """Whether the key usage of a certificate leaves out the signatures of a handshake."""
    usage = certificate.extension(x509.KeyUsage)
    return usage is not None and not usage.digital_signature
