"""The public face: what a program may import, and that it costs little to import it."""

from __future__ import annotations

import subprocess
import sys

import bothways
from architecture.sources import SOURCE

PUBLIC = {
    # what a handshake is made from
    "Credentials",
    "TrustStore",
    "ClientConfig",
    "ServerConfig",
    "Connection",
    "Peer",
    # events
    "Event",
    "Established",
    "Data",
    "PeerClosed",
    "Warned",
    "Caution",
    "EvidenceWanted",
    "SignatureWanted",
    "Failed",
    # errors
    "Alert",
    "ConfigError",
    "Fault",
    "InternalError",
    "PeerAlert",
    "PeerFault",
    "TLSError",
    "Truncated",
    "UsageError",
}


def test_the_root_exports_the_public_names_and_nothing_else() -> None:
    """A name is public because somebody decided so; programs are written against it, so it stays."""
    assert set(bothways.__all__) == PUBLIC
    assert all(hasattr(bothways, name) for name in bothways.__all__)


def test_the_package_is_typed() -> None:
    """PEP 561: type checkers read our annotations."""
    assert (SOURCE / "bothways" / "py.typed").is_file()


def test_importing_the_root_loads_no_network_and_no_extras() -> None:
    """The base install has `cryptography` alone; sockets and event loops are other rooms' work."""
    program = "import sys, bothways; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    loaded = set(run.stdout.split())
    assert "bothways" in loaded
    assert not loaded & {"asyncio", "click", "rich", "sqlalchemy", "httpx", "bothways.ca", "bothways.cli"}
