"""OCSP answers that were signed ahead: kept while they hold, replaced before they end or when something changed.

What changed is read from the register's log, so a revocation by another process is in the next answer too. Who
asks with a nonce gets an answer of their own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.x509 import ocsp

from bothways.ca.authority import Now
from bothways.ca.errors import AuthorityError
from bothways.ca.ocsp import (
    ANSWER_LIFETIME,
    HASHES,
    USUAL,
    Answer,
    Question,
    Responder,
    Unanswerable,
    refusal,
)
from bothways.ca.register.audit_log import CHANGING
from bothways.ca.register.register import Register
from bothways.ca.register.values import Entry

LIMIT = 50_000  # answers, some 60 MB
STEP = 500  # what is signed before others have their turn
FRESH = timedelta(seconds=5)  # how old what we know of the register's log may be
GRACE = timedelta(minutes=5)  # and while the register cannot be reached
_LOG_STEP = 1000

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    question: Question
    answer: Answer
    until: datetime


class Answers:
    """The answers of one responder about what stands in one register; for many threads."""

    def __init__(self, responder: Responder, register: Register, now: Now, limit: int = LIMIT) -> None:
        self._responder = responder
        self._register = register
        self._now = now
        self._limit = limit
        self._alone = threading.Lock()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()  # in the order of their signing
        self._seen = register.log_length()
        self._followed = now()
        self._ahead = register.living(now(), limit)

    def __len__(self) -> int:
        return len(self._kept)

    def at_hand(self, data: bytes) -> Answer | None:
        """The answer to a request if none has to be signed or looked up for it; never waits."""
        try:
            question = self._responder.read(data)
        except Unanswerable as refused:
            return refused.answer
        return self._find(question) if self._now() <= self._followed + FRESH else None

    def answer(self, data: bytes) -> Answer:
        """Answer a request in DER; whatever goes wrong has a response of its own (RFC 6960 2.3)."""
        try:
            question = self._responder.read(data)
            with self._alone:
                self._follow_in_time()
                return self._find(question) or self._signed(question)
        except Unanswerable as refused:
            return refused.answer
        except AuthorityError:
            return refusal(ocsp.OCSPResponseStatus.TRY_LATER)

    def refresh(self) -> bool:
        """Sign what will be asked for, a step of it, and whether more is left to do; for one thread, often.

        Raises StoreUnavailable if the register cannot be reached.
        """
        with self._alone:
            self._responder.rotate()
            self._follow()
            return self._renew_old() | self._sign_ahead()

    def _find(self, question: Question) -> Answer | None:
        if question.nonce is not None:
            return None
        kept = self._kept.get(_key(question))
        return kept.answer if kept is not None and self._now() < kept.until else None

    def _signed(self, question: Question) -> Answer:
        return self._sign(question, self._register.find(question.serial))

    def _sign(self, question: Question, entry: Entry | None) -> Answer:
        answer = self._responder.sign(question, entry)
        if answer.this_update is not None and answer.next_update is not None:
            # It is given out for three quarters of its time, so that whoever gets it can use it for a while.
            until = answer.next_update - (answer.next_update - answer.this_update) / 4
            self._kept.pop(_key(question), None)
            self._kept[_key(question)] = _Kept(question, answer, until)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return answer

    def _follow_in_time(self) -> None:
        """See what changed, if it is time; what is known goes for a while when the register cannot be reached."""
        if self._now() <= self._followed + FRESH:
            return
        try:
            self._follow()
        except AuthorityError:
            if self._now() > self._followed + GRACE:
                raise

    def _follow(self) -> None:
        """Let go of every answer about a certificate of which the log has news, and sign it anew ahead."""
        now = self._now()
        while news := self._register.log_since(self._seen, _LOG_STEP):
            for number, action, subject in news:
                if action in CHANGING:
                    self._forget(int(subject, 16))
                    self._ahead.append(int(subject, 16))
                self._seen = number
        self._followed = now

    def _forget(self, serial: int) -> None:
        for algorithm in HASHES:
            self._kept.pop((algorithm, serial), None)

    def _renew_old(self) -> bool:
        """Sign anew what has lived for half its time, and let go of what is about certificates that ended."""
        now = self._now()
        for _ in range(STEP):
            oldest = next(iter(self._kept.values()), None)
            begin = oldest.answer.this_update if oldest is not None else None
            if oldest is None or begin is None or now < begin + ANSWER_LIFETIME / 2:
                return False
            entry = self._register.find(oldest.question.serial)
            if entry is None or entry.not_after < now:
                self._forget(oldest.question.serial)
            else:
                self._sign(oldest.question, entry)
        return True

    def _sign_ahead(self) -> bool:
        for _ in range(STEP):
            if not self._ahead:
                return False
            question = Question(self._ahead.pop(), USUAL)
            if _key(question) not in self._kept:
                entry = self._register.find(question.serial)
                if entry is not None:
                    self._sign(question, entry)
        return True


def _key(question: Question) -> _Key:
    return question.algorithm.name, question.serial
