"""What evidence says of one certificate, and how several statements become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509

from bothways.trust.crl import ALL_REASONS
from bothways.trust.verdict import EvidenceRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Good:
    """The certificate is not revoked for any of `reasons`, as far as is known until then.

    wants: what could be fetched beside that may amend it.
    """

    until: datetime
    reasons: frozenset[x509.ReasonFlags] = ALL_REASONS
    wants: tuple[EvidenceRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """The certificate is revoked: since when, and why, in words."""

    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The status cannot be known, and why."""

    problem: str


@dataclass(frozen=True, slots=True)
class BadStaple:
    """What came with the certificate as its OCSP response is none, and why: refused whatever else is known."""

    problem: str


Statement = Good | Revoked | Unknown | BadStaple

SILENCE = Unknown("")


def fold(statements: Sequence[Statement]) -> Statement:
    """Say what statements about one certificate come to: revoked wins, and good must speak of all reasons.

    `SILENCE` where there are none.
    """
    worst = _first(statements, Revoked) or _first(statements, BadStaple)
    if worst is not None:
        return worst
    good = [each for each in statements if isinstance(each, Good)]
    covered = frozenset[x509.ReasonFlags]().union(*(each.reasons for each in good))
    if covered >= ALL_REASONS:
        return Good(min(each.until for each in good))
    unknown = _first(statements, Unknown)
    if unknown is not None:
        return unknown
    if not covered:
        return SILENCE
    missing = sorted(each.value for each in ALL_REASONS - covered)
    return Unknown(f"the available CRLs do not cover the reasons {', '.join(missing)}")


def _first(statements: Sequence[Statement], kind: type[T]) -> T | None:
    return next((each for each in statements if isinstance(each, kind)), None)
