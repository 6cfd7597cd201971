"""The public face: what a program may import, and that it costs little to import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    "ChecksWanted",
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
    loaded = loaded_by("from bothways import *")
    assert "bothways.tls.connection" in loaded
    assert not loaded & {"asyncio", "click", "rich", "sqlalchemy", "httpx", "bothways.ca", "bothways.cli"}


def test_the_root_loads_a_module_when_a_name_of_it_is_asked_for() -> None:
    """An import costs nothing before it is used; the types that tools see are those of the modules."""
    assert "cryptography" not in loaded_by("import bothways")
    assert "bothways.tls.connection" not in loaded_by("from bothways import Fault, PeerFault")
    for name in PUBLIC:
        assert name in dir(bothways)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = bothways.Nothing


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `statement`."""
    run = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    return set(run.stdout.split())
