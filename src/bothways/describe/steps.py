"""The steps of mutual authentication, by id: what each does, who makes it, and in which phase.

The ids are those of checks, not their order on the wire: in TLS 1.3 the server's Finished (4.2) is part of its first
flight. Titles describe TLS 1.3, and the key exchanges of TLS 1.2 where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from bothways.roles import Phase, StepId

PHASES: Mapping[Phase, str] = {
    Phase.HELLO: "hello",
    Phase.SERVER_AUTHENTICATION: "the client verifies the server",
    Phase.CLIENT_AUTHENTICATION: "the server verifies the client",
    Phase.OPEN: "the connection opens",
}


@dataclass(frozen=True, slots=True)
class StepName:
    """One step: its id, who makes it ("client", "server" or "both"), and what they do."""

    id: StepId
    actor: str
    title: str

    @property
    def phase(self) -> str:
        """The title of the step's phase."""
        return PHASES[self.id.phase]


STEPS: Mapping[StepId, StepName] = {
    StepId(key): StepName(StepId(key), actor, title)
    for key, actor, title in (
        ("1.1", "client", "offers versions, cipher suites and groups, the preferred ones first"),
        (
            "1.2",
            "server",
            "chooses among them, and requests the client's certificate if both have to authenticate",
        ),
        ("2.1", "server", "sends its certificate, which carries its public key"),
        ("2.2", "server", "signs the handshake with its private key; its hello is done"),
        ("2.3a", "client", "verifies the server's certificate chain and its name"),
        ("2.3b", "client", "verifies the validity period"),
        ("2.3c", "client", "verifies the revocation status"),
        ("2.4", "both", "agree on a secret: each sends a key share and keeps the private half"),
        ("2.5", "both", "derive the same session keys from it"),
        ("3.1", "client", "sends its certificate, which carries its public key"),
        ("3.2", "client", "signs the handshake with its private key"),
        ("3.3a", "server", "verifies the client's certificate chain"),
        ("3.3b", "server", "verifies the validity period"),
        ("3.3c", "server", "verifies the revocation status"),
        ("3.4", "server", "verifies that signature with the client's public key"),
        ("4.1", "client", "sends its Finished, a MAC over the whole handshake"),
        ("4.2", "server", "sends its Finished too; in TLS 1.3 with its first flight"),
        ("4.3", "both", "exchange data under the session keys"),
    )
}


class Flow(Enum):
    """The kind of handshake: the version, and for TLS 1.2 the key exchange."""

    TLS13 = "TLS 1.3"
    ECDHE = "TLS 1.2, ECDHE"
    KEY_TRANSPORT = "TLS 1.2, RSA key transport"


_TITLES_12 = {
    StepId.SERVER_SIGNATURE: "signs its key share with its private key, and says that its hello is done",
    StepId.SERVER_FINISHED: "sends its Finished too, after it has verified the client",
}
TITLES: Mapping[Flow, Mapping[StepId, str]] = {
    Flow.TLS13: {},
    Flow.ECDHE: _TITLES_12,
    Flow.KEY_TRANSPORT: {
        **_TITLES_12,
        StepId.SERVER_SIGNATURE: "says that its hello is done",
        StepId.KEY_EXCHANGE: "sends a random secret that only the server's private key can decrypt",
        StepId.SESSION_KEYS: "derive the same session keys from it, after the server has decrypted it",
    },
}


def step_name(flow: Flow, step: StepId) -> StepName:
    """Return a step with its title in a kind of handshake."""
    found = STEPS[step]
    title = TITLES[flow].get(step)
    if title is None:
        return found
    actor = "client" if flow is Flow.KEY_TRANSPORT and step is StepId.KEY_EXCHANGE else found.actor
    return replace(found, actor=actor, title=title)
