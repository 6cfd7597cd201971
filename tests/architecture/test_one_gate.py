"""Nothing but `trust.decoding` touches the parsers of `cryptography`.

Whatever those raise would otherwise escape as a traceback or a defect of the engine. What they return reads most
of its parts only when somebody asks: such an attribute is read by `attempt` or `readable`, or of something that
the gate handed out whole. A syntax tree knows no types, so the rules go by names that nothing else has; where a
name has two meanings the rule says how they are told apart.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from cryptography import x509

from architecture.sources import modules, nodes
from bothways.trust.decoding.extensions import CONSULTED

GATE = {"trust.decoding.parsing", "trust.decoding.extension_structures", "trust.decoding.extensions"}
CARRIERS = {"attempt", "readable"}

# Attributes that can raise even of what was loaded and read whole.
NEVER = {
    "get_extension_for_oid",
    "get_extension_for_class",
    "get_values_for_type",
    "get_attributes_for_oid",
    "get_attribute_for_oid",
    "get_revoked_certificate_by_serial_number",
    "rfc4514_string",
    "signature_hash_algorithm",
    "signature_algorithm_parameters",
    "tbs_precertificate_bytes",
    "verify_directly_issued_by",
    "is_signature_valid",
}
# Attributes that are read when they are asked for, and cannot fail of what was read whole ...
LAZY = {
    "serial_number",
    "not_valid_before_utc",
    "not_valid_after_utc",
    "last_update_utc",
    "next_update_utc",
    "this_update_utc",
    "revocation_date_utc",
    "revocation_time_utc",
    "revocation_reason",
    "produced_at_utc",
    "responder_name",
    "responder_key_hash",
    "issuer_name_hash",
    "issuer_key_hash",
    "hash_algorithm",
    "single_extensions",
    "tbs_certificate_bytes",
    "tbs_certlist_bytes",
    "tbs_certrequest_bytes",
    "tbs_response_bytes",
}
# ... which is what these rooms have, since only the others may open anything without reading it whole.
OPEN = {"open_certificate", "open_crl", "open_signing_request", "open_ocsp_response"}
OPENERS = ("trust.", "describe.")
# Functions that read what was only opened, each called by `attempt`.
READERS = {
    "trust.crl.revocation_list.CRL._read": {"last_update_utc", "next_update_utc"},
    "trust.ocsp.response.OCSPResponse._read": {"responder_name", "responder_key_hash", "tbs_response_bytes"},
    "trust.ocsp.response._single_responses": {
        "serial_number",
        "issuer_name_hash",
        "issuer_key_hash",
        "this_update_utc",
        "next_update_utc",
        "revocation_time_utc",
        "revocation_reason",
    },
    "trust.ocsp.response._hash_name": {"hash_algorithm"},
    # The dates of what `ParsedCertificate` hands out were read when it was loaded.
}


def test_nothing_else_loads_what_came_from_elsewhere() -> None:
    """Certificates, CRLs, requests, OCSP, keys, PKCS#12, and names."""
    wrong = []
    for name, tree in _others():
        for node in nodes(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cryptography"):
                loads = [alias.name for alias in node.names if alias.name.startswith("load_")]
                wrong += [f"{name}:{node.lineno} imports {each}" for each in loads]
            if isinstance(node, ast.Attribute) and _loads(node):
                wrong.append(f"{name}:{node.lineno} {ast.unparse(node)}")
    assert not wrong


def test_nothing_else_asks_for_what_may_raise_at_any_time() -> None:
    """Extensions by their kind, texts of names, parameters and checks of signatures."""
    wrong = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in _others()
        for node, _ in _unguarded(tree)
        if node.attr in NEVER
    ]
    assert not wrong


def test_objects_that_are_parsed_lazily_are_read_through_the_gate_only() -> None:
    """`trust` and `describe` open and read by parts; everybody else gets what was read whole."""
    wrong = []
    for name, tree in _others():
        if not name.startswith(OPENERS):
            wrong += [f"{name}:{line} {used}" for used, line in _names(tree) if used in OPEN]
            continue
        for node, function in _unguarded(tree):
            if node.attr in LAZY and node.attr not in READERS.get(f"{name}.{function}", ()):
                wrong.append(f"{name}:{node.lineno} {ast.unparse(node)} in {function}")
    assert not wrong


