"""Lies about anything, in any scene: one message with other values, or with its extensions rearranged.

What is wrong with it is not known, so the answer is not either: it is refused for what a peer did, or borne, and
nobody is taken for somebody else.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.wire.flight import Message
from hostile.lies import Lie
from tamper import Edit, Outgoing
from tls.handshake.tampering import lie

MESSAGES = 8  # of one side, and a few more after the handshake


def one_altered(chance: random.Random) -> Edit:
    """Alter the message with a number by chance."""
    number, sent = chance.randrange(MESSAGES), 0

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        nonlocal sent
        sent += 1
        return (lie(message, chance) if sent - 1 == number else message,)

    return edit


LIES = [
    Lie(
        f"anything{number or ''}",
        role,
        tuple(Alert),
        one_altered,
        may_pass=True,
        careless=True,
        is_certain=False,
    )
    for number in range(8)
    for role in Role
]
