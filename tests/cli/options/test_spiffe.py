"""`serve --spiffe`: identity and trust from an agent of SPIFFE, in one process and in several."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import pki
from bothways import ClientConfig, ConfigError, Credentials, PeerAlert, TrustStore
from bothways.cli.options.peer_keys import PeerKeys
from bothways.cli.options.revocation import Sources
from bothways.cli.options.side import Side
from bothways.cli.options.spiffe import Workload
from bothways.net import connect
from cli_scripting import Background
from command_line import bothways, environment, run_command, start_command
from http_callers import application
from spiffe.agent import Agent, agent, authority, response, svid, workload

pytestmark = [pytest.mark.network, pytest.mark.interop]

ID = "spiffe://example.org/server"
CA, NEXT = authority(), authority(number=2)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Agent]:
    with agent(tmp_path / "agent.sock", response(svid(workload(CA, ID), ID, CA))) as made:
        yield made


def echoed(server: Background, who: pki.Issued) -> bytes:
    config = ClientConfig(
        anchors=TrustStore([CA.der, NEXT.der]), credentials=Credentials.from_pem(who.chain_pem, who.key_pem)
    )
    with connect("127.0.0.1", int(server.port or 0), config, ID, timeout=20) as channel:
        channel.sendall(b"hello")
        return channel.recv(5)


def reaches(server: Background, who: pki.Issued) -> bool:
    try:
        return echoed(server, who) == b"hello"
    except (PeerAlert, OSError):
        return False


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_serve_has_its_identity_from_an_agent_and_follows_it(
    served: Agent, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """Each process has a connection of its own to the agent. Rules and trust domains decide about clients."""
    words = ["serve", "127.0.0.1:0", "--spiffe", served.address, "--echo", *workers]
    server = Background([*words, "--allow", "uri=spiffe://example.org/team/*"], tmp_path)
    ada, bob = workload(CA, "spiffe://example.org/team/ada"), workload(NEXT, "spiffe://example.org/team/bob")
    try:
        assert echoed(server, ada) == b"hello"
        for stranger in (
            workload(CA, "spiffe://example.org/x"),
            workload(CA, "spiffe://other.example/team/eve"),
        ):
            with pytest.raises(PeerAlert, match="access_denied"):
                echoed(server, stranger)
        served.send(response(svid(workload(NEXT, ID), ID, NEXT)))
        end = time.monotonic() + 15
        while not (
            all(reaches(server, bob) for _ in range(4)) and not any(reaches(server, ada) for _ in range(4))
        ):
            assert time.monotonic() < end, server.printed
        assert served.calls == (1 if not workers else 3)
    finally:
        server.end()
    assert "Traceback" not in server.printed


@pytest.mark.parametrize(
    ("workload_of", "cert", "problem"),
    [
        (Workload("unix:/x"), "a.pem", "remove --cert and --key"),
        (Workload(), None, "how we authenticate ourselves is missing"),
        (Workload(trust_domain=("b",)), "a.pem", "have an effect only with --spiffe"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    workload_of: Workload, cert: str | None, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        workload_of.check_required(Side(cert, None, None, (), False, Sources()), PeerKeys())
    assert (ended.value.code, problem in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("workload_of", "problem"),
    [
        (Workload("agent.sock"), "is no address of a Workload API"),
        (Workload("unix:/nothing"), "the agent cannot be reached"),
        (Workload("unix:/x", "a"), "is no SPIFFE ID"),
        (Workload("unix:/x", None, ("A/b",)), "is no trust domain"),
        (Workload("SPIFFE_ENDPOINT_SOCKET"), "SPIFFE_ENDPOINT_SOCKET is not set"),
    ],
)
def test_options_without_an_identity_are_refused(workload_of: Workload, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        workload_of.load()


def test_a_command_without_an_identity_ends_with_status_2(tmp_path: Path) -> None:
    done = run_command(
        bothways("serve", "127.0.0.1:0", "--echo", "--spiffe", f"unix:{tmp_path}/nothing"),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the agent cannot be reached: No such file or directory" in done.stderr


# -- clients ---------------------------------------------------------------------------------------------

ADA_ID = "spiffe://example.org/team/ada"


def both(*bundle: pki.Issued) -> bytes:
    """An agent's response with the SVIDs of a server and of a client; their CA is the first of the bundle."""
    return response(
        svid(workload(bundle[0], ID), ID, *bundle), svid(workload(bundle[0], ADA_ID), ADA_ID, *bundle)
    )


