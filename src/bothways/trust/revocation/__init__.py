"""Whether the certificates of a path are revoked, by the evidence that a policy names (RFC 5280 6.3.3, RFC 6960)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bothways.trust.revocation.check import status_check
from bothways.trust.revocation.policy import PRESETS, Revocation

__all__ = ["PRESETS", "Revocation", "status_check"]


if not TYPE_CHECKING:

    def __getattr__(name):
        """Return `verification.verify` to programs that know it as `judge` (PEP 562)."""
        if name == "judge":
            return import_module("bothways.trust.verification").verify
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
