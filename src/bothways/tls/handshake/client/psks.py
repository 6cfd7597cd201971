"""The PSKs that a client of TLS 1.3 offers: that of an earlier session, and external ones for this server.

Each has its own hash and its own binder. A server that chooses an external one authenticates itself by it, and asks for
no certificate (RFC 9846 4.4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CipherSuite
from bothways.iana import name as spelled
from bothways.roles import Role
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.handshake.client.resumption import OfferedSession
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.identity_fields import KEYS_OFFERED
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.keys.psk_importer import usable_psks
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.resumption.binders import binders_octets
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import codes
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello, with_extensions
from bothways.trust.keys.external_psks import PskRequest, request_for_key
from bothways.trust.path.name_matching import ServerName


class OfferedKey(NamedTuple):
    """An external PSK for one hash. request: whom it stands for, and the set that it must be in at the end."""

    identity: bytes
    early: EarlySecret
    request: PskRequest

    def identity_at(self, now: datetime) -> ext.PskIdentity:
        """Return what is sent; an external PSK has no age (RFC 9846 4.3.11)."""
        del now
        return ext.PskIdentity(self.identity, 0)


OfferedPSK = OfferedSession | OfferedKey


def keys_to_offer(settings: ClientSettings, target: ServerName) -> tuple[OfferedKey, ...]:
    """Return the external PSKs that stand for this server, each for every hash of our cipher suites."""
    keys = settings.trust.psks
    if keys is None:
        return ()
    suites: dict[str, Suite] = {}
    for code in settings.negotiation.suites_13:
        suites.setdefault(SUITES13[code].hash.name, SUITES13[code])
    return tuple(
        [
            OfferedKey(usable.identity, usable.early(suites[usable.hash_name]), request_for_key(key, keys))
            for key in keys.of_server(target)[:KEYS_OFFERED]
            for usable in usable_psks(key, Role.CLIENT, suites)
        ]
    )


def of_hash(offered: Sequence[OfferedPSK], suite: Suite) -> tuple[OfferedPSK, ...]:
    """Return the PSKs with the hash of a cipher suite."""
    return tuple([each for each in offered if each.early.suite.hash.name == suite.hash.name])


def send_hello(hs: HandshakeContext, hello: ClientHello, offered: Sequence[OfferedPSK]) -> ClientHello:
    """Send a ClientHello with the PSKs, if there are any; return the ClientHello that was sent."""
    raw = None
    if offered:
        hello, raw = offering(hs, hello, offered)
    hs.inbox.offered = codes(hello.extensions)
    hs.send(hello, raw)
    return hello


def offering(
    hs: HandshakeContext, hello: ClientHello, offered: Sequence[OfferedPSK]
) -> tuple[ClientHello, bytes]:
    """Return a ClientHello that offers these PSKs, and its encoding.

    Each binder covers everything before the list of binders, by the hash of its PSK (RFC 9846 4.3.11.2).
    """
    now = hs.clock.now()
    identities = tuple([each.identity_at(now) for each in offered])
    unbound = ext.PreSharedKeys(identities, tuple([bytes(each.early.suite.hash_size) for each in offered]))
    others, size = hello.extensions or (), binders_octets(unbound)
    start = encode_message(with_extensions(hello, (*others, unbound)))[:-size]
    hashes = {each.early.suite.hash.name: each.early.suite.hash for each in offered}
    covered = {name: hs.transcript.with_start(start, algorithm) for name, algorithm in hashes.items()}
    binders = tuple([each.early.binder(covered[each.early.suite.hash.name]) for each in offered])
    raw = b"".join(bytes((len(each),)) + each for each in binders)
    sent = with_extensions(hello, (*others, ext.PreSharedKeys(identities, binders)))
    return sent, start + (size - 2).to_bytes(2, "big") + raw


def chosen_psk(offered: Sequence[OfferedPSK], answer: ServerHello, suite: Suite) -> OfferedPSK | None:
    """Return the PSK that the server chose; None for a handshake with certificates (RFC 9846 4.3.11)."""
    extensions = answer.extensions or ()
    selected = ext.find(extensions, ext.SelectedIdentity)
    if selected is None:
        return None
    if selected.index >= len(offered):
        blame(Fault.UNOFFERED_PSK, got=selected.index, offered=len(offered))
    psk = offered[selected.index]
    if suite.hash.name != psk.early.suite.hash.name:
        blame(
            Fault.PSK_OF_OTHER_HASH,
            got=spelled(CipherSuite, suite.code),
            before=spelled(CipherSuite, psk.early.suite.code),
        )
    if ext.find(extensions, ext.ServerShare) is None:
        blame(Fault.PSK_WITHOUT_SHARE)
    return psk
