"""What a process says of its open connections, once a second, for all others to read. All of it is bounded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bothways.describe.escape import visible
from bothways.gateway.observe.board import Board, Slot
from bothways.trust.verdict import Names

IDENTITIES = 100  # those that have most connections; the others are counted together
NAME_LIMIT = 120


def publish(slot: Slot, connections: Mapping[Names, int]) -> None:
    """Write the document of a process. connections: how many are open, by the names of their clients."""
    counts: Counter[str] = Counter()
    for names, count in connections.items():
        counts[identity_text(names)] += count
    most = dict(counts.most_common(IDENTITIES))
    others = counts.total() - sum(most.values())
    slot.document.write(json.dumps({"identities": most, "others": others}).encode())


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
