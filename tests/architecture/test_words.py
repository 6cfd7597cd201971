"""Names that told nothing to a reader of the RFCs have gone, and stay away from where they stood.

A row has packages, the names that may not be used there, and the names in their place: in `GONE` as a module, or as a
class or a function at the top of one, in `GONE_WITHIN` anywhere: as a method, an attribute, an argument or a variable.
The words are free everywhere else.

And no name means two things: what has a name of its own is found by it.
"""

from __future__ import annotations

import ast
import re
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
    (
        "ca",
        "Terms found let_go sealed opened own_store",
        "InitOptions, create_authority, close_key, encode_key",
    ),
    ("ca", "Existing EarlierList take_over adopt adopt_list Adopted", "ExistingAuthority, import_..."),
    ("ca", "Question Answer Unanswerable refusal Lists Published", "OCSPRequest, EncodedResponse, CRLState"),
    ("ca", "_Wish StoreUnavailable StoreBusy told list_path list_address", "Database..., crl_path, crl_url"),
    ("ca_server", "keeper Keeper answers Answers Tell", "worker, ocsp_cache, OCSPCache, Report"),
    ("ca_server", "root_list list_of _Desk SHELF_LIMIT", "root_crl, crl, _Endpoints, CRL_CACHE_LIMIT"),
    ("cli.ca", "seal Seal handout Handout which existing", "key_access, output_files, find_certificate"),
    ("cli.ca", "Wanted known", "CertificateOptions, find_certificate"),
    ("doctor", "telling caller hellos", "findings, dial, probes"),
    (
        "doctor",
        "Spent Place Caller Question Answer Ear",
        "ConnectionsUsedUp, Target, Dialer, Offer, HelloReply, ReplyReader",
    ),
    (
        "describe.documents",
        "told told_each Told Words foreign",
        "describe_..., DescribedExtension, ExtensionFormat",
    ),
    (
        "trust",
        "few most_telling Namesakes likeliest_first judged_by SILENCE",
        "first_few, select_reasons, SameSubject",
    ),
    (
        "trust",
        "PoliciesAlone names_of_certificate stands_for",
        "PoliciesWithoutQualifiers, cert_ids_of, matches",
    ),
    (
        "trust.evidence",
        "key_of read_given read_kept is_sound holds_until inner",
        "cache_key, read_reply, may_be_cached",
    ),
    ("cli", "interference patience", "mitm, slow_clients"),
)
CA = "ca ca_server cli.ca"
GONE_WITHIN = (
    (CA, "change store wish terms", "transaction, database, template, options"),
    (CA, "list_ lists list_path newest_list root_list", "crl, crl_state, crl_path, newest_crl, root_crl"),
    (CA, "answers at_hand question _shelf", "ocsp_cache, cached, request, _crl_cache"),
    (CA, "seal handout adopt take_over adopted", "key_access, output, import_..."),
    (CA, "words told", "label, text"),
    (
        "tls",
        "heed heeded go_without go_on_without has_news",
        "has_effect, continue_without_answer",
    ),
    ("net adapters", "meet_refusal say_goodbye shake_hands", "process_received_alert, send_close_notify"),
    ("cli", "kept_fresh told_apart complain", "renewing, explaining_file_kinds, report_error"),
    ("diagnosis", "unsaid unasked not_let_in their_chain", "no_known_reason, not_authorized, peer_chain"),
)
# Classes that several modules define by one name, and why; any other name is of one class.
SHARED = {
    "Certificate CertificateRequest NewSessionTicket": "messages of TLS 1.2 and TLS 1.3, by the names of the RFCs",
    "ClientCertificateType": "a registry of IANA, and the extension of that name",
    "Names": "of a certificate that was verified; of one that a test asks for",
    "RequirePeer WithCaller": "the same for two kinds of applications: ASGI and WSGI",
    "Row": "of the table of faults, and of the table of causes; used only there",
    "Server": "of asyncio, as its users expect; of tests",
    "ServerName": "an extension, and the name in it",
}
PRONOUN = re.compile(r"test_(he|it|its|that|their|they|this|those|these|we_it)_")
IN_TESTS = ("skins", "blaming", "drawn", "told")  # now identities, faults, wire_values, described_files


@pytest.mark.parametrize(("package", "names", "instead"), GONE, ids=lambda each: str(each))
def test_no_module_class_or_function_of_a_package_has_a_name_that_has_gone(
    package: str, names: str, instead: str
) -> None:
    found = sorted(set(names.split()) & set(_named_in(package)))
    assert not found, f"in {package}: use {instead}"


@pytest.mark.parametrize(("packages", "names", "instead"), GONE_WITHIN, ids=lambda each: str(each))
def test_nothing_within_a_package_has_a_name_that_has_gone(packages: str, names: str, instead: str) -> None:
    used = {name: module for package in packages.split() for module, name in _used_in(package)}
    found = {name: used[name] for name in names.split() if name in used}
    assert not found, f"use {instead}"


def test_one_name_is_of_one_class() -> None:
    """A reader who looks for `class NAME` finds what the name means, wherever it is used."""
    found: dict[str, set[str]] = {}
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, set()).add(module)
    several = {name for name, where in found.items() if len(where) > 1}
    assert several == {name for names in SHARED for name in names.split()}, found


def test_no_helper_of_the_tests_has_a_name_that_has_gone() -> None:
    assert not [name for name in IN_TESTS if [*(ROOT / "tests").rglob(f"{name}.py")]]


def test_tests_are_named_by_what_they_are_about() -> None:
    """A name is read in lists and reports, without its file: in it no pronoun stands for what the file is about."""
    named = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and PRONOUN.match(node.name)
    ]
    assert named == []


def test_every_package_of_the_table_exists() -> None:
    """A package that was renamed would be watched no more."""
    named = {package for packages, _, _ in (*GONE, *GONE_WITHIN) for package in packages.split()}
    assert {f"bothways.{package}" for package in named} <= set(modules())


def test_names_are_found_wherever_they_can_stand() -> None:
    """Else the table would be kept by nobody."""
    tree = ast.parse("def f(a, *, b=0):\n    c = a.d\n    for e in c: f(g=e)\nlambda h: h")
    assert set(_names(tree)) >= set("abcdefgh")


def _used_in(package: str) -> Iterator[tuple[str, str]]:
    for module, tree in _modules_of(package):
        yield from ((module, name) for name in _names(tree))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case (
                ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name))
            ):
                yield name


def _modules_of(package: str) -> Iterator[tuple[str, ast.Module]]:
    prefix = f"bothways.{package}"
    for name, tree in modules().items():
        if name == prefix or name.startswith(f"{prefix}."):
            yield name, tree


def _named_in(package: str) -> Iterator[str]:
    for name, tree in _modules_of(package):
        yield Path(name.replace(".", "/")).name
        yield from (
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        )
