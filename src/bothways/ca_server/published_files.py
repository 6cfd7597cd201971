"""The files that an authority tells the world, by their paths below its URL: lists and certificates, in DER."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.crl_schedule import crl_path
from bothways.ca.home.layout import ROOT
from bothways.ca.issuer import Issuer
from bothways.ca.register.values import WHOLE
from bothways.trust import parsing


def files(issuer: Issuer) -> Iterator[tuple[str, bytes]]:
    """Each file as it is now. The lists are those that were published last; nothing is signed here."""
    yield from certificates(issuer).items()
    root = root_crl(issuer)
    if root is not None:
        yield crl_path(WHOLE, ROOT), root
    lists = issuer.register.crl_state(issuer.authority.now())
    for series in sorted(lists.newest, key=crl_path):
        if series.partition is None or series.partition in lists.partitions:
            yield crl_path(series), issuer.register.newest_crl(series) or b""


def certificates(issuer: Issuer) -> dict[str, bytes]:
    """The certificates of who issues and of the root (RFC 5280 4.2.2.1)."""
    issuing, root = issuer.authority.certificate, issuer.authority.root
    return {
        "ca/issuing.cer": issuing.public_bytes(Encoding.DER),
        "ca/root.cer": root.public_bytes(Encoding.DER),
    }


def root_crl(issuer: Issuer) -> bytes | None:
    """The list that the root signed before it went offline, where there is an authority below it."""
    text = issuer.root_crl_pem()
    return None if text is None else parsing.encoded(parsing.crl(text))
