"""Files of JSON, and what other tools write around a certificate or a key: what they are, and how to get at it."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator

from bothways.describe.documents.document import Unreadable

LARGEST = 1024 * 1024  # bytes that are parsed
VALUES = 2000  # that are looked at
DOWNLOADED = "see in a text editor what was downloaded in place of a certificate"
_SOPS = re.compile(rb"\bENC\[AES256_GCM,")
_SECRET = re.compile(rb"^(?:apiVersion|kind|data|metadata|type):", re.MULTILINE)
_KEY = re.compile(r"[A-Za-z_][\w.-]{0,63}")
_PEM, _PEM_IN_BASE64 = "-----BEGIN ", "LS0tLS1CRUdJTi"

Step = str | int


def is_sops(data: bytes) -> bool:
    """Whether SOPS has encrypted the values of a file."""
    return _SOPS.search(data) is not None


def sops() -> Unreadable:
    """Return what is said of a file of SOPS."""
    return Unreadable("this is a file that SOPS has encrypted", "sops decrypt FILE > FILE.plain")


def is_secret_in_yaml(text: bytes) -> bool:
    """Whether a text seems to be a Secret of Kubernetes in YAML."""
    return b"kind: Secret" in text and len(set(_SECRET.findall(text))) > 1


def secret_in_yaml() -> Unreadable:
    """Return what is said of a Secret of Kubernetes in YAML."""
    return Unreadable(
        "this is a Secret of Kubernetes in YAML",
        "kubectl get secret NAME -o jsonpath='{.data.tls\\.crt}' | base64 -d > FILE.pem",
    )


def in_json(data: bytes) -> Unreadable:
    """Return what a file of JSON is."""
    plain = Unreadable("this is JSON", DOWNLOADED)
    if len(data) > LARGEST:
        return plain
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return plain
    first = content[0] if isinstance(content, list) and content else content
    keys = first.get("keys") if isinstance(first, dict) else None
    if isinstance(keys, list) and keys and isinstance(keys[0], dict) and "kty" in keys[0]:
        first = keys[0]
    if isinstance(first, dict) and "kty" in first:
        return Unreadable(
            "this is a JSON Web Key (JWK)",
            "have the program that made it write PEM (PKCS#8), which TLS programs read",
        )
    for path, value in _texts(content):
        where = _path(path)
        if where is not None and value.lstrip().startswith((_PEM, _PEM_IN_BASE64)):
            decoded = "" if _PEM in value else " | base64 -d"
            text = f"this is JSON, with a document in PEM at {where}"
            return Unreadable(text, f"jq -r '{where}' FILE{decoded} > FILE.pem")
    return plain


def _texts(content: object) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Yield texts within JSON, the outermost first, each with the way to it."""
    waiting: deque[tuple[tuple[Step, ...], object]] = deque([((), content)])
    for _ in range(VALUES):
        if not waiting:
            return
        path, value = waiting.popleft()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            waiting.extend(((*path, key), each) for key, each in list(value.items())[:VALUES])
        elif isinstance(value, list):
            waiting.extend(((*path, at), each) for at, each in enumerate(value[:VALUES]))


def _path(path: tuple[Step, ...]) -> str | None:
    """Return a way as jq has it; None where a key has characters that a shell would read."""
    words = ""
    for each in path:
        if isinstance(each, int):
            words += f"[{each}]"
        elif not _KEY.fullmatch(each):
            return None
        else:
            words += f".{each}" if "." not in each and "-" not in each else f'["{each}"]'
    return words if words.startswith(".") else f".{words}"
