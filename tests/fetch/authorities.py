"""A CA of these tests that answers over HTTP, and the holders of its certificates."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.x509 import ocsp

import identities
import pki
from fetch.responders import Asked, Responder, answering, reply
from trust.evidence.evidence_requests import access

TIMES = {"this_update": identities.START, "next_update": identities.END}


@dataclass
class Authority:
    """A responder for whom the identities of these tests are made; `silent` keeps its answers back."""

    revoked: list[pki.Issued] = field(default_factory=list)
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> bytes:
        if asked.method == "GET":
            self.asked.append("crl")
            return reply(pki.crl(identities.root(), **TIMES))
        request = ocsp.load_der_ocsp_request(asked.body)
        about = next(each for each in self.people if each.certificate.serial_number == request.serial_number)
        silent = self.silent
        self.asked.append(about.certificate.subject.rfc4514_string())
        if silent:
            self.responder.stall()
        status = "revoked" if about in self.revoked else "good"
        nonce = next(iter(request.extensions)).value.nonce
        return reply(pki.ocsp_response(about, status=status, nonce=nonce, **TIMES))

    def open(self, responder: Responder) -> None:
        self.responder = responder
        lists = pki.points(f"URI:{responder.url}root.crl")
        self.middle = pki.intermediate(
            identities.root(), "Fetched Intermediate", extra=[lists], **identities.SPAN
        )
        extra = [access(responder.url)]
        names = ["DNS:localhost", "IP:127.0.0.1"]
        self.server = pki.leaf(self.middle, "server", alternatives=names, extra=extra, **identities.SPAN)
        usage = {"usage": ("clientAuth",), "alternatives": (), "extra": extra}
        self.clients = [
            pki.leaf(self.middle, name, **usage, **identities.SPAN) for name in ("Ada", "Bea", "Cleo")
        ]
        self.people = [self.server, *self.clients]


@contextmanager
def authority() -> Iterator[Authority]:
    made = Authority()
    with answering(made.answer) as responder:
        made.open(responder)
        yield made


def down() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"
