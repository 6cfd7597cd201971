"""Failures that are drawn: a peer, a role, a version, and one fault of a certificate or two: the cause is known.

Nobody has rehearsed them. A seeded sample is played by `make test`, all of them by `make test-all`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from bothways.diagnosis import Cause
from catalogue import people
from catalogue.configurations import BROKER, HAPROXY, MQTT_CONNECT, NGINX
from catalogue.more_rows import REDIS
from catalogue.people import FUTURE, PAST, SPAN, Person, alone, whole
from catalogue.row import CLIENT, CURL, S_SERVER, SERVER

SEED = 20261129


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a certificate: how it is made, and the cause that has to be told for it."""

    cause: Cause
    options: Mapping[str, Any]
    leaf_alone: bool = False


def faults(role: str) -> dict[str, Fault]:
    """What can be wrong with the certificate of a client, or of a server."""
    wrong_use = ("serverAuth",) if role == CLIENT else ("clientAuth",)
    found = {
        "unknown": Fault(Cause.CA_NOT_ACCEPTED, {"by": people.stranger()}),
        "expired": Fault(Cause.EXPIRED, PAST),
        "early": Fault(Cause.NOT_YET_VALID, FUTURE),
        "misused": Fault(Cause.WRONG_USE, {"usage": wrong_use}),
        "alone": Fault(Cause.INTERMEDIATE_MISSING, {}, leaf_alone=True),
        "deep": Fault(Cause.PATH_TOO_LONG, {"by": people.shallow()}),
    }
    if role == SERVER:
        found["renamed"] = Fault(Cause.WRONG_NAME, {"alternatives": ("DNS:elsewhere.example",)})
    return found


# Pairs that cannot be had at once, or of which one hides the other from everybody.
APART = (
    {"expired", "early"}, {"unknown", "alone"}, {"unknown", "deep"}, {"alone", "deep"},
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """One failure. `role` is ours, `faulty` whose certificate it is, `command` the peer that is run."""

    peer: str
    role: str
    faulty: str
    named: tuple[str, ...]
    command: str
    setup: str = ""
    request: bytes = b""
    version: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.peer}-{self.role}-{'-'.join(self.named)}" + (
            f"-{self.version}" if self.version else ""
        )

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes that have to be told, in the order of mending where that matters."""
        return tuple(faults(self.faulty)[each].cause for each in self.named)

    @property
    def who(self) -> str:
        """What the files of the faulty identity are called."""
        return f"drawn-{self.faulty}-{'-'.join(self.named)}"

    def person(self) -> Person:
        """Make the identity."""
        chosen = [faults(self.faulty)[each] for each in self.named]
        options: dict[str, Any] = dict(SPAN)
        for each in chosen:
            options |= each.options
        by = options.pop("by", None)
        make = people.client if self.faulty == CLIENT else people.server
        issued = make(by, **options)
        return alone(issued) if any(each.leaf_alone for each in chosen) else whole(issued)


def write(folder: Path, row: Drawn) -> None:
    """Write the identity's files."""
    someone = row.person()
    (folder / f"{row.who}.pem").write_bytes(someone.chain)
    (folder / f"{row.who}.key").write_bytes(someone.issued.key_pem)
    (folder / f"{row.who}.key").chmod(0o600)


def _sets(role: str, without: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    names = [each for each in faults(role) if each not in without]
    yield from ((each,) for each in names)
    yield from (pair for pair in combinations(names, 2) if not any(set(pair) == each for each in APART))


ASKING = "-Verify 4 -verify_return_error -CAfile root.pem"
OURS_IS_REFUSED = (
    ("OpenSSL", f"{S_SERVER} -cert server.pem -key server.key -cert_chain server.pem {ASKING}", "", b""),
    ("nginx", "nginx -p . -c required.conf", NGINX["required"], b""),
    ("HAProxy", "haproxy -f required.cfg", HAPROXY["required"], b""),
    ("Redis", REDIS, "", b"PING\r\n"),
    ("mosquitto", "mosquitto -c broker.conf", BROKER["open"], MQTT_CONNECT),
)  # fmt: skip


def every() -> list[Drawn]:
    """Return all that can be drawn."""
    found: list[Drawn] = []
    for version in ("1.2", "1.3"):
        for peer, command, setup, request in OURS_IS_REFUSED:
            found += [
                Drawn(peer, CLIENT, CLIENT, each, command, setup, request, version)
                for each in _sets(CLIENT)
                if (peer, version) != ("nginx", "1.3")  # which that configuration leaves out
            ]
        option = "-tls1_2" if version == "1.2" else "-tls1_3"
        for each in _sets(SERVER):
            row = Drawn("s_server", CLIENT, SERVER, each, "", version=version)
            files = f"-cert {row.who}.pem -key {row.who}.key -cert_chain {row.who}.pem"
            found.append(
                Drawn("s_server", CLIENT, SERVER, each, f"{S_SERVER} {files} {option}", version=version)
            )
        for each in _sets(CLIENT):
            row = Drawn("curl", SERVER, CLIENT, each, "", version=version)
            most = "--tls-max 1.2 " if version == "1.2" else ""
            command = f"{CURL} {most}--cert {row.who}.pem --key {row.who}.key https://localhost:PORT/"
            found.append(Drawn("curl", SERVER, CLIENT, each, command, version=version))
    return found


def drawn(count: int) -> list[Drawn]:
    """Return so many of them, by a fixed seed; all where there are no more."""
    found = every()
    return found if count >= len(found) else random.Random(SEED).sample(found, count)
