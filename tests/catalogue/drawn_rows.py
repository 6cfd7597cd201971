"""Failures that are drawn: a peer, a role, a version, a kind of key, and one fault of a certificate or two.

Nobody has rehearsed them, and the cause of each is known by construction. A seeded sample is played by `make test`,
all of them by `make test-all`.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from bothways.diagnosis import Cause
from catalogue import people
from catalogue.configurations import BROKER, HAPROXY, MQTT_CONNECT, NGINX, STUNNEL
from catalogue.more_configurations import APACHE, DOVECOT, SLAPD, bridging, checking
from catalogue.more_rows import PYTHON, REDIS
from catalogue.peer_rows import ADA, DOVECOTS, GRPC, JAVA, MARIADB, NODE, SLAPDS, apache
from catalogue.people import FUTURE, PAST, SPAN, Person, alone, whole
from catalogue.prepared import HTTP2, IMAP_LOGIN, LDAP_SEARCH, ask_mysql_for_tls
from catalogue.row import CLIENT, CURL, S_CLIENT, S_SERVER, SERVER

SEED = 20261129
# A fault that comes before all others: nothing else helps until it is mended.
BEFORE_ALL = (Cause.CA_NOT_ACCEPTED, Cause.INTERMEDIATE_MISSING)
VERSIONS = ("1.2", "1.3")
KEYS = ("P-256", "RSA-2048")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a certificate: how it is made, and the cause that has to be told for it.

    about: faults about the same thing cannot be had at once, or one hides the other from everybody.
    """

    cause: Cause
    options: Mapping[str, Any]
    about: str
    leaf_alone: bool = False


def faults(role: str) -> dict[str, Fault]:
    """What can be wrong with the certificate of a client, or of a server."""
    wrong_use = ("serverAuth",) if role == CLIENT else ("clientAuth",)
    found = {
        "unknown": Fault(Cause.CA_NOT_ACCEPTED, {"by": people.stranger}, "issuer"),
        "alone": Fault(Cause.INTERMEDIATE_MISSING, {}, "issuer", leaf_alone=True),
        "deep": Fault(Cause.PATH_TOO_LONG, {"by": people.shallow}, "issuer"),
        "outlived": Fault(Cause.EXPIRED, {"by": people.outlived}, "issuer time"),
        "employee": Fault(Cause.NOT_A_CA, {"by": people.holder}, "issuer"),
        "expired": Fault(Cause.EXPIRED, PAST, "time"),
        "early": Fault(Cause.NOT_YET_VALID, FUTURE, "time"),
        "misused": Fault(Cause.WRONG_USE, {"usage": wrong_use}, "use"),
    }
    if role == SERVER:
        found["renamed"] = Fault(Cause.WRONG_NAME, {"alternatives": ("DNS:elsewhere.example",)}, "name")
        found["nameless"] = Fault(Cause.NO_ALTERNATIVE_NAME, {"alternatives": ()}, "name")
        found["narrow"] = Fault(Cause.NAME_NOT_ALLOWED, {"by": people.narrow}, "issuer name")
    return found


class Other(NamedTuple):
    """Somebody else's program. `command` and `setup` may name WHO, the files of the faulty identity.

    settings: what we need to speak with it.  older: what its command needs to speak TLS 1.2.  lenient: faults that it
    lets pass, so that nothing fails for us.  withholds: it sends no certificate of a CA that we do not name.
    names: whether a server names its CAs, or a client the host that it wants.
    """

    name: str
    command: str
    setup: str = ""
    request: bytes = b""
    before: Callable[[socket.socket], None] | None = None
    settings: Mapping[str, Any] = {}
    older: str = ""
    lenient: tuple[str, ...] = ()
    withholds: bool = False
    names: bool = True


