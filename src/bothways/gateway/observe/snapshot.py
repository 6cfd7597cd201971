"""What a process says of its open connections, once a second, for all others to read. All of it is bounded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bothways.describe.escape import visible
from bothways.gateway.log.log import ConnectionEntry
from bothways.gateway.observe.board import Board, Slot
from bothways.tls.events import Peer
from bothways.trust.verdict import Names
from bothways.workers.shared_memory import DOCUMENT_BYTES

IDENTITIES = 100  # those that have most connections; the others are counted together
NAME_LIMIT = 120


def publish(
    slot: Slot,
    connections: Mapping[str, int],
    live: Iterable[dict[str, Any]] = (),
    refusals: Sequence[dict[str, Any]] = (),
    tunnels: Iterable[dict[str, Any]] = (),
    programs: Iterable[dict[str, Any]] = (),
) -> None:
    """Write the document of a process. connections: how many are open, by `identity_text` of their clients.

    live: some of them, as `live_row` returns them.  refusals: as `Refusals.facts` returns them.  tunnels: each, with
    how many connections it has.  programs: some of these, as `program_row` returns them.
    """
    counts = Counter(connections)
    most = dict(counts.most_common(IDENTITIES))
    others = counts.total() - sum(most.values())
    document = {
        "identities": most,
        "others": others,
        "open": counts.total(),
        "connections": list(live),
        "refusals": list(refusals),
        "tunnels": list(tunnels),
        "programs": list(programs),
    }
    text = _encoded(document)
    if len(text) > DOCUMENT_BYTES:
        document["refusals"] = [{**each, "ladder": ""} for each in refusals]
        text = _encoded(document)
    if len(text) > DOCUMENT_BYTES:
        text = _encoded({**document, "connections": [], "programs": []})
    slot.document.write(text)


def live_row(entry: ConnectionEntry, seconds: float) -> dict[str, Any]:
    """Return what is shown of an open connection, which is there for so many seconds."""
    return {
        "who": "" if entry.peer is None else peer_text(entry.peer),
        "client": entry.client,
        "route": visible(entry.route or "", NAME_LIMIT),
        "rule": visible(entry.rule or "", NAME_LIMIT),
        "seconds": round(seconds, 1),
        "bytes_in": entry.received,
        "bytes_out": entry.sent,
        "tls": entry.version or "",
        "suite": entry.suite or "",
        "resumed": entry.resumed,
    }


def program_row(entry: ConnectionEntry, seconds: float) -> dict[str, Any]:
    """Return what is shown of an open connection through a tunnel; `end` is when the server's certificate expires."""
    certificate = None if entry.peer is None else entry.peer.certificate
    return live_row(entry, seconds) | {
        "server": visible(entry.leads_to or "", NAME_LIMIT),
        "end": "" if certificate is None else certificate.not_valid_after_utc.isoformat(),
    }


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


def documents(board: Board) -> list[dict[str, Any]]:
    """Return what the workers say."""
    texts = (each.document.read() for each in board.workers)
    return [json.loads(text) for text in texts if text]


def identities(board: Board) -> tuple[dict[str, int], int]:
    """Return the open connections of those identities that have most in all processes, and of all others."""
    total: Counter[str] = Counter()
    others = 0
    for each in documents(board):
        total.update(each["identities"])
        others += each["others"]
    most = dict(total.most_common(IDENTITIES))
    return most, others + total.total() - sum(most.values())


@lru_cache(maxsize=4096)
def identity_text(names: Names) -> str:
    """Return who a client is in one name: its URI, such as a SPIFFE ID, else its DNS name, else its subject."""
    found = next((each[0] for each in (names.uri, names.dns) if each), names.subject)
    return visible(found, NAME_LIMIT)


def peer_text(peer: Peer) -> str:
    """Return who a peer is in one name, or by which key."""
    key = peer.verdict.by_key
    return identity_text(peer.names) if key is None else visible(str(key), NAME_LIMIT)
