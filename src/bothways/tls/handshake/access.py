"""Authorization of a client whose certificate is trusted: by rules or by a function, each time it is verified."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from bothways.errors import ConfigError
from bothways.faults import Fault, blame
from bothways.tls.events import Peer
from bothways.trust.access.cel import CelRule
from bothways.trust.access.peer_rules import AnyOf, Rule
from bothways.trust.access.rule import PeerRule

logger = logging.getLogger("bothways")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The result of an authorization function that refuses a client. Raises ConfigError.

    reason: a text for our own log, never sent.
    """

    reason: str

    def __post_init__(self) -> None:
        given: object = self.reason
        if not given or not isinstance(given, str):
            raise ConfigError("reason: a refusal says why, in a text")


Decide = Callable[[Peer | None], Refusal | None]
Allow = Rule | Iterable[Rule] | Decide

NO_CERTIFICATE = Refusal("it showed no certificate")
FAILED = Refusal("the decision about it failed, see our log")


def checked_allow(allow: object) -> Decide | None:
    """Return the function that decides; None allows every trusted client. Raises ConfigError for a wrong `allow`."""
    if allow is None:
        return None
    if isinstance(allow, PeerRule | CelRule):
        return _by_rules((allow,))
    if callable(allow):
        called = inspect.getattr_static(allow, "__call__", None)
        if any(map(_is_asynchronous, (allow, called))):
            raise ConfigError(
                "allow: a coroutine function; it is called during the handshake, and must not wait"
            )
        return cast(Decide, allow)
    given = tuple(allow) if isinstance(allow, Iterable) else ()
    rules = tuple([each for each in given if isinstance(each, PeerRule | CelRule)])
    if not rules or len(rules) < len(given):
        raise ConfigError("allow: expected a PeerRule or a CelRule, several of them, or a function of a peer")
    return _by_rules(rules)


def _by_rules(rules: tuple[Rule, ...]) -> ByRules:
    try:
        return ByRules(rules)
    except ConfigError as error:
        raise ConfigError(f"allow: {error}") from None


def admit(decide: Decide | None, peer: Peer | None) -> None:
    """Blame a client that is not allowed to connect, and name it in the facts. Only a result of None allows it.

    peer: None for an anonymous client, where those are accepted.
    """
    refusal = None if decide is None else _asked(decide, peer)
    if refusal is not None:
        blame(Fault.ACCESS_REFUSED, reason=refusal.reason, peer=peer)


def _asked(decide: Decide, peer: Peer | None) -> Refusal | None:
    try:
        answer: object = decide(peer)
    except Exception:
        logger.exception("`allow` failed, so the client is refused")
        return FAILED
    if answer is None or isinstance(answer, Refusal):
        return answer
    if inspect.iscoroutine(answer):
        answer.close()
    kind = type(answer).__name__
    logger.error(
        "the function of `allow` returned %s, neither None nor a Refusal: the client is refused", kind
    )
    return FAILED


@dataclass(frozen=True, slots=True)
class ByRules:
    """Allows the clients that match at least one of the rules."""

    rules: tuple[Rule, ...]
    _any: AnyOf = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_any", AnyOf(self.rules))

    def __call__(self, peer: Peer | None) -> Refusal | None:
        """Decide about a client."""
        if peer is None:
            return NO_CERTIFICATE
        if self._any.allows(peer.verdict):
            return None
        return Refusal(f"no rule holds for {_who(peer)}")


def _who(peer: Peer) -> str:
    if peer.verdict.by_key is not None:
        return str(peer.verdict.by_key)
    return peer.names.subject or "a certificate without a subject"


def _is_asynchronous(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
