"""What is wrong with a token, one type for each kind; none contains the PIN."""

from __future__ import annotations

from bothways.errors import TLSError


class TokenUnavailable(TLSError):
    """A PKCS#11 token, its driver or the key in it cannot be used."""


class PinNeeded(TokenUnavailable):
    """A token needs its PIN, and none was given."""


class PinWrong(TokenUnavailable):
    """A token refused the PIN, or is locked after too many wrong ones."""
