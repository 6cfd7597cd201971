"""A server's side of external PSKs: which of the client's it knows, and the proof that the client has it.

A known key is used before any certificate or ticket, and its wrong binder ends the connection as an unknown key does:
with the same alert, and, where there is nothing but keys, after the same work (RFC 9846 E.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, NoReturn

from bothways.faults import Fault, blame, shown
from bothways.iana import PskKeyExchangeMode
from bothways.roles import Role
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.negotiation import ClientOffer
from bothways.tls.handshake.proofs import BoundToKey
from bothways.tls.handshake.settings import Settings
from bothways.tls.keys.psk_importer import UsablePSK, find_psk, problem_with
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.resumption.binders import binders_octets
from bothways.trust.keys.external_psks import ExternalPSK, PskRequest, request_for_key

# So many identities of one ClientHello are looked up; one of them is used.
IDENTITIES_TRIED = 8
# What an unknown key is compared with, which makes the same work; whoever knows it is refused all the same.
_STRANGER = ExternalPSK(identity=b"unknown", secret=sha256(b"stranger").digest(), own="server", peer="client")


class KnownKey(NamedTuple):
    """An external PSK that the client offers, and that we know by its identity. place: its index in the offer."""

    place: int
    psk: UsablePSK


class ProvedKey(NamedTuple):
    """An external PSK that the client has. It cannot be constructed without a verified binder.

    place: its index in the client's list.  request: whom it stands for.
    """

    place: int
    early: EarlySecret
    bound: BoundToKey
    request: PskRequest

    def __str__(self) -> str:
        return f"the key of {shown(self.request.name)}"


def known_key(settings: Settings, offer: ClientOffer, suites: Sequence[int]) -> tuple[KnownKey, Suite] | None:
    """Return the key to use, and a cipher suite with its hash; None for a handshake without an external PSK.

    suites: those that may be chosen, the preferred first.  The suite decides, then the client's order, so that a key
    for one hash influences which suite is chosen (RFC 9846 4.3.11).
    """
    keys = None if settings.trust is None else settings.trust.psks
    if keys is None or offer.psks is None or PskKeyExchangeMode.psk_dhe_ke not in offer.psk_modes:
        return None
    found: dict[str, KnownKey] = {}
    for place, each in enumerate(offer.psks.identities[:IDENTITIES_TRIED]):
        psk = find_psk(keys, Role.SERVER, each.identity)
        if psk is not None:
            found.setdefault(psk.hash_name, KnownKey(place, psk))
    for code in suites:
        known = found.get(SUITES13[code].hash.name)
        if known is not None and code in offer.hello.cipher_suites:
            return known, SUITES13[code]
    return None


def prove_key(
    hs: HandshakeContext, settings: Settings, offer: ClientOffer, suite: Suite, known: KnownKey
) -> ProvedKey:
    """Check the binder of a known key in the last ClientHello; blame the client if it is wrong."""
    if settings.trust is None or settings.trust.psks is None:
        raise TypeError("a known key without a set that it is in")
    early = known.psk.early(suite)
    bound = _bound(
        hs, offer, known.place, early, f"the binder is not that of the key of {known.psk.key.peer}"
    )
    return ProvedKey(known.place, early, bound, request_for_key(known.psk.key, settings.trust.psks))


def refuse_without_key(
    hs: HandshakeContext, settings: Settings, offer: ClientOffer, suite: Suite
) -> NoReturn:
    """Blame a client without a key that we know, where nothing else is accepted, after the work of a known one."""
    offered = offer.psks
    if offered is None:
        blame(Fault.UNKNOWN_PSK, problem="it offers none")
    if PskKeyExchangeMode.psk_dhe_ke not in offer.psk_modes:
        blame(Fault.UNKNOWN_PSK, problem="it uses its keys without a key exchange (psk_ke)")
    first = offered.identities[0].identity
    early = UsablePSK(_STRANGER, first, suite.hash.name).early(suite)
    problem = problem_with(None if settings.trust is None else settings.trust.psks, Role.SERVER, first)
    _bound(hs, offer, 0, early, problem)
    blame(Fault.UNKNOWN_PSK, problem=problem)


def _bound(
    hs: HandshakeContext, offer: ClientOffer, place: int, early: EarlySecret, problem: str
) -> BoundToKey:
    if offer.psks is None:
        raise TypeError("a PSK of nobody")
    covered = hs.transcript.without_end(binders_octets(offer.psks))
    return BoundToKey(offer.psks.binders[place], early.binder(covered), problem)
