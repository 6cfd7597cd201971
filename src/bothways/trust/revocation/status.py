"""The statements of evidence about one certificate, and how several are combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509

from bothways.trust.crl.revocation_list import ALL_REASONS
from bothways.trust.verdict import EvidenceRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Good:
    """The certificate is not revoked for any of `reasons`, as far as is known until a time.

    wants: requests for delta CRLs, which could change that.
    """

    until: datetime
    reasons: frozenset[x509.ReasonFlags] = ALL_REASONS
    wants: tuple[EvidenceRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """The certificate is revoked: since when, and the reason as text."""

    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The status is not known; `problem` says why."""

    problem: str


@dataclass(frozen=True, slots=True)
class BadStaple:
    """The stapled data is not a valid OCSP response for the certificate: it is refused whatever other evidence says."""

    problem: str


Statement = Good | Revoked | Unknown | BadStaple

NO_STATEMENT = Unknown("")


def fold(statements: Sequence[Statement]) -> Statement:
    """Combine statements about one certificate: revoked has precedence, and good must cover all reasons.

    Returns `NO_STATEMENT` where there are none.
    """
    if not statements:
        return NO_STATEMENT
    good = [each for each in statements if isinstance(each, Good)]
    if len(good) < len(statements):
        most_severe = _first(statements, Revoked) or _first(statements, BadStaple)
        if most_severe is not None:
            return most_severe
    covered = frozenset[x509.ReasonFlags]().union(*[each.reasons for each in good])
    if covered >= ALL_REASONS:
        return Good(min([each.until for each in good]))
    unknown = _first(statements, Unknown)
    if unknown is not None:
        return unknown
    if not covered:
        return NO_STATEMENT
    missing = sorted(each.value for each in ALL_REASONS - covered)
    return Unknown(f"the available CRLs do not cover the reasons {', '.join(missing)}")


def _first(statements: Sequence[Statement], kind: type[T]) -> T | None:
    return next((each for each in statements if isinstance(each, kind)), None)
