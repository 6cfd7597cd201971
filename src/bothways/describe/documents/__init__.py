"""Describes certificates, keys, requests, CRLs, OCSP messages and PKCS#12 as text: bytes in, facts out.

Documents are decoded here as DER, so that one which no parser accepts is described as far as possible, and an
undecodable part does not hide the others. Of a private key only the kind and the digest of its public key are shown.
"""

from bothways.describe.documents.certificate import certificate_document, signature_text
from bothways.describe.documents.document import Document, Unreadable
from bothways.describe.documents.keys import key_text
from bothways.describe.documents.reading import documents

__all__ = [
    "Document", "Unreadable", "certificate_document", "documents", "key_text", "signature_text",
]  # fmt: skip
