"""What other tools write around a certificate or a key: JSON and YAML, named with the command that takes it out."""

from __future__ import annotations

import base64
import json

import pytest

import identities
from bothways.describe.documents.json_text import DOWNLOADED, LARGEST, in_json
from bothways.describe.documents.other_formats import other_format

PEM = identities.client().pem.decode()
IN_BASE64 = base64.b64encode(PEM.encode()).decode()
JWK = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}


@pytest.mark.parametrize(
    ("content", "text", "hint"),
    [
        (JWK, "a JSON Web Key (JWK)", "write PEM"),
        ({"keys": [JWK]}, "a JSON Web Key (JWK)", "write PEM"),
        ([JWK], "a JSON Web Key (JWK)", "write PEM"),
        ({"error": "not found"}, "this is JSON", DOWNLOADED),
        ([], "this is JSON", DOWNLOADED),
        ({"data": "ENC[AES256_GCM,data:xx,iv:yy]", "sops": {"version": "3.8"}}, "SOPS", "sops decrypt FILE"),
        ({"data": {"a b": PEM}}, "this is JSON", DOWNLOADED),
    ],
)
def test_json_is_told_by_what_it_holds(content: object, text: str, hint: str) -> None:
    found = other_format(json.dumps(content).encode())
    assert text in str(found) and hint in found.hint


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"data": {"certificate": PEM, "private_key": "x"}}, ".data.certificate"),
        ({"kind": "Secret", "data": {"tls.crt": IN_BASE64}}, '.data["tls.crt"]'),
        ([{"Certificate": PEM}], ".[0].Certificate"),
        ({"outputs": [1, {"ca-chain": [PEM]}]}, '.outputs[1]["ca-chain"][0]'),
    ],
)
def test_a_document_within_json_is_taken_out_by_the_command_that_is_said(content: object, where: str) -> None:
    found = other_format(json.dumps(content).encode())
    assert str(found) == f"this is JSON, with a document in PEM at {where}"
    decoded = " | base64 -d" if IN_BASE64 in json.dumps(content) else ""
    assert found.hint == f"jq -r '{where}' FILE{decoded} > FILE.pem"


def test_what_a_file_says_never_forms_a_command() -> None:
    """Only keys without a character that a shell reads stand in one."""
    for key in ("a' ; x", "$(x)", "`x`", "a\nb", '"'):
        assert in_json(json.dumps({key: PEM}).encode()).hint == DOWNLOADED


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b'{"a": ' + b" " * LARGEST + b"1}"])
def test_json_that_is_broken_deep_or_large_is_json(data: bytes) -> None:
    assert str(in_json(data)) == "this is JSON"


def test_a_secret_of_kubernetes_and_a_file_of_sops_are_known_in_yaml_too() -> None:
    secret = f"apiVersion: v1\nkind: Secret\ndata:\n  tls.crt: {IN_BASE64}\n"
    assert "Secret of Kubernetes" in str(other_format(secret.encode()))
    encrypted = "key: ENC[AES256_GCM,data:aa,iv:bb,tag:cc,type:str]\nsops:\n  version: 3.8.1\n"
    assert "SOPS" in str(other_format(encrypted.encode()))