H2 = {"alpn": ("h2",)}
GNUTLS = (
    "gnutls-serv -p PORT --http --x509certfile server.pem --x509keyfile server.key --x509cafile root.pem "
    "--require-client-cert --verify-client-cert"
)
GO = "go-peer -listen -addr 127.0.0.1:PORT -cert server.pem -key server.key -ca root.pem -auth require"
WE_ARE_REFUSED = (
    Other("OpenSSL", f"{S_SERVER} -cert server.pem -key server.key -cert_chain server.pem "
          "-Verify 4 -verify_return_error -CAfile root.pem"),
    Other("GnuTLS", GNUTLS, lenient=("misused",)),
    Other("Go", GO, older=" -tls12"),
    Other("nginx", "nginx -p . -c required.conf", NGINX["required"]),
    Other("HAProxy", "haproxy -f required.cfg", HAPROXY["required"]),
    Other("stunnel", "stunnel verify.conf", STUNNEL["verify"]),
    Other("Apache", apache("required"), APACHE["required"]),
    Other("Redis", REDIS, request=b"PING\r\n"),
    Other("mosquitto", "mosquitto -c broker.conf", BROKER["open"], MQTT_CONNECT),
    Other("MariaDB", MARIADB, request=ADA, before=ask_mysql_for_tls),
    Other("Dovecot", DOVECOTS, DOVECOT["required"], IMAP_LOGIN),
    Other("OpenLDAP", SLAPDS, SLAPD["demand"], LDAP_SEARCH, lenient=("misused",)),
    Other("Node.js", NODE),
    Other("Java", JAVA),
    Other("gRPC", GRPC, request=HTTP2, settings=H2, names=False),
)  # fmt: skip
WE_REFUSE_SERVERS = (
    Other("s_server", f"{S_SERVER} -cert WHO.pem -key WHO.key -cert_chain WHO.pem"),
    Other("gnutls-serv", "gnutls-serv -p PORT --http --x509certfile WHO.pem --x509keyfile WHO.key"),
    Other("go-peer", "go-peer -listen -addr 127.0.0.1:PORT -cert WHO.pem -key WHO.key -auth none", older=" -tls12"),
    Other("nginx", "nginx -p . -c drawn.conf", NGINX["unasked"].replace("server.", "WHO.")),
    Other("apache2", apache("drawn"), APACHE["unasked"].replace("server.", "WHO.")),
    Other("node", "node peer.js serve PORT WHO.pem WHO.key -"),
    Other("java", "java -XX:TieredStopAtLevel=1 Peer serve PORT WHO.pem WHO.key -"),
    Other("grpc", "python3 grpc_peer.py serve PORT WHO.pem WHO.key -", settings=H2),
)  # fmt: skip
LDAP_CLIENT = "ldapsearch -x -H ldaps://127.0.0.1:PORT -b dc=acme"
WE_REFUSE_CLIENTS = (
    Other("curl", f"{CURL} --cert WHO.pem --key WHO.key https://localhost:PORT/"),
    Other("s_client", f"{S_CLIENT} -cert WHO.pem -key WHO.key -cert_chain WHO.pem"),
    Other("gnutls-cli",
          "gnutls-cli --x509cafile root.pem --x509certfile WHO.pem --x509keyfile WHO.key -p PORT localhost"),
    Other("go-peer", "go-peer -addr 127.0.0.1:PORT -ca root.pem -cert WHO.pem -key WHO.key", older=" -tls12",
          withholds=True),
    Other("node", "node peer.js call PORT WHO.pem WHO.key root.pem"),
    Other("java", "java -XX:TieredStopAtLevel=1 Peer call PORT WHO.pem WHO.key root.pem",
          withholds=True),
    Other("grpc", "python3 grpc_peer.py call PORT WHO.pem WHO.key root.pem", settings=H2),
    Other("redis-cli", "redis-cli --tls --cacert root.pem --cert WHO.pem --key WHO.key -h localhost -p PORT PING"),
    Other("ldapsearch", f"env LDAPTLS_CACERT=root.pem LDAPTLS_CERT=WHO.pem LDAPTLS_KEY=WHO.key {LDAP_CLIENT}",
          withholds=True),
    Other("mosquitto", "mosquitto -c bridge.conf", bridging("WHO")),
    Other("haproxy", "haproxy -f checks.cfg", checking("WHO")),
)  # fmt: skip
WE_ARE_REFUSED_AS_A_SERVER = (
    Other("curl", f"{CURL} https://localhost:PORT/", lenient=("renamed", "nameless")),
    Other("s_client", f"{S_CLIENT} -verify_hostname localhost", lenient=("nameless",)),
    Other("gnutls-cli", "gnutls-cli --x509cafile root.pem -p PORT localhost", lenient=("nameless",)),
    Other("go-peer", "go-peer -addr 127.0.0.1:PORT -ca root.pem", older=" -tls12"),
    Other("python", PYTHON),
    Other("node", "node peer.js call PORT - - root.pem", lenient=("nameless",)),
    Other("java", "java -XX:TieredStopAtLevel=1 Peer call PORT - - root.pem",
          lenient=("nameless",), names=False),
    Other("grpc", "python3 grpc_peer.py call PORT - - root.pem", settings=H2,
          lenient=("nameless",)),
    Other("redis-cli", "redis-cli --tls --cacert root.pem --sni localhost -h localhost -p PORT PING",
          lenient=("renamed", "nameless")),
    Other("ldapsearch", f"env LDAPTLS_CACERT=root.pem {LDAP_CLIENT}", lenient=("misused",), names=False),
    Other("mosquitto", "mosquitto -c bridge.conf", bridging(), lenient=("nameless",)),
    Other("haproxy", "haproxy -f checks.cfg", checking(), names=False),
)  # fmt: skip
# Whose certificate is faulty, our role, and with whom.
TALKS = (
    (CLIENT, CLIENT, WE_ARE_REFUSED),
    (SERVER, CLIENT, WE_REFUSE_SERVERS),
    (CLIENT, SERVER, WE_REFUSE_CLIENTS),
    (SERVER, SERVER, WE_ARE_REFUSED_AS_A_SERVER),
)


