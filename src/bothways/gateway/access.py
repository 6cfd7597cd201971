"""Who of the verified clients may use a route: deny rules first, then allow rules, and nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bothways.spiffe.identities import TrustDomains
from bothways.tls.events import Peer
from bothways.tls.handshake.access import NO_CERTIFICATE, Refusal
from bothways.trust.access.peer_rules import Rule
from bothways.trust.verdict import Trusted

ANYBODY = "any verified client"


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One rule of the file. name: how it is called in the log, by default what it says."""

    name: str
    peers: Rule


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a client may use a route. rule: which rule decided; None where none holds."""

    allowed: bool
    rule: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one route. allow: None lets in every verified client that no deny rule holds for.

    A deny rule also holds where it is in doubt whether it names the client.  domains: the trust domains of SPIFFE of
    which a client has to be; None where clients are not verified by the bundles of any.
    """

    allow: Sequence[AccessRule] | None
    deny: Sequence[AccessRule] = ()
    domains: TrustDomains | None = None

    def decision(self, verdict: Trusted) -> Decision:
        """Decide about a client that is verified."""
        stranger = None if self.domains is None else self.domains.problem(verdict)
        if stranger is not None:
            return Decision(False, None, stranger)
        for rule in self.deny:
            if rule.peers.may_mean(verdict):
                return Decision(False, rule.name, f"the deny rule {rule.name} holds")
        if self.allow is None:
            return Decision(True, ANYBODY, f"{ANYBODY} is allowed")
        for rule in self.allow:
            if rule.peers.allows(verdict):
                return Decision(True, rule.name, f"the allow rule {rule.name} holds")
        return Decision(
            False,
            None,
            f"no allow rule holds for {verdict.by_key or verdict.names.subject or 'an empty subject'}",
        )

    def refusal(self, peer: Peer | None) -> Refusal | None:
        """Decide as `ServerConfig(allow=...)` asks: None lets a client in."""
        if peer is None:
            return NO_CERTIFICATE
        decision = self.decision(peer.verdict)
        return None if decision.allowed else Refusal(decision.why)
