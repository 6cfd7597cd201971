"""Identities and configurations that tests of net, aio and cli share: valid by the clock of this machine."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

import pki
from bothways import ClientConfig, Credentials, ServerConfig, TrustStore
from bothways.trust.crl.revocation_list import CRL
from once import once

START = datetime.now(UTC) - timedelta(days=1)
END = START + timedelta(days=90)
SPAN = {"not_before": START, "not_after": END}


@once
def root(name: str = "Test Root") -> pki.Issued:
    return pki.root(name, **SPAN)


@once
def middle() -> pki.Issued:
    return pki.intermediate(root(), "Test Intermediate", **SPAN)


@once
def server() -> pki.Issued:
    return pki.leaf(middle(), "server", alternatives=["DNS:localhost", "IP:127.0.0.1", "IP:::1"], **SPAN)


@once
def client(name: str = "Ada") -> pki.Issued:
    return pki.leaf(middle(), name, alternatives=(), usage=("clientAuth",), **SPAN)


@once
def stranger() -> pki.Issued:
    return pki.leaf(root("Another Root"), "Mallory", alternatives=(), usage=("clientAuth",), **SPAN)


def crls(*revoked: pki.Issued, number: int = 1) -> list[CRL]:
    """A list of each CA; the one that issues revokes those named."""
    times = {"this_update": START + timedelta(hours=number), "next_update": END}
    mine = pki.crl(middle(), *revoked, number=number, **times)
    return [CRL(pki.crl(root(), **times)), CRL(mine)]


def status(of: pki.Issued, state: str = "good") -> bytes:
    """An OCSP response about a certificate that holds for another hour."""
    now = datetime.now(UTC)
    return pki.ocsp_response(
        of, status=state, this_update=now - timedelta(hours=1), next_update=now + timedelta(hours=1)
    )


@once
def named_client() -> pki.Issued:
    """A client whose certificate names a responder."""
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, pki.alternative("URI:http://ocsp.example/")
            )
        ]
    )
    return pki.leaf(
        middle(), "Grace", alternatives=(), usage=("clientAuth",), extra=[(access, False)], **SPAN
    )


def credentials(issued: pki.Issued) -> Credentials:
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


def anchors() -> TrustStore:
    return TrustStore.from_pem(root().pem)


def client_config(who: pki.Issued | None = None, **options: Any) -> ClientConfig:
    mine = credentials(who) if who is not None else None
    return ClientConfig(
        **{"anchors": anchors(), "credentials": mine, "groups": ("x25519", "secp256r1", "secp384r1")}
        | options
    )


def server_config(**options: Any) -> ServerConfig:
    return ServerConfig(**{"credentials": credentials(server()), "client_anchors": anchors()} | options)


def say_and_break(sock: socket.socket) -> None:
    """As Ada, send the last flight, data, and a record that does not open, all in one piece."""
    connection = client_config(client()).connection("localhost")
    sock.sendall(connection.data_to_send())
    while not connection.established:
        connection.receive(sock.recv(65536))
    connection.send(b"last words")
    sock.sendall(connection.data_to_send() + b"\x17\x03\x03\x00\x20" + bytes(32))
