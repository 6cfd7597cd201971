"""The files that a CA publishes below its URL: CRLs and CA certificates, in DER."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.crl_schedule import crl_path
from bothways.ca.home.layout import ROOT
from bothways.ca.issuer import Issuer
from bothways.ca.register.values import WHOLE
from bothways.trust.decoding import parsing


def published_files(issuer: Issuer) -> Iterator[tuple[str, bytes]]:
    """The path and contents of each file, with the newest CRLs; nothing is signed."""
    yield from certificates(issuer).items()
    root = root_crl(issuer)
    if root is not None:
        yield crl_path(WHOLE, ROOT), root
    state = issuer.register.crl_state(issuer.authority.now())
    for series in sorted(state.newest, key=crl_path):
        if series.partition is None or series.partition in state.partitions:
            yield crl_path(series), issuer.register.newest_crl(series) or b""


def certificates(issuer: Issuer) -> dict[str, bytes]:
    """The certificates of the issuing CA and of the root (RFC 5280 4.2.2.1)."""
    issuing, root = issuer.authority.certificate, issuer.authority.root
    return {
        "ca/issuing.cer": issuing.public_bytes(Encoding.DER),
        "ca/root.cer": root.public_bytes(Encoding.DER),
    }


def root_crl(issuer: Issuer) -> bytes | None:
    """The root's CRL; None if the root itself issues."""
    crl = issuer.root_crl_pem()
    return None if crl is None else parsing.encoded(parsing.crl(crl))
