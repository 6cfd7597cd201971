"""Mutual handshakes of TLS 1.3 with revocation checked by both sides, beside those without; x25519 alone."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from bench import stacks
from bench.identities import Identities, make
from bench.measure import Contender, by_turns, show
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from pki import Issued, crl, ocsp_response

DAY = timedelta(days=1)


def main(runs: int) -> None:
    identities = make()
    contenders = [
        each
        for remember_paths, said in ((0, "path memory off"), (1024, "path memory on"))
        for each in (
            contender(identities, remember_paths, "without revocation", said),
            by_lists(identities, remember_paths, f"{said}; one list of the CA on each side"),
            by_staples(identities, remember_paths, f"{said}; each side staples and demands a staple"),
        )
    ]
    by_turns(contenders, runs)
    show("Full mutual handshake with revocation checked, both sides, x25519", contenders)
    for plain, *checked in (contenders[:3], contenders[3:]):
        for each in checked:
            more = each.median - plain.median
            print(f"  {each.name}, {each.note.partition(';')[0]}: {more:.0f} us more for both sides")


def contender(identities: Identities, remember_paths: int, name: str, note: str, **both: object) -> Contender:
    return Contender(
        name,
        stacks.bothways(
            identities, remember_paths=remember_paths, client_fields=dict(both), server_fields=dict(both)
        ),
        note,
    )


def by_lists(identities: Identities, remember_paths: int, note: str) -> Contender:
    """The CA's list is at hand."""
    now = datetime.now(UTC).replace(microsecond=0)
    lists = CRLStore([CRL(crl(identities.ca, this_update=now - DAY, next_update=now + 7 * DAY))])
    return contender(identities, remember_paths, "by lists", note, revocation=Revocation(crls=lists))


def by_staples(identities: Identities, remember_paths: int, note: str) -> Contender:
    """A response for each certificate comes with it."""
    fields = [
        {"revocation": Revocation(staples="require"), "staples": OCSPStore([good(own)])}
        for own in (identities.client, identities.server)
    ]
    stack = stacks.bothways(
        identities, remember_paths=remember_paths, client_fields=fields[0], server_fields=fields[1]
    )
    return Contender("by staples", stack, note)


def good(own: Issued) -> OCSPResponse:
    now = datetime.now(UTC).replace(microsecond=0)
    return OCSPResponse(ocsp_response(own, this_update=now - DAY / 2, next_update=now + DAY))


if __name__ == "__main__":
    main(int(sys.argv[1]))
