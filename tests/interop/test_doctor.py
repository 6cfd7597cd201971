"""The doctor at other people's servers: each finding against what the server was really configured with."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pki
from bothways import ClientConfig, TLSError, TrustStore
from bothways.diagnosis import HandshakeFacts, explain
from bothways.doctor.attempts import attempt
from bothways.doctor.evidence import probe
from bothways.doctor.examination import SILENCE_SECONDS
from bothways.doctor.report import Choices, Report
from bothways.net.connecting import connect
from catalogue import people
from catalogue.database import database
from doctor_talk import dialer_to, examined, target
from interop import identities
from interop.identities import Identity, client, server
from interop.peers import find
from interop.programs import Program, running
from processes import free_port

pytestmark = [pytest.mark.interop, pytest.mark.network]


def report(port: int, who: Identity | None = None, **options: Any) -> Report:
    config = ClientConfig(
        anchors=identities.anchors(), credentials=who and who.credentials, **options.pop("config", {})
    )
    return examined(port, config, timeout=20, **options).report()


def text(found: Report, id_: str) -> str:
    row = found.row(id_)
    return f"{row.level}: {row.text}" if row is not None else "not there"


def spoken(found: Report) -> set[str]:
    return {each.name for each in found.server.versions if each.standing == "spoken"}


def upper_file(folder: Path) -> str:
    """The intermediate alone: what a server sends behind its own certificate."""
    path = folder / "upper.pem"
    path.write_bytes(identities.issuer().pem)
    return str(path)


# -- openssl -----------------------------------------------------------------------------------------------


@contextmanager
def s_server(folder: Path, *options: str, who: Identity | None = None) -> Iterator[tuple[Program, int]]:
    chain, key = (who or server()).files(folder)
    command = [find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key]
    command += ["-cert_chain", upper_file(folder), "-CAfile", identities.root_file(folder)]
    with running(*command, *options) as program:
        program.until("ACCEPT 127.0.0.1:")
        heard = program.until("\n", 2)
        yield program, int(heard.split("ACCEPT 127.0.0.1:")[1].split()[0])


def first_causes(port: int) -> set[str]:
    """The first cause by a probe, and by the examination's last handshake."""
    config = ClientConfig(anchors=identities.anchors())
    observed = HandshakeFacts(config, "localhost", address=f"localhost:{port}")
    with pytest.raises((TLSError, OSError)) as failed:
        connect("127.0.0.1", port, config, "localhost", observer=observed)
    situation = observed.situation()
    found = probe(target(port), 10, ours=situation.own_side)
    reported = explain(failed.value, replace(situation, probed=found))
    failure = examined(port, config, timeout=20).final.explanation
    return {reported.first.cause.name, failure.first.cause.name}


def with_key(folder: Path, kind: str) -> tuple[str, ...]:
    """A certificate of its own signature, as options of a server; its handshakes end at the hello."""
    key, cert = str(folder / "own.key"), str(folder / "own.pem")
    algorithm = ("rsa:2048",) if kind == "RSA" else ("ec", "-pkeyopt", f"ec_paramgen_curve:{kind}")
    command = [find("openssl"), "req", "-x509", "-nodes", "-newkey", *algorithm, "-keyout", key, "-out", cert]
    subprocess.run([*command, "-subj", "/CN=localhost"], check=True, capture_output=True)
    return "-cert", cert, "-key", key


@pytest.mark.parametrize(
    ("kind", "options", "cause"),
    [
        ("P-256", "-tls1_2 -groups brainpoolP256r1", "NO_SHARED_GROUP"),
        ("RSA", "-tls1_2 -groups brainpoolP384r1", "NO_SHARED_GROUP"),
        ("RSA", "-tls1_2 -groups secp256k1", "NO_SHARED_GROUP"),
        ("RSA", "-tls1_3 -groups ffdhe8192", "NO_SHARED_GROUP"),
        ("secp256k1", "-tls1_2", "CURVE_NOT_OFFERED"),
        ("brainpoolP256r1", "-tls1_2", "CURVE_NOT_OFFERED"),
        ("P-256", "-tls1_2 -cipher ECDHE-ECDSA-CAMELLIA128-SHA256", "NO_SHARED_SUITE"),
        ("RSA", "-tls1_2 -cipher ECDHE-ARIA128-GCM-SHA256", "NO_SHARED_SUITE"),
        ("P-256", "-tls1_2 -cipher ECDHE-ECDSA-AES128-CCM8@SECLEVEL=0", "NO_SHARED_SUITE"),
        ("RSA", "-tls1_2 -sigalgs RSA+SHA224", "NO_SHARED_SCHEME"),
        ("RSA", "-tls1_2 -sigalgs RSA+SHA1 -cipher DEFAULT@SECLEVEL=0", "NO_SHARED_SCHEME"),
    ],
)
def test_what_a_server_has_and_few_others_have_is_the_cause(
    folder: Path, kind: str, options: str, cause: str
) -> None:
    """RFC 8422 5.1.1, RFC 7027, RFC 5246 7.4.1.4.1: a hello that offers everything has these too."""
    command = [
        find("openssl"),
        "s_server",
        "-accept",
        "127.0.0.1:0",
        *with_key(folder, kind),
        *options.split(),
    ]
    with running(*command) as program:
        program.until("ACCEPT 127.0.0.1:")
        port = int(program.until("\n", 2).split("ACCEPT 127.0.0.1:")[1].split()[0])
        assert first_causes(port) == {cause}


