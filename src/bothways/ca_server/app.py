"""A CA over HTTP, as a Starlette application: OCSP, CRLs, CA certificates and health; metrics separately.

It translates between HTTP and the worker, which has everything that is served.
"""

from __future__ import annotations

import asyncio
import binascii
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
from starlette.types import Receive, Scope, Send

from bothways.ca.errors import AuthorityError
from bothways.ca.issuer import Issuer
from bothways.ca.ocsp import REQUEST_LIMIT, EncodedResponse
from bothways.ca.register.values import Series
from bothways.ca_server.metrics import CONTENT_TYPE, Metrics
from bothways.ca_server.worker import Health, Report, ServedFile, Worker

OCSP_RESPONSE, OCSP_REQUEST = "application/ocsp-response", "application/ocsp-request"
CRL, CERTIFICATE = "application/pkix-crl", "application/pkix-cert"
# The longest time for which HTTP caches may store a response, so that a revocation reaches clients behind them.
MAX_AGE = timedelta(hours=1)
DELTA_MAX_AGE = timedelta(minutes=5)
CERTIFICATE_MAX_AGE = timedelta(days=1)
TICK = 1.0  # seconds
PIECE = 64 * 1024  # bytes of a response that are sent together

Endpoint = Callable[[Request], Awaitable[Response]]


class Applications(NamedTuple):
    """The application for everybody, and the one with the metrics for the operator."""

    public: Starlette
    operator: Starlette


def service(issuer: Issuer, report: Report) -> Starlette:
    """Make the application of a CA; its OCSP responder's certificate and the CRLs that are due are signed first.

    Its paths are those that `--url` writes into certificates: /ocsp, /crl/issuing.crl and those of partitions and
    delta CRLs, /crl/root.crl, /ca/issuing.cer, /ca/root.cer; and /health. report: called with a sentence when periodic
    work fails. Raises AuthorityError if nothing can be signed.
    """
    return applications(issuer, report).public


def applications(issuer: Issuer, report: Report) -> Applications:
    """Make the application of `service`, and one for the operator with /metrics."""
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
    """Run the worker in a thread, without a pause while it has more to do."""
    while True:
        more = await run_in_threadpool(worker.tick)
        await asyncio.sleep(0 if more else TICK)


async def _unavailable(_request: Request, _error: Exception) -> Response:
    """An error of the CA is not the client's: status 503."""
    return PlainTextResponse("try again later\n", 503)


async def _metrics_elsewhere(_request: Request) -> Response:
    return PlainTextResponse("metrics are served on the address of `ca serve --metrics HOST:PORT`\n", 404)


