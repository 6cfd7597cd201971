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
    DEFAULT_HASH,
    HASHES,
    RESPONSE_LIFETIME,
    EncodedResponse,
    OCSPError,
    OCSPRequest,
    Responder,
    error_response,
)
from bothways.ca.register.audit_log import CHANGING
from bothways.ca.register.register import Register
from bothways.ca.register.values import Entry

LIMIT = 50_000  # answers, some 60 MB
STEP = 500  # what is signed before others have their turn
LOG_MAX_AGE = timedelta(seconds=5)  # how old what we know of the register's log may be
UNAVAILABLE_GRACE = timedelta(minutes=5)  # and while the register cannot be reached
_LOG_STEP = 1000

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _CachedResponse:
    request: OCSPRequest
    response: EncodedResponse
    until: datetime


class OCSPCache:
    """The answers of one responder about what stands in one register; for many threads."""

    def __init__(self, responder: Responder, register: Register, now: Now, limit: int = LIMIT) -> None:
        self._responder = responder
        self._register = register
        self._now = now
        self._limit = limit
        self._lock = threading.Lock()
        self._cached: OrderedDict[_Key, _CachedResponse] = OrderedDict()  # in the order of their signing
        self._log_position = register.log_length()
        self._log_read_at = now()
        self._to_sign = register.unexpired(now(), limit)

    def __len__(self) -> int:
        return len(self._cached)

    def cached(self, data: bytes) -> EncodedResponse | None:
        """The answer to a request if none has to be signed or looked up for it; never waits."""
        try:
            request = self._responder.read(data)
        except OCSPError as refused:
            return refused.response
        return self._lookup(request) if self._now() <= self._log_read_at + LOG_MAX_AGE else None

    def respond(self, data: bytes) -> EncodedResponse:
        """Answer a request in DER; whatever goes wrong has a response of its own (RFC 6960 2.3)."""
        try:
            request = self._responder.read(data)
            with self._lock:
                self._read_log_if_due()
                return self._lookup(request) or self._sign_now(request)
        except OCSPError as refused:
            return refused.response
        except AuthorityError:
            return error_response(ocsp.OCSPResponseStatus.TRY_LATER)

    def refresh(self) -> bool:
        """Sign what will be asked for, a step of it, and whether more is left to do; for one thread, often.

        Raises StoreUnavailable if the register cannot be reached.
        """
        with self._lock:
            self._responder.rotate()
            self._read_log()
            return self._renew_old() | self._presign()

    def _lookup(self, request: OCSPRequest) -> EncodedResponse | None:
        if request.nonce is not None:
            return None
        kept = self._cached.get(_key(request))
        return kept.response if kept is not None and self._now() < kept.until else None

    def _sign_now(self, request: OCSPRequest) -> EncodedResponse:
        return self._sign(request, self._register.find(request.serial))

    def _sign(self, request: OCSPRequest, entry: Entry | None) -> EncodedResponse:
        response = self._responder.sign(request, entry)
        if response.this_update is not None and response.next_update is not None:
            # It is given out for three quarters of its time, so that whoever gets it can use it for a while.
            until = response.next_update - (response.next_update - response.this_update) / 4
            self._cached.pop(_key(request), None)
            self._cached[_key(request)] = _CachedResponse(request, response, until)
            if len(self._cached) > self._limit:
                self._cached.popitem(last=False)
        return response

    def _read_log_if_due(self) -> None:
        """See what changed, if it is time; what is known goes for a while when the register cannot be reached."""
        if self._now() <= self._log_read_at + LOG_MAX_AGE:
            return
        try:
            self._read_log()
        except AuthorityError:
            if self._now() > self._log_read_at + UNAVAILABLE_GRACE:
                raise

    def _read_log(self) -> None:
        """Let go of every answer about a certificate of which the log has news, and sign it anew ahead."""
        now = self._now()
        while news := self._register.log_since(self._log_position, _LOG_STEP):
            for number, action, subject in news:
                if action in CHANGING:
                    self._drop(int(subject, 16))
                    self._to_sign.append(int(subject, 16))
                self._log_position = number
        self._log_read_at = now

    def _drop(self, serial: int) -> None:
        for algorithm in HASHES:
            self._cached.pop((algorithm, serial), None)

    def _renew_old(self) -> bool:
        """Sign anew what has lived for half its time, and let go of what is about certificates that ended."""
        now = self._now()
        for _ in range(STEP):
            oldest = next(iter(self._cached.values()), None)
            begin = oldest.response.this_update if oldest is not None else None
            if oldest is None or begin is None or now < begin + RESPONSE_LIFETIME / 2:
                return False
            entry = self._register.find(oldest.request.serial)
            if entry is None or entry.not_after < now:
                self._drop(oldest.request.serial)
            else:
                self._sign(oldest.request, entry)
        return True

    def _presign(self) -> bool:
        for _ in range(STEP):
            if not self._to_sign:
                return False
            request = OCSPRequest(self._to_sign.pop(), DEFAULT_HASH)
            if _key(request) not in self._cached:
                entry = self._register.find(request.serial)
                if entry is not None:
                    self._sign(request, entry)
        return True


def _key(request: OCSPRequest) -> _Key:
    return request.algorithm.name, request.serial
