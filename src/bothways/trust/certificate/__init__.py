"""One certificate or raw public key: parsed, its signature, its issuer, and files of them."""

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names

if not TYPE_CHECKING:  # for programs that use the former name
    __getattr__ = lazy_names(__name__, {"bothways.trust.certificate.parsed": "Parsed=ParsedCertificate"})
