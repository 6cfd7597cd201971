"""A cache of OCSP responses that were signed ahead, and are replaced before they expire or after a change.

Changes are read from the register's log, so that a revocation by another process is in the next response too. A request
with a nonce is never answered from the cache.
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
from bothways.ca.register.values import RegisterEntry

LIMIT = 50_000  # responses, about 60 MB
STEP = 500  # responses that are signed before the lock is released
LOG_MAX_AGE = timedelta(seconds=5)  # since the register's log was read
UNAVAILABLE_GRACE = timedelta(minutes=5)  # the same while the register is unavailable
_LOG_STEP = 1000

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _CachedResponse:
    request: OCSPRequest
    response: EncodedResponse
    until: datetime


class OCSPCache:
    """The responses of one responder about one register. Safe for several threads."""

    def __init__(self, responder: Responder, register: Register, now: Now, limit: int = LIMIT) -> None:
        self._responder = responder
        self._register = register
        self._now = now
        self._limit = limit
        self._lock = threading.Lock()
        self._cached: OrderedDict[_Key, _CachedResponse] = OrderedDict()  # in the order of signing
        self._log_position = register.log_length()
        self._log_read_at = now()
        self._to_sign = register.unexpired(now(), limit)

    def __len__(self) -> int:
        return len(self._cached)

    def cached(self, data: bytes) -> EncodedResponse | None:
        """The response to a request if it is in the cache, or an error response; never waits."""
        try:
            request = self._responder.read(data)
        except OCSPError as error:
            return error.response
        return self._lookup(request) if self._now() <= self._log_read_at + LOG_MAX_AGE else None

    def respond(self, data: bytes) -> EncodedResponse:
        """Return the response to a request in DER; every error has its own response (RFC 6960 2.3)."""
        try:
            request = self._responder.read(data)
            with self._lock:
                self._read_log_if_due()
                return self._lookup(request) or self._sign_now(request)
        except OCSPError as error:
            return error.response
        except AuthorityError:
            return error_response(ocsp.OCSPResponseStatus.TRY_LATER)

    def refresh(self) -> bool:
        """Sign a number of responses ahead, and return whether more are to be signed.

        Raises DatabaseUnavailable.
        """
        with self._lock:
            self._responder.rotate()
            self._read_log()
            return self._renew_old() | self._presign()

    def _lookup(self, request: OCSPRequest) -> EncodedResponse | None:
        if request.nonce is not None:
            return None
        cached = self._cached.get(_key(request))
        return cached.response if cached is not None and self._now() < cached.until else None

    def _sign_now(self, request: OCSPRequest) -> EncodedResponse:
        return self._sign(request, self._register.find(request.serial))

    def _sign(self, request: OCSPRequest, entry: RegisterEntry | None) -> EncodedResponse:
        response = self._responder.sign(request, entry)
        if response.this_update is not None and response.next_update is not None:
            # It is served for three quarters of its validity, so that a client can use it for a while.
            until = response.next_update - (response.next_update - response.this_update) / 4
            self._cached.pop(_key(request), None)
            self._cached[_key(request)] = _CachedResponse(request, response, until)
            if len(self._cached) > self._limit:
                self._cached.popitem(last=False)
        return response

    def _read_log_if_due(self) -> None:
        """Read the log if that is due; while the register is unavailable, the cache is used for a while."""
        if self._now() <= self._log_read_at + LOG_MAX_AGE:
            return
        try:
            self._read_log()
        except AuthorityError:
            if self._now() > self._log_read_at + UNAVAILABLE_GRACE:
                raise

    def _read_log(self) -> None:
        """Drop the responses about certificates that changed according to the log, to sign them again."""
        now = self._now()
        while entries := self._register.log_since(self._log_position, _LOG_STEP):
            for number, action, subject in entries:
                if action in CHANGING:
                    self._drop(int(subject, 16))
                    self._to_sign.append(int(subject, 16))
                self._log_position = number
        self._log_read_at = now

    def _drop(self, serial: int) -> None:
        for algorithm in HASHES:
            self._cached.pop((algorithm, serial), None)

    def _renew_old(self) -> bool:
        """Sign responses again after half of their validity, and drop those about expired certificates."""
        now = self._now()
        for _ in range(STEP):
            oldest = next(iter(self._cached.values()), None)
            signed_at = oldest.response.this_update if oldest is not None else None
            if oldest is None or signed_at is None or now < signed_at + RESPONSE_LIFETIME / 2:
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
