"""The kinds of rules about peers: each compiles its values to a test of a verdict.

Text of a certificate is never used as a pattern. A value that no certificate can have is refused when it is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from datetime import timedelta
from ipaddress import ip_network

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509 import CertificatePolicies, Name

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust.access.presented import addresses, hosts, mailbox, mailboxes, parsed, subject_texts, uris
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.names.distinguished import normal
from bothways.trust.names.general import is_dns_name, lower_ascii
from bothways.trust.path.name_matching import SPIFFE
from bothways.trust.verdict import PinnedKey, SharedKey, Trusted

COMMON_NAME, ORGANIZATIONAL_UNIT = b"\x55\x04\x03", b"\x55\x04\x0b"
MOST_URIS = 64  # of a certificate that are compared with patterns; more may mean whom a rule denies
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,255}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x5b\x5d-\x7e]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OBJECT_IDENTIFIER = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,18})){1,32}")
_RSA = re.compile(r"RSA-[1-9][0-9]{3,4}")
_DAYS = re.compile(r"[0-9]{1,6}")

ANY_POLICY = "2.5.29.32.0"
ATTRIBUTES = {  # RFC 4514 3, and what devices commonly have
    "CN": COMMON_NAME,
    "OU": ORGANIZATIONAL_UNIT,
    "O": b"\x55\x04\x0a",
    "L": b"\x55\x04\x07",
    "ST": b"\x55\x04\x08",
    "C": b"\x55\x04\x06",
    "STREET": b"\x55\x04\x09",
    "UID": b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01",
    "serialNumber": b"\x55\x04\x05",
}
KEY_KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448")
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

Test = Callable[[Trusted], bool]


def _dns(values: tuple[str, ...]) -> Test:
    whole: set[str] = set()
    below: set[str] = set()
    for each in values:
        name = lower_ascii(each)
        rest = name.removeprefix("*.")
        if not is_dns_name(rest) or (rest != name and "." not in rest):
            raise ConfigError(f"dns: {shown(each)} is not a DNS name, with or without a leading *.")
        (whole if rest == name else below).add(rest)

    def holds(verdict: Trusted) -> bool:
        found = hosts(verdict.names.dns)
        return not (whole.isdisjoint(found.names) and below.isdisjoint(found.parents))

    return holds


def _uri(values: tuple[str, ...]) -> Test:
    exact, ids, patterns = _uris(values)
    for each in exact:
        if not _URI.fullmatch(each):
            raise ConfigError(f"uri: {shown(each)} is not a URI")
        if "*" in each:
            raise ConfigError(f"uri: {shown(each)}: a * is allowed only in {SPIFFE}... URIs")

    def holds(verdict: Trusted) -> bool:
        found = verdict.names.uri
        if not exact.isdisjoint(uris(found)):
            return True
        return len(found) == 1 and (found[0] in ids or any(each.fullmatch(found[0]) for each in patterns))

    return holds


def _uris(values: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str], tuple[re.Pattern[str], ...]]:
    """Return the URIs that are no SPIFFE IDs, the SPIFFE IDs without wildcards, and the others as patterns."""
    spiffe = [each for each in values if each.startswith(SPIFFE)]
    patterns = {each: _spiffe_pattern(each) for each in spiffe}  # which checks each of them
    return (
        frozenset(values).difference(spiffe),
        frozenset(each for each in spiffe if "*" not in each),
        tuple(pattern for each, pattern in patterns.items() if "*" in each),
    )


def _spiffe_pattern(value: str) -> re.Pattern[str]:
    """Compile a SPIFFE ID with wildcards: "*" for one segment, "**" at the end for one or more (SPIFFE-ID 2)."""
    domain, *segments = value.removeprefix(SPIFFE).split("/")
    if not _TRUST_DOMAIN.fullmatch(domain):
        raise ConfigError(
            f"uri: {shown(value)} has no trust domain of lower-case letters, digits, '.', '-', '_'"
        )
    parts = [re.escape(SPIFFE + domain)]
    for place, segment in enumerate(segments):
        if segment == "**" and place == len(segments) - 1:
            parts.append(f"(?:{_ANY_SEGMENT})+")
        elif segment == "*":
            parts.append(_ANY_SEGMENT)
        elif _SEGMENT.fullmatch(segment) and segment not in (".", ".."):
            parts.append("/" + re.escape(segment))
        else:
            raise ConfigError(
                f"uri: {shown(value)}: {shown(segment)!r} is not a segment of "
                "a SPIFFE ID; ** is allowed only as the last segment"
            )
    return re.compile("".join(parts))


_ANY_SEGMENT = r"/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"


def _cn(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    return lambda verdict: _one_of(subject_values(verdict, COMMON_NAME), wanted)


def _one_of(found: list[str], values: Set[str]) -> bool:
    return len(found) == 1 and found[0] in values


def _ou(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    return lambda verdict: not wanted.isdisjoint(subject_values(verdict, ORGANIZATIONAL_UNIT))


def subject_values(verdict: Trusted, kind: bytes) -> list[str]:
    """Return the values of one kind of attribute in the leaf's subject. kind: the content of its identifier in DER."""
    try:
        found = subject_texts(_leaf(verdict).subject, kind)
    except ValueError:
        return []
    return [text for text in found if text is not None]


