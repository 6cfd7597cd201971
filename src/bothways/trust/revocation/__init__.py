"""Whether the certificates of a path are revoked, by the evidence that a policy names (RFC 5280 6.3.3, RFC 6960)."""

from __future__ import annotations

from bothways.trust.revocation.check import status_check
from bothways.trust.revocation.policy import PRESETS, Revocation

__all__ = ["PRESETS", "Revocation", "status_check"]
