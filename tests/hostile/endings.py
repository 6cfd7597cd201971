"""What holds at the end of any conversation, whoever lied in it and about what."""

from __future__ import annotations

from collections.abc import Iterable

from bothways import (
    ClientAuthenticated,
    Connection,
    Data,
    Established,
    Event,
    Failed,
    PeerAlert,
    PeerFault,
    Truncated,
)
from bothways.trust.verdict import PinnedKey
from inside import machinery
from pair import Pair

DOCUMENTED = (PeerFault, PeerAlert, Truncated)
LONGEST_TEXT = 8_000


def ended_well(talk: Pair) -> None:
    """No defect of ours, nothing delivered before the judgement or after the end, nobody named of a failure."""
    for end, events in ((talk.client, talk.client_events), (talk.server, talk.server_events)):
        assert end.failure is None or isinstance(end.failure, DOCUMENTED), repr(end.failure)
        assert len(str(end.failure)) < LONGEST_TEXT
        in_order(events)
        if end.established and end.peer is not None:
            assert machinery(end).history.by_psk == (end.peer.kind == "pre-shared key")
        if end.failure is not None:
            assert end.peer is None and not end.established
            assert not end.receive(b"\x17\x03\x03\x00\x13" + bytes(19)), "something is read after the end"


def in_order(events: Iterable[Event]) -> None:
    """Data comes between Established and the end, and there is one end."""
    is_open = has_ended = False
    for each in events:
        assert not has_ended, f"{each} after the end"
        assert is_open or not isinstance(each, Data), "data before the judgement"
        is_open = is_open or isinstance(each, Established)
        has_ended = isinstance(each, Failed)


def who(end: Connection | Established | ClientAuthenticated) -> bytes | None:
    """Whom a connection or an event names: the peer's certificate, raw public key or shared key; None for nobody."""
    if end.peer is None:
        return None
    verdict = end.peer.verdict
    if isinstance(verdict.by_key, PinnedKey):
        return verdict.by_key.key.spki
    return verdict.path_der[0] if verdict.by_key is None else str(verdict.by_key).encode()
