"""Whether the certificates of a path are revoked, by the evidence that a policy allows (RFC 5280 6.3.3, RFC 6960)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names
from bothways.trust.revocation.news import RevocationNews
from bothways.trust.revocation.policy import PRESETS, Revocation

__all__ = ["PRESETS", "Revocation", "RevocationNews"]


if not TYPE_CHECKING:  # for programs that use the former name
    __getattr__ = lazy_names(__name__, {"bothways.trust.verification": "judge=verify"})
