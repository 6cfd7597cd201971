"""Servers that take a `bothways.ssl.SSLContext` tell an application who calls: Werkzeug, gunicorn, uvicorn."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from werkzeug.serving import make_server

from architecture.sources import SOURCE
from bothways.http.asgi import identity as caller_of
from bothways.http.uvicorn import with_caller
from bothways.http.wsgi import RequirePeer, WithCaller
from bothways.ssl import SSLContext
from http_callers import get, served, server_config, until

pytestmark = pytest.mark.network

TOLD = ("SSL_CLIENT_VERIFY", "SSL_CLIENT_SAN_DNS_0", "SSL_PROTOCOL", "SSL_CIPHER")


def tell(environ, start_response):
    body = json.dumps({name: environ.get(name) for name in TOLD}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def test_werkzeug_tells_who_calls_by_the_handshake_and_not_by_headers(mutual):
    context = SSLContext(server_config(mutual, client_auth="request"))
    server = make_server("127.0.0.1", 0, WithCaller(tell), threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        status, body = get(mutual, server.port, mutual.identity("client"))
        assert (status, json.loads(body)) == (200, {
            "SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_SAN_DNS_0": "client.example", "SSL_PROTOCOL": "TLSv1.3",
            "SSL_CIPHER": "TLS_AES_128_GCM_SHA256",
        })  # fmt: skip
        reported = json.loads(get(mutual, server.port, None, SSL_Client_Verify="SUCCESS")[1])
        assert (reported["SSL_CLIENT_VERIFY"], reported["SSL_CLIENT_SAN_DNS_0"]) == ("NONE", None)
        server.app = RequirePeer(tell, dns="other.example")
        assert get(mutual, server.port, mutual.identity("client"))[0] == 403
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


GUNICORN = """
from bothways import Credentials, ServerConfig, TrustStore
from bothways.ssl import SSLContext
from bothways.trust import CRLStore, Revocation

bind, workers, worker_class = "127.0.0.1:0", 1, {worker!r}
certfile, keyfile = {cert!r}, {key!r}
ours = ServerConfig(
    credentials=Credentials.from_files(certfile, keyfile),
    client_anchors=TrustStore.from_file({ca!r}),
    revocation=Revocation(crls=CRLStore.from_files({crl!r})),
)


def ssl_context(settings, default):
    return SSLContext(ours)
"""


SITE = """
import json
from bothways.http.wsgi import WithCaller

@WithCaller
def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps(environ.get("SSL_CLIENT_SAN_URI_0")).encode()]
"""


@contextlib.contextmanager
def gunicorn(mutual, folder, worker):
    mine = mutual.identity("server")
    settings = {"cert": str(mine.cert), "key": str(mine.key), "ca": str(mutual.ca), "crl": str(mutual.crl)}
    (folder / "gunicorn.conf.py").write_text(GUNICORN.format(worker=worker, **settings))
    (folder / "site_of_test.py").write_text(SITE)
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "site_of_test:app"], cwd=folder, stderr=file,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
    try:
        until(lambda: "Booting worker" in log.read_text() or process.poll() is not None)
        found = re.search(r"Listening at: https?://127.0.0.1:(\d+)", log.read_text())
        assert found, log.read_text()
        yield int(found.group(1))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_gunicorn_tells_who_calls(mutual, tmp_path, worker):
    with gunicorn(mutual, tmp_path, worker) as port:
        status, body = get(mutual, port, mutual.identity("client"))
        assert (status, json.loads(body)) == (200, "spiffe://testing.example/client")
        assert mutual.client("revoked").attempt("127.0.0.1", port, request=b"GET / HTTP/1.1\r\n\r\n").refused


@pytest.mark.parametrize("protocol", [HttpToolsProtocol, H11Protocol])
def test_uvicorn_tells_who_calls_on_a_transport_of_its_own_too(mutual, protocol):
    async def app(scope, receive, send):
        who = caller_of(scope)
        reported = [
            None if who is None else who.names.dns,
            scope["extensions"]["tls"]["cipher_suite"],
            scope["scheme"],
        ]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(reported).encode()})

    context = SSLContext(server_config(mutual, client_auth="request"))
    settings = {"http": with_caller(protocol), "ssl_context_factory": lambda config, default: context}
    with served(app, **settings) as port:
        assert json.loads(get(mutual, port, mutual.identity("client"))[1]) == [
            ["client.example"],
            0x1301,
            "https",
        ]
        assert json.loads(get(mutual, port, None)[1])[0] is None
