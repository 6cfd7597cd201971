"""Rules about which of the trusted peers are allowed: applied to verified data of a verdict only.

A rule is compiled once; nothing in a certificate is a pattern. A wildcard name of a certificate matches no rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bothways.arguments import several
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust.access.kinds import COMPILERS, KINDS_OF_KEYS, LOOSE_COMPILERS, Test
from bothways.trust.verdict import Trusted

Texts = str | Iterable[str]


@dataclass(frozen=True, slots=True)
class PeerRule:
    """Which peers are allowed: of every kind that is given, one value has to match. Raises ConfigError for a bad rule.

    dns: a DNS name of the certificate; `*.example.com` matches any name with exactly one label more.
    uri: a URI of the certificate, compared exactly. In a SPIFFE ID `*` is exactly one segment, and `**` at the end one
    or more; a certificate with several URIs has no SPIFFE ID (X509-SVID 2).
    cn: the common name, where there is exactly one. ou: one of the organizational units of the subject.
    issuer: the issuer of the certificate, written as in RFC 4514, compared by RFC 5280 7.1.
    fingerprint: SHA-256 of the certificate in hexadecimal, with or without colons.
    email: an email address of the certificate: the local part compared exactly, the domain without case; or
    `*@example.com` for any local part.  ip: an IP address of the certificate, or a network that contains it.
    subject: the whole subject, written and compared as an issuer.  dn: one attribute of the subject, such as
    `O=Example`, of a kind that the subject has exactly once.
    spki: SHA-256 of the SubjectPublicKeyInfo in hexadecimal, which stays when a certificate is renewed with its key.
    anchor: SHA-256 of the trust anchor's certificate.  policy: an object identifier that every certificate of the path
    below the anchor asserts, the CAs also by anyPolicy; policy mappings are not applied.
    key: the kind of the public key: RSA, P-256, P-384, P-521, Ed25519, Ed448; `RSA-3072` for RSA of at least 3072 bits.
    lifetime: the most days for which the certificate is valid from its beginning to its end.
    psk: the peer of an external pre-shared key, see `ExternalPSK`.

    Of a peer without a certificate only what is about its key can match: `spki` and `key` of a raw public key, `psk` of
    a pre-shared key.
    """

    dns: Texts = ()
    uri: Texts = ()
    cn: Texts = ()
    ou: Texts = ()
    issuer: Texts = ()
    fingerprint: Texts = ()
    email: Texts = ()
    ip: Texts = ()
    subject: Texts = ()
    dn: Texts = ()
    spki: Texts = ()
    anchor: Texts = ()
    policy: Texts = ()
    key: Texts = ()
    lifetime: Texts = ()
    psk: Texts = ()
    _tests: tuple[tuple[str, Test], ...] = field(init=False, repr=False, compare=False)
    _loose_tests: tuple[tuple[str, Test], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tests: list[tuple[str, Test]] = []
        loose_tests: list[tuple[str, Test]] = []
        for kind, compile_values in COMPILERS.items():
            values = _texts(kind, getattr(self, kind))
            object.__setattr__(self, kind, values)
            if values:
                tests.append((kind, compile_values(values)))
                loose_tests.append((kind, LOOSE_COMPILERS.get(kind, compile_values)(values)))
        if not tests:
            raise ConfigError(f"a rule about peers requires one of {', '.join(COMPILERS)}")
        object.__setattr__(self, "_tests", tuple(tests))
        object.__setattr__(self, "_loose_tests", tuple(loose_tests))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are given, such as "dns"."""
        return tuple(kind for kind, _ in self._tests)

    def allows(self, verdict: Trusted) -> bool:
        """Whether a trusted peer with this verdict matches the rule."""
        return self.failing(verdict) is None

    def may_mean(self, verdict: Trusted) -> bool:
        """Whether a trusted peer may be one that the rule names, perhaps ambiguously: for rules that deny.

        As `allows`, but one of several common names, attributes or URIs suffices, and so does a wildcard name of the
        certificate that covers a DNS name of the rule. A key without a certificate may belong to anybody, so any name
        may be that of its holder.
        """
        return all(not _can_tell(kind, verdict) or holds(verdict) for kind, holds in self._loose_tests)

    def failing(self, verdict: Trusted) -> str | None:
        """Return the first kind that does not match, such as "uri"; None where all match."""
        failing = (kind for kind, holds in self._tests if not (_can_tell(kind, verdict) and holds(verdict)))
        return next(failing, None)

    def __str__(self) -> str:
        given = ((kind, getattr(self, kind)) for kind in COMPILERS)
        return ", ".join(f"{kind} {' or '.join(values)}" for kind, values in given if values)


def _can_tell(kind: str, verdict: Trusted) -> bool:
    """Whether a kind can be compared: of a peer without a certificate only those that are about its key."""
    key = verdict.by_key
    return key is None or kind in KINDS_OF_KEYS[type(key)]


def _texts(kind: str, given: Any) -> tuple[str, ...]:
    values: list[str] = []
    for each in (given,) if isinstance(given, str) else several(kind, given, "texts"):
        if not isinstance(each, str) or not each or "\ufffd" in each:
            raise ConfigError(f"{kind}: {shown(each)} cannot be a name")
        values.append(each)
    return tuple(values)
