"""The handshakes once more, with the group X25519MLKEM768 on all sides that have it."""

from __future__ import annotations

import sys

from OpenSSL import SSL

from bench import primitives, stacks
from bench.identities import make
from bench.measure import Contender, by_turns, show

GROUP = "X25519MLKEM768"


def main(runs: int) -> None:
    identities = make()
    contenders = [
        Contender("bothways", stacks.bothways(identities, GROUP), "path memory off"),
        Contender(
            "bothways, paths remembered",
            stacks.bothways(identities, GROUP, remember_paths=1024),
            "path memory on",
        ),
        Contender("bare primitives", primitives.once(primitives.handshake(identities, hybrid=True))),
        Contender("pyOpenSSL", stacks.pyopenssl(identities, GROUP), SSL.OpenSSL_version(0).decode()),
    ]
    by_turns(contenders, runs)
    show(
        f"Full mutual handshake, both sides, {GROUP} (ssl's OpenSSL 3.0, siotls and tlslite-ng lack it)",
        contenders,
    )
    print(f"  ratio bothways / bare primitives: {contenders[0].median / contenders[2].median:.2f}")
    print(f"  ratio bothways / pyOpenSSL: {contenders[0].median / contenders[3].median:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