# Where `.extensions` is another library's word, and no certificate is near.
NO_CERTIFICATES = {"http.exchange": "what httpcore knows of an answer"}


def test_extensions_are_those_of_a_message_or_of_a_certificate_that_was_taken_apart() -> None:
    """`.extensions` of a TLS message is a tuple, that of `ParsedCertificate` was read; a parser's would be read now."""
    wrong = []
    for name, tree in _others():
        if name.startswith("tls.") or _imports_messages(tree) or name in NO_CERTIFICATES:
            continue
        for node, _ in _unguarded(tree):
            if node.attr == "extensions" and not _is_of_parsed(tree, node):
                wrong.append(f"{name}:{node.lineno} {ast.unparse(node)}")
    assert not wrong


def test_names_of_certificates_are_not_read_by_the_parser() -> None:
    """`subject` and `issuer` of `ParsedCertificate` are bytes; the parser reads those of the authority's own files."""
    wrong = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in _others()
        if not name.startswith("ca.")
        for node, _ in _unguarded(tree)
        if node.attr == "public_bytes"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in ("subject", "issuer", "responder_name")
    ]
    assert not wrong


def test_every_kind_of_extension_that_trust_reads_refuses_a_certificate_when_it_cannot_be_read() -> None:
    """Else `ParsedCertificate.extension` would say that it is not there, and its rule would pass."""
    kinds = set()
    for name, tree in modules().items():
        for node in nodes(tree) if name.startswith("bothways.trust") else ():
            if isinstance(node, ast.Call) and _is_question(node.func):
                kinds |= {ast.unparse(each).removeprefix("x509.") for each in node.args[:1]}
    asked = {getattr(x509, kind).oid for kind in kinds - {"kind"}}
    assert len(asked) > 8
    assert asked <= CONSULTED


def test_every_listed_reader_exists_in_the_sources() -> None:
    """A reader that is gone must not stay in the list."""
    found = {
        f"{name.removeprefix('bothways.')}.{function}"
        for name, tree in modules().items()
        for _, function in _attributes(tree)
    }
    assert set(READERS) <= found


def _others() -> Iterator[tuple[str, ast.Module]]:
    for name, tree in modules().items():
        inner = name.removeprefix("bothways.")
        if inner not in GATE:
            yield inner, tree


def _loads(node: ast.Attribute) -> bool:
    if node.attr == "from_bytes":
        return _last_name(node.value) == "Name"
    return node.attr.startswith(("load_der_", "load_pem_", "load_ssh_", "load_pkcs12", "load_key_and"))


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in nodes(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.name, node.lineno) for alias in node.names)


@cache
def _unguarded(tree: ast.Module) -> list[tuple[ast.Attribute, str]]:
    """Every attribute that is read outside of the arguments of `attempt` and `readable`, and in which function."""
    guarded = {
        id(inner)
        for call in nodes(tree)
        if isinstance(call, ast.Call)
        and _last_name(call.func) in CARRIERS | {"read_needed", "read_extensions"}
        for argument in call.args
        for inner in ast.walk(argument)
    }
    return [
        (node, function)
        for node, function in _attributes(tree)
        if id(node) not in guarded and isinstance(node.ctx, ast.Load)
    ]


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _attributes(tree: ast.AST, within: str = "") -> Iterator[tuple[ast.Attribute, str]]:
    for node in ast.iter_child_nodes(tree):
        inner = within
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{within}.{node.name}" if within else node.name
        if isinstance(node, ast.Attribute):
            yield node, within
        yield from _attributes(node, inner)


def _imports_messages(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bothways.tls.wire")
        for node in nodes(tree)
    )


def _is_of_parsed(tree: ast.Module, node: ast.Attribute) -> bool:
    """Whether an attribute is of our own class, of a parameter declared as `ParsedCertificate`, or of `load()`."""
    owner = node.value
    if isinstance(owner, ast.Name):
        return owner.id in {"self", "parts"} or any(
            isinstance(function, ast.FunctionDef)
            and node in list(ast.walk(function))
            and any(
                each.arg == owner.id
                and each.annotation is not None
                and ast.unparse(each.annotation) == "ParsedCertificate"
                for each in function.args.args
            )
            for function in ast.walk(tree)
        )
    return ast.unparse(owner).endswith("load()") or ast.unparse(owner).endswith("load())")


def _is_question(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "extension"
