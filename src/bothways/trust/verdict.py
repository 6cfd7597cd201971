"""The result of verification: the trusted path and what was checked, or every reason for a refusal.

A verdict is an immutable value. A check that was not made is shown as such (`Outcome.NOT_CHECKED`), never as passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Literal

from cryptography import x509

from bothways.faults import Reason, shown
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.raw_public_key import RawPublicKey
from bothways.trust.decoding.parsing import open_certificate

Profile = Literal["private", "web"]
PROFILES: tuple[Profile, ...] = ("private", "web")


class Purpose(Enum):
    """What a certificate is verified for: to identify a server or a client (RFC 5280 4.2.1.12)."""

    SERVER = "server authentication"
    CLIENT = "client authentication"

    __hash__ = object.__hash__  # faster than the __hash__ of Enum, which is a Python function


class Outcome(Enum):
    """The result of one check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one of the three checks of a certificate chain.

    letter: "a" (path), "b" (validity) or "c" (revocation), as in the steps 2.3a and 3.3a.  outcome: how the check
    ended.  text: what was checked and found, as text for people.
    """

    letter: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """All names of a certificate: the subject, and the subject alternative names by kind.

    subject: the distinguished name, as in RFC 4514.  common_name: the last one of the subject, None if it has none.
    dns, ip, uri, email: the alternative names (RFC 5280 4.2.1.6), in the order of the certificate.
    """

    subject: str
    common_name: str | None = None
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    email: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of alternative names."""
        return len(self.dns) + len(self.ip) + len(self.uri) + len(self.email)


@dataclass(frozen=True, slots=True)
class EvidenceRequest:
    """Evidence that a verification needs, and where it may be fetched.

    kind: "ocsp" for the response about `certificate`, "crl" for a CRL of `issuer`.  locations: URLs, any of which has
    it; they are from certificates whose signatures lead to a trust anchor.  nonce: what an OCSP response has to
    return, chosen by the client (RFC 9654); None sends none.
    """

    kind: Literal["ocsp", "crl"]
    certificate: ParsedCertificate
    issuer: ParsedCertificate
    locations: tuple[str, ...]
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A raw public key that is trusted because it is pinned. name: that of its pin, "" for a pin without one."""

    key: RawPublicKey
    name: str = ""

    def __str__(self) -> str:
        named = f" ({shown(self.name)})" if self.name else ""
        return f"raw public key {self.key.fingerprint}{named}"


@dataclass(frozen=True, slots=True)
class SharedKey:
    """An external pre-shared key by which a peer is trusted, without the key. name: whom it stands for."""

    identity: bytes
    name: str

    def __str__(self) -> str:
        return f"{shown(self.name)} (by a pre-shared key)"


SlowCheck = Callable[[], object]  # may run in any thread; its result is stored with the evidence


@dataclass(frozen=True, slots=True)
class Trusted:
    """The chain leads to a trust anchor and passed every requested check, or a key is trusted without a certificate.

    `path_der` has the certificates from the leaf to the trust anchor, in DER: an open connection keeps its verdict, and
    objects of `cryptography` take five times the memory. `names` are those of the leaf. `findings` has the result of
    each check. `not_after` is the earliest end of validity among these certificates; `valid_until` is the earliest end
    among these certificates and the evidence, with the tolerance for clocks added to the end of evidence. `wants` is
    evidence that may still be fetched: none, unless an unknown status was accepted. `profile` is the set of rules by
    which it was verified. `by_key` is the key of a peer without a certificate, which has no path.
    """

    path_der: tuple[bytes, ...] = field(repr=False)
    names: Names
    findings: tuple[Finding, ...]
    not_after: datetime
    valid_until: datetime
    wants: tuple[EvidenceRequest, ...] = ()
    profile: Profile = "private"
    by_key: PinnedKey | SharedKey | None = None

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf, decoded whenever this is asked for."""
        return open_certificate(self.path_der[0])

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """The path from the leaf to the trust anchor, decoded whenever this is asked for."""
        return tuple([open_certificate(each) for each in self.path_der])

    @property
    def checks(self) -> tuple[SlowCheck, ...]:
        """Deferred checks: none, since a chain is trusted only after them."""
        return ()

    @property
    def accepts_unknown(self) -> bool:
        """Whether the revocation status was to be checked, is unknown, and was accepted as configured."""
        return Outcome.UNKNOWN in [each.outcome for each in self.findings]


@dataclass(frozen=True, slots=True)
class Refused:
    """The chain was refused. `reasons` says why, the one that decides the alert first.

    Of very many reasons there is one of each fault, and `left_out` is the number of the others.  `names` are those of
    the leaf, None if it could not be decoded. `findings` has the result of each check.  `wants` is evidence that may
    be fetched, where an unknown status is the only reason.  `checks` are slow checks that were deferred: the verdict
    is not final before they are made and the chain is verified again.  `profile` is the set of rules by which it was
    verified.
    """

    reasons: tuple[Reason, ...]
    names: Names | None
    findings: tuple[Finding, ...]
    wants: tuple[EvidenceRequest, ...] = ()
    left_out: int = 0
    profile: Profile = "private"
    checks: tuple[SlowCheck, ...] = ()


Verdict = Trusted | Refused


def with_profile(verdict: Verdict, profile: Profile) -> Verdict:
    """Return a verdict with the profile by which it was found; the findings mention only the web profile."""
    if profile == "private":
        return verdict
    findings = tuple(
        replace(each, text=f"{each.text} (by the {profile} profile)") if each.letter == "a" else each
        for each in verdict.findings
    )
    return replace(verdict, findings=findings, profile=profile)
