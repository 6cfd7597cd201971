"""What a script can yield: waiting for a message or an answer, entering a step, parameters agreed on.

A script is a generator without other state: its position is the state. What it waits for is checked by the table in
`steps` before it is resumed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from bothways.iana import SignatureScheme
from bothways.tls.events import Request, SignatureWanted
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.steps import Step
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.raw_key import RawKeyCredentials

M = TypeVar("M")
N = TypeVar("N")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """The script waits: for the answer to `request`, or without one for a handshake message."""

    step: Step
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """The script enters a step without waiting, so that a failure names this step."""

    step: Step


@dataclass(frozen=True, slots=True)
class Agreed:
    """More parameters are agreed on; `negotiated` has all so far. The script continues at once."""

    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class ChangeCipherSpec:
    """The ChangeCipherSpec of TLS 1.2, after which its sender uses the new keys (RFC 5246 7.1)."""


Script = Generator[Wait | Enter | Agreed, Any, T]

_WAITS = {step: Wait(step) for step in Step}
_SIGNING = Enter(Step.SIGNING)


@overload
def expect(step: Step, kind: type[M], /) -> Script[M]: ...
@overload
def expect(step: Step, kind: type[M], other: type[N], /) -> Script[M | N]: ...
@overload
def expect(step: Step, kind: type[M], other: type[N], third: type[T], /) -> Script[M | N | T]: ...
def expect(step: Step, *kinds: type[Any]) -> Script[Any]:
    """Wait at `step` for a message of one of the classes `kinds`, and return it."""
    message = yield _WAITS[step]
    if not isinstance(message, kinds):
        raise TypeError(f"{step.name} accepts a message that its script does not expect")
    return message


def sign_with(
    hs: HandshakeContext, credentials: Credentials | RawKeyCredentials, scheme: int, data: bytes
) -> Script[bytes]:
    """Sign `data`; for a key that is held elsewhere, wait for the signature (steps 2.2 and 3.2)."""
    if isinstance(credentials, Credentials) and credentials.key is None:
        signature: bytes = yield signing_elsewhere(credentials, scheme, data)
        return signature
    yield _SIGNING
    return hs.randomness.sign(scheme, credentials.key, data)


def signing_elsewhere(credentials: Credentials, scheme: int, data: bytes) -> Wait:
    """Return the wait for a signature with a key that is held elsewhere."""
    wanted = SignatureWanted(SignatureScheme(scheme), data, credentials.certificate, credentials.holder)
    return Wait(Step.SIGNING, wanted)
