"""Private keys that are held elsewhere: in a PKCS#11 token, or behind any function that signs."""

from __future__ import annotations

from bothways.signers.pool import SignerBusy, SigningPool
from bothways.signers.token import TokenSigner, token_credentials

__all__ = ["SignerBusy", "SigningPool", "TokenSigner", "token_credentials"]
