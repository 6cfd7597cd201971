"""Routes of HTTP between other people's programs: curl, Go, Node and gRPC before it; nginx, Node and uvicorn behind."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from architecture.sources import ROOT
from bothways.http.proxy import shown_chain
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting
from interop import golang
from interop.peers import find
from library_services import running
from processes import free_port

pytestmark = [pytest.mark.network, pytest.mark.interop]


@contextlib.contextmanager
def gateway(setting: Setting, port: int, *keys: str) -> Iterator[str]:
    route = [f'backend = "127.0.0.1:{port}"', 'server_names = ["localhost"]', 'mode = "http"', *keys, ANYBODY]
    setting.write("\n".join(route))
    server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
    try:
        yield str(server.port)
    finally:
        server.end(signal.SIGTERM)
        assert "Traceback" not in server.printed


def curl(setting: Setting, port: str, *words: str) -> str:
    mine = setting.mutual.identity("client")
    identity = ["--cacert", str(setting.mutual.ca), "--cert", str(mine.cert), "--key", str(mine.key)]
    command = [find("curl"), "-sS", "--max-time", "30", *identity, *words, f"https://localhost:{port}/hello"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


UVICORN = """
import json
async def app(scope, receive, send):
    body = b""
    while scope["type"] == "http":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    fields = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
    told = json.dumps({"fields": fields, "path": scope["path"], "size": len(body)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": told})
"""
NODE = """
require('http').createServer((request, response) => {
  let size = 0
  request.on('data', part => size += part.length)
  request.on('end', () => {
    const fields = []
    for (let at = 0; at < request.rawHeaders.length; at += 2)
      fields.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]])
    response.end(JSON.stringify({fields, path: request.url, size}))
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
"""


@contextlib.contextmanager
def backend(kind: str, folder: Path) -> Iterator[int]:
    """A web server that tells what it has got."""
    port = free_port()
    if kind == "uvicorn":
        (folder / "app.py").write_text(UVICORN)
        words = ["--port", str(port), "--log-level", "warning", "--app-dir", str(folder)]
        command = [sys.executable, "-m", "uvicorn", "app:app", *words]
    else:
        (folder / "server.js").write_text(NODE)
        command = [find("node"), str(folder / "server.js"), str(port)]
    with running(command, port, folder):
        yield port


@pytest.mark.parametrize("kind", ["uvicorn", "node"])
def test_a_web_application_knows_its_client_by_http11_and_http2_and_nobody_forges_it(
    setting: Setting, kind: str
) -> None:
    forged = ["-H", "Client-Cert: forged", "-H", "client_cert: forged", "-H", "X-Forwarded-For: 6.6.6.6"]
    (setting.folder / "body").write_bytes(b"x" * 1_000_000)
    upload = ["--data-binary", f"@{setting.folder / 'body'}", "-H", "Transfer-Encoding: chunked"]
    with backend(kind, setting.folder) as port, gateway(setting, port) as ours:
        for version in ("--http1.1", "--http2"):
            told = json.loads(curl(setting, ours, version, *forged))
            fields = [(name.encode(), value.encode()) for name, value in told["fields"]]
            assert len(shown_chain(fields)) == 1
            names = dict(told["fields"])
            assert 'Subject="CN=good client"' in names["x-forwarded-client-cert"]
            assert (names["x-forwarded-for"], names["host"]) == ("127.0.0.1", f"localhost:{ours}")
            assert "forged" not in str(told)
            assert (
                json.loads(curl(setting, ours, version, *(upload if version == "--http1.1" else upload[:2])))[
                    "size"
                ]
                == 1_000_000
            )
        assert "421" in curl(setting, ours, "--http2", "-H", "Host: other.example", "-w", "%{http_code}")


def test_a_client_in_go_uploads_in_chunks_and_waits_for_100_continue(
    setting: Setting, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By both versions, to a service of HTTP/1.1: net/http begins an upload only when it is told to go on."""
    program, mine = golang.built(request.config, tmp_path_factory, "pages"), setting.mutual.identity("client")
    size = 300_000
    with backend("node", setting.folder) as port, gateway(setting, port) as ours:
        words = [program, "-url", f"https://localhost:{ours}/hello", "-ca", str(setting.mutual.ca)]
        words += ["-cert", str(mine.cert), "-key", str(mine.key), "-size", str(size)]
        for version, more in (("HTTP/1.1", []), ("HTTP/2.0", ["-http2"])):
            told = json.loads(subprocess.run([*words, *more], capture_output=True, check=True).stdout)
            assert [(each["version"], each["status"]) for each in told] == [(version, 200)] * 3
            assert [each["body"]["size"] for each in told] == [0, size, size]
            for each in told:
                fields = dict(each["body"]["fields"])
                assert 'Subject="CN=good client"' in fields["x-forwarded-client-cert"]
            assert dict(told[2]["body"]["fields"])["expect"] == "100-continue"


def test_nginx_behind_reads_the_proxy_header_and_the_certificate(setting: Setting) -> None:
    port, config = free_port(), setting.folder / "nginx.conf"
    config.write_text(
        f"pid {setting.folder}/nginx.pid; error_log {setting.folder}/error.log; daemon off; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port} proxy_protocol; location / {{ "
        'return 200 "$proxy_protocol_addr $http_client_cert $http_x_forwarded_for"; } } }\n'
    )
    command = [find("nginx"), "-p", str(setting.folder), "-c", str(config)]
    with (
        running(command, port, setting.folder),
        gateway(setting, port, 'proxy_protocol = "v2"') as ours,
    ):
        told = curl(setting, ours, "--http2")
        assert re.fullmatch(r"127\.0\.0\.1 :[A-Za-z0-9+/=]+: 127\.0\.0\.1", told)


def test_the_program_of_the_guide_greets_its_client_by_name(setting: Setting) -> None:
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```js\n(.*?)```", page, re.S)
    port = free_port()
    (setting.folder / "greet.mjs").write_text(program.replace("8000", str(port)))
    with running([find("node"), "greet.mjs"], port, setting.folder), gateway(setting, port) as ours:
        assert curl(setting, ours) == "Hello good client\n"


def test_the_ten_lines_of_the_readme_greet_their_client_by_name(setting: Setting) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    [program], [config] = (
        re.findall(r"```js\n(.*?)```", page, re.S),
        re.findall(r"```toml\n(.*?)```", page, re.S),
    )
    assert sum(bool(line.strip()) for line in (program + config).splitlines()) <= 10
    mine, port = setting.mutual.identity("server"), free_port()
    for name, path in (("server.pem", mine.cert), ("server.key", mine.key), ("root.pem", setting.mutual.ca)):
        config = config.replace(name, str(path))
    setting.path.write_text(config.replace("8443", "0").replace("8000", str(port)))
    (setting.folder / "greet.mjs").write_text(program.replace("8000", str(port)))
    with running([find("node"), "greet.mjs"], port, setting.folder):
        server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
        try:
            assert curl(setting, str(server.port)) == "Hello good client\n"
        finally:
            server.end()


@pytest.mark.parametrize(
    ("page", "others"), [("README.md", "stranger"), ("docs/gateway.md", "spiffe://e.org/a")]
)
def test_the_programs_of_the_pages_serve_on_where_a_client_has_no_common_name(
    page: str, others: str, tmp_path: Path
) -> None:
    """A certificate may have any subject: no client of a rule may end the service of all."""
    [program] = re.findall(r"```js\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    port = free_port()
    (tmp_path / "greet.mjs").write_text(program.replace("8000", str(port)))

    def greeted(**fields: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{port}", headers=fields)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())

    with running([find("node"), "greet.mjs"], port, tmp_path):
        told = 'Hash=00;Subject="O=SPIRE";URI=spiffe://e.org/a;DNS=e.org'
        assert greeted(**{"X-Forwarded-Client-Cert": told}) == f"Hello {others}\n"
        assert greeted(**{"X-Forwarded-Client-Cert": "Hash=00"}).startswith("Hello ")
        assert greeted().startswith("Hello ")
        assert greeted(**{"X-Forwarded-Client-Cert": 'Hash=00;Subject="CN=ada"'}) == "Hello ada\n"


CALLER = """
const https = require('https'), fs = require('fs')
const [port, ca, cert, key] = process.argv.slice(2)
const agent = new https.Agent({keepAlive: true, maxSockets: 1})
const identity = {ca: fs.readFileSync(ca), cert: fs.readFileSync(cert), key: fs.readFileSync(key)}
const ask = path => new Promise((done, failed) => https.get(
  {host: 'localhost', port, path, agent, ...identity}, response => {
    let body = ''
    response.on('data', part => body += part).on('end', () => done([response.statusCode, JSON.parse(body).path]))
  }).on('error', failed))
ask('/one').then(one => ask('/two').then(two => { console.log(JSON.stringify([one, two])); agent.destroy() }))
"""


def test_node_asks_twice_on_one_connection(setting: Setting) -> None:
    (setting.folder / "caller.js").write_text(CALLER)
    mine = setting.mutual.identity("client")
    with backend("uvicorn", setting.folder) as port, gateway(setting, port) as ours:
        files = [str(setting.mutual.ca), str(mine.cert), str(mine.key)]
        command = [find("node"), str(setting.folder / "caller.js"), ours, *files]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout) == [[200, "/one"], [200, "/two"]]


class Greeter(grpc.GenericRpcHandler):
    """A service of gRPC that tells who asks."""

    def service(self, details: Any) -> Any:
        def who(context: Any) -> bytes:
            return str(dict(context.invocation_metadata()).get("x-forwarded-client-cert")).encode()

        def greet(request: bytes, context: Any) -> bytes:
            if request == b"fail":
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")
            context.set_trailing_metadata((("x-after", "all"),))
            return who(context)

        def both(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            for request in requests:
                yield request * 2

        if details.method == "/greet/Both":
            return grpc.stream_stream_rpc_method_handler(both)
        return grpc.unary_unary_rpc_method_handler(greet)


def test_grpc_passes_with_trailers_and_streams_to_a_service_of_http2(setting: Setting) -> None:
    """Both ends are grpcio; a failed call has its status in trailers alone."""
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(Greeter(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    mine = setting.mutual.identity("client")
    identity = (each.read_bytes() for each in (setting.mutual.ca, mine.key, mine.cert))
    try:
        with (
            gateway(setting, port, 'backend_http = "2"') as ours,
            grpc.secure_channel(f"localhost:{ours}", grpc.ssl_channel_credentials(*identity)) as channel,
        ):
            greet = channel.unary_unary("/greet/Hello")
            answer, call = greet.with_call(b"hello", timeout=30)
            assert b'Subject="CN=good client"' in answer
            assert ("x-after", "all") in [(each.key, each.value) for each in call.trailing_metadata()]
            with pytest.raises(grpc.RpcError) as failed:
                greet(b"fail", timeout=30)
            assert failed.value.code() == grpc.StatusCode.FAILED_PRECONDITION
            assert failed.value.details() == "not today"
            both = channel.stream_stream("/greet/Both")
            parts = [bytes([number]) * 50_000 for number in range(20)]
            assert list(both(iter(parts), timeout=30)) == [each * 2 for each in parts]
    finally:
        server.stop(None).wait(60)
