"""Lies about what messages mean, each for the scenes in which it is possible, with the alerts of the RFCs.

The liar's transcript and keys follow, so that nothing else is wrong with its messages; its binders are made over what
it sends. Whatever else two sides have agreed on, a lie gets the same answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bothways import ClientAuthenticated, Established, PeerFault
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import AlertSeen, Note
from bothways.tls.handshake.client import ech as client_ech
from bothways.tls.handshake.client import psks as client_psks
from bothways.tls.handshake.client import script13 as client13
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.resumption.binders import binders_octets
from bothways.tls.resumption.session_store import SESSIONS_EACH
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.hello import ClientHello, with_extensions
from hostile import scenes
from hostile.endings import ended_well, who
from hostile.scenes import Identities, Scene
from pair import NOON, Pair
from tamper import Edit, Outgoing, altering, unaltered

Makes = Callable[[random.Random], Edit]
Then = Callable[[Pair, random.Random], None]


@dataclass
class Entry:
    """One PSK of an offer. binder: the start of its key schedule, or the bytes to send.  origin: the honest one."""

    identity: ext.PskIdentity
    binder: EarlySecret | bytes
    origin: Any = None


Offer = Callable[[list[Entry]], list[Entry]]


@dataclass(frozen=True, eq=False)
class Lie:
    """One lie. alerts: those that may answer it; without any it is borne, and with `may_pass` it may be either.

    make: draws the edit of the sender's messages.  offer: changes the PSKs of a client; again: of its second
    ClientHello, if not in the same way.  hello: changes the other extensions of a ClientHello with PSKs.  binders:
    changes the list of binders.  then: what happens on the open connection, in the place of what usually does.
    careless: the liar's own engine does not bear what comes of it.  opens: the connection is established before.
    is_certain: a message is altered in every scene.  scene: what a scene needs for it.
    """

    what: str
    sender: Role
    alerts: tuple[Alert, ...] = ()
    make: Makes = lambda chance: unaltered
    offer: Offer | None = None
    again: Offer | None = None
    hello: Callable[[tuple[Any, ...]], Sequence[Any]] = tuple
    binders: Callable[[tuple[bytes, ...]], tuple[bytes, ...]] = tuple
    then: Then | None = None
    may_pass: bool = False
    careless: bool = False
    opens: bool = False
    is_certain: bool = True
    authentication: tuple[str, ...] = tuple(scenes.AUTHENTICATION)
    scene: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.what} (by the {self.sender.value})"

    def played(self, chance: random.Random) -> Pair:
        """Play it in a scene by chance; return what came of it."""
        scene = self._scene(chance)
        scene.identities()  # its session is made before anybody lies
        return self._played(scene, chance)[0]

    def check(self, chance: random.Random) -> None:
        """Play it in a scene by chance, and check the answer and what holds at any end."""
        scene = self._scene(chance)
        honest = scene.identities()
        talk, notes = self._played(scene, chance)
        ended_well(talk)
        self._check(scene, talk, notes, honest)
        self._check_store(scene, talk, honest)

    def _scene(self, chance: random.Random) -> Scene:
        opens = self.opens or self.then is not None
        return scenes.drawn(chance, self.authentication, opens=opens, **self.scene)

    def _played(self, scene: Scene, chance: random.Random) -> tuple[Pair, list[Note]]:
        notes: list[Note] = []
        make = self.make(chance)
        was_altered = make is unaltered or not self.is_certain

        def edit(message: Message, nth: int) -> Iterable[Outgoing]:
            nonlocal was_altered
            those = tuple(make(message, nth))
            was_altered = was_altered or those != (message,)
            return those

        with altering(self.sender, edit), offering(self):
            talk = scene.pair(**{f"{self.sender.value}_notes": notes})
            if self.then is None:
                scene.go_on(talk)
            else:
                talk.exchange(400)
                assert talk.client.established and talk.server.established, f"{self}: {scene}"
                self.then(talk, chance)
                talk.exchange(400)
        assert was_altered, f"nothing altered: {self}: {scene}"
        return talk, notes

    def _check(self, scene: Scene, talk: Pair, notes: list[Note], honest: Identities) -> None:
        victim, liar = scenes.ends(talk) if self.sender is Role.SERVER else scenes.ends(talk)[::-1]
        what = f"{self}: {scene}: {victim.failure!r}, {liar.failure!r}"
        place = 0 if self.sender is Role.SERVER else 1
        allowed = {each[place] for each in (honest, *scene.other_identities())}
        events = talk.client_events if self.sender is Role.SERVER else talk.server_events
        named = [who(each) for each in events if isinstance(each, Established | ClientAuthenticated)]
        assert allowed.issuperset(named), f"somebody else: {what}"
        assert not victim.established or who(victim) in allowed, f"somebody else: {what}"
        if victim.failure is None and victim.established:
            assert not self.alerts or self.may_pass, f"unnoticed: {what}"
            return
        if isinstance(liar.failure, PeerFault) and (self.careless or not self.alerts):
            assert self.careless, f"the liar itself: {what}"
            return
        assert isinstance(victim.failure, PeerFault), what
        assert victim.failure.alert in self.alerts, what
        seen = [each.description for each in notes if isinstance(each, AlertSeen) and not each.sent]
        assert victim.failure.alert in seen or liar.failure is not None, what

    def _check_store(self, scene: Scene, talk: Pair, honest: Identities) -> None:
        """What the client has stored is of the server that it verified, and ends within seven days."""
        for count, session in enumerate(scene.stored(), 1):
            what = f"{self}: {scene}: stored {session}"
            assert Established in map(type, talk.client_events) and count <= SESSIONS_EACH, what
            assert session.authenticated <= session.received == NOON, what
            assert session.expires - session.received <= timedelta(days=7), what
            assert session.chain[0] in {each[0] for each in (honest, *scene.other_identities())}, what


@contextmanager
def offering(lie: Lie) -> Iterator[None]:
    """Within, clients offer their PSKs as the lie says, and understand which of them a server means."""
    if lie.offer is None and lie.again is None and lie.hello is tuple and lie.binders is tuple:
        yield
        return
    sent: list[Entry] = []
    choose = client13.chosen_psk

    def offered_by(hs: Any, hello: ClientHello, offered: Sequence[Any]) -> tuple[ClientHello, bytes]:
        now = hs.clock.now()
        entries = [Entry(each.identity_at(now), each.early, each) for each in offered]
        change = lie.offer if lie.again is None or not sent else lie.again
        sent[:] = entries if change is None else change(entries)
        others = tuple(lie.hello(hello.extensions or ()))
        identities = tuple([each.identity for each in sent])
        sizes = lie.binders(tuple([bytes(_size(each)) for each in sent]))
        unbound = ext.PreSharedKeys(identities, sizes)
        start = encode_message(with_extensions(hello, (*others, unbound)))[: -binders_octets(unbound)]
        binders = lie.binders(tuple([_binder(hs, each, start) for each in sent]))
        altered = with_extensions(hello, (*others, ext.PreSharedKeys(identities, binders)))
        return altered, encode_message(altered)

    def chosen(offered: Sequence[Any], answer: Any, suite: Any) -> Any:
        selected = ext.find(answer.extensions or (), ext.SelectedIdentity)
        if selected is not None and selected.index < len(sent) and sent[selected.index].origin is not None:
            return sent[selected.index].origin
        return choose(offered, answer, suite)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_psks, "offering", offered_by)
        patch.setattr(client_ech, "offering", offered_by)
        patch.setattr(client13, "chosen_psk", chosen)
        yield


def _size(entry: Entry) -> int:
    return len(entry.binder) if isinstance(entry.binder, bytes) else entry.binder.suite.hash_size


def _binder(hs: Any, entry: Entry, start: bytes) -> bytes:
    if isinstance(entry.binder, bytes):
        return entry.binder
    return entry.binder.binder(hs.transcript.with_start(start, entry.binder.suite.hash))
