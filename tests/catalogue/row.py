"""What a row of the catalogue is, and the words that rows are made of."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bothways.diagnosis import Cause, Party
from bothways.trust.revocation import Revocation
from catalogue import people
from pair import FrozenClock

OURS, PEERS, BETWEEN = Party.OURS, Party.PEERS, Party.BETWEEN
Settings = Mapping[str, Any]


def nothing() -> Settings:
    return {}


@dataclass(frozen=True)
class Row:
    """One failure. `role` is ours; `ours` what we bring, made when it is played.

    setup: the configuration file that the command reads.  asked: the name that we ask for.  says: what is
    typed into the server once we are connected.  patience: seconds that an answer may take.  cut: bytes after which a
    device between us cuts, to the server and to us.  also: causes that have to be told beside the first.
    request: what we say first; b"" is a request of HTTP.
    probe: whether one more hello asks the server what it speaks, as `connect --probe` does.
    before: what is said on the socket before TLS, in the words of the protocol `starttls`.
    """

    name: str
    story: str
    role: str
    command: str
    cause: Cause
    party: Party
    ours: Callable[[], Settings] = nothing
    setup: str = ""
    asked: str = "localhost"
    says: str = ""
    patience: float = 8.0
    cut: tuple[int, int] | None = None
    also: tuple[Cause, ...] = ()
    probe: bool = False
    request: bytes = b""
    before: Callable[[socket.socket], None] | None = None
    starttls: str = ""

    @property
    def program(self) -> str:
        """The program that is run."""
        return program_of(self.command.split())

    @property
    def peer(self) -> str:
        """What the peer is called."""
        return SCRIPTS.get(self.command.partition(" ")[2].partition(" ")[0], PROGRAMS[self.program])


def program_of(words: Sequence[str]) -> str:
    """Return the program that a command runs, which may stand behind what `env` sets for it."""
    return next(word for word in words if word != "env" and "=" not in word)


PROGRAMS = {
    "openssl": "OpenSSL",
    "gnutls-serv": "GnuTLS",
    "gnutls-cli": "GnuTLS",
    "go-peer": "Go",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "stunnel": "stunnel",
    "postgres": "PostgreSQL",
    "curl": "curl",
    "chromium": "Chromium",
    "tlslite-peer": "tlslite-ng",
    "redis-server": "Redis",
    "mosquitto": "mosquitto",
    "python3": "Python",
    "ldapsearch": "OpenLDAP",
    "psql": "PostgreSQL",
    "apache2": "Apache",
    "mariadbd": "MariaDB",
    "dovecot": "Dovecot",
    "slapd": "OpenLDAP",
    "prosody": "Prosody",
    "node": "Node.js",
    "java": "Java",
    "redis-cli": "Redis",
    "nobody": "nobody",
}

# What a script of ours is a program of, whatever runs it.
SCRIPTS = {"grpc_peer.py": "gRPC", "smtp_peer.py": "aiosmtpd"}

S_SERVER = "openssl s_server -accept 127.0.0.1:PORT -www"
ASKING = "-Verify 2 -verify_return_error -CAfile root.pem"


def s_server(who: str = "server", more: str = "") -> str:
    words = f"{S_SERVER} -cert {who}.pem -key {who}.key -cert_chain {who}.pem {more}"
    return words.strip()


def asking(more: str = "") -> str:
    """A server that requires a client certificate of Acme's."""
    return s_server("server", f"{ASKING} {more}".strip())


def me(name: str, **more: Any) -> Callable[[], Settings]:
    return lambda: {"credentials": people.person(name).credentials} | more


def with_(**settings: Any) -> Callable[[], Settings]:
    return lambda: settings


def clock(days: float) -> FrozenClock:
    return FrozenClock(people.NOW + timedelta(days=days))


def lists(*roots: bytes) -> Revocation:
    return Revocation(crls=people.crls(*roots))


CLIENT, SERVER = "client", "server"

CURL = "curl -s -S --max-time 5 --cacert root.pem"
S_CLIENT = (
    "openssl s_client -connect localhost:PORT -servername localhost -CAfile root.pem -verify_return_error"
)


def showing(who: str) -> str:
    return f"{CURL} --cert {who}.pem --key {who}.key https://localhost:PORT/"
