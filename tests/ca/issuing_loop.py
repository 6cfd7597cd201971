"""A process that issues without end, telling each thing that it handed out; made to be killed.

Run with the authority's directory. Each line of its output is `issued SERIAL`, `revoked SERIAL` or
`crl NUMBER`, written when the call has returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography import x509

from bothways.ca.office import Office
from bothways.ca.profiles import Holder, Profile


def main(path: Path, count: int) -> None:
    office = Office.open(path, None, actor="loop")
    print("ready", flush=True)
    for number in range(count):
        serial = office.issue(Profile.CLIENT, Holder(f"client {number}")).serial
        print(f"issued {serial}", flush=True)
        if number % 3 == 1:
            office.revoke(serial, "superseded")
            print(f"revoked {serial}", flush=True)
        if number % 4 == 3:
            crl = office.crl()
            number_of_list = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            print(f"crl {number_of_list}", flush=True)
    office.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
