"""The files that an authority tells the world, by their paths below its URL: lists and certificates, in DER."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.lists import list_path
from bothways.ca.office import Office
from bothways.ca.premises import ROOT
from bothways.ca.rows import WHOLE
from bothways.trust import parsing


def files(office: Office) -> Iterator[tuple[str, bytes]]:
    """Each file as it is now. The lists are those that were published last; nothing is signed here."""
    yield from certificates(office).items()
    root = root_list(office)
    if root is not None:
        yield list_path(WHOLE, ROOT), root
    lists = office.register.lists(office.authority.now())
    for series in sorted(lists.newest, key=list_path):
        if series.partition is None or series.partition in lists.partitions:
            yield list_path(series), office.register.newest_list(series) or b""


def certificates(office: Office) -> dict[str, bytes]:
    """The certificates of who issues and of the root (RFC 5280 4.2.2.1)."""
    issuing, root = office.authority.certificate, office.authority.root
    return {
        "ca/issuing.cer": issuing.public_bytes(Encoding.DER),
        "ca/root.cer": root.public_bytes(Encoding.DER),
    }


def root_list(office: Office) -> bytes | None:
    """The list that the root signed before it went offline, where there is an authority below it."""
    text = office.root_crl_pem()
    return None if text is None else parsing.encoded(parsing.crl(text))
