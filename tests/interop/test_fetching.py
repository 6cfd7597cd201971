"""Evidence fetched from responders that others wrote: `openssl ocsp`; and from a CA of our own, as a service."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import identities
import pki
from bothways import Fault, PeerFault, TrustStore
from bothways.ca.authority import Issued
from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile
from bothways.errors import TLSError
from bothways.fetch import blocking
from bothways.net import connect, wrap
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify as judge
from command_line import bothways, environment
from interop.peers import find
from interop.programs import running
from processes import free_port
from trust.evidence.evidence_requests import access

pytestmark = [pytest.mark.interop, pytest.mark.network]

GOOD, TAKEN, UNKNOWN = 1001, 1002, 1003
INDEX = (
    f"V\t290101000000Z\t\t{GOOD:X}\tunknown\t/CN=good\n"
    f"R\t290101000000Z\t260101000000Z,keyCompromise\t{TAKEN:X}\tunknown\t/CN=taken\n"
)


def fetched(chain: list[bytes], **options) -> Verdict:
    policy = Fetch(allow=("127.0.0.1",), **options)
    now = datetime.now(UTC)
    revocation = Revocation(fetch=policy, covers="leaf")
    asked = {"purpose": Purpose.CLIENT, "name": None, "at": now, "revocation": revocation}
    anchors = identities.anchors()
    return blocking.judged(lambda fetched: judge(chain, anchors, fetched=fetched, **asked), policy, now)


@pytest.fixture(scope="module")
def responder(tmp_path_factory: pytest.TempPathFactory):
    """`openssl ocsp` for our test CA, with a delegate that signs; where it listens."""
    folder = tmp_path_factory.mktemp("openssl")
    delegate = pki.responder(identities.middle(), **identities.SPAN)
    (folder / "index.txt").write_text(INDEX)
    (folder / "ca.pem").write_bytes(identities.middle().pem)
    (folder / "signer.pem").write_bytes(delegate.pem)
    (folder / "signer.key").write_bytes(delegate.key_pem)
    files = ["-index", "index.txt", "-CA", "ca.pem", "-rsigner", "signer.pem", "-rkey", "signer.key"]
    with running(find("openssl"), "ocsp", *files, "-port", "0", "-nmin", "5", folder=folder) as program:
        found = re.search(r"ACCEPT \S*?:(\d+) ", program.until("PID="))
        assert found, program.printed
        yield f"http://127.0.0.1:{found[1]}/"


def client(serial: int, url: str) -> list[bytes]:
    usage = {"usage": ("clientAuth",), "alternatives": (), "extra": [access(url)], "serial": serial}
    return pki.leaf(identities.middle(), "Ada", **usage, **identities.SPAN).chain


@pytest.mark.parametrize("nonce", ["none", "use", "require"])
def test_openssls_responder_is_asked_by_get_and_by_post(responder: str, nonce: str) -> None:
    """RFC 6960 A.1: good, revoked and unknown; with a nonce it has to come back."""
    assert isinstance(fetched(client(GOOD, responder), nonce=nonce), Trusted)
    taken, unknown = (fetched(client(each, responder), nonce=nonce) for each in (TAKEN, UNKNOWN))
    assert isinstance(taken, Refused) and [each.fault for each in taken.reasons] == [Fault.REVOKED]
    assert isinstance(unknown, Refused) and [each.fault for each in unknown.reasons] == [
        Fault.REVOCATION_UNKNOWN
    ]
    assert "the OCSP responder does not know it" in str(unknown.reasons[0])


def test_our_own_ca_is_asked_in_the_handshake_and_a_revocation_takes_effect(tmp_path: Path) -> None:
    """Its responder for leaves, its root's list for the CA; both sides of one handshake ask it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with closing(
        Issuer.create(tmp_path / "ca", InitOptions("Test", url=url), None, actor="tester")
    ) as issuer:
        server = issuer.issue(Profile.SERVER, Holder(dns=("localhost",)))
        ada, bea = (issuer.issue(Profile.CLIENT, Holder(name)) for name in ("Ada", "Bea"))
        issuer.revoke(bea.certificate.serial_number, "keyCompromise")
        command = bothways("ca", "serve", "ca", "--listen", f"127.0.0.1:{port}")
        with running(*command, folder=tmp_path, environment=environment()) as program:
            program.until("listening on")
            root = TrustStore.from_pem(issuer.authority.root_pem)
            assert handshake(root, server, ada) is None
            refused = handshake(root, server, bea)
            assert isinstance(refused, PeerFault) and refused.fault is Fault.REVOKED


def handshake(anchors: TrustStore, server: Issued, client: Issued) -> TLSError | None:
    """Let both fetch what they need to know of the other; what the server ended with."""
    asking = {"revocation": Revocation(fetch=Fetch(allow=("127.0.0.1",), nonce="require"))}
    ours = identities.server_config(credentials=server.credentials, client_anchors=anchors, **asking)
    theirs = identities.client_config(anchors=anchors, credentials=client.credentials, **asking)
    outcome: list[TLSError | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                wrap(listener.accept()[0], ours, timeout=30).close()
                outcome.append(None)
            except TLSError as error:
                outcome.append(error)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connect("127.0.0.1", listener.getsockname()[1], theirs, "localhost", timeout=30).close()
        thread.join(30)
    return outcome[0]
