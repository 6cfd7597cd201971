"""The authority's face to the world over HTTP: OCSP, revocation lists, certificates, health; metrics apart.

It hands out nothing secret and decides nothing: what is at hand is the worker's, what is wrong with a request
is the request's.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bothways.ca.errors import AuthorityError
from bothways.ca.issuer import Issuer
from bothways.ca.ocsp import REQUEST_LIMIT, EncodedResponse
from bothways.ca.register.values import Series
from bothways.ca_server.metrics import CONTENT_TYPE, Metrics
from bothways.ca_server.worker import Document, Health, Report, Worker

OCSP_RESPONSE, OCSP_REQUEST = "application/ocsp-response", "application/ocsp-request"
CRL, CERTIFICATE = "application/pkix-crl", "application/pkix-cert"
# For how long others may keep what holds longer, so that a revocation reaches those behind a cache too.
MAX_AGE = timedelta(hours=1)
DELTA_MAX_AGE = timedelta(minutes=5)
TICK = 1.0  # seconds

Endpoint = Callable[[Request], Awaitable[Response]]


class Applications(NamedTuple):
    """What strangers are answered, and what the operator is."""

    public: Starlette
    operator: Starlette


def service(issuer: Issuer, report: Report) -> Starlette:
    """Make the application that answers for an issuer; what it must have at hand is signed before it returns.

    Its paths are those that `--url` writes into certificates: /ocsp, /crl/issuing.crl and those of partitions
    and deltas, /crl/root.crl, /ca/issuing.cer, /ca/root.cer; beside them /health.
    tell: is given a sentence when what is due cannot be done. Raises AuthorityError if nothing can be signed.
    """
    return applications(issuer, report).public


def applications(issuer: Issuer, report: Report) -> Applications:
    """Make the application that `service` makes, and that for the operator, who alone is told /metrics."""
    worker = Worker(issuer, report)
    endpoints = _Endpoints(worker)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_run_worker(worker))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    public = Starlette(
        lifespan=lifespan,
        exception_handlers={AuthorityError: _unavailable},
        routes=[
            Route("/ocsp", endpoints.ocsp_post, methods=["POST"]),
            Route("/ocsp/{request:path}", endpoints.ocsp_get, methods=["GET"]),
            Route("/crl/issuing.crl", endpoints.crl(delta=False)),
            Route("/crl/issuing-delta.crl", endpoints.crl(delta=True)),
            Route("/crl/issuing/{partition}-delta.crl", endpoints.crl(delta=True)),
            Route("/crl/issuing/{partition}.crl", endpoints.crl(delta=False)),
            Route("/crl/root.crl", endpoints.root_crl),
            *(Route(f"/{path}", endpoints.certificate(der)) for path, der in worker.certificates.items()),
            Route("/health", endpoints.health),
            Route("/metrics{rest:path}", _metrics_elsewhere),
        ],
    )
    return Applications(public, Starlette(routes=[Route("/metrics", endpoints.metrics)]))


async def _run_worker(worker: Worker) -> None:
    """Let the worker work in a thread of its own, without pause while it has much to do."""
    while True:
        more = await run_in_threadpool(worker.tick)
        await asyncio.sleep(0 if more else TICK)


async def _unavailable(_request: Request, _error: Exception) -> Response:
    """What the authority cannot do just now is no fault of who asks."""
    return PlainTextResponse("try again later\n", 503)


async def _metrics_elsewhere(_request: Request) -> Response:
    return PlainTextResponse("metrics are answered on the address of `ca serve --metrics HOST:PORT`\n", 404)


class _Endpoints:
    """What the routes lead to."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._metrics = Metrics(worker)
        self._health: asyncio.Future[Health] | None = None

    async def ocsp_post(self, request: Request) -> Response:
        """RFC 6960 A.1, with POST."""
        if request.headers.get("content-type", "").lower() != OCSP_REQUEST:
            return PlainTextResponse(f"the content type of a request is {OCSP_REQUEST}\n", 415)
        try:
            data = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if data is None:
            return PlainTextResponse("the request is too large\n", 413)
        response = await self._ocsp_response(data)
        return Response(response.der, media_type=OCSP_RESPONSE, headers=_NO_STORE)

    async def ocsp_get(self, request: Request) -> Response:
        """RFC 6960 A.1, with GET: the request in base64 is the rest of the path; others may keep the response."""
        try:
            data = b64decode(unquote(request.path_params["request"]), validate=True)
        except (binascii.Error, ValueError):
            data = b""
        response = await self._ocsp_response(data)
        if response.this_update is None or response.next_update is None:
            return Response(response.der, media_type=OCSP_RESPONSE, headers=_NO_STORE)
        document = Document(response.der, response.this_update, response.next_update)
        return self._cacheable(request, document, OCSP_RESPONSE, MAX_AGE)

    async def _ocsp_response(self, data: bytes) -> EncodedResponse:
        response, signed = self._worker.ocsp_cache.cached(data), "ahead"
        if response is None:
            response, signed = await run_in_threadpool(self._worker.ocsp_cache.respond, data), "now"
        self._metrics.ocsp.labels(response.status, signed).inc()
        return response

    def crl(self, *, delta: bool) -> Endpoint:
        """The newest list of a series."""

        async def respond(request: Request) -> Response:
            number = request.path_params.get("partition")
            if number is not None and not _PARTITION.fullmatch(number):
                return self._crl_response(request, None, MAX_AGE)
            series = Series(None if number is None else int(number), delta)
            document = await run_in_threadpool(self._worker.crl, series)
            return self._crl_response(request, document, DELTA_MAX_AGE if delta else MAX_AGE)

        return respond

    async def root_crl(self, request: Request) -> Response:
        """The root's own list, signed when the authority was made."""
        return self._crl_response(request, self._worker.root_crl(), MAX_AGE)

    def _crl_response(self, request: Request, document: Document | None, kept: timedelta) -> Response:
        if document is None:
            return PlainTextResponse("there is no such list\n", 404)
        self._metrics.downloads.labels("crl").inc()
        return self._cacheable(request, document, CRL, kept)

    def certificate(self, der: bytes) -> Endpoint:
        """One certificate in DER, as caIssuers promises it (RFC 5280 4.2.2.1)."""

        async def respond(_request: Request) -> Response:
            self._metrics.downloads.labels("certificate").inc()
            return Response(der, media_type=CERTIFICATE, headers={"Cache-Control": "public, max-age=86400"})

        return respond

    async def health(self, _request: Request) -> Response:
        """Whether the register answers, and what must not have ended has not; many who ask at once share one look."""
        if self._health is None or self._health.done():
            self._health = asyncio.ensure_future(run_in_threadpool(self._worker.health))
        health = await asyncio.shield(self._health)
        if health.problems:
            return JSONResponse({"status": "failing", "problems": health.problems}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        """The figures in Prometheus' text form."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    def _cacheable(self, request: Request, document: Document, kind: str, kept: timedelta) -> Response:
        """What others may keep for a while, or the word that they have it already (RFC 5019 6.2, RFC 9110 13)."""
        headers = _cache_headers(document, self._worker.now(), kept)
        if headers["ETag"] in request.headers.get("if-none-match", "").replace(" ", "").split(","):
            return Response(status_code=304, headers=headers)
        return Response(document.content, media_type=kind, headers=headers)


_PARTITION = re.compile("0|[1-9][0-9]{0,17}")
_NO_STORE = {"Cache-Control": "no-store"}


async def _body(request: Request) -> bytes | None:
    """The body of a request; None if it is larger than any request is."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > REQUEST_LIMIT:
            return None
    return data


def _cache_headers(document: Document, now: datetime, kept: timedelta) -> dict[str, str]:
    """The headers that let others keep a document while it holds, but no longer than `kept`."""
    left = max(timedelta(), min(kept, document.next_update - now))
    return {
        "Cache-Control": f"public, max-age={int(left.total_seconds())}, no-transform, must-revalidate",
        "Last-Modified": format_datetime(document.this_update, usegmt=True),
        "Expires": format_datetime(document.next_update, usegmt=True),
        "ETag": f'"{hashlib.sha256(document.content).hexdigest()[:32]}"',
    }