def _issuer(values: tuple[str, ...]) -> Test:
    names = {_named("issuer", each) for each in values}
    return lambda verdict: _leaf(verdict).normal_issuer in names


def _subject(values: tuple[str, ...]) -> Test:
    names = {_named("subject", each) for each in values}
    return lambda verdict: _leaf(verdict).normal_subject in names


def _named(kind: str, value: str) -> bytes:
    try:
        return normal(Name.from_rfc4514_string(value).public_bytes())
    except ValueError:
        raise ConfigError(
            f"{kind}: {shown(value)} is not a name; expected one like CN=Example CA,O=Example"
        ) from None


def _dn(values: tuple[str, ...]) -> Test:
    for each in values:
        kind, _, text = each.partition("=")
        if kind not in ATTRIBUTES or not text:
            raise ConfigError(
                f"dn: {shown(each)} is not an attribute; expected TYPE=VALUE, where TYPE is one of "
                f"{', '.join(ATTRIBUTES)}"
            )
    wanted = _attributes(values)
    return lambda verdict: any(
        _one_of(subject_values(verdict, kind), texts) for kind, texts in wanted.items()
    )


def _attributes(values: tuple[str, ...]) -> dict[bytes, set[str]]:
    """Return the values of attributes by kind, from TYPE=VALUE."""
    wanted: dict[bytes, set[str]] = {}
    for kind, _, text in (each.partition("=") for each in values):
        wanted.setdefault(ATTRIBUTES[kind], set()).add(text)
    return wanted


def _fingerprint(values: tuple[str, ...]) -> Test:
    digests = _digests("fingerprint", values)
    return lambda verdict: _leaf(verdict).digest.hex() in digests


def _anchor(values: tuple[str, ...]) -> Test:
    digests = _digests("anchor", values)
    return lambda verdict: parsed(verdict.path_der[-1]).digest.hex() in digests


def _spki(values: tuple[str, ...]) -> Test:
    digests = _digests("spki", values)
    return lambda verdict: _key_digest(verdict).hex() in digests


def _digests(kind: str, values: tuple[str, ...]) -> set[str]:
    digests = {each.replace(":", "").lower() for each in values}
    for each in digests:
        if not _DIGEST.fullmatch(each):
            raise ConfigError(f"{kind}: {shown(each)} is not an SHA-256 in hexadecimal, which has 64 digits")
    return digests


def _email(values: tuple[str, ...]) -> Test:
    whole: set[tuple[str, str]] = set()
    domains: set[str] = set()
    for each in values:
        local, domain = mailbox(each) or ("", "")
        if not is_dns_name(domain) or ("*" in local and local != "*"):
            raise ConfigError(f"email: {shown(each)} is not an email address, or * for any before its @")
        if local == "*":
            domains.add(domain)
        else:
            whole.add((local, domain))

    def holds(verdict: Trusted) -> bool:
        found = mailboxes(verdict.names.email)
        return not (whole.isdisjoint(found.whole) and domains.isdisjoint(found.domains))

    return holds


def _ip(values: tuple[str, ...]) -> Test:
    networks: dict[tuple[int, int], set[int]] = {}  # by version and bits after the prefix: the prefixes
    for each in values:
        try:
            network = ip_network(each)
        except ValueError:
            raise ConfigError(
                f"ip: {shown(each)} is neither an IP address nor a network (without bits of a host)"
            ) from None
        rest = network.max_prefixlen - network.prefixlen
        networks.setdefault((network.version, rest), set()).add(int(network.network_address) >> rest)

    def holds(verdict: Trusted) -> bool:
        found = addresses(verdict.names.ip)
        return any(
            not prefixes.isdisjoint(found.prefixes(version, rest))
            for (version, rest), prefixes in networks.items()
        )

    return holds


def _policy(values: tuple[str, ...]) -> Test:
    for each in values:
        if not _OBJECT_IDENTIFIER.fullmatch(each) or each == ANY_POLICY:
            raise ConfigError(f"policy: {shown(each)} is not the object identifier of a policy")

    wanted = frozenset(values)

    def holds(verdict: Trusted) -> bool:
        leaf, *cas = map(_policies, verdict.path_der[:-1])
        return any(all(each in ca or ANY_POLICY in ca for ca in cas) for each in leaf & wanted)

    return holds


