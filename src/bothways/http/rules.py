"""Which clients are allowed: common to all frameworks. A client that is not authenticated is never allowed."""

from __future__ import annotations

import logging

from bothways.errors import ConfigError, logged
from bothways.faults import shown
from bothways.tls.events import Peer
from bothways.trust.access.cel import CelRule
from bothways.trust.access.peer_rules import AnyOf, Rule
from bothways.trust.access.rule import PeerRule, Texts

logger = logging.getLogger("bothways")

REFUSED = "the client certificate does not allow this"


class PeerRules:
    """Rules of which one has to match; without any, every authenticated client is allowed.

    rules: `PeerRule` and `CelRule` objects.  kinds: one more rule, such as dns="a.example", as for `PeerRule`. Raises
    ConfigError.
    """

    def __init__(self, *rules: Rule, **kinds: Texts) -> None:
        for each in rules:
            if not isinstance(each, PeerRule | CelRule):
                raise ConfigError(f"rules: expected a PeerRule or a CelRule, not {type(each).__name__}")
        try:
            self._rules = (*rules, PeerRule(**kinds)) if kinds else rules
        except TypeError as error:
            raise ConfigError(f"rules: {error}") from None
        try:
            self._any = AnyOf(self._rules)
        except ConfigError as error:
            raise ConfigError(f"rules: {error}") from None

    def objection(self, peer: Peer | None) -> str | None:
        """Return why a peer is not allowed, for our own log; None if it is."""
        if peer is None:
            return "it showed no certificate to us"
        if not self._rules or self._any.allows(peer.verdict):
            return None
        return f"none of these holds: {'; '.join(map(str, self._rules))}"

    def allows(self, peer: Peer | None, where: object = "") -> bool:
        """Whether a peer is allowed; a refusal is logged. where: what was requested, for the log."""
        objection = self.objection(peer)
        if objection is not None:
            logger.info("%s may not reach %s: %s", _who(peer), shown(where), logged(objection))
        return objection is None


def _who(peer: Peer | None) -> str:
    if peer is None:
        return "a client"
    return shown(peer.names.subject) if peer.verdict.by_key is None else str(peer.verdict.by_key)
