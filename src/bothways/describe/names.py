"""The name that is shown for a peer: one short name out of all names of its certificate."""

from __future__ import annotations

from bothways.describe.escape import visible
from bothways.tls.events import Peer
from bothways.trust.verdict import Names

ANONYMOUS = "an anonymous client"


def short_name(names: Names | None) -> str:
    """Return a short name: the common name, else the first alternative name, else the subject."""
    if names is None:
        return ANONYMOUS
    candidates = (names.common_name, *names.dns, *names.email, *names.uri, *names.ip, names.subject)
    return visible(next((each for each in candidates if each), "a peer without a name"))


def every_name(names: Names) -> str:
    """Return all names of a certificate, by kind, on one line."""
    kinds = (("DNS", names.dns), ("IP", names.ip), ("URI", names.uri), ("email", names.email))
    alternatives = [f"{kind} {visible(each)}" for kind, are_several in kinds for each in are_several]
    return ", ".join([visible(names.subject) or "(empty subject)", *alternatives])


def peer_name(peer: Peer | None) -> str:
    """Return the short name of an authenticated peer, that of its pin, or that it is anonymous."""
    if peer is not None and peer.raw_key is not None:
        return visible(peer.pin_name) or f"raw public key {peer.raw_key.fingerprint[:16]}"
    if peer is not None and peer.psk_name:
        return visible(peer.psk_name)
    return short_name(peer.names if peer is not None else None)


def every_name_of(peer: Peer | None) -> str:
    """Return all names of an authenticated peer on one line; of one without a certificate what its key is."""
    if peer is None:
        return ANONYMOUS
    return every_name(peer.names) if peer.verdict.by_key is None else visible(str(peer.verdict.by_key))
