"""Private keys that are held elsewhere: in a PKCS#11 token, or behind any function that signs.

`TokenUnavailable` and its kinds are the errors of tokens, at the start and within a handshake.
"""

from __future__ import annotations

from bothways.signers.pool import SignerBusy, SigningPool
from bothways.signers.token import TokenSigner, token_credentials
from bothways.tokens.errors import PinNeeded, PinWrong, TokenUnavailable

__all__ = [
    "PinNeeded",
    "PinWrong",
    "SignerBusy",
    "SigningPool",
    "TokenSigner",
    "TokenUnavailable",
    "token_credentials",
]
