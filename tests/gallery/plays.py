"""The conversations of docs/gallery: real engines, certificates of a small CA, a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import pki
from bothways import ClientConfig, Credentials, ServerConfig, TrustStore
from bothways.describe.recorder import Recorder
from bothways.diagnosis import HandshakeFacts, explain
from bothways.ladder.layout import lay_out
from bothways.ladder.model import Ladder
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from pair import NOON, FrozenClock, Pair, untouched

BANK = "bank.example"
REQUEST = b"GET /accounts/4711 HTTP/1.1\r\nHost: bank.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n1,280.00 EUR"


@dataclass(frozen=True)
class Play:
    """What differs from two peers that have everything: settings of each side, a device on the way."""

    title: str
    story: str
    client: Mapping[str, Any]
    server: Mapping[str, Any]
    name: str = BANK
    to_client: Callable[[bytes], bytes] = untouched

    def ladder(self) -> Ladder:
        """Let the two talk, send a request and its answer, and close."""
        ours, theirs = Recorder(), Recorder()
        clock = {"clock": FrozenClock()}
        client = ClientConfig(**{"anchors": anchors(), "credentials": mine(customer())} | clock | self.client)
        server = ServerConfig(
            **{"credentials": mine(bank()), "client_anchors": anchors()} | clock | self.server
        )
        client_observed = HandshakeFacts(client, self.name, also=ours)
        server_observed = HandshakeFacts(server, also=theirs)
        both = Pair(
            client.connection(self.name, observer=client_observed),
            server.connection(observer=server_observed),
        )
        both.to_client = self.to_client
        both.exchange()
        if both.client_failure is None and both.server_failure is None:
            both.client.send(REQUEST)
            both.exchange()
            both.server.send(ANSWER)
            both.exchange()
            both.client.close()
            both.exchange()
        return lay_out(
            ours.notes,
            theirs.notes,
            NOON,
            client_error=both.client_failure,
            server_error=both.server_failure,
            client_causes=both.client_failure and explain(both.client_failure, client_observed.situation()),
            server_causes=both.server_failure and explain(both.server_failure, server_observed.situation()),
        )


# -- who takes part ------------------------------------------------------------------------------------


@cache
def root(subject: str = "Example Root") -> pki.Issued:
    return pki.root(subject)


@cache
def issuing() -> pki.Issued:
    return pki.intermediate(root(), "Example Issuing CA")


@cache
def bank() -> pki.Issued:
    return pki.leaf(issuing(), BANK, usage=("serverAuth",))


@cache
def old_bank() -> pki.Issued:
    usages = ("digital_signature", "key_encipherment")
    return pki.leaf(issuing(), BANK, usage=("serverAuth",), key_kind="RSA-2048", key_usage=usages)


@cache
def customer() -> pki.Issued:
    return pki.leaf(issuing(), "Ada Lovelace Ltd", usage=("clientAuth",), alternatives=())


@cache
def stranger() -> pki.Issued:
    other = root("Somebody Else's Root")
    return pki.leaf(other, "Mallory", usage=("clientAuth",), alternatives=())


def mine(issued: pki.Issued) -> Credentials:
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


def anchors() -> TrustStore:
    return TrustStore.from_pem(root().pem)


@cache
def staples(of: pki.Issued) -> OCSPStore:
    """Fresh answers about every certificate of a chain but the root."""
    path = (of, *of.above)
    answers = (pki.ocsp_response(each, by) for each, by in pairwise(path))
    return OCSPStore(map(OCSPResponse, answers))


def invert_a_bit(data: bytes) -> bytes:
    """A device on the way that alters the server's random."""
    return data[:20] + bytes((data[20] ^ 1,)) + data[21:]


BOTH_STAPLED = Revocation(staples="require")
CLASSIC = {
    "versions": ("1.2",),
    "suites": ("TLS_RSA_WITH_AES_128_GCM_SHA256",),
    "insecure_rsa_key_transport": True,
}
PLAYS: Mapping[str, Play] = {
    "tls13-mutual": Play(
        "TLS 1.3, mutual",
        "Both sides prove who they are, under post-quantum key agreement. Each sends the revocation status of its "
        "certificates along with them, so that 2.3c and 3.3c are checked without asking anybody.",
        {"versions": ("1.3",), "revocation": BOTH_STAPLED, "staples": staples(customer())},
        {"versions": ("1.3",), "revocation": BOTH_STAPLED, "staples": staples(bank())},
    ),
    "tls12-ecdhe": Play(
        "TLS 1.2 with ECDHE, mutual",
        "One round trip more. Certificates pass in the clear, and the server verifies the client before its own "
        "Finished, so that a client learns of a refusal within the handshake.",
        {"versions": ("1.2",)},
        {"versions": ("1.2",)},
    ),
    "classic": Play(
        "The classic flow: TLS 1.2 with RSA key transport",
        "How two-way SSL is usually described: the client draws a secret and locks it with the server's public key. "
        "Whoever gets that key later reads everything, so it is spoken only when asked for.",
        CLASSIC,
        CLASSIC | {"credentials": mine(old_bank())},
    ),
    "retry": Play(
        "TLS 1.3 with a HelloRetryRequest",
        "The client sent a share for a group that the server does not want. It is asked once for another.",
        {"versions": ("1.3",), "groups": ("x25519", "secp384r1")},
        {"versions": ("1.3",), "groups": ("secp384r1",)},
    ),
    "wrong-name": Play(
        "Refused by the client: the certificate is for another name",
        "Reached by a name that its certificate does not have. The client stops before it shows who it is.",
        {"versions": ("1.3",)},
        {"versions": ("1.3",)},
        name="payments.example",
    ),
    "unknown-ca": Play(
        "Refused by the server: it does not know who vouches for the client",
        "In TLS 1.3 the client has finished when the refusal comes. It is reported as the failure of step 3.3a "
        "that it is, not as a connection that was lost.",
        {"versions": ("1.3",), "credentials": mine(stranger())},
        {"versions": ("1.3",)},
    ),
    "altered": Play(
        "Refused by the client: a message was altered on the way",
        "A device between the two turned one bit of the server's random. Nothing that either side sent was wrong.",
        {"versions": ("1.3",)},
        {"versions": ("1.3",)},
        to_client=invert_a_bit,
    ),
}
