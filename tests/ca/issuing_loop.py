"""Processes that issue without end, telling each thing that they handed out; made to be killed.

Run with the authority's directory, how many certificates each process issues, and how many processes. Each line of
the output is `issued SERIAL`, `revoked SERIAL` or `crl NUMBER`, written in one piece when the call has returned.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cryptography import x509

from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def main(path: Path, count: int) -> None:
    issuer = Issuer.open(path, None, actor="loop")
    tell("ready")
    for number in range(count):
        serial = issuer.issue(Profile.CLIENT, Holder(f"client {number}")).serial
        tell(f"issued {serial}")
        if number % 3 == 1:
            issuer.revoke(serial, "superseded")
            tell(f"revoked {serial}")
        if number % 4 == 3:
            crl = issuer.crl()
            number_of_list = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            tell(f"crl {number_of_list}")
    issuer.close()


def at_once(path: Path, count: int, issuers: int) -> int:
    """Several processes, each with a connection of its own to the store; the worst of their statuses."""
    children = []
    for _ in range(issuers):
        child = os.fork()
        if not child:
            main(path, count)
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    where, each, processes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if processes > 1:
        sys.exit(at_once(where, each, processes))
    main(where, each)