@dataclass(frozen=True)
class Drawn:
    """One failure. `role` is ours, `faulty` whose certificate it is, `other` the peer that is run."""

    other: Other
    role: str
    faulty: str
    named: tuple[str, ...]
    version: str
    key: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called."""
        faulty = "us" if self.role == self.faulty else "them"
        return f"{self.other.name}-{self.role}-{faulty}-{'-'.join(self.named)}-{self.version}-{self.key}"

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes that it has."""
        if self.other.withholds and set(self.named) & {"unknown", "alone"}:
            return (Cause.NO_CERTIFICATE,)
        return tuple(faults(self.faulty)[each].cause for each in self.named)

    @property
    def firsts(self) -> tuple[Cause, ...]:
        """Those of them of which one has to be told first: an issuer that is known to be none of ours, or theirs."""
        knows = self.faulty != self.role or (self.role == CLIENT and self.other.names)
        return tuple(each for each in self.causes if knows and each in BEFORE_ALL) or self.causes

    @property
    def reported(self) -> frozenset[Cause]:
        """Those that have to be told: a second one only where our side can know it."""
        if self.faulty != self.role or len(self.causes) == 1:
            return frozenset(self.causes)
        hidden = set()
        if self.role == SERVER or not self.other.names:
            hidden.add(Cause.CA_NOT_ACCEPTED)
        if self.role == SERVER and not self.other.names:
            hidden |= {Cause.WRONG_NAME, Cause.NO_ALTERNATIVE_NAME, Cause.NAME_NOT_ALLOWED}
        return frozenset(self.causes) - hidden

    @property
    def who(self) -> str:
        """What the files of the faulty identity are called."""
        return f"drawn-{self.faulty}-{'-'.join(self.named)}-{self.key}"

    @property
    def command(self) -> str:
        """The peer's command."""
        older = self.other.older if self.version == "1.2" else ""
        return self.other.command.replace("WHO", self.who) + older

    @property
    def setup(self) -> str:
        """The peer's configuration file."""
        return self.other.setup.replace("WHO", self.who)

    def person(self) -> Person:
        """Make the identity."""
        chosen = [faults(self.faulty)[each] for each in self.named]
        options: dict[str, Any] = {**SPAN, "key_kind": self.key}
        for each in chosen:
            options |= each.options
        by = options.pop("by", None)
        make = people.client if self.faulty == CLIENT else people.server
        issued = make(None if by is None else by(), **options)
        return alone(issued) if any(each.leaf_alone for each in chosen) else whole(issued)


def write(folder: Path, row: Drawn) -> None:
    """Write the identity's files."""
    someone = row.person()
    people.write_person(folder, row.who, someone)


def _sets(role: str, lenient: Sequence[str]) -> Iterator[tuple[str, ...]]:
    known = faults(role)
    for names in (*((each,) for each in known), *combinations(known, 2)):
        about = [word for each in names for word in known[each].about.split()]
        if len(about) == len(set(about)) and not any(each in lenient for each in names):
            yield names


def every() -> list[Drawn]:
    """Return all that can be drawn."""
    return [
        Drawn(other, role, faulty, named, version, key, other.settings)
        for faulty, role, others in TALKS
        for other in others
        for named in _sets(faulty, other.lenient)
        for version in VERSIONS
        for key in KEYS
        if (other.name, version) != ("nginx", "1.3")  # which that configuration leaves out
    ]


def drawn(count: int) -> list[Drawn]:
    """Return so many of them, by a fixed seed; all where there are no more."""
    found = every()
    return found if count >= len(found) else random.Random(SEED).sample(found, count)
