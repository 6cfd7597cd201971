"""The identities of every stack in a benchmark: certificates directly under one CA, valid now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from pki import Issued, crl, leaf, root

NAME = "localhost"


@dataclass(frozen=True)
class Identities:
    """One CA, a server and a client, and the files for stacks that read nothing else."""

    ca: Issued
    server: Issued
    client: Issued

    @cached_property
    def folder(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="bench-")

    def file(self, name: str, content: bytes) -> str:
        path = Path(self.folder.name, name)
        path.write_bytes(content)
        return str(path)


def make(server_key: str = "P-256", server_usage: tuple[str, ...] = ("digital_signature",)) -> Identities:
    """P-256 for the CA and the client; the server's key is of the kind and for the usages given."""
    now = datetime.now(UTC).replace(microsecond=0)
    days = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=30)}
    ca = root("Benchmark CA", **days)
    server = leaf(ca, NAME, usage=("serverAuth",), key_kind=server_key, key_usage=server_usage, **days)
    return Identities(ca, server, leaf(ca, "client", usage=("clientAuth",), **days))


def list_of(identities: Identities) -> bytes:
    """Return a CRL of the CA in DER, which revokes nobody."""
    now = datetime.now(UTC).replace(microsecond=0)
    return crl(identities.ca, this_update=now - timedelta(hours=1), next_update=now + timedelta(days=7))
