"""A handshake in which one side is hostile: what it sends in the place of what, and how it arrives at the other."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pki
from bothways import Connection, Credentials, Event
from bothways.tls.handshake.steps import Role
from bothways.tls.wire import tls12, tls13
from hostile.meters import Calls, traced
from pair import Pair
from tamper import Edit, altering, changing
from tls.handshake import conversations, conversations12
from tls.handshake.conversations import Conversation, authority, credentials_of

Cut = Callable[[bytes], Iterator[bytes]]
Take = Callable[[Connection, bytes], list[Event]]
ROUNDS = 40


def whole(data: bytes) -> Iterator[bytes]:
    """All at once."""
    yield data


def pieces(size: int) -> Cut:
    """So many bytes a call."""

    def cut(data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), size):
            yield data[at : at + size]

    return cut


@dataclass(frozen=True)
class Attack:
    """One way to be hostile: by which side, in which conversation, and what it sends in the place of what.

    `then` happens when the handshake is done, if it comes to that.
    """

    sender: Role
    course: Conversation
    edit: Edit
    cut: Cut = whole
    then: Callable[[Connection], None] | None = None

    def honest(self) -> Attack:
        """The same conversation with no message altered."""
        return Attack(self.sender, self.course, lambda message, nth: (message,), self.cut)


@dataclass
class Played:
    """What came of an attack: bytes that reached the honest side, in how many calls, and the dearest of these."""

    talk: Pair
    received: int = 0
    calls: int = 0
    longest: int = 0

    def honest(self, attack: Attack) -> Connection:
        return self.talk.server if attack.sender is Role.CLIENT else self.talk.client


def play(attack: Attack, take: Take = Connection.receive) -> Played:
    """Play an attack to its end; `take` hands bytes to the honest side."""
    with altering(attack.sender, attack.edit):
        played = Played(attack.course.pair())
        ends = {Role.CLIENT: played.talk.client, Role.SERVER: played.talk.server}
        sender, honest = ends[attack.sender], ends[attack.sender.other]
        then = attack.then
        for _ in range(ROUNDS):
            out = sender.data_to_send()
            for part in attack.cut(out) if out else ():
                played.received += len(part)
                played.calls += 1
                take(honest, part)
            back = honest.data_to_send()
            if back:
                sender.receive(back)
            if not out and not back:
                if then is None or honest.failure is not None:
                    break
                then(sender)
                then = None
    return played


def counted(attack: Attack) -> tuple[Played, int]:
    """Play an attack and count the calls of functions that the honest side takes for what it receives."""
    calls = Calls()
    longest = 0

    def take(honest: Connection, data: bytes) -> list[Event]:
        nonlocal longest
        before = calls.count
        events = calls.during(partial(honest.receive, data))
        longest = max(longest, calls.count - before)
        return events

    played = play(attack, take)
    played.longest = longest
    return played, calls.count


def weighed(attack: Attack) -> int:
    """Play an attack and return the most memory that one call of `receive` took while it ran."""
    most = 0

    def take(honest: Connection, data: bytes) -> list[Event]:
        nonlocal most
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        events = honest.receive(data)
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
        return events

    with traced():
        play(attack, take)
    return most


# -- who is hostile ------------------------------------------------------------------------------------


def stranger(name: str, kind: str = "P-256", **options: Any) -> Credentials:
    """Credentials with the key that the chains of `hostile` give to their leaves."""
    return credentials_of(pki.leaf(authority(), name, own_key=pki.key(kind, 0), **options))


_SERVER = {"credentials": stranger("localhost")}
_CLIENT = {"credentials": stranger("client.example")}
MUTUAL = Conversation("mutual", _CLIENT, _SERVER)
COMPRESSED = Conversation(
    "mutual, compressed",
    _CLIENT | {"accept_compressed": ("zlib",), "compress_with": ()},
    _SERVER | {"accept_compressed": ("zlib",), "compress_with": ()},
)
MUTUAL12 = conversations12.conversation("mutual, 1.2", _CLIENT, _SERVER)
TRANSPORT12 = conversations12.conversation(
    "key transport, 1.2",
    conversations12.classic(**_CLIENT),
    conversations12.classic(credentials=conversations12.deciphering()),
)
KEYED = conversations.CONVERSATIONS["external PSK"]
KEYED_OR_CERTIFIED = conversations.CONVERSATIONS["external PSK beside certificates"]
RETRIED = conversations.CONVERSATIONS["mutual after a retry"]
STAPLED = conversations.CONVERSATIONS["stapled by both"]
STAPLED12 = conversations12.CONVERSATIONS["stapled"]
ONE_WAY = conversations.CONVERSATIONS["one-way"]
ANONYMOUS = conversations.CONVERSATIONS["anonymous by request"]


def showing(chain: list[bytes], sender: Role, course: Conversation) -> Attack:
    """Show a chain of one's own, and sign with the key of its leaf."""
    if "1.2" in course.name:
        return Attack(sender, course, changing(tls12.Certificate, certificate_list=tuple(chain)))
    entries = tuple(tls13.CertificateEntry(der, ()) for der in chain)
    return Attack(sender, course, changing(tls13.Certificate, certificate_list=entries))
