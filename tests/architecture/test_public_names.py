"""The public face: what a program may import, and that it costs little to import it."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import bothways
from architecture.sources import SOURCE, modules, nodes
from bothways import trust

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
    "AuthenticationUnavailable",
    "PeerFault",
    "TLSError",
    "Truncated",
    "UsageError",
    # what a client answers that is asked for its certificate after the handshake
    "ClientAuthenticated",
    "ClientDeclined",
    # who may come in, of those that are trusted
    "CelRule",
    "PeerRule",
    "ExternalPSK",
    "ExternalPSKs",
    "PinnedKeys",
    "RawKeyCredentials",
    "Refusal",
    # what a session is resumed by
    "SessionStore",
    "TicketKeys",
    "SharedTicketKeys",
    # by what a ClientHello is encrypted
    "ECHConfigList",
    "ECHKey",
    "ECHKeys",
    # what a failure means, whatever a library made of it
    "explain_failure",
    "failure_of",
}

# what judges without TLS, by `bothways.trust`
JUDGING = {
    "verify",
    "certificates_in",
    "TrustStore",
    # what is asked
    "Purpose",
    "Policies",
    "Limits",
    # by which evidence
    "Revocation",
    "CRLStore",
    "OCSPStore",
    "Fetch",
    # and what comes of it
    "Verdict",
    "Trusted",
    "Refused",
    "Finding",
    "Outcome",
    "Names",
    # and who may, of those that are trusted
    "CelRule",
    "PeerRule",
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


def test_trust_exports_what_judging_needs_and_loads_it_when_it_is_asked_for() -> None:
    """docs/verifying.md; the engine loads modules of trust by their full path, and none that it does not need."""
    assert set(trust.__all__) == JUDGING
    assert all(hasattr(trust, name) and name in dir(trust) for name in JUDGING)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = trust.Nothing
    assert "bothways.trust.path.validation" not in loaded_by("import bothways.trust")
    assert not loaded_by("from bothways.trust import verify") & {"asyncio", "httpcore", "bothways.tls"}


def test_whoever_judges_outside_the_engine_does_so_by_verify() -> None:
    """One way in: what is checked of a caller's arguments, and what never raises, stands once."""
    wrong = [
        f"{name}:{node.lineno} imports {alias.name} of {node.module}"
        for name, tree in modules().items()
        if not name.startswith("bothways.trust")
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bothways.trust")
        for alias in node.names
        if alias.name in ("judge", "status_check")
    ]
    assert wrong == []


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
