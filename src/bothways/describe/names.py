"""What to call a peer: one short name out of all those that its certificate has."""

from __future__ import annotations

from bothways.describe.escape import visible
from bothways.tls.events import Peer
from bothways.trust.verdict import Names

ANONYMOUS = "an anonymous client"


def known_as(names: Names | None) -> str:
    """Return the name to greet the holder by: common name, else first alternative name, else subject."""
    if names is None:
        return ANONYMOUS
    candidates = (names.common_name, *names.dns, *names.email, *names.uri, *names.ip, names.subject)
    return visible(next((each for each in candidates if each), "a peer without a name"))


def every_name(names: Names) -> str:
    """Return all that the certificate says of its holder, by kind, on one line."""
    kinds = (("DNS", names.dns), ("IP", names.ip), ("URI", names.uri), ("email", names.email))
    alternatives = [f"{kind} {visible(each)}" for kind, several in kinds for each in several]
    return ", ".join([visible(names.subject) or "(empty subject)", *alternatives])


def peer_name(peer: Peer | None) -> str:
    """Return the short name of a proven peer, or say that it stayed anonymous."""
    return known_as(peer.names if peer is not None else None)
