"""The authority's face to the world over HTTP: OCSP, revocation lists, certificates, health.

It hands out nothing secret and decides nothing: what is wrong with a request is the request's. The lists are
those that were published; `ca crl` makes them, and so does the service before the last one ends.
"""

from __future__ import annotations

import binascii
import threading
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bothways.ca import directory
from bothways.ca.ocsp import REQUEST_LIMIT, Answer, Responder
from bothways.ca.office import Office
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register import Series

OCSP_ANSWER, OCSP_REQUEST = "application/ocsp-response", "application/ocsp-request"
CRL, CERTIFICATE = "application/pkix-crl", "application/pkix-cert"

Endpoint = Callable[[Request], Awaitable[Response]]


def service(office: Office) -> Starlette:
    """Make the application that answers for an office.

    Its paths are those that `--url` writes into certificates: /ocsp, /crl/issuing.crl, /crl/root.crl,
    /ca/issuing.cer, /ca/root.cer; beside them /health and /metrics.
    """
    desk = _Desk(office)
    return Starlette(
        routes=[
            Route("/ocsp", desk.ocsp_post, methods=["POST"]),
            Route("/ocsp/{request:path}", desk.ocsp_get, methods=["GET"]),
            Route("/crl/issuing.crl", desk.list_of(delta=False)),
            Route("/crl/issuing-delta.crl", desk.list_of(delta=True)),
            Route("/crl/issuing/{partition:int}.crl", desk.list_of(delta=False)),
            Route("/crl/issuing/{partition:int}-delta.crl", desk.list_of(delta=True)),
            Route("/crl/root.crl", desk.root_crl),
            Route("/ca/issuing.cer", desk.certificate(office.authority.certificate)),
            Route("/ca/root.cer", desk.certificate(office.authority.root)),
            Route("/health", desk.health),
            Route("/metrics", desk.metrics),
        ]
    )


class _Desk:
    """What the routes lead to."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._alone = threading.Lock()
        self._counts = {"ocsp": 0, "crl": 0}
        self._responder = Responder(
            office.authority.certificate,
            office.register.find,
            lambda: office.issue(Profile.OCSP, Holder("OCSP signer")),
            office.authority.now,
        )

    async def ocsp_post(self, request: Request) -> Response:
        """RFC 6960 A.1, with POST."""
        if request.headers.get("content-type", "").lower() != OCSP_REQUEST:
            return PlainTextResponse(f"the content type of a request is {OCSP_REQUEST}\n", 415)
        data = b""
        async for piece in request.stream():
            data += piece
            if len(data) > REQUEST_LIMIT:
                return PlainTextResponse("the request is too large\n", 413)
        return await self._answered(data, keep=False)

    async def ocsp_get(self, request: Request) -> Response:
        """RFC 6960 A.1, with GET: the request in base64 is the rest of the path."""
        try:
            data = b64decode(unquote(request.path_params["request"]), validate=True)
        except (binascii.Error, ValueError):
            return PlainTextResponse("the path holds no request in base64\n", 400)
        return await self._answered(data, keep=True)

    async def _answered(self, data: bytes, *, keep: bool) -> Response:
        self._counts["ocsp"] += 1
        answer = await run_in_threadpool(self._one_at_a_time, data)
        headers = _kept(answer.this_update, answer.next_update, self._office.authority.now()) if keep else {}
        return Response(answer.response, media_type=OCSP_ANSWER, headers=headers or _NOT_KEPT)

    def _one_at_a_time(self, data: bytes) -> Answer:
        with self._alone:
            return self._responder.answer(data)

    def list_of(self, *, delta: bool) -> Endpoint:
        """The newest list of a series."""

        async def handed_out(request: Request) -> Response:
            self._counts["crl"] += 1
            der = await run_in_threadpool(self._current, Series(request.path_params.get("partition"), delta))
            if der is None:
                return PlainTextResponse("there is no such list\n", 404)
            return self._list(x509.load_der_x509_crl(der), der)

        return handed_out

    async def root_crl(self, _request: Request) -> Response:
        """The root's own list, signed when the authority was made."""
        self._counts["crl"] += 1
        crl = x509.load_pem_x509_crl(directory.read(self._office.path / "root-crl.pem"))
        return self._list(crl, crl.public_bytes(Encoding.DER))

    def _current(self, series: Series) -> bytes | None:
        with self._alone:
            self._office.publish_due()
            return self._office.register.newest_list(series)

    def _list(self, crl: x509.CertificateRevocationList, der: bytes) -> Response:
        # Others may keep a list for an hour, though it holds longer: so a new one is soon seen.
        now = self._office.authority.now()
        until = min(crl.next_update_utc or now, now + timedelta(hours=1))
        return Response(der, media_type=CRL, headers=_kept(crl.last_update_utc, until, now))

    def certificate(self, certificate: x509.Certificate) -> Endpoint:
        """One certificate in DER, as caIssuers promises it (RFC 5280 4.2.2.1)."""
        der = certificate.public_bytes(Encoding.DER)

        async def handed_out(_request: Request) -> Response:
            return Response(der, media_type=CERTIFICATE, headers={"Cache-Control": "public, max-age=86400"})

        return handed_out

    async def health(self, _request: Request) -> Response:
        """Whether the register answers."""
        await run_in_threadpool(self._office.register.find, 0)
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: Request) -> Response:
        """How much was asked for, in Prometheus' text form."""
        lines = [
            f"# TYPE bothways_ca_{what}_requests counter\nbothways_ca_{what}_requests {count}\n"
            for what, count in self._counts.items()
        ]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")


_NOT_KEPT = {"Cache-Control": "no-store"}


def _kept(since: datetime | None, until: datetime | None, now: datetime) -> dict[str, str]:
    """The headers that let others keep an answer for as long as it holds (RFC 5019 6.2)."""
    if since is None or until is None:
        return {}
    seconds = max(0, int((until - now).total_seconds()))
    return {
        "Cache-Control": f"public, max-age={seconds}, no-transform, must-revalidate",
        "Last-Modified": f"{since:%a, %d %b %Y %H:%M:%S} GMT",
        "Expires": f"{until:%a, %d %b %Y %H:%M:%S} GMT",
    }
