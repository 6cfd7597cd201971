"""Staples with other stacks, both ways and both versions: OpenSSL, GnuTLS, nginx.

OpenSSL does not staple as a client of TLS 1.3 (openssl/openssl#12921); GnuTLS's library does, and so does
Go (`test_go_staples`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bothways import Alert, Fault, PeerAlert, PeerFault, Truncated
from bothways.net import Channel
from bothways.tls.events import MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import Certificate, CertificateRequest
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from interop import identities, libgnutls
from interop.identities import NOW, client, issuer, server
from interop.peers import find
from interop.programs import PATIENCE, calling, heard_line, running, serving
from interop.test_openssl_programs import our_client, our_server, s_client
from pki import DAY, Issued, crl, ocsp_response
from processes import free_port

pytestmark = [pytest.mark.interop, pytest.mark.network]

VERSIONS = ["1.2", "1.3"]
BOTH_VERSIONS = pytest.mark.parametrize("version", VERSIONS)
TIMES = {"this_update": NOW - timedelta(hours=1), "next_update": NOW + DAY}


def issued(who: identities.Identity) -> Issued:
    """The leaf of an identity, as its issuer knows it."""
    own = who.credentials
    return Issued(own.certificate, own.key, (issuer(), *issuer().above))


def response(who: identities.Identity, **options) -> bytes:
    return ocsp_response(issued(who), **TIMES | options)


def staples(*responses: bytes) -> OCSPStore:
    return OCSPStore(map(OCSPResponse, responses))


def wanting(staples: str) -> Revocation:
    """Staples, and a list that speaks for the intermediate."""
    return Revocation(crls=CRLStore([CRL(crl(issuer().above[0], **TIMES))]), staples=staples)


@BOTH_VERSIONS
def test_s_client_sees_our_staple(version: str, folder: Path) -> None:
    """RFC 6066 8, RFC 9846 4.5.1.1."""
    mine = staples(response(server()))
    flag = "-tls" + version.replace(".", "_")
    with serving(our_server(auth="none", staples=mine, versions=(version,))) as ours:
        with s_client(folder, ours.port, "-status", flag) as program:
            heard = program.until("OCSP Response Status: successful")
            assert "Cert Status: good" in program.until("Cert Status: ")
            assert "Response verify" not in heard
        with s_client(folder, ours.port, flag) as program:
            program.until("Verify return code: 0 (ok)")
            assert "OCSP" not in program.printed


def s_server(folder: Path, version: str, *options: str) -> list[str]:
    chain, key = server().files(folder)
    above = folder / "above.pem"  # with the leaf in it once more, OpenSSL 3.6 has no staple for it
    above.write_bytes(issuer().pem)
    return [
        find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-tls" + version.replace(".", "_"), "-rev",
        "-cert", chain, "-key", key, "-cert_chain", str(above), "-CAfile", identities.root_file(folder), *options,
    ]  # fmt: skip


def port_of(program) -> int:
    program.until("ACCEPT 127.0.0.1:")
    heard = program.until("\n", 2)
    return int(heard.split("ACCEPT 127.0.0.1:")[1].split()[0])


@BOTH_VERSIONS
def test_we_require_the_staple_of_s_server_and_get_it(version: str, folder: Path) -> None:
    """RFC 6066 8: `s_server -status_file`."""
    (folder / "good.der").write_bytes(response(server()))
    command = s_server(folder, version, "-status_file", str(folder / "good.der"))
    with (
        running(*command) as program,
        calling(port_of(program), our_client(revocation=wanting("require"))) as channel,
    ):
        channel.sendall(b"stressed\n")
        assert heard_line(channel) == b"desserts\n"
        assert channel.peer is not None
        assert channel.peer.verdict.findings[2].text == "2 certificates not revoked by the available evidence"


@BOTH_VERSIONS
def test_we_refuse_a_staple_of_s_server_that_says_revoked(version: str, folder: Path) -> None:
    """RFC 6960 2.2."""
    (folder / "revoked.der").write_bytes(response(server(), status="revoked", reason="key_compromise"))
    with running(*s_server(folder, version, "-status_file", str(folder / "revoked.der"))) as program:
        with (
            pytest.raises(PeerFault) as refusal,
            calling(port_of(program), our_client(revocation=wanting("use"))),
        ):
            pass
        assert refusal.value.fault is Fault.REVOKED
        program.until("certificate revoked")


@BOTH_VERSIONS
def test_we_refuse_a_staple_of_s_server_that_another_signed(version: str, folder: Path) -> None:
    """RFC 6066 8: and s_server hears bad_certificate_status_response."""
    forged = response(server(), signer=identities.issuer("Stranger"))
    (folder / "forged.der").write_bytes(forged)
    with running(*s_server(folder, version, "-status_file", str(folder / "forged.der"))) as program:
        with (
            pytest.raises(PeerFault) as refusal,
            calling(port_of(program), our_client(revocation=wanting("use"))),
        ):
            pass
        assert refusal.value.fault is Fault.BAD_STAPLE
        assert "whom CN=Interop intermediate has not authorised" in str(refusal.value)
        program.until("bad certificate status response")


@BOTH_VERSIONS
def test_we_refuse_s_server_without_the_staple_that_we_require(version: str, folder: Path) -> None:
    """A required staple."""
    with running(*s_server(folder, version)) as program:
        with (
            pytest.raises(PeerFault) as refusal,
            calling(port_of(program), our_client(revocation=wanting("require"))),
        ):
            pass
        assert refusal.value.fault is Fault.STAPLE_REQUIRED


def priority(version: str) -> str:
    return f"NORMAL:-VERS-ALL:+VERS-TLS{version}"


@BOTH_VERSIONS
def test_gnutls_client_takes_our_staple(version: str, folder: Path) -> None:
    """RFC 6066 8: it asks by itself, and verifies what it gets."""
    trusted = identities.root_file(folder)
    command = [
        find("gnutls-cli"), "127.0.0.1", "--priority", priority(version), "--x509cafile", trusted,
        "--sni-hostname", "localhost", "--verify-hostname", "localhost",
    ]  # fmt: skip
    for answer, accepted in ((response(server()), True), (response(server(), status="revoked"), False)):
        mine = staples(answer)
        with (
            serving(our_server(auth="none", staples=mine, versions=(version,))) as ours,
            running(*command, "--port", str(ours.port)) as program,
        ):
            if accepted:
                heard = program.until("Handshake was completed")
                assert "OCSP" in heard
                program.finish()
            else:
                program.until("revoked")
                assert isinstance(ours.outcome(), PeerAlert)


@BOTH_VERSIONS
def test_we_require_the_staple_of_gnutls_serv_and_get_it(version: str, folder: Path) -> None:
    """RFC 6066 8: `gnutls-serv --ocsp-response`."""
    (folder / "gnutls.der").write_bytes(response(server()))
    chain, key = server().files(folder)
    port = free_port()
    command = [
        find("gnutls-serv"), "--echo", "--port", str(port), "--priority", priority(version),
        "--x509certfile", chain, "--x509keyfile", key, "--ocsp-response", str(folder / "gnutls.der"),
    ]  # fmt: skip
    with running(*command) as program:
        program.until(f"0.0.0.0 port {port}...done")
        with calling(port, our_client(revocation=wanting("require"))) as channel:
            channel.sendall(b"line\n")
            assert heard_line(channel) == b"line\n"


def test_other_clients_are_asked_for_a_staple_and_may_have_none(folder: Path) -> None:
    """RFC 9846 4.4.2: they understand the question; who requires one refuses them, and says why."""
    lists = CRLStore([CRL(crl(each, **TIMES)) for each in (issuer(), issuer().above[0])])
    for staples_wanted, status in (("use", None), ("require", Fault.STAPLE_REQUIRED)):
        policy = Revocation(crls=lists, staples=staples_wanted)
        with serving(our_server(revocation=policy, versions=("1.3",))) as ours:
            with s_client(folder, ours.port, "-tls1_3", who=client()) as program:
                program.say("hello\n")
                if status is None:
                    program.until("hello")
                else:
                    program.until("bad certificate status response")
                    outcome = ours.outcome(PATIENCE)
                    assert isinstance(outcome, PeerFault) and outcome.fault is status
                    assert outcome.alert is Alert.BAD_CERTIFICATE_STATUS_RESPONSE
            notes: list[Note] = ours.notes
            [request] = [
                note.message
                for note in notes
                if isinstance(note, MessageSeen) and isinstance(note.message, CertificateRequest)
            ]
            assert ext.find(request.extensions, ext.EmptyStatusRequest) is not None


NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv{version};
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_stapling on;
        ssl_stapling_file {staple};
        return 200 "stapled";
    }}
}}
"""


