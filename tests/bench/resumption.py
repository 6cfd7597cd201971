"""Sessions of TLS 1.3 resumed, both sides in one process and both verified again, with a CRL at hand."""

from __future__ import annotations

import ssl
import sys
from typing import Any

from bench import primitives, stacks
from bench.identities import Identities, list_of, make
from bench.measure import Contender, against, by_turns, show
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation


def main(runs: int) -> None:
    identities = make()
    lists = with_lists(identities)
    calls = primitives.resumed()
    bare = Contender("bare primitives, resumed", primitives.once(calls))
    ours = Contender("bothways, resumed", stacks.bothways_resumed(identities, fields=lists), "CRL at hand")
    without = Contender("bothways, resumed, no CRL", stacks.bothways_resumed(identities))
    full = Contender(
        "bothways, full",
        stacks.bothways(identities, remember_paths=1024, client_fields=lists, server_fields=lists),
        "CRL at hand, paths remembered",
    )
    standard = Contender(
        "ssl, resumed", stacks.standard_resumed(identities), f"{ssl.OPENSSL_VERSION}, no CRL"
    )
    by_turns([ours, bare, full, standard, without], runs)
    show("Resumed mutual handshake, both sides, x25519", [ours, without, bare, full, standard])
    against(ours, bare, 1.9)
    against(ours, full, 0.55)
    against(ours, standard, 1.0)
    print("\nBare primitives of one resumed handshake, both sides:")
    for count, what, _ in calls:
        print(f"  {count:3} x {what}")
    rsa = make("RSA-2048")
    old = Contender("bothways, full, RSA-2048", stacks.bothways(rsa, remember_paths=1024))
    new = Contender("bothways, resumed, RSA-2048", stacks.bothways_resumed(rsa))
    hybrid = Contender("bothways, full, hybrid", stacks.bothways(identities, "X25519MLKEM768", 1024))
    hybrid_new = Contender("bothways, resumed, hybrid", stacks.bothways_resumed(identities, "X25519MLKEM768"))
    by_turns([old, new, hybrid, hybrid_new], runs)
    show("Other keys and groups", [old, new, hybrid, hybrid_new])


def with_lists(identities: Identities) -> dict[str, Any]:
    """A CRL of the CA, which revokes nobody."""
    return {"revocation": Revocation(crls=CRLStore([CRL(list_of(identities))]))}


if __name__ == "__main__":
    main(int(sys.argv[1]))
