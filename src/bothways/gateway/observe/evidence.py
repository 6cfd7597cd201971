"""When what a gateway goes by expires, and how old it is: its certificates, trust anchors, CRLs and OCSP responses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from bothways.describe.escape import visible
from bothways.gateway.files.held import SYSTEM_ANCHORS, Held
from bothways.trust.certificate.parsed import subject_of

MOST = 256  # of each kind: files may hold any number
NAME_LIMIT = 120

Use = Literal["own", "anchor"]
Kind = Literal["crl", "ocsp"]


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate. file: where it is from.  use: ours, with its chain, or a trust anchor."""

    file: str
    use: Use
    subject: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """A CRL, or all OCSP responses of a file. made: its thisUpdate.  end: its nextUpdate, if it has one.

    Of several OCSP responses the oldest counts, and the one that expires first.
    """

    file: str
    kind: Kind
    issuer: str
    made: datetime
    end: datetime | None


def expiring(held: Held) -> list[Expiring]:
    """Return our certificates and the trust anchors in files, those that expire first before the others."""
    found = [*islice(_own(held), MOST), *islice(_anchors(held), MOST)]
    return sorted(dict.fromkeys(found), key=lambda each: each.end)


def evidence(held: Held) -> list[Evidence]:
    """Return the evidence in files."""
    return [*islice(_lists(held), MOST), *islice(_responses(held), MOST)]


def _own(held: Held) -> Iterator[Expiring]:
    for paths, each in held.credentials.items():
        begin = max(certificate.not_valid_before_utc for certificate in each.certificates)
        yield Expiring(paths[0], "own", _short(each.names.subject), begin, each.not_after)


def _anchors(held: Held) -> Iterator[Expiring]:
    for paths, store in held.anchors.items():
        if paths == SYSTEM_ANCHORS:
            continue
        for certificate in store.certificates:
            begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            yield Expiring(paths[0], "anchor", _short(subject_of(certificate)), begin, end)


def _lists(held: Held) -> Iterator[Evidence]:
    for lists in held.lists.values():
        for path, several in lists.each.items():
            for crl in several:
                yield Evidence(path, "crl", _short(crl.issuer_text), crl.this_update, crl.next_update)


def _responses(held: Held) -> Iterator[Evidence]:
    for responses in held.responses.values():
        for path, several in responses.each.items():
            singles = [single for response in several for single in response.responses]
            if singles:
                made = min(each.this_update for each in singles)
                ends = [each.next_update for each in singles if each.next_update is not None]
                yield Evidence(path, "ocsp", "", made, min(ends, default=None))


def _short(text: str) -> str:
    return visible(text, NAME_LIMIT)
