"""How a server's work grows with its names, its rules and its idle connections.

`make bench ARGS=serving_curves` prints every run and draws the picture in docs, as the row `curves` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.adapters import Process, write_identities
from bench.curves import COUNTS, Curve, measure_and_draw
from bench.measure import Contender
from bothways import ClientConfig, Credentials, PeerRule, ServerConfig, TrustStore
from bothways.trust import Purpose, Trusted, verify
from bothways.trust.access.peer_rules import AnyOf
from pki import NOW, leaf, root

PICTURE = Path(__file__).parents[2] / "docs/benchmarks/serving-curves.svg"
REQUESTS = 1500


def main(runs: int) -> None:
    """Measure every curve, print it, and draw them all."""
    idle = IdleCurve("A request beside idle connections", "connections")
    measure_and_draw([server_names(), rules(), rules_of_two_kinds(), idle], runs, PICTURE)


def server_names() -> Curve:
    """A server with a certificate for each of so many names; a client requests the last of them.

    What is measured is from its ClientHello to the end of the server's first flight.
    """
    curve = Curve("A ClientHello to a server of many names", "names")
    issued = leaf(root("Names CA"), "name-00000.example")
    anchors_ = TrustStore.from_pem(issued.above[-1].pem)
    numbers = (b"name-%05d.example" % number for number in range(max(COUNTS)))
    own = [
        Credentials.from_pem(issued.der.replace(b"name-00000.example", each), issued.key_pem)
        for each in numbers
    ]
    for count in COUNTS:
        server = ServerConfig(credentials=own[:count])
        client = ClientConfig(anchors=anchors_).connection(f"name-{count - 1:05d}.example")
        hello = client.data_to_send()
        curve.add(count, partial(answer, server, hello))
    return curve


def answer(server: ServerConfig, hello: bytes) -> bytes:
    connection = server.connection()
    connection.receive(hello)
    return connection.data_to_send()


def rules() -> Curve:
    """Who is allowed by the last of so many rules, each about another DNS name."""
    return _rules("Rules about one kind each", lambda name: PeerRule(dns=name))


def rules_of_two_kinds() -> Curve:
    """The same where each rule also names the issuer."""
    return _rules("Rules about two kinds each", lambda name: PeerRule(dns=name, issuer="CN=Rules CA"))


def _rules(title: str, rule: Callable[[str], PeerRule]) -> Curve:
    curve = Curve(title, "rules")
    ca = root("Rules CA")
    issued = leaf(ca, "last.example", alternatives=["DNS:last.example"], usage=("clientAuth",))
    verdict = verify(issued.chain, TrustStore([ca.der]), purpose=Purpose.CLIENT, name=None, at=NOW)
    if not isinstance(verdict, Trusted):
        raise TypeError("a client's certificate that is not trusted")
    others = [rule(f"name-{number:05d}.example") for number in range(max(COUNTS) - 1)]
    for count in COUNTS:
        together = AnyOf([*others[: count - 1], rule("last.example")])
        curve.add(count, partial(together.allows, verdict))
    return curve


@dataclass
class IdleCurve(Curve):
    """Requests of 1 kB to an asyncio server beside so many idle connections: its processor time for each."""

    def measure(self, runs: int) -> None:
        """Open the connections, then measure every point by turns."""
        with TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            write_identities(folder)
            ends = [
                [Process(side, "transport", "asyncio", folder) for side in ("server", "client")]
                for _ in COUNTS
            ]
            try:
                for count, (server, client) in zip(COUNTS, ends, strict=True):
                    client.tell(f"hold {server.first} {count}")
                    self.points.append((count, Contender(f"{count:,}", lambda: None)))
                for _ in range(runs):
                    for (_, contender), (server, client) in zip(self.points, ends, strict=True):
                        before = server.tell("time")
                        client.tell(f"request {server.first} {REQUESTS}")
                        contender.times.append((server.tell("time") - before) / REQUESTS * 1e6)
            finally:
                for server, client in ends:
                    client.end()
                    server.end()


if __name__ == "__main__":
    main(int(sys.argv[1]))
