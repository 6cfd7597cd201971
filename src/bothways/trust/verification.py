"""The public function that verifies a chain: is it valid for a name and a purpose at a time?

It checks the arguments of the caller, and raises only for those; any chain and evidence results in a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bothways.errors import ConfigError
from bothways.trust.anchors import TrustStore
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.path.name_matching import ServerName
from bothways.trust.path.policies import NO_POLICY, Policies
from bothways.trust.path.validation import LIMITS, Limits
from bothways.trust.request import VerificationRequest
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import Purpose, Verdict

Octets = bytes | bytearray | memoryview
KEY_USAGES = ("digitalSignature", "keyEncipherment")
_EXPECTED = {
    "anchors": (TrustStore, "a TrustStore"),
    "purpose": (Purpose | None, "Purpose.SERVER, Purpose.CLIENT or None"),
    "revocation": (Revocation | None, "a Revocation, or None to check nothing"),
    "name": (str | ServerName | None, "a DNS name, an IP address or a URI as text, or None"),
    "policies": (Policies, "Policies"),
    "limits": (Limits, "Limits"),
}


def verify(
    chain: Sequence[Octets],
    anchors: TrustStore,
    *,
    purpose: Purpose | None,
    name: str | ServerName | None,
    at: datetime,
    revocation: Revocation | None = None,
    key_usage: str | None = "digitalSignature",
    policies: Policies = NO_POLICY,
    staples: Sequence[Octets | None] = (),
    limits: Limits = LIMITS,
    fetched: FetchedEvidence | None = None,
) -> Verdict:
    """Verify a certificate chain by RFC 5280 6, for a purpose, a name and a time.

    chain: DER, the leaf first, the rest in any order.  anchors: the trust anchors; their `profile` decides the rules
    for servers.  purpose: of the leaf; None checks none.  name: for which the leaf must be valid, a DNS name, an IP
    address or a URI (RFC 9525); None for any, as of clients.  at: the time, with its time zone.  revocation: the
    evidence to use and what an unknown status means; None checks nothing, and the verdict says so.  key_usage: the
    use of the leaf's key, "digitalSignature", "keyEncipherment", or None for either.  policies: the certificate
    policies that are required. staples: the OCSP responses that came with the certificates of `chain`, in its order,
    None where none came. limits: the size of the chain and the work that are allowed.  fetched: evidence that was
    fetched so far; the `wants` of the verdict are what may be fetched to verify again with more.

    Returns Trusted or Refused, and never raises for the content of chain, staples or evidence. Raises ConfigError for
    invalid arguments: a time without time zone, a name of no kind.
    """
    request = VerificationRequest(
        chain=[_octets(each, "chain") for each in _several(chain, "chain")],
        anchors=anchors,
        purpose=purpose,
        name=name,
        revocation=revocation,
        key_usage=key_usage,
        policies=policies,
        limits=limits,
        staples=[each if each is None else _octets(each, "staples") for each in _several(staples, "staples")],
    )
    _check(request)
    _check_time(at)
    if not isinstance(fetched, FetchedEvidence | None):
        raise ConfigError("fetched: expected what was fetched, or None")
    return request.verify(at, fetched)


def _check(request: VerificationRequest) -> None:
    for field, (kind, expected) in _EXPECTED.items():
        if not isinstance(getattr(request, field), kind):
            raise ConfigError(f"{field}: expected {expected}")
    if request.key_usage is not None and request.key_usage not in KEY_USAGES:
        raise ConfigError(f"key_usage: {request.key_usage!r} is none of {', '.join(KEY_USAGES)}, or None")


def _check_time(at: object) -> None:
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ConfigError("at: expected a time with its time zone, such as datetime.now(UTC)")


def _several(values: object, what: str) -> Sequence[object]:
    if isinstance(values, Octets | str) or not isinstance(values, Sequence):
        raise ConfigError(f"{what}: expected a list, even for a single one")
    return values


def _octets(value: object, what: str) -> bytes:
    """Return bytes-like data as bytes. Other types are refused: `bytes(5)` would be five zeros."""
    if not isinstance(value, Octets):
        raise ConfigError(f"{what}: expected DER as bytes, not {type(value).__name__}")
    return bytes(value)