def _policies(certificate: bytes) -> frozenset[str]:
    found = parsed(certificate).extension(CertificatePolicies)
    return frozenset(each.policy_identifier.dotted_string for each in found or ())


def _key(values: tuple[str, ...]) -> Test:
    for each in values:
        if each not in KEY_KINDS and not _RSA.fullmatch(each):
            raise ConfigError(f"key: {shown(each)} is none of {', '.join(KEY_KINDS)}, RSA-3072")
    least = min((int(each.removeprefix("RSA-")) for each in values if each.startswith("RSA-")), default=None)

    def holds(verdict: Trusted) -> bool:
        pinned = verdict.by_key
        key = pinned.key.key if isinstance(pinned, PinnedKey) else _leaf(verdict).key
        kind, bits = key_kind(key)
        return kind in values or (kind == "RSA" and least is not None and bits >= least)

    return holds


def _key_digest(verdict: Trusted) -> bytes:
    pinned = verdict.by_key
    return pinned.key.digest if isinstance(pinned, PinnedKey) else _leaf(verdict).key_digest


def key_kind(key: PublicKeyTypes) -> tuple[str, int]:
    """Return the kind of a public key as rules call it, "" for another one, and its bits where they vary."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, ""), key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", 0
    return ("Ed448" if isinstance(key, ed448.Ed448PublicKey) else ""), 0


def _lifetime(values: tuple[str, ...]) -> Test:
    for each in values:
        if not _DAYS.fullmatch(each) or int(each) == 0:
            raise ConfigError(f"lifetime: {shown(each)} is not a number of days")
    most = timedelta(days=max(map(int, values)))

    def holds(verdict: Trusted) -> bool:
        leaf = _leaf(verdict)
        return leaf.not_after - leaf.not_before <= most

    return holds


def _psk(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    return lambda verdict: isinstance(verdict.by_key, SharedKey) and verdict.by_key.name in wanted


def _leaf(verdict: Trusted) -> ParsedCertificate:
    return parsed(verdict.path_der[0])


COMPILERS: dict[str, Callable[[tuple[str, ...]], Test]] = {
    "dns": _dns,
    "uri": _uri,
    "cn": _cn,
    "ou": _ou,
    "issuer": _issuer,
    "fingerprint": _fingerprint,
    "email": _email,
    "ip": _ip,
    "subject": _subject,
    "dn": _dn,
    "spki": _spki,
    "anchor": _anchor,
    "policy": _policy,
    "key": _key,
    "lifetime": _lifetime,
    "psk": _psk,
}


# The kinds that a peer without a certificate has.
KINDS_OF_KEYS: dict[type[PinnedKey | SharedKey], frozenset[str]] = {
    PinnedKey: frozenset({"spki", "key"}),
    SharedKey: frozenset({"psk"}),
}


# -- for rules that deny -------------------------------------------------------------------------------------


def _loose_dns(values: tuple[str, ...]) -> Test:
    holds = _dns(values)
    parents = {lower_ascii(each).partition(".")[2] for each in values}

    def may_hold(verdict: Trusted) -> bool:
        return holds(verdict) or not parents.isdisjoint(hosts(verdict.names.dns).under_wildcards)

    return may_hold


def _loose_uri(values: tuple[str, ...]) -> Test:
    exact, ids, patterns = _uris(values)
    whole = exact | ids

    def may_hold(verdict: Trusted) -> bool:
        found = verdict.names.uri
        if not whole.isdisjoint(uris(found)):
            return True
        is_doubtful = bool(patterns) and len(found) > MOST_URIS
        return is_doubtful or any(pattern.fullmatch(each) for each in found for pattern in patterns)

    return may_hold


def _loose_cn(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    return lambda verdict: _may_have(verdict, COMMON_NAME, wanted)


def _loose_ou(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    return lambda verdict: _may_have(verdict, ORGANIZATIONAL_UNIT, wanted)


def _loose_dn(values: tuple[str, ...]) -> Test:
    wanted = _attributes(values)
    return lambda verdict: any(_may_have(verdict, kind, texts) for kind, texts in wanted.items())


def _may_have(verdict: Trusted, kind: bytes, values: Set[str]) -> bool:
    """Whether one of the attributes of a kind has one of the values, or cannot be decoded, so that it may have one."""
    try:
        found = subject_texts(_leaf(verdict).subject, kind)
    except ValueError:
        return True
    return any(text is None or text in values for text in found)


LOOSE_COMPILERS: dict[str, Callable[[tuple[str, ...]], Test]] = {
    "dns": _loose_dns,
    "uri": _loose_uri,
    "cn": _loose_cn,
    "ou": _loose_ou,
    "dn": _loose_dn,
}
