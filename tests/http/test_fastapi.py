"""FastAPI's dependency, in a real application under uvicorn."""

import subprocess
import sys
from typing import Annotated

import pytest
import websockets.sync.client
from fastapi import Depends, FastAPI, WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bothways.http.fastapi import Require
from bothways.http.uvicorn import over, with_caller
from bothways.tls.events import Peer
from command_line import environment
from http_callers import context, get, served, server_config

pytestmark = pytest.mark.network

app = FastAPI()


@app.get("/billing")
def billing(caller: Annotated[Peer, Depends(Require(uri="spiffe://testing.example/billing"))]) -> str:
    return caller.names.uri[0]


@app.get("/anybody", dependencies=[Depends(Require())])
async def anybody() -> str:
    return "somebody"


@app.websocket("/stream")
async def stream(socket: WebSocket, caller: Annotated[Peer, Depends(Require(cn="good client"))]) -> None:
    await socket.accept()
    await socket.send_text(caller.names.common_name or "")


@pytest.fixture(scope="module")
def port(mutual):
    config = server_config(mutual, client_auth="request")
    with served(app, http=over(HttpToolsProtocol, config), ws=with_caller(WebSocketsSansIOProtocol)) as port:
        yield port


def test_a_route_lets_through_whom_its_rule_names(mutual, port):
    billing = mutual.identity("client", uri=["spiffe://testing.example/billing"])
    assert get(mutual, port, billing, "/billing") == (200, b'"spiffe://testing.example/billing"')


def test_all_others_get_403(mutual, port):
    for who in (mutual.identity("client"), mutual.identity("client", "wrong_name"), None):
        status, said = get(mutual, port, who, "/billing", Client_Cert=":AAAA:", SSL_Client_Verify="SUCCESS")
        assert (status, said) == (403, b'{"detail":"the client certificate does not allow this"}')


def test_without_a_rule_every_authenticated_client_is_allowed(mutual, port):
    assert get(mutual, port, mutual.identity("client"), "/anybody")[0] == 200
    assert get(mutual, port, None, "/anybody")[0] == 403


def test_a_websocket_takes_the_dependency_too(mutual, port):
    own = context(mutual, mutual.identity("client"))
    with websockets.sync.client.connect(f"wss://localhost:{port}/stream", ssl=own) as opened:
        assert opened.recv() == "good client"
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        websockets.sync.client.connect(f"wss://localhost:{port}/stream", ssl=context(mutual, None))


def test_without_fastapi_the_error_says_what_to_install():
    program = "import sys; sys.modules['starlette'] = None; import bothways.http.fastapi"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.stderr.endswith(
        "ModuleNotFoundError: bothways.http.fastapi needs FastAPI: pip install fastapi\n"
    )
