"""An open connection whose peer is judged again while all else happens too, in any order: only what is documented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

import pki
from bothways import Event, UsageError
from bothways.errors import InternalError
from bothways.roles import Role
from bothways.tls.events import EvidenceWanted, Failed
from bothways.trust.evidence.fetch_policy import Fetch
from inside import machinery
from pki import NOW
from tls.post_handshake.test_revalidation import HOUR, Fetching, lists

STEPS = 40


class Wild(Fetching):
    """Both ends do what a draw says, well-behaved or not, and lists come and go meanwhile."""

    def __init__(self, draw: Random) -> None:
        super().__init__(draw.choice(list(Role)), unknown=draw.choice(["refuse", "accept"]))
        self.draw = draw
        self.wanted: list[EvidenceWanted] = []
        self.seen: list[Event] = []

    def either(self):
        return self.draw.choice([self.judge, self.other])

    def answer(self) -> Sequence[Event]:
        """Answer what was wanted last, or before that."""
        said = [None, [self.response()], [self.response("revoked")], [b"none"], [None], [], b"a signature"]
        return (
            self.judge.provide(self.draw.choice(self.wanted[-2:]), self.draw.choice(said))
            if self.wanted
            else []
        )

    def answer_what_was_never_asked(self) -> Sequence[Event]:
        policy = Fetch(by_caller=True)
        return self.judge.provide(EvidenceWanted((), policy, self.clock.now(), 1.0), None)

    def go_on(self) -> Sequence[Event]:
        events = self.pair.client_events if self.judge is self.pair.client else self.pair.server_events
        before = len(events)
        self.pair.exchange()
        return events[before:]

    def set_the_clock_back(self) -> None:
        """The one on the wall."""
        self.clock.at -= self.draw.choice([1, 24]) * HOUR

    def export(self) -> None:
        self.judge.export("EXPERIMENTAL", self.draw.choice([None, b""]), self.draw.choice([0, 32, 9000]))

    def replace_lists(self) -> None:
        ends = NOW + self.draw.choice([1, 40]) * HOUR
        number = self.draw.randrange(1, 50)
        revoked = [self.judged] if self.draw.random() < 0.1 else []
        point = pki.issuing_point(cas=True) if not revoked else None
        self.lists.replace(lists(*revoked, number=number, next_update=ends, point=point))

    def act(self) -> None:
        acts: list[Callable[[], Sequence[Event] | None]] = [
            self.judge.judge_again, self.judge.tick, self.answer, self.answer, self.answer_what_was_never_asked,
            self.go_on, self.go_on, self.replace_lists, self.set_the_clock_back,
            lambda: self.clock.pass_time(self.draw.choice([1, 30, 3600, 8000])),
            lambda: self.either().send(b"x" * self.draw.randrange(5000)),
            lambda: self.either().update_keys(ask=self.draw.random() < 0.5),
            self.export,
            lambda: self.either().close() if self.draw.random() < 0.3 else None,
            lambda: self.judge.receive_eof() if self.draw.random() < 0.1 else None,
        ]  # fmt: skip
        try:
            events = self.draw.choice(acts)() or ()
        except UsageError:
            return
        self.seen += events
        self.wanted += [each for each in events if isinstance(each, EvidenceWanted)]

    def check(self) -> None:
        judge = self.judge
        failed = [each for each in self.seen if isinstance(each, Failed)]
        assert len(failed) <= 1 and not any(isinstance(each.error, InternalError) for each in failed)
        if judge.failure is not None:
            assert judge.peer is None and not judge.awaits_answer and judge.next_deadline() is None
        if judge.awaits_answer:
            deadline = judge.next_deadline()
            assert deadline is not None and deadline <= machinery(judge).clock.monotonic() + 8001
            assert judge.peer is not None


@pytest.mark.parametrize("part", range(4))
def test_whatever_happens_while_a_peer_is_judged_again_is_as_documented(part: int, full: bool) -> None:
    """`UsageError` for the caller, one `Failed` at most, no defect; and somebody always knows when to look again."""
    kinds = set()
    for seed in range(1000 if full else 25):
        talk = Wild(Random(seed * 4 + part))
        for _ in range(STEPS):
            talk.act()
            talk.check()
        kinds |= {type(each) for each in talk.seen}
    assert {EvidenceWanted, Failed} <= kinds