@contextmanager
def nginx(folder: Path, version: str, staple: bytes) -> Iterator[int]:
    """Run nginx as a web server with a staple from a file; gives its port."""
    chain, key = server().files(folder)
    (folder / "nginx.der").write_bytes(staple)
    port = free_port()
    reported = {"folder": folder, "port": port, "version": version, "chain": chain, "key": key}
    (folder / "nginx.conf").write_text(NGINX.format(staple=folder / "nginx.der", **reported))
    with running(find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")) as program:
        program.until("start worker" if "master" in program.printed else "nginx/")
        yield port


@BOTH_VERSIONS
def test_we_require_the_staple_of_nginx_and_get_it(version: str, folder: Path) -> None:
    """`ssl_stapling_file`: it goes out as it is, so that what it says is for us to judge."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with (
        nginx(folder, version, response(server())) as port,
        calling(port, our_client(revocation=wanting("require"))) as channel,
    ):
        channel.sendall(request)
        answer = b""
        while data := channel.recv(4096):
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"stapled")
        assert channel.peer is not None
        assert channel.peer.verdict.findings[2].text.startswith("2 certificates not revoked by ")
    with nginx(folder, version, response(server(), status="revoked", reason="key_compromise")) as port:
        with (
            pytest.raises(PeerFault) as refusal,
            calling(port, our_client(revocation=wanting("require"))),
        ):
            pass
        assert refusal.value.fault is Fault.REVOKED


# -- the client's staple, in TLS 1.3


# What the client staples, and what becomes of it. GnuTLS loads no response that says revoked.
CLIENT_STAPLES: list[tuple[str, dict[str, object] | None, Fault | None]] = [
    ("good", {}, None),
    ("a stranger's", {"signer": identities.issuer("Stranger")}, Fault.BAD_STAPLE),
    ("none", None, Fault.STAPLE_REQUIRED),
]


@pytest.mark.parametrize(("what", "options", "fault"), CLIENT_STAPLES)
def test_we_require_the_staple_of_a_client_of_libgnutls(
    what: str, options: dict[str, object] | None, fault: Fault | None, folder: Path
) -> None:
    """RFC 9846 4.5.1.1: gnutls_certificate_set_ocsp_status_request_file, on a client."""
    staple = None
    if options is not None:
        staple = folder / f"{what}.der"
        staple.write_bytes(response(client(), **options))
    chain, key = client().files(folder)
    trusted = identities.root_file(folder)
    with serving(our_server(revocation=wanting("require"), versions=("1.3",))) as ours:
        with libgnutls.calling(ours.port, trusted, chain, key, staple) as session:
            session.handshake()
            if fault is None:
                session.send(b"hello")
                assert session.receive() == b"hello"
            else:
                with pytest.raises(libgnutls.GnuTLSError) as caught:
                    session.receive()
                assert caught.value.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE
        outcome = ours.outcome()
    assert isinstance(outcome, Channel) if fault is None else outcome.fault is fault


@pytest.mark.parametrize(("status", "accepted"), [("good", True), ("revoked", False)])
def test_gnutls_serv_judges_our_clients_staple(status: str, accepted: bool, folder: Path) -> None:
    """RFC 9846 4.5.1.1: it asks in its CertificateRequest.

    It takes a staple from clients alone that have asked for its own, which the RFC does not know of.
    """
    chain, key = server().files(folder)
    port = free_port()
    command = [
        find("gnutls-serv"), "--echo", "--port", str(port), "--priority", priority("1.3"),
        "--x509certfile", chain, "--x509keyfile", key, "--x509cafile", identities.root_file(folder),
        "--require-client-cert", "--verify-client-cert",
    ]  # fmt: skip
    mine = staples(response(client(), status=status))
    notes: list[Note] = []
    with running(*command) as program:
        program.until(f"0.0.0.0 port {port}...done")
        lists = CRLStore([CRL(crl(each, **TIMES)) for each in (issuer(), issuer().above[0])])
        policy = Revocation(crls=lists, staples="use")
        config = our_client(client(), staples=mine, revocation=policy, versions=("1.3",))
        with calling(port, config, observer=notes.append) as channel:
            if accepted:
                channel.sendall(b"line\n")
                assert heard_line(channel) == b"line\n"
            else:
                with pytest.raises((PeerAlert, Truncated)):
                    channel.recv(1)
                program.until("revoked")
    [sent] = [
        note.message
        for note in notes
        if isinstance(note, MessageSeen) and note.sent and isinstance(note.message, Certificate)
    ]
    assert ext.find(sent.certificate_list[0].extensions, ext.CertificateStatus) is not None
