"""Certificates, keys, requests, CRLs, OCSP and PKCS#12 in words: bytes in, facts out.

Everything is walked over as DER, so that what no parser accepts is told as far as it goes, and one part that
cannot be read hides no other. Private keys are named by kind and by the digest of their public half.
"""

from bothways.describe.documents.certificate import certificate_document, signature_words
from bothways.describe.documents.document import Document, Unreadable
from bothways.describe.documents.keys import key_id, key_words
from bothways.describe.documents.reading import documents

__all__ = [
    "Document", "Unreadable", "certificate_document", "documents", "key_id", "key_words", "signature_words",
]  # fmt: skip
