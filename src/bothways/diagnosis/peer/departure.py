"""Clients that complete the handshake and close, in order and without a word: health checks, and those that refuse us.

curl compares the name in our certificate only then, nginx (`proxy_ssl_verify`) verifies all of it only then, and others
compare our key with the one that they pin. Nothing on the wire tells them from a health check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bothways.describe.messages import listed
from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.own_side import chain as own_chain
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.own_side import name as own_name
from bothways.diagnosis.own_side import staple as own_staple
from bothways.diagnosis.stacks import Stack
from bothways.roles import Version

LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
# These verify our certificate within the handshake, and refuse it by an alert.
IN_HANDSHAKE = (Stack.GO, Stack.JAVA, Stack.BORINGSSL)
SILENT = "nginx with proxy_ssl_verify completes the handshake and closes, whatever it refuses: its error log says why"
PINNING = "clients that pin a certificate compare it after the handshake; our former one may be pinned"
CHECKING = "health checks do so, at regular intervals"


def nothing_agreed(case: Case) -> Iterator[Likely]:
    """A client of gRPC or HTTP/2 alone closes where we chose no protocol; HTTP/1.1 needs no ALPN."""
    offered = case.observed.offer.protocols if case.observed.offer is not None else ()
    seen = case.observed
    answered = (
        seen.version == Version.TLS12 or "EncryptedExtensions" in seen.sent or "Finished" in seen.received
    )
    if not (offered and answered) or case.observed.protocol is not None or b"http/1.1" in offered:
        return
    theirs = listed([each.decode("ascii", "replace") for each in offered])
    evidence = "it completed the handshake, in which no protocol was agreed, and sent nothing"
    detail = f"the client offers {theirs}, and we chose none"
    offer = offered[0].decode("ascii", "replace")
    yield case.likely(Cause.NO_SHARED_PROTOCOL, Party.OURS, LIKELY, evidence, detail=detail, offer=offer)


def causes(case: Case) -> Iterator[Likely]:
    """Return what may have made such a client close.

    Where something is known to be wrong with us, that alone; otherwise what cannot be known of the client: nothing of
    it has evidence.
    """
    if case.is_client or case.observed.data or not case.chain:
        return
    told = [each for each in _known(case) if each.weight >= LIKELY]
    yield from told or _unknown(case)


def _known(case: Case) -> Iterator[Likely]:
    for rule in (nothing_agreed, own_chain.flawed, own_staple.required, own_name.wrong_name):
        yield from rule(case)
    if case.stack not in IN_HANDSHAKE:
        for each in own_issuer.issuer(case):
            if each.cause in (Cause.INTERMEDIATE_MISSING, Cause.SELF_SIGNED):
                yield replace(each, evidence=f"{each.evidence}; {SILENT}")


def _unknown(case: Case) -> Iterator[Likely]:
    checks = case.likely(Cause.PROBE, Party.PEERS, POSSIBLE, CHECKING)
    yield from own_staple.wanted(case)
    if (
        not case.peer_chain and not case.observed.by_psk
    ):  # who has a certificate of its own is seldom a health check
        yield checks
    if case.stack not in IN_HANDSHAKE:
        for each in own_issuer.issuer(case):
            yield replace(each, weight=POSSIBLE, evidence=SILENT)
        for each in own_name.wrong_name(case):
            yield replace(each, weight=POSSIBLE)
        yield from own_chain.clock(case)
        yield from own_staple.perhaps_wanted(case)
    yield checks
    yield unpinned(case)


def unpinned(case: Case) -> Likely:
    """A client may compare our certificate or key with one that it knows, after the handshake."""
    return case.likely(Cause.CERTIFICATE_NOT_PINNED, Party.OURS, POSSIBLE, PINNING, detail=PINNED)


PINNED = "nothing is known of what it pins"
