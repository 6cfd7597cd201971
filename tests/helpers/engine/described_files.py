"""What tests of the documents in words share: DER made by hand, and what is told of a file."""

from __future__ import annotations

from cryptography import x509

import pki
from bothways.describe.documents import Document, documents
from bothways.trust.der import encoded

der = encoded


def one(data: bytes, now=pki.NOW, password: bytes | None = None) -> Document:
    """The only document of a file."""
    (document,) = documents(data, now, password)
    return document


def facts(document: Document) -> dict[str, str]:
    """The facts of a document; rows are joined by newlines, and what only goes on in the next one by a blank."""
    found: dict[str, str] = {}
    name = ""
    for each, text in document.facts:
        between = " " if text.startswith("  ") else "\n"
        name, text = (name, f"{found[name]}{between}{text.strip()}") if not each else (each, text)
        found[name] = text
    return found


def oid(dotted: str) -> bytes:
    """An object identifier in DER."""
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for number in (40 * first + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.insert(0, number & 0x7F | 0x80)
        content += bytes(groups)
    return der(0x06, content)


def sequence(*parts: bytes) -> bytes:
    """A sequence in DER."""
    return der(0x30, b"".join(parts))


def extension(dotted: str, value: bytes) -> x509.UnrecognizedExtension:
    """An extension whose value is DER made by hand, for `extra` of `pki`."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), value)


def extension_facts(dotted: str, value: bytes, critical: bool = False) -> dict[str, str]:
    """What is told of a certificate with that extension."""
    issued = pki.issue(
        "server.example",
        pki.root(),
        key_usage=None,
        key_identifiers=False,
        extra=[(extension(dotted, value), critical)],
    )
    return facts(one(issued.der))
