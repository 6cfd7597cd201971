"""Django's middleware and decorator, under its ASGI and its WSGI handler."""

from __future__ import annotations

import asyncio
import io
from types import ModuleType, SimpleNamespace

import django
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path

from bothways.http.asgi import extensions_of
from bothways.http.caller import Caller
from bothways.http.django import peer_of, require
from http_callers import peer


def who(request):
    return HttpResponse("nobody" if request.peer is None else request.peer.names.common_name)


@require(dns="client.example")
def guarded(request, number):
    return HttpResponse(f"in {number}")


@require(dns="client.example")
async def guarded_async(request):
    return HttpResponse("in")


urls = ModuleType("urls")
urls.urlpatterns = [path("who", who), path("guarded/<int:number>", guarded), path("async", guarded_async)]


@pytest.fixture(scope="module", autouse=True)
def configured():
    if settings.configured:  # by an earlier part of these tests in the same process
        return
    settings.configure(
        ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], SECRET_KEY="testing",
        MIDDLEWARE=["bothways.http.django.PeerMiddleware"], USE_TZ=True, LOGGING_CONFIG=None,
    )  # fmt: skip
    django.setup()


def by_wsgi(target, caller):
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": target, "SERVER_NAME": "localhost", "SERVER_PORT": "443",
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "https", "wsgi.errors": io.StringIO(),
        "HTTP_SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=admin",
    }  # fmt: skip
    if caller is not None:
        environ["gunicorn.socket"] = SimpleNamespace(peer=caller)
    statuses = []
    body = b"".join(WSGIHandler()(environ, lambda status, headers: statuses.append(int(status[:3]))))
    return statuses[0], body


def by_asgi(target, caller):
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": target, "raw_path": target.encode(),
        "query_string": b"", "headers": [(b"host", b"localhost")], "scheme": "https",
        "extensions": {} if caller is None else extensions_of(Caller(caller)),
    }  # fmt: skip
    sent = []

    async def talk():
        asked = asyncio.Event()

        async def receive():
            if asked.is_set():
                await asyncio.sleep(60)
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await get_asgi_application()(scope, receive, send)

    asyncio.run(talk())
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


@pytest.mark.parametrize("ask", [by_wsgi, by_asgi])
def test_a_request_knows_who_sent_it(mutual, ask):
    assert ask("/who", peer(mutual)) == (200, b"good client")
    assert ask("/who", None) == (200, b"nobody")


@pytest.mark.parametrize("ask", [by_wsgi, by_asgi])
@pytest.mark.parametrize(("target", "said"), [("/guarded/7", b"in 7"), ("/async", b"in")])
def test_a_view_accepts_only_clients_that_match_its_rule(mutual, ask, target, said):
    assert ask(target, peer(mutual)) == (200, said)
    assert ask(target, peer(mutual, mutual.identity("client", "good", dns=["other.example"])))[0] == 403
    assert ask(target, None)[0] == 403


def test_a_request_without_a_connection_has_no_peer():
    assert peer_of(SimpleNamespace()) is None