def test_openssl_that_asks_for_a_certificate_and_takes_none(folder: Path):
    """Its suite, group and number of tickets are those of the command line; ours is accepted."""
    options = ("-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384", "-groups", "P-384", "-verify", "3", "-www",
               "-num_tickets", "3", "-alpn", "http/1.1")  # fmt: skip
    with s_server(folder, *options) as (_, port):
        found = report(port, client())
    assert found.outcome == "succeeded"
    assert spoken(found) == {"TLS 1.3"}
    assert found.server.suites_13 == Choices(("TLS_AES_256_GCM_SHA384",), complete=True)
    assert found.server.groups == Choices(("secp384r1",), complete=True)
    assert found.server.dated == ()
    assert found.handshakes[0].tickets == 3
    assert found.handshakes[0].protocol == "http/1.1"
    assert ", and continues without one: optional" in text(found, "request.when")
    assert text(found, "request.authorities") == "note: CN=Interop root"
    assert (
        text(found, "outcome.certificate")
        == "good: sent, with proof of its key, and the connection was not refused"
    )
    (ours,) = (section for section in found.sections if section.id == "identity")
    assert {row.level for row in ours.rows if row.id != "identity.days"} <= {"good", "note"}


def test_openssl_that_is_old_and_lax(folder: Path):
    """Old versions, CBC, suites without encryption: each is told; no handshake of ours uses any of it."""
    options = ("-min_protocol", "TLSv1", "-cipher", "ALL:NULL:@SECLEVEL=0", "-www")
    with s_server(folder, *options) as (_, port):
        found = report(port, path="/")
    assert spoken(found) == {"TLS 1.3", "TLS 1.2", "TLS 1.1", "TLS 1.0"}
    assert set(found.server.dated) == {"CBC", "no protection"}
    assert text(found, "server.old") == "warning: TLS 1.1, TLS 1.0 are still answered"
    assert text(found, "request.when") == "note: no"
    assert found.outcome == "succeeded"


def test_openssl_with_an_rsa_key_and_its_dated_suites(folder: Path):
    """RSA key transport and finite-field DHE, and a staple in TLS 1.2; session IDs instead of tickets."""
    who = server("RSA")
    issued = identities.issuer()
    leaf = pki.Issued(who.credentials.certificate, who.credentials.key, (issued, *issued.above))
    now = identities.NOW
    staple = folder / "staple.der"
    staple.write_bytes(pki.ocsp_response(leaf, issued, this_update=now - pki.DAY, next_update=now + pki.DAY))
    options = ("-tls1_2", "-cipher", "AES128-SHA:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256", "-no_ticket",
               "-status_file", str(staple), "-www")  # fmt: skip
    with s_server(folder, *options, who=who) as (_, port):
        found = report(port, path="/")
    assert spoken(found) == {"TLS 1.2"}
    assert found.server.suites_12 == Choices(("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",), complete=True)
    assert set(found.server.dated) == {"finite-field DHE", "RSA key transport"}
    assert found.server.session_ids and not found.server.tickets_12
    assert text(found, "handshake.staple") == "good: it staples an OCSP response"
    assert "signed by rsa_pss_rsae_sha256" in text(found, "handshake.tls12")


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_openssl_that_refuses_who_is_not_of_its_ca(version: str, folder: Path):
    """By evidence before, by its alert afterwards; without a certificate it goes no further."""
    options = (version, "-Verify", "3", "-verify_return_error", "-www")
    with s_server(folder, *options) as (_, port):
        found = report(port, client(state="unknown"))
    assert found.outcome == "failed"
    assert ", and without one it refuses the handshake: required" in text(found, "request.when")
    assert text(found, "identity.issuer").startswith("warning: not among the one CA")
    assert found.row("outcome").subject == "failed at step 3.3a"
    causes = found.handshakes[-1].failure["explanation"]["causes"]
    assert causes[0]["cause"] == "CA_NOT_ACCEPTED"


