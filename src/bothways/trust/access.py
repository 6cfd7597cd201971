"""Rules about which of the trusted peers are allowed: applied to verified data of a verdict only.

A rule is compiled once; nothing in a certificate is a pattern. A wildcard name of a certificate matches no rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.x509 import Name

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.distinguished_names import attributes, normal, text_of
from bothways.trust.general_names import is_dns_name, lower_ascii
from bothways.trust.parsing import encoded
from bothways.trust.verdict import Trusted

COMMON_NAME, ORGANIZATIONAL_UNIT = b"\x55\x04\x03", b"\x55\x04\x0b"
SPIFFE = "spiffe://"
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,255}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x5b\x5d-\x7e]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")

Texts = str | Iterable[str]
Test = Callable[[Trusted], bool]


@dataclass(frozen=True, slots=True)
class PeerRule:
    """Which peers are allowed: of every kind that is given, one value has to match. Raises ConfigError for a bad rule.

    dns: a DNS name of the certificate; `*.example.com` matches any name with exactly one label more.
    uri: a URI of the certificate, compared exactly. In a SPIFFE ID `*` is exactly one segment, and `**` at the end one
    or more; a certificate with several URIs has no SPIFFE ID (X509-SVID 2).
    cn: the common name, where there is exactly one. ou: one of the organizational units of the subject.
    issuer: the issuer of the certificate, written as in RFC 4514, compared by RFC 5280 7.1.
    fingerprint: SHA-256 of the certificate in hexadecimal, with or without colons.
    """

    dns: Texts = ()
    uri: Texts = ()
    cn: Texts = ()
    ou: Texts = ()
    issuer: Texts = ()
    fingerprint: Texts = ()
    _tests: tuple[tuple[str, Test], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tests: list[tuple[str, Test]] = []
        for kind, compile_values in _COMPILERS.items():
            values = _texts(kind, getattr(self, kind))
            object.__setattr__(self, kind, values)
            if values:
                tests.append((kind, compile_values(values)))
        if not tests:
            raise ConfigError(f"a rule about peers requires one of {', '.join(_COMPILERS)}")
        object.__setattr__(self, "_tests", tuple(tests))

    @classmethod
    def parse(cls, text: str) -> PeerRule:
        """Read a rule of one kind, written KIND=VALUE. Raises ConfigError."""
        kind, _, value = text.partition("=")
        if kind not in _COMPILERS or not value:
            kinds = ", ".join(_COMPILERS)
            raise ConfigError(f"{shown(text)}: expected KIND=VALUE, where KIND is one of {kinds}")
        return cls(**{kind: value})

    def allows(self, verdict: Trusted) -> bool:
        """Whether a trusted peer with this verdict matches the rule."""
        return self.failing(verdict) is None

    def failing(self, verdict: Trusted) -> str | None:
        """Return the first kind that does not match, such as "uri"; None where all match."""
        return next((kind for kind, holds in self._tests if not holds(verdict)), None)

    def __str__(self) -> str:
        given = ((kind, getattr(self, kind)) for kind in _COMPILERS)
        return ", ".join(f"{kind} {' or '.join(values)}" for kind, values in given if values)


def _texts(kind: str, given: Any) -> tuple[str, ...]:
    values: list[str] = []
    for each in (given,) if isinstance(given, str) else given:
        if not isinstance(each, str) or not each or "\ufffd" in each:
            raise ConfigError(f"{kind}: {shown(each)} cannot be a name")
        values.append(each)
    return tuple(values)


# -- the kinds -----------------------------------------------------------------------------------------------


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
        names = [name for name in map(lower_ascii, verdict.names.dns) if is_dns_name(name)]
        return any(name in whole or name.partition(".")[2] in below for name in names)

    return holds


def _uri(values: tuple[str, ...]) -> Test:
    ids = tuple(_spiffe_pattern(each) for each in values if each.startswith(SPIFFE))
    others = {each for each in values if not each.startswith(SPIFFE)}
    for each in others:
        if not _URI.fullmatch(each):
            raise ConfigError(f"uri: {shown(each)} is not a URI")
        if "*" in each:
            raise ConfigError(f"uri: {shown(each)}: a * is allowed only in {SPIFFE}... URIs")

    def holds(verdict: Trusted) -> bool:
        found = verdict.names.uri
        if any(each in others for each in found):
            return True
        return len(found) == 1 and any(pattern.fullmatch(found[0]) for pattern in ids)

    return holds


def _spiffe_pattern(value: str) -> re.Pattern[str]:
    """Compile a SPIFFE ID with stars: they match whole segments, which are never "." or ".." (SPIFFE-ID 2)."""
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
    return lambda verdict: _one_of(_attribute(verdict, COMMON_NAME), values)


def _one_of(found: list[str], values: tuple[str, ...]) -> bool:
    return len(found) == 1 and found[0] in values


def _ou(values: tuple[str, ...]) -> Test:
    return lambda verdict: any(each in values for each in _attribute(verdict, ORGANIZATIONAL_UNIT))


def _attribute(verdict: Trusted, kind: bytes) -> list[str]:
    """Return the values of one kind in the leaf's subject."""
    try:
        relatives = attributes(_leaf(verdict).subject)
    except ValueError:
        return []
    found = (text_of(tag, value) for each in relatives for of, tag, value in each if of == kind)
    return [text for text in found if text is not None]


def _issuer(values: tuple[str, ...]) -> Test:
    names = {_named(each) for each in values}
    return lambda verdict: normal(_leaf(verdict).issuer) in names


def _named(value: str) -> bytes:
    try:
        return normal(Name.from_rfc4514_string(value).public_bytes())
    except ValueError:
        raise ConfigError(
            f"issuer: {shown(value)} is not a name; expected one like CN=Example CA,O=Example"
        ) from None


def _fingerprint(values: tuple[str, ...]) -> Test:
    digests = {each.replace(":", "").lower() for each in values}
    for each in digests:
        if not _DIGEST.fullmatch(each):
            raise ConfigError(
                f"fingerprint: {shown(each)} is not an SHA-256 in hexadecimal, which has 64 digits"
            )
    return lambda verdict: _leaf(verdict).digest.hex() in digests


def _leaf(verdict: Trusted) -> ParsedCertificate:
    return ParsedCertificate(encoded(verdict.path[0]))


_COMPILERS: dict[str, Callable[[tuple[str, ...]], Test]] = {
    "dns": _dns,
    "uri": _uri,
    "cn": _cn,
    "ou": _ou,
    "issuer": _issuer,
    "fingerprint": _fingerprint,
}
