"""Full mutual handshakes of TLS 1.2, both sides in one process, by each kind of key exchange."""

from __future__ import annotations

import ssl
import sys

from OpenSSL import SSL

from bench import primitives, stacks
from bench.handshake import explain
from bench.identities import make
from bench.measure import Contender, against, by_turns, show

SIGNS = ("digital_signature",)
CIPHERS = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": ("P-256", SIGNS),
    "ECDHE-RSA-AES128-GCM-SHA256": ("RSA-2048", SIGNS),
    "AES128-GCM-SHA256": ("RSA-2048", ("key_encipherment",)),
}


def main(runs: int) -> None:
    for cipher, (kind, usage) in CIPHERS.items():
        handshakes(runs, cipher, kind, usage)


def handshakes(runs: int, cipher: str, kind: str, usage: tuple[str, ...]) -> None:
    """The row of one suite; the client's certificate and the CA's key are P-256 in each."""
    identities = make(kind, usage)
    calls = primitives.handshake12(identities, cipher)
    bare = Contender("bare primitives", primitives.once(calls))
    ours = Contender("bothways", stacks.bothways12(identities, cipher), "path memory off")
    remembering = Contender(
        "bothways, paths remembered", stacks.bothways12(identities, cipher, 1024), "path memory on"
    )
    standard = Contender(
        "ssl", stacks.standard(identities, cipher=cipher), f"{ssl.OPENSSL_VERSION}, as it comes: one ticket"
    )
    ticketless = Contender(
        "ssl, no tickets", stacks.standard(identities, tickets=0, cipher=cipher), ssl.OPENSSL_VERSION
    )
    reported = Contender(
        "ssl, told its chain",
        stacks.standard(identities, cipher=cipher, reported_chain=True),
        "builds no chain of its own certificate; one ticket",
    )
    pyopenssl = Contender(
        "pyOpenSSL",
        stacks.pyopenssl(identities, cipher=cipher),
        f"{SSL.OpenSSL_version(0).decode()}; checks no name; no tickets",
    )
    tlslite = Contender("tlslite-ng", stacks.tlslite(identities, cipher), "pure Python; checks no chain")
    explain(calls)
    by_turns([ours, bare, standard, ticketless, reported, remembering, pyopenssl], runs)
    by_turns([tlslite], 2, seconds=1)
    show(
        f"Full mutual handshake of TLS 1.2, both sides, {stacks.SUITES12[cipher]}",
        [ours, remembering, bare, standard, ticketless, reported, pyopenssl, tlslite],
    )
    against(ours, bare, 1.85)
    against(ours, standard, 0.7)
    for one, other in (
        (bare, standard),
        (remembering, standard),
        (ours, ticketless),
        (ours, reported),
        (remembering, reported),
    ):
        print(f"  ratio {one.name} / {other.name}: {one.median / other.median:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