class PiecewiseResponse(Response):
    """A response that is sent piece by piece, as the client reads it.

    asyncio keeps a copy of what a client does not read: of a whole CRL that would be many MiB for each connection.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as Response
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        content = b"" if scope["method"] == "HEAD" else bytes(self.body)
        for at in range(0, len(content), PIECE):
            await send({"type": BODY, "body": content[at : at + PIECE], "more_body": True})
        await send({"type": BODY, "body": b"", "more_body": False})


BODY = "http.response.body"


class _Endpoints:
    """The endpoints of the routes."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._metrics = Metrics(worker)
        self._health: asyncio.Future[Health] | None = None

    async def ocsp_post(self, request: Request) -> Response:
        """RFC 6960 A.1, with POST."""
        if request.headers.get("content-type", "").lower() != OCSP_REQUEST:
            return PlainTextResponse(f"the content type must be {OCSP_REQUEST}\n", 415)
        try:
            data = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if data is None:
            return PlainTextResponse("the request is too large\n", 413)
        response = await self._ocsp_response(data)
        return Response(response.der, media_type=OCSP_RESPONSE, headers=_NO_STORE)

    async def ocsp_get(self, request: Request) -> Response:
        """RFC 6960 A.1, with GET: the path ends with the request in base64; caches may store the response."""
        try:
            data = b64decode(unquote(request.path_params["request"]), validate=True)
        except (binascii.Error, ValueError):
            data = b""
        response = await self._ocsp_response(data)
        if response.this_update is None or response.next_update is None:
            return Response(response.der, media_type=OCSP_RESPONSE, headers=_NO_STORE)
        document = ServedFile(response.der, response.this_update, response.next_update)
        return self._cacheable(request, document, OCSP_RESPONSE, MAX_AGE)

    async def _ocsp_response(self, data: bytes) -> EncodedResponse:
        response, signed = self._worker.ocsp_cache.cached(data), "ahead"
        if response is None:
            response, signed = await run_in_threadpool(self._worker.ocsp_cache.respond, data), "now"
        self._metrics.ocsp.labels(response.status, signed).inc()
        return response

    def crl(self, *, delta: bool) -> Endpoint:
        """The newest CRL of a series."""

        async def respond(request: Request) -> Response:
            number = request.path_params.get("partition")
            if number is not None and not _PARTITION.fullmatch(number):
                return self._crl_response(request, None, MAX_AGE)
            series = Series(None if number is None else int(number), delta)
            document = await run_in_threadpool(self._worker.crl, series)
            return self._crl_response(request, document, DELTA_MAX_AGE if delta else MAX_AGE)

        return respond

    async def root_crl(self, request: Request) -> Response:
        """The root's CRL, signed when the CA was created."""
        return self._crl_response(request, self._worker.root_crl(), MAX_AGE)

    def _crl_response(self, request: Request, document: ServedFile | None, max_age: timedelta) -> Response:
        if document is None:
            return PlainTextResponse("there is no such CRL\n", 404)
        self._metrics.downloads.labels("crl").inc()
        return self._cacheable(request, document, CRL, max_age)

    def certificate(self, der: bytes) -> Endpoint:
        """A CA certificate in DER, for caIssuers (RFC 5280 4.2.2.1)."""
        kept = {"Cache-Control": f"public, max-age={int(CERTIFICATE_MAX_AGE.total_seconds())}"}

        async def respond(_request: Request) -> Response:
            self._metrics.downloads.labels("certificate").inc()
            return Response(der, media_type=CERTIFICATE, headers=kept)

        return respond

    async def health(self, _request: Request) -> Response:
        """The health of the service; concurrent requests share one check."""
        if self._health is None or self._health.done():
            self._health = asyncio.ensure_future(run_in_threadpool(self._worker.health))
        health = await asyncio.shield(self._health)
        if health.problems:
            return JSONResponse({"status": "failing", "problems": health.problems}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        """The metrics in the text format of Prometheus."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    def _cacheable(self, request: Request, document: ServedFile, kind: str, max_age: timedelta) -> Response:
        """A response that caches may store, or status 304 if the client has it (RFC 5019 6.2, RFC 9110 13)."""
        headers = _cache_headers(document, self._worker.now(), max_age)
        if headers["ETag"] in request.headers.get("if-none-match", "").replace(" ", "").split(","):
            return Response(status_code=304, headers=headers)
        return PiecewiseResponse(document.content, media_type=kind, headers=headers)


_PARTITION = re.compile("0|[1-9][0-9]{0,17}")
_NO_STORE = {"Cache-Control": "no-store"}


async def _body(request: Request) -> bytes | None:
    """The body of a request; None if it exceeds the limit."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > REQUEST_LIMIT:
            return None
    return data


def _cache_headers(document: ServedFile, now: datetime, max_age: timedelta) -> dict[str, str]:
    """The headers of a response that caches may store until nextUpdate, at most for `max_age`."""
    left = max(timedelta(), min(max_age, document.next_update - now))
    return {
        "Cache-Control": f"public, max-age={int(left.total_seconds())}, no-transform, must-revalidate",
        "Last-Modified": format_datetime(document.this_update, usegmt=True),
        "Expires": format_datetime(document.next_update, usegmt=True),
        "ETag": f'"{document.tag}"',
    }
