"""What is wrong with a token is told by the type of the error, to a CA and to TLS alike."""

from __future__ import annotations

import pytest

from bothways import ConfigError, TLSError, signers
from bothways.ca.errors import AuthorityError
from bothways.tokens.errors import PinNeeded, PinWrong, TokenUnavailable


@pytest.mark.parametrize("kind", [TokenUnavailable, PinNeeded, PinWrong])
def test_every_kind_is_a_documented_error_of_signers_and_none_of_a_ca(kind: type[TokenUnavailable]) -> None:
    """It may occur within a handshake, so that it is no ConfigError either."""
    assert issubclass(kind, TokenUnavailable) and issubclass(kind, TLSError)
    assert not issubclass(kind, AuthorityError | ConfigError)
    assert getattr(signers, kind.__name__) is kind