def ran(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        bothways(*words), cwd=folder, env=environment(**environ), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip


def test_get_and_connect_are_an_svid_and_know_a_server_by_its_spiffe_id(
    served: Agent, tmp_path: Path
) -> None:
    """The address is that in SPIFFE_ENDPOINT_SOCKET, where none is given."""
    served.send(both(CA))
    server = Background(
        ["serve", "127.0.0.1:0", "--page", "--spiffe", served.address, "--allow", f"uri={ADA_ID}"], tmp_path
    )
    try:
        where = f"127.0.0.1:{server.port}"
        mine = ("--spiffe-id", ADA_ID, "--name", ID, "--spiffe")
        page = ran(tmp_path, "get", f"https://{where}/", *mine, SPIFFE_ENDPOINT_SOCKET=served.address)
        assert (page.returncode, ADA_ID in page.stdout) == (0, True), page.stderr
        stranger = ran(tmp_path, "get", f"https://{where}/", "--name", f"{ID}s", "--spiffe", served.address)
        assert stranger.returncode == 1
        assert f"the server sent a certificate for {ID}, not for {ID}s" in stranger.stderr
        assert "connect with a name that it contains" in stranger.stderr
        unnamed = ran(tmp_path, "connect", where, "--spiffe", served.address)
        assert unnamed.returncode == 2
        assert "127.0.0.1 is no SPIFFE ID" in unnamed.stderr and "--name spiffe://" in unnamed.stderr
        web = ran(tmp_path, "connect", where, "--name", ID, "--profile", "web", "--spiffe", served.address)
        assert web.returncode == 2
        done = ran(tmp_path, "connect", where, *mine, served.address)
        assert f"{where} is authenticated" in done.stderr or ID in done.stderr
    finally:
        server.end()


@contextlib.contextmanager
def service_of(who: pki.Issued, folder: Path) -> Iterator[SimpleNamespace]:
    """A service of OpenSSL that requires a certificate: it sends the URI of each client, then what comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "service.pem").write_bytes(who.chain_pem + who.key_pem)
    context.load_cert_chain(folder / "service.pem")
    context.load_verify_locations(cadata=(CA.pem + NEXT.pem).decode())
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
            issuer = dict(each[0] for each in tls.getpeercert()["issuer"])["commonName"]
            tls.sendall(f"{tls.getpeercert()['subjectAltName'][0][1]} {issuer}\n".encode())
            while data := tls.recv(100):
                tls.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield SimpleNamespace(port=listener.getsockname()[1])
    finally:
        listener.close()


def greeting(path: Path) -> tuple[socket.socket, bytes]:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(path))
    return sock, sock.makefile("rb").readline()


@contextlib.contextmanager
def tunnel(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = start_command(
        bothways("tunnel", "t.sock", *words), cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline() == "listening on unix:t.sock\n"
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stderr.close()


def test_a_tunnel_shows_the_newest_svid_and_ends_what_the_bundle_does_not_vouch_for(
    served: Agent, tmp_path: Path
) -> None:
    """While the agent is gone the earlier SVID and bundle stay in use."""
    served.send(both(CA))
    words = ("--spiffe", served.address, "--spiffe-id", ADA_ID, "--name", ID)
    with (
        service_of(workload(CA, ID), tmp_path) as server,
        tunnel(tmp_path, f"127.0.0.1:{server.port}", *words) as process,
    ):
        opened, first = greeting(tmp_path / "t.sock")
        assert first == f"{ADA_ID} CA 1 of example.org\n".encode()
        served.hang_up()
        rotated = response(
            svid(workload(CA, ID), ID, CA, NEXT), svid(workload(NEXT, ADA_ID), ADA_ID, CA, NEXT)
        )
        served.send(rotated)
        end, line = time.monotonic() + 15, first
        while line == first:
            assert time.monotonic() < end
            sock, line = greeting(tmp_path / "t.sock")
            sock.close()
        assert line == f"{ADA_ID} CA 2 of example.org\n".encode()
        served.send(both(NEXT))
        assert opened.recv(1) == b""
        opened.close()
        sock, line = greeting(tmp_path / "t.sock")
        sock.close()
        assert line == b""
        assert process.poll() is None


def test_a_tunnel_leads_to_no_server_with_another_spiffe_id(served: Agent, tmp_path: Path) -> None:
    words = ("--spiffe", served.address, "--name", ID)
    with (
        service_of(workload(CA, "spiffe://example.org/other"), tmp_path) as server,
        tunnel(tmp_path, f"127.0.0.1:{server.port}", *words) as process,
    ):
        sock, line = greeting(tmp_path / "t.sock")
        sock.close()
        assert line == b""
        assert process.stderr is not None
        assert "a certificate for spiffe://example.org/other, not for " + ID in process.stderr.readline()


# -- applications ----------------------------------------------------------------------------------------

APP = application("who.names.uri")


def asked(server: Background, who: pki.Issued) -> bytes:
    config = ClientConfig(
        anchors=TrustStore([CA.der, NEXT.der]), credentials=Credentials.from_pem(who.chain_pem, who.key_pem)
    )
    with connect("127.0.0.1", int(server.port or 0), config, ID, timeout=20) as channel:
        channel.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        reply = b""
        while data := channel.recv(4096):
            reply += data
        return reply


def lets_in(server: Background, who: pki.Issued) -> bool:
    try:
        return b" 200 " in asked(server, who)
    except (PeerAlert, OSError):
        return False


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_an_application_has_its_identity_from_an_agent_and_learns_the_spiffe_id_of_its_clients(
    served: Agent, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["run", "app:app", "--listen", "127.0.0.1:0", "--spiffe", served.address, *workers]
    server = Background(words, tmp_path)
    ada, bob = workload(CA, ADA_ID), workload(NEXT, "spiffe://example.org/bob")
    try:
        reply = asked(server, ada)
        assert b" 200 " in reply and json.dumps([ADA_ID]).encode() in reply
        with pytest.raises(PeerAlert, match="access_denied"):
            asked(server, workload(CA, "spiffe://other.example/team/eve"))
        served.send(response(svid(workload(NEXT, ID), ID, NEXT)))
        end = time.monotonic() + 15
        while not all(lets_in(server, bob) and not lets_in(server, ada) for _ in range(6)):
            assert time.monotonic() < end, server.printed  # each worker follows the agent by itself
        with pytest.raises(PeerAlert, match="unknown_ca"):
            asked(server, ada)
    finally:
        server.end()
    assert "Traceback" not in server.printed
