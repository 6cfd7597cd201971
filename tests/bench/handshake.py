"""Full mutual handshakes of TLS 1.3, both sides in one process: P-256 under one CA, x25519 alone."""

from __future__ import annotations

import ssl
import sys

from OpenSSL import SSL

from bench import primitives, stacks
from bench.identities import make
from bench.measure import Contender, against, by_turns, show


def main(runs: int) -> None:
    identities = make()
    calls = primitives.handshake(identities)
    bare = Contender("bare primitives", primitives.once(calls))
    left = Contender(
        "bare primitives, paths remembered",
        primitives.once(primitives.handshake(identities, remembered=True)),
    )
    ours = Contender("bothways", stacks.bothways(identities), "path memory off")
    remembering = Contender(
        "bothways, paths remembered", stacks.bothways(identities, remember_paths=1024), "path memory on"
    )
    standard = Contender(
        "ssl", stacks.standard(identities), f"{ssl.OPENSSL_VERSION}, as it comes: two tickets"
    )
    ticketless = Contender("ssl, no tickets", stacks.standard(identities, tickets=0), ssl.OPENSSL_VERSION)
    reported = Contender(
        "ssl, told its chain",
        stacks.standard(identities, reported_chain=True),
        "builds no chain of its own certificate; two tickets",
    )
    pyopenssl = Contender(
        "pyOpenSSL",
        stacks.pyopenssl(identities),
        f"{SSL.OpenSSL_version(0).decode()}; checks no name; two tickets",
    )
    one_way = Contender("bothways, one-way", stacks.bothways(identities, mutual=False), "path memory off")
    siotls = Contender("siotls, one-way", stacks.siotls(identities), "0.0.5; cannot do mutual authentication")
    tlslite = Contender("tlslite-ng", stacks.tlslite(identities), "pure Python; checks no chain")

    explain(calls)
    by_turns(
        [ours, bare, standard, ticketless, reported, remembering, left, pyopenssl, one_way, siotls], runs
    )
    by_turns([tlslite], 2, seconds=1)
    show(
        "Full mutual handshake, both sides, x25519",
        [ours, remembering, bare, left, standard, ticketless, reported, pyopenssl, tlslite, one_way, siotls],
    )
    against(ours, bare, 1.85)
    against(remembering, left, 1.75)
    against(ours, standard, 0.7)
    for one in (ours, remembering):
        for other in (standard, ticketless, reported):
            print(f"  ratio {one.name} / {other.name}: {one.median / other.median:.2f}")


def explain(calls: list[primitives.Calls]) -> None:
    """Print which calls the bare primitives are."""
    print(
        "\nBare primitives of one handshake, both sides (paths remembered: without the certificates' signatures):"
    )
    for count, what, _ in calls:
        print(f"  {count:3} x {what}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
