"""Names that told nothing to a reader of the RFCs have gone, and stay away from where they stood.

A row has a package, the names that neither a module nor a class nor a function at the top of a module in it may
have, and the names in their place. The words are free everywhere else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from architecture.sources import ROOT, modules

GONE = (
    ("tls", "standing Standing", "Revalidation"),
    ("tls", "account Account", "Driver, ConnectionStatus"),
    ("tls", "late13", "client_auth"),
    ("tls", "Terms ClientTerms ServerTerms", "Settings, ClientSettings"),
    ("tls.handshake", "Law", "StepRule"),
    ("tls", "Draws SystemDraws draws", "Randomness, randomness"),
    ("tls.handshake", "refusals Place", "alert_meanings, Progress"),
    ("tls.wire", "Place", "ExtensionContext"),
    ("tls", "Question", "VerificationRequest"),
    ("trust", "Question", "VerificationRequest"),
    ("trust", "Parsed", "ParsedCertificate"),
    ("tls.handshake", "channel", "message_io"),
    ("trust", "_Inquiry Inquiry", "RevocationCheck"),
    ("trust", "Want Gathered asking memory shelf", "EvidenceRequest, FetchedEvidence, http_exchange, cache"),
    ("fetch", "shelf Shelf", "disk_cache, DiskCache"),
    ("trust", "Misstapled", "BadStaple"),
    ("tls.wire", "alike alone", "cached, single_field"),
    ("tls.wire", "words", "describe"),
    ("tls.record", "foreign", "protocol_guess"),
    ("tls.crypto", "transport", "rsa_key_transport"),
    (
        "diagnosis",
        "Witness ours theirs own table",
        "HandshakeFacts, own_side, peer_faults, self_check, causes",
    ),
    ("ca", "office Office keeper Keeper premises Premises", "issuer, worker, layout"),
    ("ca", "founding takeover", "init, import_existing"),
    ("ca", "change Change rows store Store", "transaction, values, database"),
    ("ca", "lists answers sealing", "crl_schedule, ocsp_cache, key_encryption"),
    ("ca_server", "keeper Keeper answers", "worker, ocsp_cache"),
    ("doctor", "telling caller hellos", "findings, dial, probes"),
    ("cli", "interference patience", "mitm, slow_clients"),
)
IN_TESTS = ("skins", "blaming", "drawn")  # now identities, faults, wire_values


@pytest.mark.parametrize(("package", "names", "instead"), GONE, ids=lambda each: str(each))
def test_no_module_class_or_function_of_a_package_has_a_name_that_has_gone(
    package: str, names: str, instead: str
) -> None:
    found = sorted(set(names.split()) & set(_named_in(package)))
    assert not found, f"in {package}: use {instead}"


def test_no_helper_of_the_tests_has_a_name_that_has_gone() -> None:
    assert not [name for name in IN_TESTS if (ROOT / "tests" / f"{name}.py").exists()]


def test_every_package_of_the_table_exists() -> None:
    """A package that was renamed would be watched no more."""
    assert {f"bothways.{package}" for package, _, _ in GONE} <= set(modules())


def _named_in(package: str) -> Iterator[str]:
    prefix = f"bothways.{package}"
    for name, tree in modules().items():
        if name != prefix and not name.startswith(f"{prefix}."):
            continue
        yield Path(name.replace(".", "/")).name
        yield from (
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        )