@pytest.mark.parametrize(("version", "key"), [("1.2", "R"), ("1.3", "c")])
def test_openssl_that_asks_after_the_handshake(version: str, key: str, folder: Path):
    """In TLS 1.2 it wants to negotiate anew (typing R), in TLS 1.3 it asks at once (typing c)."""
    with s_server(folder, f"-tls1_{version[-1]}") as (program, port):
        config = ClientConfig(anchors=identities.anchors(), versions=(version,), post_handshake_auth=True)
        typing = threading.Thread(target=lambda: (program.until("CIPHER is"), program.say(f"{key}\n")))
        typing.start()
        look = attempt(dialer_to(port, timeout=20), config, None)
        typing.join(20)
    facts = look.facts()
    assert facts.request.when == "after the handshake"
    assert (look.requested_renegotiation, look.asked_after_handshake) == (version == "1.2", version == "1.3")
    if version == "1.3":
        assert facts.request.authorities == ("CN=Interop root",)


def test_openssl_with_a_chain_that_lacks_its_intermediate(folder: Path):
    """The commonest fault of servers."""
    alone = Identity(
        "alone", server().credentials.certificate.public_bytes(pki.Encoding.PEM), server().key, b""
    )
    chain, key = alone.files(folder)
    command = [find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key, "-www"]
    with running(*command) as program:
        program.until("ACCEPT 127.0.0.1:")
        port = int(program.until("\n", 2).split("ACCEPT 127.0.0.1:")[1].split()[0])
        found = report(port)
    assert found.outcome == "failed"
    assert text(found, "certificate.chain").startswith("problem: 1 certificate; CN=Interop intermediate")
    assert found.row("certificate.no_path").level == "problem"


# -- gnutls ------------------------------------------------------------------------------------------------


def test_gnutls_is_told_by_its_priorities(folder: Path):
    """Its versions, suites and groups; it requires a certificate, and names its schemes."""
    chain, key = server().files(folder)
    port = free_port()
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP256R1"
    command = [
        find("gnutls-serv"),
        "--http",
        "--port",
        str(port),
        "--priority",
        priority,
        "--x509certfile",
        chain,
    ]
    command += ["--x509keyfile", key, "--x509cafile", identities.root_file(folder)]
    command += ["--require-client-cert", "--verify-client-cert", "--noticket"]
    with running(*command) as program:
        program.until(f"0.0.0.0 port {port}...done")
        found = report(port, client(), path="/")
    assert spoken(found) == {"TLS 1.3", "TLS 1.2"}
    assert found.server.suites_13 == Choices(("TLS_CHACHA20_POLY1305_SHA256",), complete=True)
    assert found.server.suites_12.names == ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",)
    assert found.server.groups == Choices(("secp256r1",), complete=True)
    assert found.handshakes[-1].tickets == 0
    assert ", and without one it refuses the handshake: required" in text(found, "request.when")
    assert found.outcome == "succeeded"
    assert text(found, "outcome.reply").startswith('good: it answers "HTTP/1.0 200')


# -- nginx -------------------------------------------------------------------------------------------------

NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr notice;
events {{}}
http {{
  access_log off; default_type text/plain;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {chain}; ssl_certificate_key {key}; ssl_client_certificate {root}; ssl_verify_depth 3;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; ssl_verify_client {verify};
    location / {{ return 200 open; }}
    location /inner {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} return 200 inner; }}
  }}
  server {{ listen 127.0.0.1:{plain}; location / {{ return 200 plain; }} }}
}}
"""


@pytest.fixture
def nginx(folder: Path, tmp_path: Path) -> Callable[[str], Any]:
    @contextmanager
    def start(verify: str) -> Iterator[tuple[int, int]]:
        chain, key = server().files(folder)
        port, plain = free_port(), free_port()
        words = {
            "folder": tmp_path,
            "port": port,
            "plain": plain,
            "chain": chain,
            "key": key,
            "verify": verify,
        }
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(NGINX.format(**words, root=identities.root_file(folder)))
        with running(find("nginx"), "-p", str(tmp_path), "-c", str(configuration), "-e", "stderr") as program:
            program.until("event method")
            yield port, plain

    return start


def test_nginx_that_wants_a_certificate_on_some_paths_alone(nginx):
    """Optional in the handshake; what an answer without one says shows where it is wanted."""
    with nginx("optional") as (port, plain):
        outer, inner = report(port, client()), report(port, client(), path="/inner")
        wrong = report(plain, client())
    assert ", and continues without one: optional" in text(outer, "request.when")
    assert 'but then it answers "HTTP/1.1 403 Forbidden"' in text(inner, "request.when")
    assert text(inner, "outcome.reply") == 'good: it answers "HTTP/1.1 200 OK"'
    assert text(inner, "handshake.clock").startswith("good")
    assert text(inner, "handshake.alpn") == "note: it chooses http/1.1"
    assert inner.outcome == "succeeded"
    assert not inner.server.tickets_12
    assert wrong.server.speaks == "HTTP in the clear"
    assert (wrong.outcome, wrong.connections) == (
        "failed",
        5,
    )  # three to tell plain HTTP from a load balancer
    assert wrong.row("server.tls").cause == "SPEAKS_HTTP"


def test_nginx_that_requires_one_says_so_only_over_http(nginx):
    """It finishes the handshake and answers 400."""
    with nginx("on") as (port, _):
        without, stranger = report(port), report(port, client(state="unknown"))
    assert "400 Bad Request" in text(without, "request.when")
    assert text(without, "outcome.reply").startswith('problem: it answers "HTTP/1.1 400')
    assert text(stranger, "outcome.reply").startswith('problem: it answers "HTTP/1.1 400')
    assert text(stranger, "identity.issuer").startswith("warning")
    assert "we sent no certificate" in text(without, "outcome.reply.cause.1")
    assert "CA that the server does not trust" in text(stranger, "outcome.reply.cause.1")


# -- stunnel --------------------------------------------------------------------------------------------------


def test_stunnel_that_verifies_its_clients(folder: Path, tmp_path: Path):
    """In front of a service of its own; it refuses who is not of its CA."""
    chain, key = server().files(folder)
    port = free_port()
    configuration = tmp_path / "stunnel.conf"
    configuration.write_text(
        f"foreground = yes\npid =\n[service]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{port}\n"
        f"cert = {chain}\nkey = {key}\nCAfile = {identities.root_file(folder)}\nverifyChain = yes\n"
        "sslVersionMin = TLSv1.3\n"
    )
    with running(find("stunnel"), str(configuration)) as program:
        program.until("Configuration successful")
        ours, others = report(port, client()), report(port, client(state="unknown"))
    assert spoken(ours) == {"TLS 1.3"}
    assert ", and without one it refuses the handshake: required" in text(ours, "request.when")
    assert ours.outcome == "succeeded"
    assert others.outcome == "failed"
    assert others.row("outcome").subject.startswith("failed at step 3")


def test_haproxy_without_a_live_server_is_not_said_to_accept_us(folder: Path, tmp_path: Path):
    """In mode tcp it completes the handshake, tries four times to reach a server, and closes after three seconds."""
    chain, key = server().files(folder)
    both = tmp_path / "server.both"
    both.write_bytes(Path(chain).read_bytes() + Path(key).read_bytes())
    port = free_port()
    configuration = tmp_path / "dead.cfg"
    configuration.write_text(
        "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 20s\n  timeout server 20s\n"
        f"frontend us\n  bind 127.0.0.1:{port} ssl crt {both}\n  default_backend none\n"
        "backend none\n  server none 127.0.0.1:9\n"
    )
    with running(find("haproxy"), "-db", "-f", str(configuration)) as program:
        program.until_it_listens(port)
        config = ClientConfig(anchors=identities.anchors())
        found = examined(port, config, patience=SILENCE_SECONDS).report()
    assert found.outcome == "failed"
    assert text(found, "outcome.closed").startswith("problem: it closed the connection")
    assert found.row("outcome.closed.cause.1").cause == "BACKEND_DOWN"


# -- PostgreSQL ----------------------------------------------------------------------------------------------


def test_postgresql_is_examined_through_its_own_words_for_tls():
    """It asks for a certificate whose name it goes by, and refuses who is not of its CA in the handshake."""
    config = ClientConfig(anchors=TrustStore.from_pem(people.root().pem))
    ada, stranger = people.person("client"), people.person("client-unknown")
    with database() as port:
        found = examined(port, replace(config, credentials=ada.credentials), timeout=20).report()
        refused = examined(port, replace(config, credentials=stranger.credentials), timeout=20).report()
    assert (found.server.speaks, found.server.through) == ("TLS", "PostgreSQL")
    assert "TLS 1.3" in spoken(found)
    assert "in the handshake of TLS 1.3 and TLS 1.2" in text(found, "request.when")
    assert found.outcome == "succeeded"
    assert refused.outcome == "failed"
    assert refused.row("outcome").subject == "failed at step 3.3a"
